"""Two worlds a bus can live in, the fake's and the broker's, arranged and looked at in the same words."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from aiohttp import ClientSession
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from shared.adapters.service_bus import Patience, ServiceBusBus
from shared.ports import Bus
from shared.wiring import SystemClock
from tests.fakes.bus import DeadLetter, FakeBus

QUEUE = "joiners-dead-letters"
IMPATIENT = Patience(each=5.0, total=10.0, pause=0.05, tries=2)

type When = Literal["before", "after"]


class World(Protocol):
    @property
    def bus(self) -> Bus: ...

    async def letters(self) -> list[DeadLetter]:
        """What this test put into the queue."""
        ...

    async def outage(self, when: When) -> None:
        """The next dead letter fails for good, before or after it takes effect."""
        ...

    async def fired(self) -> bool: ...


class FakeWorld:
    def __init__(self) -> None:
        self.bus = FakeBus()

    async def letters(self) -> list[DeadLetter]:
        return self.bus.letters

    async def outage(self, when: When) -> None:
        self.bus.fail_next(when=when)

    async def fired(self) -> bool:
        return bool(self.bus.fired)


class Watcher:
    """Sees what is in the queue without taking it out; opening the SDK's receivers takes long, so there is one."""

    def __init__(self, broker: Service) -> None:
        self._client = ServiceBusClient.from_connection_string(broker.url)
        self._receiver = self._client.get_queue_receiver(QUEUE)

    async def peek(self) -> list[ServiceBusReceivedMessage]:
        found: list[ServiceBusReceivedMessage] = []
        while more := await self._receiver.peek_messages(100, sequence_number=_after(found)):
            found += more
        return found

    async def close(self) -> None:
        await self._receiver.close()
        await self._client.close()


class BrokerWorld:
    def __init__(self, broker: Service, watcher: Watcher) -> None:
        self.broker, self.watcher = broker, watcher
        self.connected = 0
        self._buses: list[ServiceBusBus] = []
        self.bus = self.bus_with(IMPATIENT)

    def bus_with(self, patience: Patience, queue: str = QUEUE) -> ServiceBusBus:
        self._buses.append(ServiceBusBus(self._connect, queue, SystemClock(), patience=patience))
        return self._buses[-1]

    async def __aenter__(self) -> Self:
        self._there_already = len(await self.watcher.peek())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._control("DELETE")
        for bus in self._buses:
            await bus.close()
        gc.collect()  # the SDK leaves sockets that broke to the collector: now, not in somebody else's test

    async def letters(self) -> list[DeadLetter]:
        return [_letter(message) for message in await self.messages()]

    async def messages(self) -> list[ServiceBusReceivedMessage]:
        return (await self.watcher.peek())[self._there_already :]

    async def outage(self, when: When) -> None:
        await self.fault(kind="status", when=when, status=503, times=99)

    async def fault(self, **fault: Any) -> None:
        await self._control("POST", {"operation": f"send/{QUEUE}", **fault})

    async def fired(self) -> bool:
        return all(fault["fired"] for fault in await self._control("GET"))

    def _connect(self) -> ServiceBusClient:
        self.connected += 1
        return ServiceBusClient.from_connection_string(self.broker.url, retry_total=0, try_timeout=10)

    async def _control(self, method: str, body: Any = None) -> Any:
        url = f"{self.broker.ready['control']}/sandbox/faults"
        async with ClientSession() as session, session.request(method, url, json=body) as answer:
            answer.raise_for_status()
            return None if answer.status == 204 else await answer.json()


def _after(found: list[ServiceBusReceivedMessage]) -> int:
    return (found[-1].sequence_number or 0) + 1 if found else 1


def _letter(message: ServiceBusReceivedMessage) -> DeadLetter:
    told = {_text(name): _text(value) for name, value in (message.application_properties or {}).items()}
    assert told.keys() == {"DeadLetterReason", "DeadLetterErrorDescription"}
    body = b"".join(message.body)
    assert message.message_id
    return DeadLetter(body, told["DeadLetterReason"], told["DeadLetterErrorDescription"], message.message_id)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def run_broker(folder: Path) -> Iterator[Service]:
    service = start("sandbox.broker", log=folder / "broker.log")
    try:
        yield service
    finally:
        service.stop()
