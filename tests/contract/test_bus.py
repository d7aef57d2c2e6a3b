"""What every bus promises, whatever it stands on."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from sandbox.process import Service
from shared.contract import parse
from shared.errors import BusUnavailable, Reason
from shared.events import EventRules, Nudge
from tests.contract.bus_worlds import BrokerWorld, FakeWorld, Watcher, World, run_broker, wake_rows
from tests.fakes.bus import When

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


@pytest_asyncio.fixture(params=["fake", "sandbox"], loop_scope="module")
async def world(request: pytest.FixtureRequest, broker: Service, watcher: Watcher) -> AsyncIterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    async with BrokerWorld(broker, watcher) as there:
        yield there


@pytest.mark.parametrize(
    "body",
    [b'{"type": "joiner.hired.v1"}', b"", b"\xff\xfe\x00", "{\u00e9".encode(), b"x" * 200_000],
    ids=["json", "empty", "binary", "text", "large"],
)
async def test_a_body_arrives_as_it_was(world: World, body: bytes) -> None:
    await world.bus.dead_letter(body, Reason.MALFORMED_EVENT, "data.hireDate: required")
    (letter,) = await world.letters()
    assert letter.body == body
    assert (letter.reason, letter.description) == ("malformed-event", "data.hireDate: required")


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("", ""),
        ("a" * 1000, "a" * 1000),
        ("a" * 1001, "a" * 1000),
        ("é" * 5000, "é" * 1000),
        ("data.\ud800: must be text", "data.?: must be text"),
    ],
    ids=["empty", "just fits", "one too long", "not ASCII", "half a character"],
)
async def test_a_description_is_cut_to_what_a_header_can_carry(world: World, description: str, told: str) -> None:
    await world.bus.dead_letter(b"{}", Reason.PRIVILEGED, description)
    (letter,) = await world.letters()
    assert letter.description == told


async def test_the_same_letter_twice_is_two_letters(world: World) -> None:
    for _ in range(2):
        await world.bus.dead_letter(b"{}", Reason.PRIVILEGED, "")
    one, other = await world.letters()
    assert one.message_id != other.message_id


async def test_many_at_once_arrive_once_each(world: World) -> None:
    bodies = [b"%d" % i for i in range(40)]
    await asyncio.gather(*(world.bus.dead_letter(body, Reason.PRIVILEGED, "") for body in bodies))
    letters = await world.letters()
    assert sorted(letter.body for letter in letters) == sorted(bodies)
    assert len({letter.message_id for letter in letters}) == 40


# --- nudges ---


async def test_a_nudge_says_which_case_and_goes_by_its_rows_id(world: World) -> None:
    rows = wake_rows(3)
    await world.bus.nudge(rows)
    assert await world.nudges() == [(row.id, row.case_id) for row in rows]
    assert await world.letters() == []


async def test_a_nudge_is_one_our_contract_knows(world: World) -> None:
    (row,) = wake_rows(1)
    body = json.dumps({"type": "case.nudge.v1", "data": {"caseId": row.case_id}})
    assert parse(body, EventRules(), datetime.now(UTC)) == Nudge(row.case_id)
    await world.bus.nudge([row])
    assert await world.nudges() == [(row.id, row.case_id)]


async def test_no_rows_are_no_message(world: World) -> None:
    await world.bus.nudge([])
    assert await world.nudges() == []


async def test_a_nudge_sent_again_is_the_same_message_and_a_row_written_again_another(world: World) -> None:
    first, second = wake_rows(2)
    rewritten = replace(first, id=wake_rows(1)[0].id)
    for rows in ([first], [first, second], [rewritten]):
        await world.bus.nudge(rows)
    assert await world.nudges() == [(row.id, row.case_id) for row in (first, second, rewritten)]


async def test_many_nudges_all_arrive_in_order(world: World) -> None:
    rows = wake_rows(2_000)
    await world.bus.nudge(rows)
    assert await world.nudges() == [(row.id, row.case_id) for row in rows]


async def test_nudges_and_letters_at_once_arrive_once_each(world: World) -> None:
    rows = wake_rows(60)
    letters = (world.bus.dead_letter(b"{}", Reason.PRIVILEGED, "") for _ in range(10))
    await asyncio.gather(*letters, *(world.bus.nudge(rows[i : i + 6]) for i in range(0, 60, 6)))
    assert sorted(await world.nudges()) == sorted((row.id, row.case_id) for row in rows)
    assert len(await world.letters()) == 10


# --- outages ---


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_outage_is_a_code_and_leaves_what_it_left(world: World, when: When) -> None:
    await world.outage("dead_letter", when)
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await world.bus.dead_letter(b"{}", Reason.PRIVILEGED, "")
    assert await world.fired()
    assert len({letter.message_id for letter in await world.letters()}) == (1 if when == "after" else 0)
    await world.bus.nudge(wake_rows(1))
    assert len(await world.nudges()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("count", [1, 5])
async def test_nudges_that_may_not_have_arrived_are_a_code(world: World, count: int, when: When) -> None:
    rows = wake_rows(count)
    await world.outage("nudge", when)
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await world.bus.nudge(rows)
    assert await world.fired()
    assert len(await world.nudges()) == (count if when == "after" else 0)
