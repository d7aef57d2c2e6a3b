"""Whose turn it is to work on dead letters: what the fake and the tables both promise."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.adapters.letter_runs import TableReplayIds, TableTurns
from shared.adapters.storage import Table, insert
from shared.errors import UnreadableRow
from shared.oversight import ReplayIds, Turns
from tests.contract.ledger_worlds import IMPATIENT, NOW, TableWorld, run_azurite, table_world
from tests.fakes.clock import FakeClock
from tests.fakes.letters import FakeReplayIds, FakeTurns

LASTS = timedelta(minutes=2)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[TableWorld]:
    async with table_world(azurite) as there:
        yield there


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture(params=["fake", "sandbox"])
async def turns(request: pytest.FixtureRequest, clock: FakeClock, azurite: str) -> AsyncIterator[Turns]:
    if request.param == "fake":
        yield FakeTurns(clock)
        return
    async with table_world(azurite), TableServiceClient.from_connection_string(azurite) as service:
        yield TableTurns(service, clock)


async def test_a_turn_lasts_and_is_kept_by_its_run(turns: Turns, clock: FakeClock) -> None:
    assert await turns.begin("one", "me", LASTS)
    for _ in range(3):
        clock.advance(timedelta(seconds=119))
        assert not await turns.begin("two", "you", LASTS)
        assert await turns.begin("one", "me", LASTS)
    clock.advance(LASTS)
    assert await turns.begin("two", "you", LASTS)
    assert not await turns.begin("one", "me", LASTS)


async def test_another_run_waits_for_the_end_also_of_the_same_person(turns: Turns) -> None:
    assert await turns.begin("one", "me", LASTS)
    assert not await turns.begin("two", "me", LASTS)
    assert not await turns.end("one", "you")  # not theirs to end
    assert not await turns.begin("two", "you", LASTS)
    assert await turns.end("one", "me")
    assert await turns.begin("two", "you", LASTS)
    await turns.end("one", "me")  # late, and no business of the new run
    assert not await turns.begin("three", "me", LASTS)


async def test_a_run_is_one_persons(turns: Turns) -> None:
    assert await turns.begin("one", "me", LASTS)
    assert not await turns.begin("one", "you", LASTS)


async def test_of_many_that_begin_at_once_one_does(turns: Turns) -> None:
    began = await asyncio.gather(*(turns.begin(f"run-{i}", f"person-{i}", LASTS) for i in range(6)))
    assert began.count(True) == 1


async def test_the_end_of_a_turn_nobody_has_is_nothing(turns: Turns) -> None:
    await turns.end("one", "me")
    assert await turns.begin("one", "me", LASTS)


@pytest.fixture(params=["fake", "sandbox"])
async def ids(request: pytest.FixtureRequest, azurite: str) -> AsyncIterator[ReplayIds]:
    if request.param == "fake":
        yield FakeReplayIds()
        return
    async with table_world(azurite), TableServiceClient.from_connection_string(azurite) as service:
        yield TableReplayIds(service)


async def test_a_replay_id_is_for_ever_of_the_letter_that_asked_first(ids: ReplayIds) -> None:
    for _ in range(2):
        assert await ids.claim("hr/1?#:replay:1", "a" * 16)
        assert not await ids.claim("hr/1?#:replay:1", "b" * 16)
    assert await ids.claim("hr/1?#:replay:2", "b" * 16)


async def test_of_two_letters_that_ask_at_once_one_gets_it(ids: ReplayIds) -> None:
    claims = await asyncio.gather(*(ids.claim("hr-1:replay:1", mark * 16) for mark in "abcdef"))
    assert claims.count(True) == 1


@pytest.mark.usefixtures("tables")
async def test_a_turn_nobody_can_read_is_nobodys(azurite: str, clock: FakeClock) -> None:
    row = {"PartitionKey": "control", "RowKey": "letters-run", "until": "soon"}
    async with TableServiceClient.from_connection_string(azurite) as service:
        await Table(service, "control", IMPATIENT).write(insert(row))
        with pytest.raises(UnreadableRow):
            await TableTurns(service, clock).begin("one", "me", LASTS)
