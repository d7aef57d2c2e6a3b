"""What every ledger promises, whatever it stands on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared import plan
from shared.case import Case, Held
from shared.errors import Later, LedgerUnavailable, Moved, Reason
from shared.events import Channel, Message
from shared.plan import Terms
from shared.states import Act, State
from shared.wishes import approved
from tests.builders import RULES
from tests.contract.ledger_cases import ALICE, BOB, FIRST, announced, waiting
from tests.contract.ledger_worlds import NOW, When, World, run_azurite, world_of

MINUTE = timedelta(minutes=1)

TERMS = Terms(start_date_time=NOW + timedelta(hours=1), lifetime_in_minutes=480, is_usable_once=False, cut=False)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.param, request) as there:
        yield there


async def agenda_of(world: World, case: Case) -> list[tuple[str, str]]:
    return sorted(keys for keys in await world.agenda() if keys[1].endswith(case.id))


# --- heads and history ---


async def test_an_unknown_case_is_none(world: World) -> None:
    assert await world.ledger.load(uuid4().hex) is None


async def test_a_saved_case_comes_back_equal_and_ready_to_be_saved_again(world: World) -> None:
    saved = await world.ledger.save(None, announced(), "event")
    loaded = await world.ledger.load(saved.id)
    assert loaded == saved
    assert loaded
    assert (loaded.etag, loaded.woken_at) == (saved.etag, saved.woken_at)
    assert loaded.etag
    await world.ledger.save(loaded, loaded.claimed(ALICE, TERMS, NOW), "run")


async def test_every_move_lasts_and_is_told_in_order(world: World) -> None:
    case = await world.ledger.save(None, announced(NOW), "event")
    world.clock.advance(timedelta(seconds=1))
    moves: tuple[Callable[[Case], Case], ...] = (
        lambda c: c.claimed(ALICE, TERMS, NOW),
        lambda c: c.put_off(Act.ISSUE, Reason.TWILIO_BUSY, NOW + MINUTE, held=Held(lease=True)),
        lambda c: c.claimed(ALICE, TERMS, NOW + 2 * MINUTE),
        lambda c: c.intended("pass-1"),
        lambda c: c.sent(Message("SM1", Channel.SMS), RULES, NOW + 3 * MINUTE),
    )
    for move in moves:
        case = await world.ledger.save(case, move(case), "run")
        assert await world.ledger.load(case.id) == case
    told = await world.history(case.id)
    assert [(row["from"], row["to"], row["reason"], row["attempt"]) for row in told] == [
        (None, "announced", None, 0),
        ("announced", "issuing", None, 1),
        ("issuing", "announced", "twilio-busy", 1),
        ("announced", "issuing", None, 2),
        ("issuing", "issuing", None, 2),
        ("issuing", "sent", None, 2),
    ]
    assert [row["actor"] for row in told] == ["event"] + ["run"] * 5
    assert [row["at"] for row in told] == [NOW] + [NOW + timedelta(seconds=1)] * 5
    assert {row["issuance"] for row in told} == {1}
    story = await world.ledger.history(case.id)
    assert [(part.from_state, part.to_state) for part in story] == [(row["from"], row["to"]) for row in told]
    assert [(part.at, part.actor, part.issuance) for part in story] == [
        (row["at"], row["actor"], row["issuance"]) for row in told
    ]
    assert [part.message_id for part in story] == [None] * 5 + ["SM1"]


@pytest.mark.parametrize("reason", [Reason.MOBILE_CHANGED, Reason.ALREADY_REGISTERED])
async def test_a_move_tells_what_an_approver_vouched_for_and_the_next_does_not(world: World, reason: Reason) -> None:
    refused = announced(NOW).refused(reason, RULES, NOW, held=Held())
    shown = replace(refused, number_shown="n-1", methods_shown=("fido2",))
    case = await world.ledger.save(None, shown, "issue")
    case = await world.ledger.save(case, approved(case, plan.When(NOW, NOW), NOW, reason, case.issuance), "operator:1")
    await world.ledger.save(case, case.claimed(ALICE, TERMS, NOW), "issue")
    assert [move.approved for move in await world.ledger.history(case.id)] == [None, reason, None]
    assert await world.ledger.history("0" * 32) == []


async def test_a_wiped_contact_is_gone(world: World) -> None:
    saved = await world.ledger.save(None, waiting(user_id=ALICE), "event")
    wiped = await world.ledger.save(saved, replace(saved, event=None, user_id=None, moves=2), "wipe")
    loaded = await world.ledger.load(saved.id)
    assert loaded == wiped
    assert loaded
    assert (loaded.event, loaded.user_id) == (None, None)


async def test_a_case_written_meanwhile_is_not_overwritten(world: World) -> None:
    stale = await world.ledger.save(None, announced(), "event")
    moved = await world.ledger.save(stale, stale.claimed(ALICE, TERMS, NOW), "run")
    late = stale.claimed(BOB, TERMS, NOW + MINUTE)
    for after in (late, replace(late, moves=9)):  # also where no history row of that number stands in its way
        with pytest.raises(Moved):
            await world.ledger.save(stale, after, "run")
    assert await world.ledger.load(stale.id) == moved
    assert len(await world.history(stale.id)) == 2


async def test_a_case_is_opened_once(world: World) -> None:
    case = announced()
    await world.ledger.save(None, case, "event")
    for before in (None, case):
        with pytest.raises(Moved):
            await world.ledger.save(before, replace(case, moves=2), "event")
    assert len(await world.history(case.id)) == 1


async def test_a_move_cannot_be_told_twice(world: World) -> None:
    saved = await world.ledger.save(None, announced(), "event")
    with pytest.raises(Moved):
        await world.ledger.save(saved, replace(saved, reason=Reason.PAUSED), "run")
    assert await world.ledger.load(saved.id) == saved


async def test_of_many_runs_at_once_one_claims(world: World) -> None:
    saved = await world.ledger.save(None, announced(NOW), "event")
    ledgers = [await world.another() for _ in range(5)]
    claims = [ledger.save(saved, saved.claimed(ALICE, TERMS, NOW), f"run-{i}") for i, ledger in enumerate(ledgers)]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, Case)]
    assert len(won) == 1
    assert sum(isinstance(outcome, Moved) for outcome in outcomes) == 4
    assert len(await world.history(saved.id)) == 2
    loaded = await world.ledger.load(saved.id)
    assert loaded
    assert loaded.etag == won[0].etag


# --- wake rows ---


@pytest.mark.parametrize(
    ("deliver_at", "hour", "minute"),
    [
        pytest.param(datetime(2026, 11, 30, 17, 0, tzinfo=UTC), "2026113017", "00", id="a full minute stays"),
        pytest.param(datetime(2026, 11, 30, 17, 0, 0, 1, tzinfo=UTC), "2026113017", "01", id="else rounded up"),
        pytest.param(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "2027010100", "00", id="into the next year"),
        pytest.param(datetime(2026, 11, 1, tzinfo=UTC), "2026113007", "06", id="long due: two minutes ahead"),
        pytest.param(NOW + MINUTE, "2026113007", "06", id="too soon: two minutes ahead"),
        pytest.param(NOW + 3 * MINUTE, "2026113007", "07", id="just far enough"),
    ],
)
async def test_the_wake_row_says_when(world: World, deliver_at: datetime, hour: str, minute: str) -> None:
    case = announced(deliver_at)
    saved = await world.ledger.save(None, case, "event")
    assert await agenda_of(world, case) == [(hour, f"{minute}-{case.id}")]
    assert saved.woken_at == datetime.strptime(hour + minute, "%Y%m%d%H%M").replace(tzinfo=UTC)


@pytest.mark.parametrize("state", [State.REFUSED, State.CANCELLED, State.ONBOARDED, State.GAVE_UP])
async def test_a_case_that_waits_for_nothing_has_no_wake_row(world: World, state: State) -> None:
    case = await world.ledger.save(None, waiting(state=state), "event")
    await world.ledger.wake(case)
    assert await agenda_of(world, case) == []


@pytest.mark.parametrize("method", ["save", "wake"])
async def test_a_row_still_ahead_and_early_enough_is_not_written_again(world: World, method: str) -> None:
    case = await world.ledger.save(None, announced(NOW + timedelta(hours=1)), "event")
    await world.clear("agenda")
    later = replace(case, deliver_at=NOW + timedelta(hours=2), moves=2)
    await (world.ledger.save(case, later, "event") if method == "save" else world.ledger.wake(later))
    assert await agenda_of(world, case) == []


async def test_a_step_that_comes_sooner_gets_its_own_row(world: World) -> None:
    case = await world.ledger.save(None, announced(NOW + timedelta(hours=2)), "event")
    sooner = await world.ledger.save(case, replace(case, deliver_at=NOW + timedelta(hours=1), moves=2), "event")
    assert [keys[0] for keys in await agenda_of(world, case)] == ["2026113008", "2026113009"]
    assert sooner.woken_at == datetime(2026, 11, 30, 8, 4, tzinfo=UTC)


@pytest.mark.parametrize(("seconds_left", "counts"), [(61, True), (60, True), (59, False), (-60, False)])
async def test_a_row_in_the_timers_reach_is_not_counted_on(world: World, seconds_left: int, counts: bool) -> None:
    case = await world.ledger.save(None, announced(NOW + timedelta(hours=1)), "event")
    await world.clear("agenda")
    assert case.woken_at
    world.clock.set_now(case.woken_at - timedelta(seconds=seconds_left))
    await world.ledger.save(case, replace(case, moves=2), "event")
    assert bool(await agenda_of(world, case)) is not counts


@pytest.mark.parametrize(("seconds_left", "counts"), [(301, True), (300, True), (299, False), (-60, False)])
async def test_a_nudge_that_goes_counts_on_no_row_of_a_timer_whose_clock_may_be_ahead(
    world: World, seconds_left: int, counts: bool
) -> None:
    case = await world.ledger.save(None, announced(NOW + timedelta(hours=1)), "event")
    await world.clear("agenda")
    assert case.woken_at
    world.clock.set_now(case.woken_at - timedelta(seconds=seconds_left))
    loaded = await world.ledger.load(case.id)
    assert loaded
    await world.ledger.wake(loaded)
    assert bool(await agenda_of(world, case)) is not counts


async def test_waking_leaves_the_head_alone(world: World) -> None:
    case = await world.ledger.save(None, announced(), "event")
    await world.clear("agenda")
    await world.ledger.wake(replace(case, woken_at=None))
    assert len(await agenda_of(world, case)) == 1
    loaded = await world.ledger.load(case.id)
    assert loaded
    assert loaded.etag == case.etag


async def test_the_wake_row_comes_before_the_head(world: World) -> None:
    case = announced()
    world.outage("save", "between")
    with pytest.raises(LedgerUnavailable):
        await world.ledger.save(None, case, "event")
    assert world.fired()
    assert len(await agenda_of(world, case)) == 1


# --- outages ---


async def call(world: World, method: str, case: Case) -> object:
    calls = {
        "load": lambda: world.ledger.load(case.id),
        "save": lambda: world.ledger.save(case, case.claimed(ALICE, TERMS, NOW), "run"),
        "wake": lambda: world.ledger.wake(replace(case, woken_at=None)),
        "meet": lambda: world.ledger.meet(ALICE + case.id, FIRST, case.id),
        "admit": world.ledger.admit,
        "pause": lambda: world.ledger.pause(Reason.BUDGET, "firstpass", MINUTE),
    }
    return await calls[method]()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["load", "save", "wake", "meet", "admit", "pause"])
async def test_an_outage_is_a_code_and_leaves_what_it_left(world: World, method: str, when: When) -> None:
    case = await world.ledger.save(None, announced(NOW), "event")
    await world.clear("agenda")
    world.outage(method, when)
    with pytest.raises(LedgerUnavailable) as caught:
        await call(world, method, case)
    assert str(caught.value) == "ledger-unavailable"
    assert world.fired()
    world.restore()
    took_effect = {
        "save": lambda: _state_is(world, case, State.ISSUING),
        "wake": lambda: _has_row(world, case),
        "meet": lambda: _has_met(world, case),
        "pause": lambda: _is_paused(world),
    }
    if method in took_effect:
        assert await took_effect[method]() is (when == "after")


async def _state_is(world: World, case: Case, state: State) -> bool:
    loaded = await world.ledger.load(case.id)
    return loaded is not None and loaded.state is state


async def _has_row(world: World, case: Case) -> bool:
    return bool(await agenda_of(world, case))


async def _has_met(world: World, case: Case) -> bool:
    world.clock.advance(MINUTE)
    return (await world.ledger.meet(ALICE + case.id, FIRST, case.id)).number_first_seen == NOW


async def _is_paused(world: World) -> bool:
    try:
        await world.ledger.admit()
    except Later:
        return True
    return False
