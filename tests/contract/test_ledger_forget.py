"""What every ledger promises about forgetting a case, and what the tables keep when that is cut short."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from shared.adapters.storage import Patience
from shared.adapters.tables import TableLedger
from shared.case import Case, State
from shared.errors import LedgerUnavailable, Moved
from tests.contract.ledger_cases import FIRST, announced, waiting
from tests.contract.ledger_worlds import Fault, TableWorld, When, World, run_azurite, table_world, world_of

PATIENT = Patience(each=5.0, total=5.0, pause=0.05)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.param, request) as there:
        yield there


async def closed(world: World) -> Case:
    case = await world.ledger.save(None, announced(), "event")
    return await world.ledger.save(case, replace(case, state=State.CANCELLED, event=None, moves=2), "event")


async def test_a_forgotten_case_leaves_nothing_and_no_other_goes_with_it(world: World) -> None:
    case, other = await closed(world), await closed(world)
    await world.ledger.forget(case)
    assert await world.ledger.load(case.id) is None
    assert await world.history(case.id) == []
    assert await world.ledger.load(other.id) == other
    assert len(await world.history(other.id)) == 2


async def test_to_forget_twice_is_fine(world: World) -> None:
    case = await closed(world)
    await world.ledger.forget(case)
    await world.ledger.forget(case)


async def test_two_may_forget_one_case_at_once(world: World) -> None:
    case = await closed(world)
    await asyncio.gather(*[(await world.another()).forget(case) for _ in range(4)])
    assert await world.ledger.load(case.id) is None
    assert await world.history(case.id) == []


@pytest.mark.parametrize("was_read", [True, False])
async def test_a_case_that_moved_is_kept_whole(world: World, was_read: bool) -> None:
    case = await closed(world)
    moved = await world.ledger.save(case, replace(case, state=State.ANNOUNCED, moves=3), "replay")
    with pytest.raises(Moved):
        await world.ledger.forget(replace(case, etag=case.etag if was_read else None))
    assert await world.ledger.load(case.id) == moved
    assert len(await world.history(case.id)) == 3


async def test_a_forgotten_case_can_be_opened_again_and_that_one_stays(world: World) -> None:
    case = await closed(world)
    await world.ledger.forget(case)
    again = await world.ledger.save(None, waiting(id=case.id), "event")
    with pytest.raises(Moved):
        await world.ledger.forget(case)
    assert await world.ledger.load(case.id) == again
    assert len(await world.history(case.id)) == 1


async def test_a_forgotten_case_lets_its_person_go(world: World) -> None:
    case, other, who = await closed(world), await closed(world), str(uuid4())
    await world.ledger.meet(who, FIRST, case.id)
    await world.ledger.forget(case)
    assert not (await world.ledger.meet(who, FIRST, other.id)).other_case_open


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_outage_is_a_code_and_leaves_what_it_left(world: World, when: When) -> None:
    case = await closed(world)
    world.outage("forget", when)
    with pytest.raises(LedgerUnavailable, match=r"^ledger-unavailable$"):
        await world.ledger.forget(case)
    assert world.fired()
    world.restore()
    assert (await world.ledger.load(case.id) is None) is (when == "after")
    await world.ledger.forget(case)
    assert await world.ledger.load(case.id) is None


# --- the tables ---


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[TableWorld]:
    async with table_world(azurite) as there:
        yield there


async def long_case(tables: TableWorld, moves: int) -> Case:
    """A case with that many moves, most of them rows of no content."""
    case = await tables.ledger.save(None, waiting(moves=moves), "event")
    await tables.add("cases", [{"PartitionKey": case.id, "RowKey": f"h{move:06}"} for move in range(1, moves)])
    return case


async def rows_of(tables: TableWorld, case: Case) -> int:
    return len(await tables.rows("cases", case.id))


LOST: list[Any] = [{"kind": "drop"}, {"kind": "cut"}, {"kind": "empty"}, {"kind": "status", "status": 500}]


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: lost["kind"])
@pytest.mark.parametrize("moves", [1, 99, 100, 201])
async def test_a_lost_answer_changes_nothing(tables: TableWorld, moves: int, lost: dict[str, Any]) -> None:
    case = await long_case(tables, moves)
    fault = tables.proxy.add(Fault(operation="write cases", when="after", **lost))
    await tables.ledger_with(PATIENT).forget(case)
    assert fault.fired == 1
    assert await rows_of(tables, case) == 0


@pytest.mark.parametrize("moves", [99, 100, 250])
async def test_the_head_goes_last_and_the_rest_can_be_forgotten_later(tables: TableWorld, moves: int) -> None:
    case, hasty = await long_case(tables, moves), tables.ledger_with(Patience(each=5.0, total=0.0, pause=0.05))
    left: list[int] = []
    while not left or left[-1]:
        await _dies_after_its_first_write(tables, hasty, case)
        left.append(await rows_of(tables, case))
        assert bool(left[-1]) is (await hasty.load(case.id) is not None)
    assert left == {99: [0], 100: [1, 0], 250: [151, 51, 0]}[moves]
    await hasty.forget(case)


async def _dies_after_its_first_write(tables: TableWorld, ledger: TableLedger, case: Case) -> None:
    fault = tables.proxy.add(Fault(operation="write cases", kind="status", when="after"))
    with pytest.raises(LedgerUnavailable):
        await ledger.forget(case)
    assert fault.fired == 1


async def test_a_usual_case_is_forgotten_whole_or_not_at_all(tables: TableWorld) -> None:
    """Somebody opens the case again between our read and our write: not one row of its history is lost."""
    case = await closed(tables)
    reopened: list[Case] = []

    async def reopen() -> None:
        reopened.append(await tables.ledger.save(case, replace(case, state=State.ANNOUNCED, moves=3), "replay"))

    late = tables.proxy.add(Fault(operation="read cases", kind="delay", when="after"))
    tables.proxy.after_fault = reopen
    with pytest.raises(Moved):
        await tables.ledger.forget(case)
    assert late.fired
    assert await tables.ledger.load(case.id) == reopened[0]
    assert len(await tables.history(case.id)) == 3
