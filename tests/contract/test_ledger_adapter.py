"""What only the real tables can show: what rows tell, answers that get lost, and how patient the adapter is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from shared.adapters.case_rows import UnreadableRow
from shared.adapters.storage import Patience
from shared.adapters.tables import TableLedger
from shared.case import Case
from shared.errors import LedgerUnavailable, Moved, Reason
from shared.states import State
from tests.contract.ledger_cases import ALICE, FIRST, SECOND, announced, waiting
from tests.contract.ledger_worlds import FINGERPRINTS, KEY, NOW, Fault, TableWorld, run_azurite, table_world

PATIENT = Patience(each=5.0, total=5.0, pause=0.05)
HASTY = Patience(each=0.4, total=3.0, pause=0.05)

# --- against Azurite ---


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture
async def world(azurite: str) -> AsyncIterator[TableWorld]:
    async with table_world(azurite) as tables:
        yield tables


@pytest.fixture
def ledger(world: TableWorld) -> TableLedger:
    return world.ledger_with(PATIENT)


async def stored(world: TableWorld, case: Case) -> Case | None:
    return await world.ledger_with(PATIENT).load(case.id)


def moved(case: Case) -> Case:
    return replace(case, moves=case.moves + 1, reason=Reason.PAUSED)


async def test_tables_are_made_when_they_turn_out_to_be_missing(world: TableWorld, ledger: TableLedger) -> None:
    case = await ledger.save(None, announced(), "event")
    await ledger.meet(ALICE, FIRST, case.id)
    await ledger.pause(Reason.BUDGET, "firstpass", timedelta(seconds=1))
    for table in ("cases", "agenda", "people", "control"):
        await world.delete_table(table)
    assert await ledger.load(case.id) is None
    for table in ("cases", "agenda", "people", "control"):
        assert await world.rows(table) == []
    await world.delete_table("cases")
    await ledger.wake(case)
    with pytest.raises(Moved):
        await ledger.save(case, moved(case), "run")
    await world.delete_table("cases")
    again = await ledger.save(None, announced(), "event")
    assert await stored(world, again) == again


async def test_no_row_shows_a_person(world: TableWorld, ledger: TableLedger) -> None:
    case = await ledger.save(None, waiting(user_id=ALICE), "event")
    await ledger.save(case, moved(case), "run")
    await ledger.meet(ALICE, FIRST, case.id)
    told = repr([await world.rows(table) for table in ("cases", "agenda", "people")])
    assert case.id in told
    for personal in (ALICE, FIRST, FIRST[3:], "anna", "W-10427"):
        assert personal not in told


async def test_a_wake_row_holds_the_case_id_and_nothing_else(world: TableWorld, ledger: TableLedger) -> None:
    case = await ledger.save(None, announced(), "event")
    (row,) = [row for row in await world.rows("agenda") if row["RowKey"].endswith(case.id)]
    assert row == {"PartitionKey": "2026120107", "RowKey": f"04-{case.id}", "case_id": case.id}


async def test_history_rows_sort_by_number(world: TableWorld, ledger: TableLedger) -> None:
    case = await ledger.save(None, waiting(moves=9), "event")
    await ledger.save(case, moved(case), "run")
    keys = [row["RowKey"] for row in await world.rows("cases", case.id)]
    assert keys == ["case", "h000009", "h000010"]


@pytest.mark.parametrize(
    ("table", "damage"), [("cases", {"state": "lost"}), ("cases", {"contact": "gAAAA"}), ("cases", {"moves": "x"})]
)
async def test_a_damaged_head_raises_a_code(
    world: TableWorld, ledger: TableLedger, table: str, damage: dict[str, str]
) -> None:
    case = await ledger.save(None, announced(), "event")
    await world.edit(table, {"PartitionKey": case.id, "RowKey": "case", **damage})
    with pytest.raises(UnreadableRow, match=r"^row-unreadable$"):
        await ledger.load(case.id)


async def test_a_head_sealed_with_a_key_we_lost_raises_a_code(world: TableWorld, ledger: TableLedger) -> None:
    case = await ledger.save(None, announced(), "event")
    other = Fernet.generate_key().decode()
    with pytest.raises(UnreadableRow):
        await world.ledger_with(PATIENT, (other,)).load(case.id)
    assert await world.ledger_with(PATIENT, (other, KEY)).load(case.id) == case


async def test_a_damaged_person_or_pause_or_holder_raises_a_code(world: TableWorld, ledger: TableLedger) -> None:
    holder, who = await ledger.save(None, announced(), "event"), str(uuid4())
    await ledger.meet(who, FIRST, holder.id)
    await world.edit("cases", {"PartitionKey": holder.id, "RowKey": "case", "state": "lost"})
    with pytest.raises(UnreadableRow):
        await ledger.meet(who, FIRST, uuid4().hex)
    await world.edit("people", {"PartitionKey": FINGERPRINTS.person(who), "RowKey": "person", "numbers": "{"})
    with pytest.raises(UnreadableRow):
        await ledger.meet(who, FIRST, holder.id)
    await ledger.pause(Reason.BUDGET, "firstpass", timedelta(seconds=1))
    await world.edit("control", {"PartitionKey": "control", "RowKey": "pause", "until": "later"})
    with pytest.raises(UnreadableRow):
        await ledger.admit()


# --- answers that get lost ---

LOST = [
    pytest.param({"kind": "drop"}, id="dropped"),
    pytest.param({"kind": "cut"}, id="cut off"),
    pytest.param({"kind": "empty"}, id="without a body"),
    pytest.param({"kind": "status", "status": 503}, id="503 after the deed"),
    pytest.param({"kind": "status", "status": 500, "body": "{"}, id="500 after the deed"),
    pytest.param({"kind": "status", "status": 202, "body": "<html>"}, id="a page of some proxy"),
]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("times", [1, 3])
async def test_a_save_whose_answer_was_lost_is_a_success(
    world: TableWorld, ledger: TableLedger, lost: dict[str, Any], times: int
) -> None:
    first = world.proxy.add(Fault(operation="write cases", when="after", times=times, **lost))
    case = await ledger.save(None, announced(), "event")
    assert first.fired == times
    second = world.proxy.add(Fault(operation="write cases", when="after", times=times, **lost))
    saved = await ledger.save(case, moved(case), "run")
    assert second.fired == times
    assert await stored(world, case) == saved
    assert len(await world.history(case.id)) == 2
    await ledger.save(saved, moved(saved), "run")  # its etag is good


async def test_a_save_that_took_too_long_to_answer_is_a_success(world: TableWorld) -> None:
    fault = world.proxy.add(Fault(operation="write cases", kind="delay", when="after", seconds=1.0))
    case = await world.ledger_with(HASTY).save(None, announced(), "event")
    assert fault.fired
    assert await stored(world, case) == case


async def test_a_lost_answer_does_not_pass_for_somebody_elses_write(world: TableWorld, ledger: TableLedger) -> None:
    """Two runs write the very same move: the one that did not land must not believe it did."""
    case = await ledger.save(None, announced(), "event")
    await world.ledger_with(PATIENT).save(case, moved(case), "run")
    fault = world.proxy.add(Fault(operation="write cases", when="before"))
    with pytest.raises(Moved):
        await ledger.save(case, moved(case), "run")
    assert fault.fired


async def test_a_landed_save_that_others_built_upon_lets_go(world: TableWorld, ledger: TableLedger) -> None:
    case = await ledger.save(None, announced(), "event")
    overtaken = world.ledger_with(Patience(each=5.0, total=5.0, pause=2.0))
    fault = world.proxy.add(Fault(operation="write cases", when="after", times=1))

    async def overtake() -> None:
        landed = await ledger.load(case.id)
        assert landed
        await ledger.save(landed, moved(landed), "other")

    world.proxy.after_fault = overtake
    with pytest.raises(Moved):
        await overtaken.save(case, moved(case), "run")
    assert fault.fired
    assert len(await world.history(case.id)) == 3


@pytest.mark.parametrize("lost", LOST)
async def test_meeting_somebody_survives_lost_answers(
    world: TableWorld, ledger: TableLedger, lost: dict[str, Any]
) -> None:
    case, who = await ledger.save(None, announced(), "event"), str(uuid4())
    faults = [world.proxy.add(Fault(operation="write people", when="after", **lost))]
    first = await ledger.meet(who, FIRST, case.id)
    world.clock.advance(timedelta(hours=1))
    faults.append(world.proxy.add(Fault(operation="write people", when="after", **lost)))
    second = await ledger.meet(who, SECOND, case.id)
    assert [fault.fired for fault in faults] == [1, 1]
    assert (first.is_first_number, first.number_first_seen) == (True, NOW)
    assert (second.is_first_number, second.number_first_seen) == (False, NOW + timedelta(hours=1))


@pytest.mark.parametrize("lost", LOST)
async def test_who_began_a_pause_knows_it_though_the_answer_was_lost(
    world: TableWorld, ledger: TableLedger, lost: dict[str, Any]
) -> None:
    for _ in range(2):
        fault = world.proxy.add(Fault(operation="write control", when="after", **lost))
        assert await ledger.pause(Reason.BUDGET, "firstpass", timedelta(minutes=15))
        assert fault.fired
        world.clock.advance(timedelta(minutes=15))


# --- patience ---


type Call = Callable[[TableLedger, Case], Awaitable[object]]

CALLS: dict[str, Call] = {
    "read cases": lambda ledger, case: ledger.load(case.id),
    "write agenda": lambda ledger, case: ledger.wake(case),
    "write cases": lambda ledger, case: ledger.save(case, moved(case), "run"),
    "read people": lambda ledger, case: ledger.meet(ALICE, FIRST, case.id),
    "read control": lambda ledger, _: ledger.admit(),
}


@pytest.mark.parametrize("kind", ["drop", "status", "empty"])
@pytest.mark.parametrize("operation", CALLS)
async def test_a_short_outage_is_bridged(
    world: TableWorld,
    ledger: TableLedger,
    operation: str,
    kind: Literal["drop", "status", "empty"],
) -> None:
    case = replace(await ledger.save(None, announced(), "event"), woken_at=None)
    fault = world.proxy.add(Fault(operation=operation, kind=kind, times=2))
    await CALLS[operation](ledger, case)
    assert fault.fired == 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, "denied"), (403, "denied"), (400, "rejected"), (404, "rejected"), (413, "rejected")]
)
async def test_what_time_does_not_heal_is_not_repeated(
    world: TableWorld, ledger: TableLedger, status: int, code: str
) -> None:
    body = '{"odata.error": {"code": "AuthorizationFailure", "message": {"lang": "en", "value": "+491713920001"}}}'
    for operation in ("read cases", "write cases"):
        world.proxy.add(Fault(operation=operation, kind="status", status=status, body=body, times=9))
    for call in (ledger.load(uuid4().hex), ledger.save(None, announced(), "event")):
        with pytest.raises(LedgerUnavailable) as caught:
            await call
        assert str(caught.value) == f"ledger-{code}"
        assert caught.value.__suppress_context__
    assert [fault.fired for fault in world.proxy.faults] == [1, 1]


async def test_nobody_but_us_repeats_a_call(world: TableWorld) -> None:
    """The SDK would repeat a transaction whose answer was dropped, and meet what it wrote itself."""
    once = world.ledger_with(Patience(each=5.0, total=0.0, pause=0.05))
    faults = [world.proxy.add(Fault(operation="write cases", kind=kind, times=9)) for kind in ("drop", "status")]
    for fault in faults:
        with pytest.raises(LedgerUnavailable):
            await once.save(None, waiting(state=State.REFUSED), "event")
        assert fault.fired == 1
        fault.times = 0


async def test_a_service_that_stays_silent_is_given_up_in_time(world: TableWorld) -> None:
    impatient = world.ledger_with(Patience(each=0.2, total=0.5, pause=0.05))
    fault = world.proxy.add(Fault(operation="read cases", kind="delay", seconds=30.0, times=99))
    started = datetime.now(UTC)
    with pytest.raises(LedgerUnavailable, match=r"^ledger-unavailable$"):
        await impatient.load(uuid4().hex)
    assert 2 <= fault.fired <= 4
    assert datetime.now(UTC) - started < timedelta(seconds=5)


async def test_a_service_that_is_not_there_is_a_code(world: TableWorld) -> None:
    await world.proxy.stop()
    with pytest.raises(LedgerUnavailable, match=r"^ledger-unavailable$"):
        await world.ledger.load(uuid4().hex)


async def test_a_usual_save_costs_two_calls_and_a_look_at_the_pause_none(
    world: TableWorld, ledger: TableLedger
) -> None:
    await ledger.admit()
    case = await ledger.save(None, announced(), "event")
    world.proxy.seen.clear()
    saved = await ledger.save(case, replace(case, deliver_at=NOW + timedelta(minutes=9), moves=2), "event")
    await ledger.wake(saved)
    await ledger.admit()
    assert world.proxy.seen == ["write agenda", "write cases"]
