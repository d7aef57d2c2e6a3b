"""What every ledger promises about the agenda: what is due, what is done, and that somebody looks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import pytest

from shared.adapters.agenda import row_keys
from shared.adapters.agenda_table import AT_ONCE
from shared.adapters.case_rows import UnreadableRow
from shared.adapters.storage import Patience
from shared.errors import LedgerUnavailable
from tests.contract.ledger_cases import announced
from tests.contract.ledger_worlds import NOW, Fault, TableWorld, When, World, run_azurite, table_world, world_of

MINUTE = timedelta(minutes=1)
FULL = NOW.replace(second=0, microsecond=0)
ALL = 1_000
KEYS = ("PartitionKey", "RowKey")
PATIENT = Patience(each=5.0, total=5.0, pause=0.05)

UNREADABLE = [
    ("", ""),
    ("2026-11-30", "05-" + "a" * 32),
    ("2026112925", "05-" + "a" * 32),
    ("20261130 7", "05-" + "a" * 32),
    ("2026113006", "60-" + "a" * 32),
    ("2026113006", "5-" + "a" * 32),
    ("2026113006", "a" * 32),
    ("2026113006", "05-"),
    ("2026113006", "05-" + "A" * 32),
    ("2026113006", "05-" + "a" * 33),
    ("2026113007", "00-+491713920001"),
]


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.param, request) as there:
        await there.ledger.due(ALL)  # makes the table, if need be
        await there.clear("agenda")
        yield there


async def noted(world: World, *moments: datetime) -> list[str]:
    """A row for each moment; the case ids in their order."""
    ids = [uuid4().hex for _ in moments]
    await asyncio.gather(*(world.note(row_keys(*row)) for row in zip(moments, ids, strict=True)))
    return ids


# --- due ---


async def test_nothing_is_due_on_an_empty_agenda(world: World) -> None:
    assert await world.ledger.due(ALL) == []
    await world.ledger.done([])


async def test_rows_whose_minute_has_come_are_due_oldest_first(world: World) -> None:
    moments = [
        FULL - timedelta(days=400),
        datetime(2026, 9, 30, 23, 59, tzinfo=UTC),
        datetime(2026, 11, 30, 5, 59, tzinfo=UTC),
        datetime(2026, 11, 30, 6, 0, tzinfo=UTC),
        FULL - 3 * MINUTE,
        FULL,
    ]
    ids = await noted(world, *reversed(moments))
    await noted(world, FULL + MINUTE, FULL + timedelta(hours=1), FULL + timedelta(days=1))
    rows = await world.ledger.due(ALL)
    assert [row.due for row in rows] == moments
    assert [row.case_id for row in rows] == ids[::-1]


@pytest.mark.parametrize(
    ("now", "minutes"),
    [
        pytest.param(FULL, 0, id="on the minute"),
        pytest.param(FULL - timedelta(microseconds=1), 1, id="just before"),
        pytest.param(datetime(2026, 11, 30, 7, 59, 59, tzinfo=UTC), -56, id="the hour's last minute"),
        pytest.param(datetime(2026, 11, 30, 8, 0, tzinfo=UTC), -57, id="the next hour's first"),
    ],
)
async def test_a_row_is_due_from_its_minute_on(world: World, now: datetime, minutes: int) -> None:
    world.clock.set_now(now)
    last, first_not = now.replace(second=0, microsecond=0), now.replace(second=0, microsecond=0) + MINUTE
    assert last + minutes * MINUTE == FULL
    await noted(world, last, first_not)
    assert [row.due for row in await world.ledger.due(ALL)] == [last]


@pytest.mark.parametrize("at_most", [0, 1, 3, 4, 6, 7])
async def test_no_more_are_given_than_asked_for(world: World, at_most: int) -> None:
    moments = [FULL - timedelta(hours=2, minutes=minute) for minute in (3, 2, 1)] + [
        FULL - m * MINUTE for m in (2, 1, 0)
    ]
    await noted(world, *moments)
    assert [row.due for row in await world.ledger.due(at_most)] == moments[:at_most]


async def test_many_rows_of_one_minute_all_come(world: World) -> None:
    ids = await noted(world, *[FULL] * 60)
    assert sorted(row.case_id for row in await world.ledger.due(ALL)) == sorted(ids)


async def test_a_rows_id_names_its_version_and_tells_nothing(world: World) -> None:
    (case_id,) = await noted(world, FULL)
    (first,), (again,) = await world.ledger.due(ALL), await (await world.another()).due(ALL)
    await world.note(row_keys(FULL, case_id))
    (rewritten,) = await world.ledger.due(ALL)
    await noted(world, FULL)
    assert first == again
    assert rewritten.etag != first.etag
    assert len({row.id for row in (first, rewritten, *await world.ledger.due(ALL))}) == 3
    assert len(first.id) <= 64
    assert first.id.isalnum()
    assert case_id not in first.id


async def test_a_row_nobody_can_read_holds_up_no_other(world: World) -> None:
    for keys in UNREADABLE:
        await world.note(keys)
    moments = [FULL - timedelta(days=400), FULL - timedelta(hours=1), FULL]
    await noted(world, *moments)
    assert [row.due for row in await world.ledger.due(1)] == moments[:1]
    rows = await world.ledger.due(ALL)
    assert [row.due for row in rows] == moments
    await world.ledger.done(rows)
    assert await world.agenda() == set(UNREADABLE)


async def test_a_case_wakes_when_its_step_is_due_and_its_next_row_is_another(world: World) -> None:
    case = await world.ledger.save(None, announced(NOW + timedelta(hours=1)), "event")
    assert await world.ledger.due(ALL) == []
    world.clock.advance(timedelta(hours=1, minutes=1))
    rows = await world.ledger.due(ALL)
    assert [(row.case_id, row.due) for row in rows] == [(case.id, case.woken_at)]
    await world.ledger.wake(case)
    await world.ledger.done(rows)
    assert await world.ledger.due(ALL) == []
    assert len(await world.agenda()) == 1


# --- done ---


async def test_what_is_done_is_gone_and_nothing_else(world: World) -> None:
    *_, later = await noted(world, *[FULL] * 40, FULL + MINUTE)
    first, *others = await world.ledger.due(ALL)
    await world.ledger.done(others)
    assert await world.agenda() == {row_keys(FULL, first.case_id), row_keys(FULL + MINUTE, later)}
    await world.ledger.done([first, *others])  # all but one are gone already
    assert await world.agenda() == {row_keys(FULL + MINUTE, later)}


async def test_a_row_written_again_stays(world: World) -> None:
    kept, *_ = await noted(world, FULL, FULL, FULL)
    rows = await world.ledger.due(ALL)
    await world.note(row_keys(FULL, kept))
    await world.ledger.done(rows)
    assert [row.case_id for row in await world.ledger.due(ALL)] == [kept]


async def test_two_who_clear_the_same_rows_do_not_mind_each_other(world: World) -> None:
    await noted(world, *[FULL] * 40)
    rows = await world.ledger.due(ALL)
    await asyncio.gather(world.ledger.done(rows), (await world.another()).done(rows))
    assert await world.agenda() == set()


# --- the heartbeat ---


async def test_the_last_beat_is_known(world: World) -> None:
    await world.ledger.beat()
    world.clock.advance(MINUTE)
    await world.ledger.beat()
    assert await world.last_beat() == NOW + MINUTE


# --- outages ---


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["due", "done", "beat"])
async def test_an_outage_is_a_code_and_leaves_what_it_left(world: World, method: str, when: When) -> None:
    await world.ledger.beat()
    await noted(world, *[FULL] * 30)
    rows = await world.ledger.due(ALL)
    world.clock.advance(MINUTE)
    calls = {"due": lambda: world.ledger.due(ALL), "done": lambda: world.ledger.done(rows), "beat": world.ledger.beat}
    world.outage(method, when)
    with pytest.raises(LedgerUnavailable, match=r"^ledger-unavailable$"):
        await calls[method]()
    assert world.fired()
    world.restore()
    assert (await world.last_beat() == NOW + MINUTE) is (method == "beat" and when == "after")
    assert (len(await world.agenda()) < 30) is (method == "done" and when == "after")


async def test_a_case_that_was_woken_meanwhile_keeps_its_new_row(world: World) -> None:
    case = await world.ledger.save(None, announced(NOW + timedelta(hours=1)), "event")
    world.clock.advance(timedelta(hours=1, minutes=1))
    rows = await world.ledger.due(ALL)
    await world.ledger.save(case, replace(case, deliver_at=NOW + timedelta(hours=3), moves=2), "event")
    await world.ledger.done(rows)
    assert await world.agenda() == {row_keys(datetime(2026, 11, 30, 10, 4, tzinfo=UTC), case.id)}


# --- the tables ---


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[TableWorld]:
    async with table_world(azurite) as there:
        await there.ledger.due(ALL)
        await there.clear("agenda")
        there.proxy.seen.clear()
        yield there


async def fill(tables: TableWorld, moment: datetime, rows: int) -> None:
    await tables.add("agenda", [dict(zip(KEYS, row_keys(moment, uuid4().hex), strict=True)) for _ in range(rows)])


async def test_nothing_is_read_that_is_not_needed(tables: TableWorld) -> None:
    await fill(tables, FULL - timedelta(hours=1), 5)
    assert len(await tables.ledger.due(5)) == 5
    assert tables.proxy.seen == ["read agenda"]
    assert len(await tables.ledger.due(6)) == 5
    assert tables.proxy.seen == ["read agenda"] * 3
    assert await tables.ledger.due(0) == []
    assert tables.proxy.seen == ["read agenda"] * 3


async def test_more_than_a_page_is_due(tables: TableWorld) -> None:
    await fill(tables, FULL - timedelta(hours=1), 1_100)
    await fill(tables, FULL, 100)
    patient = tables.ledger_with(PATIENT)
    rows = await patient.due(1_150)
    assert [row.due for row in rows] == [FULL - timedelta(hours=1)] * 1_100 + [FULL] * 50
    assert len({row.id for row in rows}) == 1_150
    assert tables.proxy.seen == ["read agenda"] * 3


async def test_rows_nobody_can_read_are_told_by_their_number(
    tables: TableWorld, caplog: pytest.LogCaptureFixture
) -> None:
    for keys in UNREADABLE:
        await tables.note(keys)
    with caplog.at_level("WARNING", "firstpass"):
        assert await tables.ledger.due(ALL) == []
    told = [vars(record)["firstpass"] for record in caplog.records if record.name == "firstpass"]
    assert [fields["event"] for fields in told] == ["agenda-row-unreadable"] * 2
    assert sum(fields["detail"] for fields in told) == len(UNREADABLE)
    assert "+4917" not in caplog.text


async def test_one_row_that_cannot_be_removed_keeps_no_other(tables: TableWorld) -> None:
    await fill(tables, FULL, 40)
    rows = await tables.ledger.due(ALL)
    faults = [tables.proxy.add(Fault(operation="write agenda", kind="status", status=403)) for _ in range(2)]
    with pytest.raises(LedgerUnavailable, match=r"^ledger-denied$") as caught:
        await tables.ledger.done(rows)
    assert caught.value.__suppress_context__
    assert [fault.fired for fault in faults] == [1, 1]
    assert len(await tables.agenda()) == 2


@pytest.mark.parametrize("kind", ["drop", "status", "empty"])
async def test_answers_that_get_lost_change_nothing(tables: TableWorld, kind: Literal["drop", "status"]) -> None:
    await fill(tables, FULL, 40)
    patient = tables.ledger_with(PATIENT)
    faults = [tables.proxy.add(Fault(operation=o, kind=kind, when="after")) for o in ("read agenda", "write agenda")]
    rows = await patient.due(ALL)
    await patient.done(rows)
    assert [fault.fired for fault in faults] == [1, 1]
    assert len(rows) == 40
    assert await tables.agenda() == set()


async def test_an_outage_costs_one_rows_patience_however_many_wait(tables: TableWorld) -> None:
    await fill(tables, FULL, 100)
    once = tables.ledger_with(Patience(each=5.0, total=0.0, pause=0.05))
    rows = await once.due(ALL)
    fault = tables.proxy.add(Fault(operation="write agenda", kind="status", times=10_000))
    with pytest.raises(LedgerUnavailable):
        await once.done(rows)
    assert fault.fired == AT_ONCE


async def test_a_head_that_took_longer_than_its_row_was_ahead_gets_another(tables: TableWorld) -> None:
    fault = tables.proxy.add(Fault(operation="write cases", kind="status"))

    async def time_flies() -> None:
        tables.clock.advance(5 * MINUTE)

    tables.proxy.after_fault = time_flies
    case = await tables.ledger_with(PATIENT).save(None, announced(NOW), "event")
    assert fault.fired
    assert case.woken_at is not None
    assert case.woken_at > tables.clock.now()
    assert row_keys(case.woken_at, case.id) in await tables.agenda()


async def test_the_next_wake_is_the_earliest_row(tables: TableWorld) -> None:
    assert await tables.ledger.next_wake() is None
    await fill(tables, FULL + timedelta(hours=30), 3)
    assert await tables.ledger.next_wake() == FULL + timedelta(hours=30)
    await fill(tables, FULL + timedelta(hours=20), 3)
    await tables.note(("2026-12-01", "05"))
    tables.proxy.seen.clear()
    assert await tables.ledger.next_wake() == FULL + timedelta(hours=20)
    assert tables.proxy.seen == ["read agenda"] * 2  # the row that cannot be read, and the next
    await fill(tables, FULL - timedelta(hours=1), 1)
    assert await tables.ledger.next_wake() == FULL - timedelta(hours=1)


async def test_a_heartbeat_never_noted_is_none(tables: TableWorld) -> None:
    assert await tables.ledger.heartbeat() is None
    await tables.ledger.beat()
    await tables.edit("control", {"PartitionKey": "control", "RowKey": "heartbeat", "at": "today"})
    with pytest.raises(UnreadableRow, match=r"^row-unreadable$"):
        await tables.ledger.heartbeat()
