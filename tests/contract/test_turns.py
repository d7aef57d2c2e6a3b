"""Whose turn it is to work on dead letters: what the fake and the tables both promise."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.adapters.overview import TableTurns
from shared.adapters.storage import Table, insert
from shared.errors import UnreadableRow
from shared.oversight import Turns
from tests.contract.ledger_worlds import IMPATIENT, NOW, TableWorld, run_azurite, table_world
from tests.fakes.clock import FakeClock
from tests.fakes.letters import FakeTurns

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


async def test_between_requests_only_the_same_person_may_begin_another(turns: Turns) -> None:
    assert await turns.begin("one", "me", LASTS)
    assert not await turns.begin("two", "me", LASTS)
    await turns.end("one")
    assert not await turns.begin("two", "you", LASTS)
    assert await turns.begin("two", "me", LASTS)
    await turns.end("one")  # late, and no business of the new run
    assert not await turns.begin("three", "me", LASTS)


async def test_of_many_that_begin_at_once_one_does(turns: Turns) -> None:
    began = await asyncio.gather(*(turns.begin(f"run-{i}", f"person-{i}", LASTS) for i in range(6)))
    assert began.count(True) == 1


async def test_the_end_of_a_turn_nobody_has_is_nothing(turns: Turns) -> None:
    await turns.end("one")
    assert await turns.begin("one", "me", LASTS)


@pytest.mark.usefixtures("tables")
async def test_a_turn_nobody_can_read_is_nobodys(azurite: str, clock: FakeClock) -> None:
    row = {"PartitionKey": "control", "RowKey": "letters-run", "until": "soon"}
    async with TableServiceClient.from_connection_string(azurite) as service:
        await Table(service, "control", IMPATIENT).write(insert(row))
        with pytest.raises(UnreadableRow):
            await TableTurns(service, clock).begin("one", "me", LASTS)
