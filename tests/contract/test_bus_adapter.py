"""What only the real bus can show: connections that break, and what it makes of refusals."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from shared.adapters.service_bus import Patience, ServiceBusBus
from shared.errors import BusUnavailable, Reason
from shared.wiring import SystemClock
from tests.contract.bus_worlds import EVENTS, QUEUE, BrokerWorld, Watcher, run_broker, wake_rows

PATIENT = Patience(each=5.0, total=20.0, pause=0.05)
HASTY = Patience(each=1.5, total=2.0, pause=0.05)


pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # A connection that breaks under the SDK leaves its socket to the collector, which says so.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from run_broker(tmp_path_factory.mktemp("broker"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watcher(broker: Service) -> AsyncIterator[Watcher]:
    watching = Watcher(broker)
    yield watching
    await watching.close()


@pytest_asyncio.fixture(loop_scope="module")
async def world(broker: Service, watcher: Watcher) -> AsyncIterator[BrokerWorld]:
    async with BrokerWorld(broker, watcher) as there:
        yield there


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b' "text" ', "application/json"),
        (b"{", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"\xff", "application/octet-stream"),
        ("{}".encode("utf-16"), "application/octet-stream"),
        (b"[" * 100_000, "application/octet-stream"),
        (b"9" * 5000, "application/octet-stream"),
    ],
    ids=["object", "text", "half", "empty", "binary", "utf-16", "too deep", "too long a number"],
)
async def test_the_content_type_tells_json_from_the_rest(world: BrokerWorld, body: bytes, content_type: str) -> None:
    await world.bus.dead_letter(body, Reason.MALFORMED_EVENT, "")
    (message,) = await world.messages()
    assert message.content_type == content_type


async def test_one_connection_carries_everything(world: BrokerWorld) -> None:
    for _ in range(3):
        await world.bus.dead_letter(b"{}", Reason.PRIVILEGED, "")
    assert world.connected == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["status", "drop"])
async def test_a_short_fault_is_bridged_under_one_message_id(world: BrokerWorld, kind: str, when: str) -> None:
    bus = world.bus_with(PATIENT)
    await bus.dead_letter(b"1", Reason.PRIVILEGED, "")
    await world.fault(kind=kind, when=when, times=2)
    await bus.dead_letter(b"2", Reason.PRIVILEGED, "")
    assert await world.fired()
    await bus.dead_letter(b"3", Reason.PRIVILEGED, "")
    letters = await world.letters()
    assert {letter.body for letter in letters} == {b"1", b"2", b"3"}
    assert len({letter.message_id for letter in letters}) == 3


def own_broker(tmp_path: Path, *options: str) -> Service:
    return start("sandbox.broker", *options, log=tmp_path / "broker.log")


def bus_of(service: Service) -> ServiceBusBus:
    def connect() -> ServiceBusClient:
        return ServiceBusClient.from_connection_string(service.url, retry_total=0, try_timeout=10)

    return ServiceBusBus(connect, QUEUE, SystemClock(), events_queue=EVENTS, patience=PATIENT)


async def test_a_broker_that_restarted_is_found_again(tmp_path: Path) -> None:
    service = own_broker(tmp_path)
    bus = bus_of(service)
    await bus.dead_letter(b"before", Reason.PRIVILEGED, "")
    service.kill()
    again = own_broker(tmp_path, "--port", service.url.split("localhost:")[1].split(";")[0])
    await bus.dead_letter(b"after", Reason.PRIVILEGED, "")
    watching = Watcher(again)
    assert [b"".join(message.body) for message in await watching.peek()] == [b"after"]
    await watching.close()
    await bus.close()
    again.stop()


async def test_a_broker_that_is_gone_is_a_code(tmp_path: Path) -> None:
    service = own_broker(tmp_path)
    bus = bus_of(service)
    await bus.dead_letter(b"{}", Reason.PRIVILEGED, "")
    service.kill()
    outcomes = await asyncio.gather(
        *(bus.dead_letter(b"{}", Reason.PRIVILEGED, "") for _ in range(5)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["bus-unavailable"] * 5
    await bus.close()


async def test_a_queue_that_is_not_there_is_not_tried_again(world: BrokerWorld) -> None:
    with pytest.raises(BusUnavailable, match=r"^bus-rejected$"):
        await world.bus_with(PATIENT, "nowhere").dead_letter(b"{}", Reason.PRIVILEGED, "")
    assert world.connected == 1


async def test_a_letter_too_large_is_not_tried_again_and_harms_no_other(world: BrokerWorld) -> None:
    bus = world.bus_with(PATIENT)
    with pytest.raises(BusUnavailable, match=r"^bus-rejected$"):
        await bus.dead_letter(b"x" * 2_000_000, Reason.MALFORMED_EVENT, "")
    assert world.connected == 1
    await bus.dead_letter(b"{}", Reason.MALFORMED_EVENT, "")
    assert [letter.body for letter in await world.letters()] == [b"{}"]


async def test_an_identity_that_may_not_send_is_not_tried_again(world: BrokerWorld) -> None:
    await world.fault(kind="status", status=401)
    with pytest.raises(BusUnavailable, match=r"^bus-denied$") as caught:
        await world.bus_with(PATIENT).dead_letter(b"{}", Reason.PRIVILEGED, "")
    assert caught.value.__suppress_context__
    assert world.connected == 1


async def test_a_silent_broker_is_given_up_in_time_by_everyone_in_line(world: BrokerWorld) -> None:
    bus = world.bus_with(HASTY)
    await world.fault(kind="delay", seconds=30.0, times=99)
    started = time.monotonic()
    outcomes = await asyncio.gather(
        *(bus.dead_letter(b"{}", Reason.PRIVILEGED, "") for _ in range(12)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["bus-unavailable"] * 12
    assert time.monotonic() - started < 8.0
    assert await world.fired()


async def test_a_run_cancelled_in_mid_send_leaves_nothing_behind_for_the_next(world: BrokerWorld) -> None:
    bus = world.bus_with(PATIENT)
    await bus.dead_letter(b"1", Reason.PRIVILEGED, "")
    await world.fault(kind="delay", seconds=0.5)
    sending = asyncio.create_task(bus.dead_letter(b"2", Reason.PRIVILEGED, ""))
    await asyncio.sleep(0.2)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await bus.dead_letter(b"3", Reason.PRIVILEGED, "")
    assert await world.fired()
    await asyncio.sleep(0.5)
    assert sorted(letter.body for letter in await world.letters()) in ([b"1", b"2", b"3"], [b"1", b"3"])


# --- nudges ---


async def sends(world: BrokerWorld) -> int:
    """How many sends on the queue of events met the fault `counted`."""
    return sum(fault["fired"] for fault in await world.faults() if fault["operation"] == f"send/{EVENTS}")


async def counted(world: BrokerWorld) -> None:
    """Lets every send pass, and counts them."""
    await world.fault(EVENTS, kind="delay", seconds=0.0, times=99)


async def test_nudges_go_in_as_few_sends_as_fit(world: BrokerWorld) -> None:
    await counted(world)
    rows = wake_rows(1_000)
    await world.bus.nudge(rows[:500])
    assert await sends(world) == 1
    await world.bus.nudge(rows[500:])
    assert await sends(world) == 2
    await world.bus.nudge(wake_rows(2_000))
    assert await sends(world) == 4
    assert world.connected == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["status", "drop"])
@pytest.mark.parametrize("count", [1, 20])
async def test_nudges_sent_again_keep_their_ids(world: BrokerWorld, count: int, kind: str, when: str) -> None:
    bus, rows = world.bus_with(PATIENT), wake_rows(count)
    await world.fault(EVENTS, kind=kind, when=when, times=2)
    await bus.nudge(rows)
    assert await world.fired()
    assert await world.nudges() == [(row.id, row.case_id) for row in rows]


async def test_what_was_taken_is_not_sent_again_when_a_later_send_fails(world: BrokerWorld) -> None:
    bus, rows = world.bus_with(PATIENT), wake_rows(2_000)
    await world.fault(EVENTS, kind="delay", seconds=0.0)
    await world.fault(EVENTS, kind="status", status=503)
    await counted(world)
    await bus.nudge(rows)
    assert [fault["fired"] for fault in await world.faults()] == [1, 1, 1]
    assert await world.nudges() == [(row.id, row.case_id) for row in rows]


async def test_what_breaks_one_queue_leaves_the_other_alone(world: BrokerWorld) -> None:
    bus, rows = world.bus_with(PATIENT), wake_rows(5)
    await world.fault(EVENTS, kind="drop", times=2)
    letters = (bus.dead_letter(b"%d" % i, Reason.PRIVILEGED, "") for i in range(5))
    await asyncio.gather(bus.nudge(rows), *letters)
    assert await world.fired()
    assert len(await world.nudges()) == 5
    assert len(await world.letters()) == 5
    assert world.connected == 4  # the dead letters' one, and three for the events


async def test_an_identity_that_may_not_nudge_is_not_tried_again(world: BrokerWorld) -> None:
    await world.fault(EVENTS, kind="status", status=401)
    with pytest.raises(BusUnavailable, match=r"^bus-denied$"):
        await world.bus_with(PATIENT).nudge(wake_rows(3))
    assert await world.fired()
    assert world.connected == 1


async def test_a_silent_broker_is_given_up_by_those_who_nudge(world: BrokerWorld) -> None:
    bus = world.bus_with(HASTY)
    await world.fault(EVENTS, kind="delay", seconds=30.0, times=99)
    started = time.monotonic()
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await bus.nudge(wake_rows(3))
    assert time.monotonic() - started < 8.0
    assert await world.fired()
