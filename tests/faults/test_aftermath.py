"""What the fault matrix says is left, and becomes of it, is so: in figures by the row's name, in words one by one."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.case import LEASE
from shared.errors import Halted, Later, Reason
from shared.fields import GUARD_BEFORE, LOOK_AFTER
from shared.onboarding import SHORTEST_WAIT
from shared.run import PAUSE
from shared.states import State
from tests.builders import USER_ID, facts, policy
from tests.fakes.house import DUE, House
from tests.faults.aftermath import AFTERMATHS, Aftermath, Seen
from tests.faults.matrix import ROWS
from tests.faults.ports import Fault, Kind
from tests.faults.rows import Row
from tests.faults.scenarios import NIGHT, ONE_WORKER
from tests.faults.schedules import Choice
from tests.faults.test_matrix import calls, faults
from tests.faults.world import LOCK, World

MINUTE = timedelta(minutes=1)
OTHER_ID, OTHER_NUMBER = "11111111-2222-4333-8444-555555555555", "+12025550147"
PLAYED = {row.what: row for row in ROWS if row.at}
WAYS = [(what, kind) for what, ways in AFTERMATHS.items() for kind in ways]


def world_with(row: Row, fault: Fault) -> World:
    """A plain hire, about to begin, in which the call of this row goes wrong."""
    assert row.at
    name, number = row.at
    at = [place for place, call in enumerate(calls()) if call == name][number]
    world = World((Choice(at, fault),), DUE)
    ONE_WORKER["a plain hire"].happens(world)
    return world


def seen(world: World) -> Seen:
    """What there is to be seen now."""
    passes, messages = len(world.directory.created), len(world.courier.sent)
    if (case := world.ledger.cases.get(world.house.case_id)) is None:
        return Seen(None, passes=passes, messages=messages)
    return Seen(case.state, case.attempt, case.sends, passes, messages, case.issuance)


def came_to(world: World) -> timedelta:
    """How long after the first try the case first stood as it stands now, with the pass it has now."""
    case = world.house.case
    now = case.state, case.issuance, case.attempt
    moves = world.ledger.moves[case.id]
    return min(move.at for move in moves if (move.to_state, move.issuance, move.attempt) == now) - DUE


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize(("what", "kind"), WAYS, ids=[f"{what}: {kind}" for what, kind in WAYS])
def test_what_a_row_leaves_and_what_becomes_of_it(what: str, kind: Kind) -> None:
    row, expected = PLAYED[what], AFTERMATHS[what][kind]
    assert row.at
    ways = [fault for fault in faults(row, row.at[0]) if fault.kind is kind]
    assert ways
    for fault in ways:
        world, left = world_with(row, fault), list[Seen]()
        world.keepers.append(lambda world=world, left=left: left.append(seen(world)) if world.workers.fired else None)
        world.live(NIGHT)
        assert world.workers.fired == [fault], "the fault did not happen"
        assert Aftermath(left[0], seen(world), came_to(world)) == expected, fault
        ends_well(world)


def ends_well(world: World) -> None:
    """The joiner has a pass that works, or nothing and a letter says why."""
    refused = world.house.case.state is State.REFUSED
    assert world.house.newest_works() is not refused
    assert (world.directory.people[USER_ID].tap is None, bool(world.house.reasons)) == (refused, refused)
    assert not world.queue


def test_every_way_of_every_played_row_has_its_aftermath() -> None:
    assert {what: set(ways) for what, ways in AFTERMATHS.items()} == {
        what: set(row.kinds) for what, row in PLAYED.items()
    }


def test_the_spans_of_time_the_rows_name_are_those_of_the_code() -> None:
    assert LEASE == 3 * MINUTE
    assert PAUSE == LOOK_AFTER == GUARD_BEFORE == 15 * MINUTE
    assert LOCK == 5 * MINUTE


# --- what rows say in words ---


@pytest.mark.usefixtures("silence")
def test_what_was_read_before_a_run_died_counts_for_nothing() -> None:
    world = world_with(PLAYED["dies after the person and the policy were read"], Fault(Kind.DIES))
    world.at(DUE + MINUTE, lambda: world.directory.add(facts(has_role=True)) and None)
    world.live(NIGHT)
    assert world.workers.fired == [Fault(Kind.DIES)]
    assert (world.directory.created, world.house.reasons) == ([], ["privileged"])


@pytest.mark.parametrize("wait", [SHORTEST_WAIT, 37 * MINUTE, timedelta(hours=2)], ids=str)
@pytest.mark.parametrize("method", ["facts", "policy", "create_pass"])
async def test_a_case_waits_as_long_as_graph_says(method: str, wait: timedelta) -> None:
    house = House(DUE)
    fault = house.directory.fail(method, Later(Reason.GRAPH_THROTTLED, wait))
    await house.hire({"channel": "sms"})
    asked = len(house.directory.calls)
    await house.live(DUE + wait - timedelta(seconds=1))
    assert fault.fired
    assert len(house.directory.calls) == asked, "Graph was asked before its time"
    await house.live(DUE + wait + 2 * MINUTE)
    assert house.newest_works()


def _graph_denies(house: House) -> None:
    house.directory.fail("create_pass", Halted(Reason.GRAPH_DENIED))


def _twilio_denies(house: House) -> None:
    house.courier.fail_next(Halted(Reason.TWILIO_DENIED))


def _two_joiners() -> tuple[House, dict[str, object]]:
    """A house that knows somebody else, too, and what HR says of them."""
    house = House(DUE)
    house.directory.add(facts(user_id=OTHER_ID, mobile_phone=OTHER_NUMBER))
    return house, {"user": {"id": OTHER_ID}, "mobilePhone": OTHER_NUMBER}


@pytest.mark.parametrize("arrange", [_graph_denies, _twilio_denies])
async def test_a_fault_of_the_tenant_pauses_everybody_and_others_try_first(arrange: Callable[[House], None]) -> None:
    house, other = _two_joiners()
    arrange(house)
    await house.hire()
    await house.hire(other, subject="W-2", id="evt-2")
    await house.live(DUE + PAUSE - MINUTE)
    assert house.courier.sent == []
    await house.live(DUE + 2 * PAUSE - MINUTE)
    assert [sent.number for sent in house.courier.sent] == [OTHER_NUMBER]
    await house.live(DUE + 2 * PAUSE + 2 * MINUTE)
    assert house.newest_works()
    assert house.reasons == []


@pytest.mark.parametrize("arrange", [_graph_denies, _twilio_denies])
async def test_a_fault_of_the_tenant_that_many_meet_is_one_alert(
    arrange: Callable[[House], None], caplog: pytest.LogCaptureFixture
) -> None:
    house, other = _two_joiners()
    arrange(house)
    arrange(house)
    with caplog.at_level("ERROR", logger="firstpass"):
        await asyncio.gather(house.hire(), house.hire(other, subject="W-2", id="evt-2"))
    reasons = {case.reason for case in house.ledger.cases.values()}
    assert reasons <= {Reason.GRAPH_DENIED, Reason.TWILIO_DENIED}, "both met it"
    assert [record.getMessage() for record in caplog.records] == ["issuing-halted"], "and no error beside it"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"include_targets": frozenset[str]()}, Reason.POLICY_EXCLUDES_USER),
        ({"maximum_lifetime_in_minutes": 90}, Reason.POLICY_TOO_SHORT),
    ],
)
async def test_a_policy_that_will_not_do_for_this_joiner_refuses_before_a_pass(
    change: dict[str, object], reason: Reason
) -> None:
    house = House(DUE)
    house.directory.tenant = policy(**change)
    await house.hire()
    assert (house.reasons, house.directory.created) == ([reason], [])
    assert (house.case.state, house.ledger.paused) == (State.REFUSED, None)
    house.directory.tenant = policy()
    house.clock.advance(PAUSE + MINUTE)  # so long a policy that was read is good for
    await house.hire(id="evt-2", time="2026-11-30T15:00:00Z")
    assert house.newest_works()
