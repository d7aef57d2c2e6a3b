"""All stand-ins at once, as child processes that share one clock: for tests and for the demo."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from sandbox.clock import SandboxClock
from sandbox.process import Service, start

ROOT = Path(__file__).parent.parent
SERVICES = ("azurite", "broker", "directory", "phone")


class Stack:
    """`with Stack() as stack:` starts azurite, broker, directory and phone in parallel, and always ends them all.

    `ports` maps an option of a service to a port (`{"broker --control-port": 15673}`), free ones are chosen otherwise;
    `arguments` adds command-line arguments by service. The clock, settings and logs lie in the temporary `folder`.
    Entering raises NotReadyError when a service does not start; the others have ended by then.
    """

    azurite: Service
    broker: Service
    directory: Service
    phone: Service

    def __init__(
        self, ports: Mapping[str, int] | None = None, arguments: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._arguments = {name: [*(arguments or {}).get(name, ())] for name in SERVICES}
        for option, port in (ports or {}).items():
            name, _, flag = option.partition(" ")
            self._arguments[name] += [flag or "--port", str(port)]
        self._running: list[Service] = []

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="firstpass-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.clock = SandboxClock(self.folder / "clock")
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
        self._temporary.cleanup()

    def _start(self, name: str) -> Service:
        arguments = self._arguments[name] if name == "azurite" else [*self._arguments[name], *self._clock]
        return self._run(name, f"sandbox.{name}", *arguments)

    def _run(self, log: str, module: str, *arguments: str) -> Service:
        service = start(module, *arguments, log=self.folder / f"{log}.log", cwd=ROOT)
        self._running.append(service)
        return service

    @property
    def _clock(self) -> tuple[str, str]:
        return "--clock", str(self.folder / "clock")

    @property
    def addresses(self) -> dict[str, str]:
        """The app settings that name addresses: all that an app is told about its sandbox."""
        phone, directory = self.phone.ready, self.directory.ready
        return {
            "ServiceBusConnection": self.broker.url,
            "LedgerConnection": self.azurite.url,
            "AzureWebJobsStorage": self.azurite.url,
            "GRAPH_URL": self.directory.url,
            "IDENTITY_ENDPOINT": directory["identity"],
            "IDENTITY_HEADER": "sandbox",
            "TWILIO_URL": self.phone.url,
            "TWILIO_ACCOUNT_SID": phone["accountSid"],
            "TWILIO_API_KEY_SID": phone["apiKeySid"],
            "TWILIO_API_KEY_SECRET": phone["apiKeySecret"],
            "TWILIO_AUTH_TOKEN": phone["authToken"],
        }

    def start_host(self, settings: Mapping[str, str], module: str = "sandbox.host", app: Path = ROOT) -> Service:
        """Run `app` in a host: `module` with --app, --settings and --clock, told the addresses and `settings`.

        Its log is the Service's `log`. Raises NotReadyError, with the log's end, when the app cannot start.
        """
        name = f"host-{len(self._running) - len(SERVICES) + 1}"
        file = self.folder / f"{name}.settings.json"
        file.write_text(json.dumps({"IsEncrypted": False, "Values": {**self.addresses, **settings}}))
        file.chmod(0o600)
        return self._run(name, module, "--app", str(app), "--settings", str(file), *self._clock)
