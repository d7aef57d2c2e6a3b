"""Two worlds dead letters can live in, the fake's and the broker's, arranged and looked at in the same words."""

import asyncio
import gc
import json
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol, Self

from aiohttp import ClientSession
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from shared.adapters.letters import ServiceBusLetters
from shared.adapters.service_bus import Patience
from shared.oversight import Letter, Letters, Replay, Taken
from shared.ports import Clock
from shared.wiring import SystemClock
from tests.builders import NOW
from tests.contract.bus_worlds import EVENTS, QUEUE
from tests.fakes.clock import FakeClock
from tests.fakes.letters import Again, FakeLetters, Method, When

PATIENT = Patience(each=5.0, total=20.0, pause=0.05)
IMPATIENT = Patience(each=5.0, total=10.0, pause=0.05, tries=2)
LOCK_SECONDS = 4
LULL = 0.3
PROVENANCE = {"OriginalEnqueued", "ReplayedBy", "ReplayedAt"}
SOMEBODY = "aaaaaaaa-0000-4000-8000-000000000001"
ROOT = Path(__file__).parent.parent.parent


class World(Protocol):
    @property
    def letters(self) -> Letters: ...

    @property
    def clock(self) -> Clock: ...

    async def put(self, *bodies: bytes, reason: str = "malformed-event", message_id: str | None = None) -> None:
        """Dead letters, as our own bus writes them; their sequence numbers count from 1."""
        ...

    async def sent(self) -> list[Again]:
        """What stands among the events."""
        ...

    async def held_elsewhere(self, count: int) -> None:
        """Somebody else takes the first so many letters that are free."""
        ...

    async def locks_end(self) -> None: ...

    async def outage(self, method: Method, when: When) -> None:
        """The next call of `method` fails for good, before or after it takes effect."""
        ...

    async def fired(self) -> bool: ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.letters = FakeLetters(self.clock)

    async def put(self, *bodies: bytes, reason: str = "malformed-event", message_id: str | None = None) -> None:
        for body in bodies:
            self.letters.put(body, reason, message_id=message_id)

    async def sent(self) -> list[Again]:
        return self.letters.sent

    async def held_elsewhere(self, count: int) -> None:
        self.letters.locked |= set(sorted(self.letters.there.keys() - self.letters.locked)[:count])

    async def locks_end(self) -> None:
        self.letters.locked.clear()

    async def outage(self, method: Method, when: When) -> None:
        self.letters.fail_next(method, when)

    async def fired(self) -> bool:
        return bool(self.letters.fired)


