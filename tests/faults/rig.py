"""The real processes under attack: host and broker are killed, or told to stop, and start again where they were."""

import asyncio
import re
import shutil
import socket
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random, sample
from typing import Final, Literal
from uuid import uuid4

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

from cli.stage import Stage, on_stage
from sandbox.process import Service, start
from sandbox.stack import ROOT, Stack
from shared.adapters.tables import TableLedger
from tests.acceptance.hands import APP, ledger_of, short_locks, values, wait_until
from tests.faults.doors import Door, opened, receipts_before, tables_before
from tests.faults.hostile import SERVICES, Faults, slow

LOCK_SECONDS: Final = 5
PATIENCE: Final = 300.0
"""Seconds for anything to come about: a slow machine is no failure."""
AT_ONCE: Final = 10


type Target = Literal["host", "broker"]

POINTS: Final = {
    "facts": ("directory", "batch"),
    "create": ("directory", "create_pass"),
    "message": ("phone", "create_message"),
    "settle": ("broker", "settle/joiners"),
    "send": ("broker", "send/joiners"),
    "record": ("tables", "write cases"),
    "sweep": ("tables", "delete agenda"),
}
"""Where a blow can fall: in the middle of a call that takes three seconds."""


@dataclass(frozen=True, slots=True)
class Blow:
    """`target` gets `signal` at a point, `anywhere` being one more; `after` so many requests to the tables."""

    target: Target
    signal: Literal["KILL", "TERM"]
    point: str = "anywhere"
    after: int = 60

    def __str__(self) -> str:
        return f"{self.target} {self.signal} at {self.point}"


@dataclass(slots=True)
class Rig:
    """A stage with doors before the tables and the app's receipts, and the processes that blows fall on."""

    stage: Stage
    tables: Door
    receipts: Door
    faults: Faults
    ledger: TableLedger
    chance: Random
    settings: dict[str, str]
    """The app's: its tables and its receipts are behind the doors."""
    host: Service
    broker: list[str]
    """The arguments it was started with."""
    done: list[Blow] = field(default_factory=list[Blow])

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Put events on the queue, each under an id of its own, until the broker has taken all of them."""
        events = [ServiceBusMessage(body, message_id=str(uuid4())) for body in bodies]
        for begin in range(0, len(events), AT_ONCE):
            parcel = events[begin : begin + AT_ONCE]
            await wait_until(lambda parcel=parcel: self._taken(parcel), "the broker's yes", PATIENCE)

    async def _taken(self, events: list[ServiceBusMessage]) -> bool:
        with suppress(ServiceBusError, AttributeError, OSError):  # how the SDK takes a broken connection
            bus = ServiceBusClient.from_connection_string(self.stage.stack.broker.url, retry_total=0, try_timeout=10)
            async with bus, bus.get_queue_sender(self.stage.queue) as sender:
                await sender.send_messages(events, timeout=10)
            return True
        return False

    async def strike(self, blows: Sequence[Blow]) -> None:
        """One blow after the other, each followed by a new start."""
        for blow in blows:
            await self._reach(blow)
            await (self._strike_broker(blow) if blow.target == "broker" else self._strike_host(blow))
            self.done.append(blow)

    async def _reach(self, blow: Blow) -> None:
        wanted = self.tables.passed + (
            self.chance.randint(50, 2 * blow.after) if blow.point == "anywhere" else blow.after
        )
        await closely(lambda: self.tables.passed >= wanted, f"{blow}: enough work")
        if blow.point == "receipt":
            await closely(lambda: self.receipts.under_way > 0, str(blow))
        elif blow.point != "anywhere":
            service, operation = POINTS[blow.point]
            await self.faults.add(service, {"operation": operation, **slow(3)})
            await wait_until(lambda: self._last_fired(service), str(blow), PATIENCE)

    async def _last_fired(self, service: str) -> bool:
        return bool((await self.faults.listed(service))[-1]["fired"])

    async def _strike_host(self, blow: Blow) -> None:
        await _end(self.host, blow)
        self.host = await asyncio.to_thread(self.stage.stack.start_host, self.settings, APP)

    async def _strike_broker(self, blow: Blow) -> None:
        stack, left = self.stage.stack, await self.faults.remember("broker")
        await _end(stack.broker, blow)
        log = stack.folder / "broker.log"
        stack.broker = await asyncio.to_thread(start, "sandbox.broker", *self.broker, log=log, cwd=ROOT)
        await self.faults.arm("broker", left)


@asynccontextmanager
async def rig(now: datetime, seed: int, keep: Path) -> AsyncGenerator[Rig]:
    """Everything runs, the faults are told, and a host listens; the logs of all processes end up in `keep`."""
    ports = {"broker": _free_port(), "broker --control-port": _free_port()}
    broker = [*short_locks(keep, LOCK_SECONDS)["broker"], "--database", str(keep / "queues.db")]
    with Stack(ports, {"broker": broker}) as stack:
        stack.clock.set_now(now)
        again = [part for option, port in ports.items() for part in (_flag(option), str(port))]
        broker += [*again, "--clock", str(stack.clock.path)]
        async with _behind_doors(stack, broker, seed) as made:
            try:
                yield made
            finally:
                await asyncio.to_thread(made.host.stop)
                await asyncio.to_thread(stack.broker.stop)
                for log in stack.folder.glob("*.log"):
                    shutil.copy(log, keep)


@asynccontextmanager
async def _behind_doors(stack: Stack, broker: list[str], seed: int) -> AsyncGenerator[Rig]:
    azurite = re.search(r"TableEndpoint=(http://[^/]+)", stack.azurite.url)
    assert azurite
    async with (
        on_stage(stack, values(stack)) as stage,
        ledger_of(stack) as ledger,
        opened(tables_before(azurite[1])) as tables,
        opened(receipts_before(stack.app_url)) as receipts,
    ):
        ledger_behind = stack.azurite.url.replace(azurite[1], tables.url)
        settings = values(stack, LedgerConnection=ledger_behind, PUBLIC_URL=receipts.url)
        chance = Random(seed)  # noqa: S311 - repeatable is the point
        faults = Faults(stage, tables, chance)
        for service in SERVICES:
            await faults.arm(service)
        host = await asyncio.to_thread(stack.start_host, settings, APP)
        yield Rig(stage, tables, receipts, faults, ledger, chance, settings, host, broker)


async def closely(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something in this process, looking so often that nothing short is missed."""
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, f"{what} did not happen within {PATIENCE:g} s"
        await asyncio.sleep(0.002)


async def _end(service: Service, blow: Blow) -> None:
    assert service.child.poll() is None, f"{service.name} had ended by itself: {service.log.read_text()[-2000:]}"
    if blow.signal == "KILL":
        service.kill()
        return
    await asyncio.to_thread(service.stop)
    assert service.child.returncode == 0, f"{blow}: it had to be killed"


def _free_port() -> int:
    """One that nobody is given by chance while the broker is dead: below the range of free ports."""
    for port in sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no free port")


def _flag(option: str) -> str:
    return option.partition(" ")[2] or "--port"
