"""Two worlds a bus can live in, the fake's and the broker's, arranged and looked at in the same words."""

import gc
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import uuid4

from aiohttp import ClientSession
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from shared.adapters.service_bus import Patience, ServiceBusBus
from shared.ports import Bus, WakeRow
from shared.wiring import SystemClock
from tests.fakes.bus import DeadLetter, FakeBus, Method, When

QUEUE, EVENTS = "joiners-dead-letters", "joiners"
IMPATIENT = Patience(each=5.0, total=10.0, pause=0.05, tries=2)


def wake_rows(count: int) -> list[WakeRow]:
    """Rows of so many cases, as the agenda gives them."""
    due, ids = datetime(2026, 11, 30, 7, 3, tzinfo=UTC), [uuid4().hex for _ in range(count)]
    return [WakeRow(id=sha256(each.encode()).hexdigest(), case_id=each, due=due, etag="1") for each in ids]


class World(Protocol):
    @property
    def bus(self) -> Bus: ...

    async def letters(self) -> list[DeadLetter]:
        """What this test put among the dead letters."""
        ...

    async def nudges(self) -> list[tuple[str, str]]:
        """Message ids and case ids of the nudges this test put among the events."""
        ...

    async def outage(self, method: Method, when: When) -> None:
        """The next call of `method` fails for good, before or after it takes effect."""
        ...

    async def fired(self) -> bool: ...


class FakeWorld:
    def __init__(self) -> None:
        self.bus = FakeBus()

    async def letters(self) -> list[DeadLetter]:
        return self.bus.letters

    async def nudges(self) -> list[tuple[str, str]]:
        return self.bus.nudges

    async def outage(self, method: Method, when: When) -> None:
        self.bus.fail_next(method, when)

    async def fired(self) -> bool:
        return bool(self.bus.fired)


class Watcher:
    """Sees what is in the queues without taking it out; opening the SDK's receivers takes long: there is one each."""

    def __init__(self, broker: Service) -> None:
        self._client = ServiceBusClient.from_connection_string(broker.url)
        self._receivers = {queue: self._client.get_queue_receiver(queue) for queue in (QUEUE, EVENTS)}

    async def peek(self, queue: str = QUEUE, after: int = 0) -> list[ServiceBusReceivedMessage]:
        found: list[ServiceBusReceivedMessage] = []
        while more := await self._receivers[queue].peek_messages(100, sequence_number=_last(found, after) + 1):
            found += more
        return found

    async def close(self) -> None:
        for receiver in self._receivers.values():
            await receiver.close()
        await self._client.close()


class BrokerWorld:
    def __init__(self, broker: Service, watcher: Watcher) -> None:
        self.broker, self.watcher = broker, watcher
        self.connected = 0
        self._buses: list[ServiceBusBus] = []
        self.bus = self.bus_with(IMPATIENT)

    def bus_with(self, patience: Patience, queue: str = QUEUE) -> ServiceBusBus:
        self._buses.append(ServiceBusBus(self._connect, queue, SystemClock(), events_queue=EVENTS, patience=patience))
        return self._buses[-1]

    async def __aenter__(self) -> Self:
        self._last = {queue: _last(await self.watcher.peek(queue)) for queue in (QUEUE, EVENTS)}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._control("DELETE")
        for bus in self._buses:
            await bus.close()
        gc.collect()  # the SDK leaves sockets that broke to the collector: now, not in somebody else's test

    async def letters(self) -> list[DeadLetter]:
        return [_letter(message) for message in await self.messages()]

    async def nudges(self) -> list[tuple[str, str]]:
        return [_nudge(message) for message in await self.messages(EVENTS)]

    async def messages(self, queue: str = QUEUE) -> list[ServiceBusReceivedMessage]:
        return await self.watcher.peek(queue, self._last[queue])

    async def outage(self, method: Method, when: When) -> None:
        queue = {"dead_letter": QUEUE, "nudge": EVENTS}[method]
        await self.fault(queue, kind="status", when=when, status=503, times=99)

    async def fault(self, queue: str = QUEUE, **fault: Any) -> None:
        await self._control("POST", {"operation": f"send/{queue}", **fault})

    async def fired(self) -> bool:
        return all(fault["fired"] for fault in await self.faults())

    async def faults(self) -> list[Any]:
        return await self._control("GET")

    def _connect(self) -> ServiceBusClient:
        self.connected += 1
        return ServiceBusClient.from_connection_string(self.broker.url, retry_total=0, try_timeout=10)

    async def _control(self, method: str, body: Any = None) -> Any:
        url = f"{self.broker.ready['control']}/sandbox/faults"
        async with ClientSession() as session, session.request(method, url, json=body) as answer:
            answer.raise_for_status()
            return None if answer.status == 204 else await answer.json()


def _last(found: list[ServiceBusReceivedMessage], otherwise: int = 0) -> int:
    return (found[-1].sequence_number or 0) if found else otherwise


def _nudge(message: ServiceBusReceivedMessage) -> tuple[str, str]:
    body = json.loads(b"".join(message.body))
    assert body == {"type": "case.nudge.v1", "data": {"caseId": body["data"]["caseId"]}}
    assert (message.content_type, message.application_properties or {}) == ("application/json", {})
    return str(message.message_id), body["data"]["caseId"]


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