class BrokerWorld:
    """A broker of its own, whose locks end after LOCK_SECONDS unless told otherwise."""

    def __init__(self, folder: Path, lock: int = LOCK_SECONDS) -> None:
        config = json.loads((ROOT / "sandbox" / "broker" / "config.json").read_text())
        config["UserConfig"]["Namespaces"][0]["Queues"][1]["Properties"]["LockDuration"] = f"PT{lock}S"
        (folder / "broker.json").write_text(json.dumps(config))
        self._lock = lock
        self.broker: Service = start(
            "sandbox.broker", "--config", str(folder / "broker.json"), log=folder / "broker.log"
        )
        self.clock = SystemClock()
        self.connected = 0
        self._all_letters: list[ServiceBusLetters] = []
        self.letters = self.letters_with(IMPATIENT)
        self.client = ServiceBusClient.from_connection_string(self.broker.url)
        # Opening takes the SDK half a second each: once, and only when needed.
        self._others, self._events = (self.client.get_queue_receiver(queue) for queue in (QUEUE, EVENTS))
        self._sender, self._count = self.client.get_queue_sender(QUEUE), 0

    def letters_with(self, patience: Patience, queue: str = QUEUE, *, idle: float = 20) -> ServiceBusLetters:
        letters = ServiceBusLetters(
            self._connect, queue, self.clock, events_queue=EVENTS, patience=patience, lull=LULL, idle=idle
        )
        self._all_letters.append(letters)
        return letters

    def _connect(self) -> ServiceBusClient:
        self.connected += 1
        return ServiceBusClient.from_connection_string(self.broker.url, retry_total=0, try_timeout=10)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for letters in self._all_letters:
            await letters.rest()
        for link in (self._others, self._events, self._sender):
            await link.close()
        await self.client.close()
        self.broker.stop()
        gc.collect()  # the SDK leaves sockets that broke to the collector: now, not in somebody else's test

    async def put(self, *bodies: bytes, reason: str = "malformed-event", message_id: str | None = None) -> None:
        notes: dict[str | bytes, Any] = {"DeadLetterReason": reason, "DeadLetterErrorDescription": "some detail"}
        messages: list[ServiceBusMessage] = []
        for body in bodies:
            self._count += 1
            known_as = message_id or f"letter-{self._count}"
            message = ServiceBusMessage(body, message_id=known_as, content_type="application/json")
            message.application_properties = dict(notes)
            messages.append(message)
        await self.put_as_it_is(*messages)

    async def put_as_it_is(self, *messages: ServiceBusMessage) -> None:
        for at in range(0, len(messages), 50):
            await self._sender.send_messages(list(messages[at : at + 50]))

    async def sent(self) -> list[Again]:
        return [again(message) for message in await self.messages()]

    async def messages(self) -> list[ServiceBusReceivedMessage]:
        """What stands among the events."""
        return list(await self._events.peek_messages(100, sequence_number=1))

    async def peeked(self, count: int) -> list[ServiceBusReceivedMessage]:
        """The first dead letters, as messages."""
        return list(await self._others.peek_messages(count, sequence_number=1))

    async def held_elsewhere(self, count: int) -> None:
        taken = 0
        while taken < count:
            taken += len(await self._others.receive_messages(count - taken, max_wait_time=2))

    async def locks_end(self) -> None:
        await asyncio.sleep(self._lock + 0.2)

    async def outage(self, method: Method, when: When) -> None:
        operation = {"complete": f"settle/{QUEUE}", "send_again": f"send/{EVENTS}"}[method]
        await self.fault(operation, kind="status", when=when, status=503, times=99)

    async def fault(self, operation: str, **fault: Any) -> None:
        await self._control("POST", {"operation": operation, **fault})

    async def fired(self) -> bool:
        faults = await self._control("GET")
        await self._control("DELETE")
        return all(fault["fired"] for fault in faults)

    async def _control(self, method: str, body: Any = None) -> Any:
        url = f"{self.broker.ready['control']}/sandbox/faults"
        async with ClientSession() as session, session.request(method, url, json=body) as answer:
            answer.raise_for_status()
            return None if answer.status == 204 else await answer.json()


def again(message: ServiceBusReceivedMessage) -> Again:
    """A message sent again, which carries nothing else."""
    told = noted(message)
    assert told.keys() >= {"OriginalMessageId", "ReplayCount", "ReplayedReason", *PROVENANCE}
    assert message.message_id
    assert message.delivery_count == 0
    return Again(
        b"".join(message.body),
        message.message_id,
        message.content_type,
        told["OriginalMessageId"],
        told["ReplayCount"],
        told["ReplayedReason"],
        told["ReplayedBy"],
    )


def noted(message: ServiceBusReceivedMessage) -> Mapping[str, Any]:
    properties = message.application_properties or {}
    return {str(_text(name)): _text(value) for name, value in properties.items()}


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


# --- what every test does ---


async def everything(world: World, after: int = 0) -> list[Letter]:
    async with aclosing(world.letters.walk(after)) as walk:
        return [letter async for letter in walk]


async def found(world: World, *sequences: int) -> list[int]:
    async with aclosing(world.letters.find(sequences)) as finding:
        return [letter.sequence async for letter in finding]


async def taken(world: World, *sequences: int, complete: bool = True, within: float = 30) -> list[int]:
    """The letters a walk for these met, completed unless told otherwise."""
    met: list[int] = []
    async with aclosing(world.letters.take(sequences, world.clock.monotonic() + within)) as walk:
        async for each in walk:
            met.append(each.letter.sequence)
            if complete:
                await each.complete()
    return met


def as_replay(letter: Letter, count: int) -> Replay:
    """The n-th replay of a letter, by somebody."""
    return Replay(count=count, message_id=letter.replay_id(count), by=SOMEBODY, at=NOW)


async def first_taken(world: World, sequence: int) -> tuple[Any, Taken]:
    """A walk that stands at one letter; close it."""
    walk = world.letters.take([sequence], world.clock.monotonic() + 30)
    return walk, await anext(walk)
