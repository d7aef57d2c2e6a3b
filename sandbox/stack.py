"""All stand-ins at once, as child processes that share one clock: for tests and for the demo."""

import json
import socket
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from sandbox.clock import SandboxClock
from sandbox.process import NotReadyError, Service, start

ROOT = Path(__file__).parent.parent
SERVICES = ("azurite", "broker", "directory", "phone")


class Stack:
    """`with Stack() as stack:` starts `azurite`, `broker`, `directory`, `phone` in parallel, and always ends them all.

    `ports` maps an option of a service to a port (`{"broker --control-port": 15673}`), and `app` to the one that all
    hosts share; free ones are chosen otherwise. `arguments` adds command-line arguments by service. The clock, settings
    and logs lie in the temporary `folder`.
    Entering raises NotReadyError when a port is busy or a service does not start; the others have ended by then.
    """

    def __init__(
        self, ports: Mapping[str, int] | None = None, arguments: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._ports, self._arguments = ports or {}, arguments or {}
        self._running: list[Service] = []

    def __enter__(self) -> Self:
        busy: list[str] = []
        for service, port in self._ports.items():
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                busy.append(f"Port {port} ({service}) is busy.")
        if busy:
            raise NotReadyError("\n".join([*busy, "End what listens there, or choose free ports with --free-ports."]))
        self._held = socket.socket()  # a free port stays ours: bound, not listening, shared with our hosts only
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self._app_port = self._ports.get("app") or self._held.getsockname()[1]
        self._temporary = tempfile.TemporaryDirectory(prefix="firstpass-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.clock = SandboxClock(self.folder / "clock")
        self._clock = "--clock", str(self.folder / "clock")
        try:
            with ThreadPoolExecutor() as pool:
                starting = [pool.submit(self._start, name) for name in SERVICES]
            self.azurite, self.broker, self.directory, self.phone = (service.result() for service in starting)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        hosts, services = self._running[len(SERVICES) :], self._running[: len(SERVICES)]
        with ThreadPoolExecutor() as pool:  # hosts first: they still settle messages
            list(pool.map(Service.stop, hosts))
            list(pool.map(Service.stop, services))
        self._running.clear()
        self._held.close()
        self._temporary.cleanup()

    def _start(self, name: str) -> Service:
        arguments = [*self._arguments.get(name, ()), *(self._clock if name != "azurite" else ())]
        for option, port in self._ports.items():
            service, _, flag = option.partition(" ")
            arguments += [flag or "--port", str(port)] if service == name else []
        return self._run(name, f"sandbox.{name}", *arguments)

    def _run(self, log: str, module: str, *arguments: str) -> Service:
        service = start(module, *arguments, log=self.folder / f"{log}.log", cwd=ROOT)
        self._running.append(service)
        return service

    @property
    def app_url(self) -> str:
        """Where HTTP functions are served, by whatever host runs."""
        return f"http://127.0.0.1:{self._app_port}"

    @property
    def addresses(self) -> dict[str, str]:
        """The app settings that name addresses: all that an app is told about its sandbox."""
        phone = self.phone.ready
        return {
            "ServiceBusConnection": self.broker.url,
            "LedgerConnection": self.azurite.url,
            "AzureWebJobsStorage": self.azurite.url,
            "GRAPH_URL": self.directory.url,
            "IDENTITY_ENDPOINT": self.directory.ready["identity"],
            "IDENTITY_HEADER": "sandbox",
            "TWILIO_URL": self.phone.url,
            "TWILIO_ACCOUNT_SID": phone["accountSid"],
            "TWILIO_API_KEY_SID": phone["apiKeySid"],
            "TWILIO_API_KEY_SECRET": phone["apiKeySecret"],
            "TWILIO_AUTH_TOKEN": phone["authToken"],
            "PUBLIC_URL": self.app_url,
        }

    def start_host(self, settings: Mapping[str, str], module: str = "sandbox.host", app: Path = ROOT) -> Service:
        """Run `app` in the host `module`, told the addresses and `settings`; NotReadyError when it cannot start."""
        name = f"host-{len(self._running) - len(SERVICES) + 1}"
        file = self.folder / f"{name}.settings.json"
        file.write_text(json.dumps({"IsEncrypted": False, "Values": {**self.addresses, **settings}}))
        file.chmod(0o600)
        arguments = ("--app", str(app), "--settings", str(file), "--port", str(self._app_port))
        return self._run(name, module, *arguments, *self._clock)
