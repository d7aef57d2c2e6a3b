"""What tells how deep a queue is, on a fake and on the broker: it counts, and locks nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from azure.servicebus.aio import ServiceBusClient

from shared.adapters.gauge import LOOKED_AT, ServiceBusGauge
from shared.errors import BusUnavailable
from shared.oversight import Depth, Gauge
from tests.contract.bus_worlds import QUEUE
from tests.contract.letter_worlds import IMPATIENT, BrokerWorld, taken
from tests.fakes.clock import FakeClock
from tests.fakes.queues import FakeGauge

# A connection that breaks under the SDK leaves its socket to the collector, which says so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
A_WHILE = timedelta(seconds=30)


class World(Protocol):
    @property
    def gauge(self) -> Gauge: ...

    def now(self) -> datetime: ...

    async def put(self, count: int) -> None: ...

    async def take(self) -> None:
        """The oldest message goes."""
        ...

    def outage(self) -> None: ...


@dataclass
class OfTheFake:
    clock: FakeClock = field(default_factory=lambda: FakeClock(datetime(2026, 11, 30, 7, tzinfo=UTC)))

    def __post_init__(self) -> None:
        self.gauge = FakeGauge(self.clock)

    def now(self) -> datetime:
        return self.clock.now()

    async def put(self, count: int) -> None:
        self.gauge.put(count)

    async def take(self) -> None:
        self.gauge.since.pop(0)

    def outage(self) -> None:
        self.gauge.gone = True


@dataclass
class OfTheBroker:
    there: BrokerWorld

    def __post_init__(self) -> None:
        self.connected = 0
        self.gauge = ServiceBusGauge(self._connect, QUEUE, self.there.clock, IMPATIENT)

    def _connect(self) -> ServiceBusClient:
        self.connected += 1
        return ServiceBusClient.from_connection_string(self.there.broker.url, retry_total=0, try_timeout=10)

    def now(self) -> datetime:
        return self.there.clock.now()

    async def put(self, count: int) -> None:
        await self.there.put(*[b"{}"] * count)

    async def take(self) -> None:
        assert len(await taken(self.there, 1)) == 1

    def outage(self) -> None:
        self.there.broker.stop()


@asynccontextmanager
async def of_the_broker(folder: Path) -> AsyncGenerator[OfTheBroker]:
    async with BrokerWorld(folder, lock=300) as there:
        world = OfTheBroker(there)
        try:
            yield world
        finally:
            await world.gauge.close()


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    if request.param == "fake":
        yield OfTheFake()
        return
    async with of_the_broker(tmp_path) as there:
        yield there


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncGenerator[OfTheBroker]:
    async with of_the_broker(tmp_path) as there:
        yield there


async def test_an_empty_queue_has_no_oldest(world: World) -> None:
    assert await world.gauge.read() == Depth(count=0, is_more=False, oldest=None)


async def test_all_are_counted_and_the_oldest_told(world: World) -> None:
    await world.put(1)
    first = await world.gauge.read()
    await world.put(249)
    found = await world.gauge.read()
    assert (first.count, found.count, found.is_more) == (1, 250, False)
    assert found.oldest
    assert found.oldest == first.oldest
    assert abs(world.now() - found.oldest) < A_WHILE
    await world.take()
    left = await world.gauge.read()
    assert left.oldest
    assert left.count == 249
    assert left.oldest >= found.oldest


async def test_no_more_than_a_thousand_are_looked_at(world: World) -> None:
    for more, count, is_more in ((999, 999, False), (1, 1_000, True), (300, 1_000, True)):
        await world.put(more)
        found = await world.gauge.read()
        assert (found.count, found.is_more) == (count, is_more)
    assert found.count == LOOKED_AT


async def test_several_may_look_at_once(world: World) -> None:
    await world.put(120)
    assert {found.count for found in await asyncio.gather(*[world.gauge.read() for _ in range(4)])} == {120}


async def test_a_queue_that_is_gone_is_an_error_with_a_code(world: World) -> None:
    await world.put(1)
    assert (await world.gauge.read()).count == 1
    world.outage()
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await world.gauge.read()


# --- the broker ---


async def test_looking_is_never_sent_a_message_to_lock(broker: OfTheBroker) -> None:
    """Neither while it looks nor between two looks: a lock would keep a joiner waiting."""
    await broker.put(150)
    await broker.there.fault(f"deliver/{QUEUE}", kind="delay", seconds=0.01)
    assert (await broker.gauge.read()).count == 150
    await asyncio.sleep(0.5)
    await broker.put(1)
    assert (await broker.gauge.read()).count == 151
    await asyncio.sleep(0.5)
    assert not await broker.there.fired()
    await broker.there.fault(f"deliver/{QUEUE}", kind="delay", seconds=0.01)
    await broker.there.held_elsewhere(1)
    assert await broker.there.fired(), "the fault sees deliveries"


async def test_locked_ones_count_too(broker: OfTheBroker) -> None:
    await broker.put(3)
    await broker.there.held_elsewhere(2)
    assert (await broker.gauge.read()).count == 3


async def test_one_connection_serves_many_looks(broker: OfTheBroker) -> None:
    for _ in range(3):
        await broker.gauge.read()
    assert broker.connected == 1
    await broker.gauge.close()
    await broker.put(2)
    assert (await broker.gauge.read()).count == 2
    assert broker.connected == 2
