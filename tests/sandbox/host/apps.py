"""Small apps for the host's tests, and the broker they hang on."""

import asyncio
import json
import os
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from weakref import WeakKeyDictionary

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender

from sandbox.process import Service, start

ROOT = Path(__file__).parents[3]
SENDERS: WeakKeyDictionary[ServiceBusClient, dict[str, ServiceBusSender]] = WeakKeyDictionary()
HEAD = """
    import asyncio, json, os, time
    import azure.functions as func
    app = func.FunctionApp()

    def note(**facts):
        with open("notes", "a") as notes:
            notes.write(json.dumps(facts, default=str) + "\\n")

    def queue(name, **options):
        return app.service_bus_queue_trigger("message", queue_name=name, connection="Bus", **options)
"""


class App:
    """A small app in a folder of its own, and the host that runs it."""

    def __init__(self, folder: Path, bus: str) -> None:
        self.folder, self.bus, self.hosts = folder, bus, list[Service]()
        folder.mkdir(exist_ok=True)

    def write(self, source: str, host: Mapping[str, object] | None = None) -> "App":
        (self.folder / "function_app.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(source))
        (self.folder / "host.json").write_text(json.dumps({"version": "2.0", **(host or {})}))
        return self

    def start(
        self, *arguments: str, settings: Mapping[str, Any] | None = None, module: str = "sandbox.host"
    ) -> Service:
        file = self.folder / "settings.json"
        file.write_text(json.dumps({"IsEncrypted": False, "Values": {"Bus": self.bus, **(settings or {})}}))
        named = ("--app", str(self.folder), "--settings", str(file))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{self.folder}"}
        host = start(module, *named, *arguments, log=self.folder / "log", environment=environment)
        self.hosts.append(host)
        return host

    def stop(self) -> None:
        for host in self.hosts:
            host.stop()

    @property
    def notes(self) -> list[dict[str, Any]]:
        file = self.folder / "notes"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


async def send(bus: ServiceBusClient, queue: str, *messages: ServiceBusMessage) -> None:
    """Opening a link takes the SDK half a second: the client keeps them open, so do we."""
    if queue not in SENDERS.setdefault(bus, {}):
        SENDERS[bus][queue] = bus.get_queue_sender(queue)
    await SENDERS[bus][queue].send_messages([*messages] or [ServiceBusMessage("hello")])


def state(broker: Service, queue: str) -> dict[str, int]:
    with urlopen(f"{broker.ready['control']}/sandbox/queues") as answer:  # noqa: S310 - our own loopback address
        return json.load(answer)[queue]


async def until(holds: Callable[[], Any], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)
