// Loaded into Azurite before its own code: says on stdout where it serves, ends it when told to or when standard input
// ends (the parent is gone). Azurite closes and saves on a SIGINT, which it first listens to when it serves.
import { Server } from "node:net";

// The development account every storage emulator shares (Microsoft Learn, "Use the Azurite emulator"); not a secret.
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const LOGIN = `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY}`;

console.log = console.error; // stdout is for the ready line alone
const { listen } = Server.prototype;
let server;
Server.prototype.listen = function (...where) {
  server = this;
  return listen.apply(this, where);
};

let end = () => process.exit();
process.on("SIGTERM", () => end());
process.stdin.on("end", () => end()).resume().unref?.();
process.on("newListener", function serving(event) {
  if (event !== "SIGINT") return;
  process.off("newListener", serving);
  process.on("SIGINT", () => {}); // a second one must not end it half-saved
  end = () => process.emit("SIGINT");
  const url = `${LOGIN};TableEndpoint=http://127.0.0.1:${server.address().port}/${ACCOUNT};`;
  process.stdout.write(`${JSON.stringify({ url })}\n`);
});
