"""What was noted of the queue of events, in memory and beside the heartbeat on tables."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.adapters.depth_row import TableDepthNotes
from shared.errors import LedgerUnavailable, UnreadableRow
from shared.oversight import Depth, DepthNotes, NotedDepth
from tests.contract.ledger_worlds import IMPATIENT, NOW, Fault, TableWorld, run_azurite, table_world
from tests.fakes.queues import FakeDepthNotes

OLDEST = NOW - timedelta(minutes=17, microseconds=1)
SEEN = NotedDepth(at=NOW, depth=Depth(count=1_000, is_more=True, oldest=OLDEST))


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[tuple[TableDepthNotes, TableWorld]]:
    async with table_world(azurite) as world, TableServiceClient.from_connection_string(world._string) as service:
        yield TableDepthNotes(service, IMPATIENT), world


@pytest.fixture(params=["fake", "sandbox"])
def notes(request: pytest.FixtureRequest) -> DepthNotes:
    return FakeDepthNotes() if request.param == "fake" else request.getfixturevalue("tables")[0]


async def test_the_last_note_stands(notes: DepthNotes) -> None:
    assert await notes.noted() is None
    await notes.note(SEEN)
    assert await notes.noted() == SEEN
    empty = NotedDepth(at=NOW + timedelta(minutes=1), depth=Depth(count=0, is_more=False, oldest=None))
    for later in (empty, replace(SEEN, at=NOW + timedelta(minutes=2)), empty):
        await notes.note(later)
        assert await notes.noted() == later


async def test_it_is_one_row_and_the_pause_and_the_beat_are_others(tables: tuple[TableDepthNotes, TableWorld]) -> None:
    notes, world = tables
    await world.ledger.beat()
    for _ in range(3):
        await notes.note(SEEN)
    assert sorted(row["RowKey"] for row in await world.rows("control")) == ["heartbeat", "joiners-depth"]


async def test_storage_without_an_answer_is_an_error_with_a_code(tables: tuple[TableDepthNotes, TableWorld]) -> None:
    notes, world = tables
    fault = world.proxy.add(Fault(operation="write control", kind="status", status=403, times=100))
    with pytest.raises(LedgerUnavailable, match=r"^ledger-denied$"):
        await notes.note(SEEN)
    assert fault.fired
    world.restore()
    assert await notes.noted() is None


@pytest.mark.parametrize(
    "broken",
    [
        {"at": "soon"},
        {"oldest": "2026-11-30T07:00:00"},
        *({"count": count} for count in ("many", "3", -1, 1.5, True)),
        {"is_more": "no"},
    ],
)
async def test_a_row_nobody_can_read_says_so(
    tables: tuple[TableDepthNotes, TableWorld], broken: dict[str, Any]
) -> None:
    notes, world = tables
    await notes.note(SEEN)
    await world.edit("control", {"PartitionKey": "control", "RowKey": "joiners-depth"} | broken)
    with pytest.raises(UnreadableRow):
        await notes.noted()
