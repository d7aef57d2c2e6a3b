"""What every ledger promises about the hour's budget of passes, and how the tables keep it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.case_rows import UnreadableRow
from shared.adapters.storage import Patience
from shared.errors import Halted, LedgerUnavailable, Reason
from shared.ports import Ledger
from tests.contract.ledger_worlds import NOW, Fault, TableWorld, When, World, run_azurite, table_world, world_of
from tests.fakes.clock import FakeClock

PATIENT = Patience(each=5.0, total=5.0, pause=0.05)
HOUR = timedelta(hours=1)
NEXT_HOUR = datetime(2026, 11, 30, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.param, request) as there:
        yield there


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[TableWorld]:
    async with table_world(azurite) as there:
        yield there


async def spent(ledger: Ledger, tries: int) -> int:
    """How many of so many tries, one after the other, the budget allows."""
    allowed = 0
    for _ in range(tries):
        try:
            await ledger.spend()
            allowed += 1
        except Halted:
            continue
    return allowed


async def test_without_a_budget_there_is_no_limit(world: World) -> None:
    assert await spent(await world.budgeted(0), 60) == 60


@pytest.mark.parametrize("budget", [1, 2, 49, 50, 120])
async def test_an_hour_has_its_budget_and_no_more(world: World, budget: int) -> None:
    ledger = await world.budgeted(budget)
    assert await spent(ledger, budget + 3) == budget
    world.clock.set_now(NEXT_HOUR - timedelta(microseconds=1))
    assert await spent(ledger, 3) == 0


async def test_the_next_hour_starts_afresh_and_what_was_left_is_worth_nothing(world: World) -> None:
    ledger = await world.budgeted(100)
    assert await spent(ledger, 5) == 5
    for _ in range(3):
        world.clock.advance(HOUR)
        assert await spent(ledger, 103) == 100
    world.clock.advance(timedelta(days=400))
    assert await spent(ledger, 1) == 1


@pytest.mark.parametrize(
    ("now", "lasts"),
    [
        (NOW, NEXT_HOUR - NOW),
        (NEXT_HOUR - HOUR, HOUR),
        (NEXT_HOUR - timedelta(seconds=60), timedelta(seconds=60)),
        (NEXT_HOUR - timedelta(seconds=1), timedelta(seconds=60)),
    ],
)
async def test_it_halts_until_the_hour_is_over_and_a_minute_at_least(
    world: World, now: datetime, lasts: timedelta
) -> None:
    world.clock.set_now(now)
    ledger = await world.budgeted(1)
    await ledger.spend()
    with pytest.raises(Halted) as caught:
        await ledger.spend()
    assert (caught.value.reason, caught.value.lasts) == (Reason.BUDGET, lasts)


@pytest.mark.parametrize("budget", [7, 150])
async def test_many_processes_together_spend_the_budget_exactly(world: World, budget: int) -> None:
    ledgers = [await world.budgeted(budget) for _ in range(5)]
    for _ in range(2):
        totals = await asyncio.gather(*(spent(ledger, budget // 2) for ledger in ledgers))
        assert sum(totals) == budget
        world.clock.advance(HOUR)


async def test_many_runs_of_one_process_share_what_it_has(world: World) -> None:
    ledger = await world.budgeted(30)
    assert sum(await asyncio.gather(*(spent(ledger, 1) for _ in range(40)))) == 30


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_outage_is_a_code(world: World, when: When) -> None:
    ledger = await world.budgeted(10)
    world.outage("spend", when)
    with pytest.raises(LedgerUnavailable, match=r"^ledger-unavailable$"):
        await ledger.spend()
    assert world.fired()
    world.restore()
    assert 0 < await spent(ledger, 20) <= 10


# --- the tables ---


async def test_without_a_budget_nothing_is_read_or_written(tables: TableWorld) -> None:
    await tables.ledger.spend()
    assert tables.proxy.seen == []


async def test_a_block_costs_one_read_and_one_write(tables: TableWorld) -> None:
    ledger = tables.ledger_with(PATIENT, budget=1000)
    assert await spent(ledger, 1) == 1  # makes the table, if need be
    tables.proxy.seen.clear()
    assert await spent(ledger, 59) == 59
    assert tables.proxy.seen == ["read control", "write control"] * 2
    (row,) = await tables.rows("control")
    assert row == {"PartitionKey": "control", "RowKey": "budget", "hour": "2026113007", "reserved": 60}


async def test_there_is_one_row_however_many_hours_pass(tables: TableWorld) -> None:
    ledger = tables.ledger_with(PATIENT, budget=1000)
    for _ in range(3):
        await ledger.spend()
        tables.clock.advance(HOUR)
    assert [row["hour"] for row in await tables.rows("control")] == ["2026113009"]


LOST: list[Any] = [{"kind": "drop"}, {"kind": "empty"}, {"kind": "status", "status": 500}]


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: lost["kind"])
async def test_a_lost_answer_wastes_at_most_a_block_and_spends_nothing_twice(
    tables: TableWorld, lost: dict[str, Any]
) -> None:
    ledgers = [tables.ledger_with(PATIENT, budget=200) for _ in range(3)]
    await ledgers[0].spend()
    faults = [tables.proxy.add(Fault(operation="write control", when="after", **lost)) for _ in range(2)]
    total = 1 + sum(await asyncio.gather(*(spent(ledger, 100) for ledger in ledgers)))
    assert [fault.fired for fault in faults] == [1, 1]
    assert 200 - 2 * 4 <= total <= 200


async def test_an_outage_costs_one_patience_however_many_stand_in_line(tables: TableWorld) -> None:
    once = tables.ledger_with(Patience(each=5.0, total=0.0, pause=0.05), budget=10)
    fault = tables.proxy.add(Fault(operation="read control", kind="status", times=10_000))
    outcomes = await asyncio.gather(*(once.spend() for _ in range(12)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["ledger-unavailable"] * 12
    assert fault.fired == 1
    tables.restore()
    assert await spent(once, 12) == 10


async def test_a_process_that_is_never_first_gives_up_with_a_code(tables: TableWorld) -> None:
    ledger = tables.ledger_with(PATIENT, budget=10)
    await ledger.spend()
    fault = tables.proxy.add(Fault(operation="write control", kind="status", status=412, times=10_000))
    with pytest.raises(LedgerUnavailable, match=r"^ledger-contended$"):
        await ledger.spend()
    assert fault.fired > 8


async def test_clocks_that_differ_never_add_an_hour(tables: TableWorld) -> None:
    """One process is in the next hour already: its row stays, and the one behind spends of the same hour."""
    behind, ahead = FakeClock(NEXT_HOUR - timedelta(seconds=2)), FakeClock(NEXT_HOUR + timedelta(seconds=1))
    slow, fast = (tables.ledger_with(PATIENT, budget=10, clock=clock) for clock in (behind, ahead))
    assert await spent(slow, 4) == 4
    assert await spent(fast, 4) == 4
    assert await spent(slow, 9) == 6
    assert await spent(fast, 1) == 0
    behind.advance(timedelta(seconds=3))
    assert await spent(slow, 1) == 0


@pytest.mark.parametrize("reserved", ["many", -90])  # less than nothing would be more to spend
async def test_a_damaged_row_raises_a_code(tables: TableWorld, reserved: object) -> None:
    ledger = tables.ledger_with(PATIENT, budget=10)
    await ledger.spend()
    await tables.edit("control", {"PartitionKey": "control", "RowKey": "budget", "reserved": reserved})
    with pytest.raises(UnreadableRow, match=r"^row-unreadable$"):
        await ledger.spend()
