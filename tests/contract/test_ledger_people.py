"""What every ledger promises about people and pauses, whatever it stands on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.case import Case
from shared.errors import Later, Reason
from shared.guard_rails import Person
from shared.states import State
from tests.contract.ledger_cases import FIRST, SECOND, waiting
from tests.contract.ledger_worlds import NOW, Fault, World, run_azurite, table_world, world_of

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.param, request) as there:
        yield there


# --- people ---


FREE_ON_FIRST = Person(other_case_open=False, number="", is_first_number=True, number_first_seen=NOW)


async def held(world: World, state: State = State.ANNOUNCED, **changes: object) -> Case:
    return await world.ledger.save(None, waiting(state=state, **changes), "event")


async def test_a_person_never_met_is_on_their_first_number(world: World) -> None:
    person = await world.ledger.meet(str(uuid4()), FIRST, (await held(world)).id)
    assert person == FREE_ON_FIRST


async def test_a_number_is_told_from_another_and_always_called_the_same(world: World) -> None:
    who, case = str(uuid4()), waiting()
    first, second, again = [(await world.ledger.meet(who, number, case.id)).number for number in (FIRST, SECOND, FIRST)]
    assert first == again != second


async def test_the_first_number_stays_the_first_and_times_stay_what_they_were(world: World) -> None:
    who, case = str(uuid4()), await held(world)
    await world.ledger.meet(who, FIRST, case.id)
    world.clock.advance(timedelta(hours=5))
    changed = await world.ledger.meet(who, SECOND, case.id)
    assert (changed.is_first_number, changed.number_first_seen) == (False, NOW + timedelta(hours=5))
    world.clock.advance(timedelta(hours=5))
    assert await (await world.another()).meet(who, SECOND, case.id) == changed
    back = await world.ledger.meet(who, FIRST, case.id)
    assert (back.is_first_number, back.number_first_seen) == (True, NOW)


async def test_numbers_outlive_cases(world: World) -> None:
    who, closed = str(uuid4()), await held(world, State.ONBOARDED)
    await world.ledger.meet(who, FIRST, closed.id)
    world.clock.advance(timedelta(days=300))
    again = await world.ledger.meet(who, SECOND, (await held(world)).id)
    assert not again.is_first_number


async def test_of_many_numbers_the_first_and_the_latest_are_kept(world: World) -> None:
    who, case = str(uuid4()), await held(world)
    numbers = [f"+4917139200{i:02}" for i in range(23)]
    for number in numbers:
        await world.ledger.meet(who, number, case.id)
        world.clock.advance(MINUTE)
    first = await world.ledger.meet(who, numbers[0], case.id)
    assert (first.is_first_number, first.number_first_seen) == (True, NOW)
    latest = await world.ledger.meet(who, numbers[-1], case.id)
    assert (latest.is_first_number, latest.number_first_seen) == (False, NOW + 22 * MINUTE)
    forgotten = await world.ledger.meet(who, numbers[1], case.id)
    assert (forgotten.is_first_number, forgotten.number_first_seen) == (False, NOW + 23 * MINUTE)


@pytest.mark.parametrize(
    ("state", "deletions_left"), [(State.ANNOUNCED, 0), (State.ANNOUNCED, 1), (State.ISSUING, 0), (State.SENT, 0)]
)
async def test_an_open_case_keeps_its_person_from_others(world: World, state: State, deletions_left: int) -> None:
    who, other = str(uuid4()), await held(world)
    holder = await held(world, state, lease_until=NOW + MINUTE, deletions_left=deletions_left, delete_at=NOW)
    assert await world.ledger.meet(who, FIRST, holder.id) == FREE_ON_FIRST
    second = await world.ledger.meet(who, SECOND, other.id)
    assert (second.other_case_open, second.other_case_ending, second.is_first_number) == (True, False, False)
    assert await world.ledger.meet(who, FIRST, holder.id) == FREE_ON_FIRST


@pytest.mark.parametrize("state", [State.CANCELLED, State.REFUSED])
async def test_a_case_that_ended_keeps_its_person_until_its_passes_are_deleted(world: World, state: State) -> None:
    who, other = str(uuid4()), await held(world)
    ending = await held(world, state, deletions_left=1, delete_at=NOW)
    await world.ledger.meet(who, FIRST, ending.id)
    for _ in range(2):
        waits = await world.ledger.meet(who, FIRST, other.id)
        assert (waits.other_case_open, waits.other_case_ending) == (False, True)
    await world.ledger.save(ending, ending.passes_deleted(NOW), "run")
    assert await world.ledger.meet(who, FIRST, other.id) == FREE_ON_FIRST
    assert (await world.ledger.meet(who, FIRST, ending.id)).other_case_open


@pytest.mark.parametrize(
    ("state", "deletions_left"), [(State.ANNOUNCED, 0), (State.SENT, 0), (State.CANCELLED, 2), (State.REFUSED, 1)]
)
async def test_a_case_that_may_not_have_a_person_leaves_no_trace_on_them(
    world: World, state: State, deletions_left: int
) -> None:
    """A number shown in vain must not grow old enough to be trusted."""
    who, other = str(uuid4()), await held(world)
    holder = await held(world, state, deletions_left=deletions_left, delete_at=NOW)
    await world.ledger.meet(who, FIRST, holder.id)
    for _ in range(2):
        in_vain = await world.ledger.meet(who, SECOND, other.id)
        assert (in_vain.is_first_number, in_vain.number_first_seen) == (False, world.clock.now())
        world.clock.advance(timedelta(hours=80))
    assert not (await world.ledger.meet(who, FIRST, holder.id)).other_case_open, "the holder holds them still"
    changed = await world.ledger.meet(who, SECOND, holder.id)
    assert changed.number_first_seen == NOW + timedelta(hours=160)


@pytest.mark.parametrize("state", [State.ONBOARDED, State.GAVE_UP, State.CANCELLED, State.REFUSED, None])
async def test_a_case_that_is_over_or_missing_lets_its_person_go(world: World, state: State | None) -> None:
    who, other = str(uuid4()), await held(world)
    gone = (await held(world, state)).id if state else uuid4().hex
    await world.ledger.meet(who, FIRST, gone)
    assert not (await world.ledger.meet(who, FIRST, other.id)).other_case_open
    third = await held(world)
    assert (await world.ledger.meet(who, FIRST, third.id)).other_case_open


@pytest.mark.parametrize("last_held_by", [None, State.CANCELLED, State.ANNOUNCED])
async def test_two_cases_never_take_one_person(world: World, last_held_by: State | None) -> None:
    who, cases = str(uuid4()), [await held(world) for _ in range(4)]
    if last_held_by:
        cases[0] = await held(world, last_held_by)
        await world.ledger.meet(who, FIRST, cases[0].id)
    takers = cases[1:] if last_held_by is State.CANCELLED else cases
    ledgers = [await world.another() for _ in takers]
    calls = (ledger.meet(who, FIRST, case.id) for ledger, case in zip(ledgers, takers, strict=True))
    met = await asyncio.gather(*calls)
    assert [person.other_case_open for person in met].count(False) == 1
    again = [await world.ledger.meet(who, FIRST, case.id) for case in takers]
    assert [person.other_case_open for person in again] == [person.other_case_open for person in met]


async def test_a_case_opened_again_keeps_its_person_from_one_who_saw_it_closed(azurite: str) -> None:
    """Both take the person at once: the last holder, open again, and another that read the holder's head before."""
    async with table_world(azurite) as tables:
        who, other, holder = str(uuid4()), await held(tables), await held(tables, State.CANCELLED)
        await tables.ledger.meet(who, FIRST, holder.id)
        taken: list[Person] = []

        async def reopen() -> None:
            await tables.ledger.save(holder, holder.moved(State.ANNOUNCED), "event")
            taken.append(await tables.ledger.meet(who, FIRST, holder.id))

        stale = Fault(operation="read cases", kind="delay", when="after")
        tables.proxy.add(stale)
        tables.proxy.after_fault = reopen
        late = await (await tables.another()).meet(who, FIRST, other.id)
        assert stale.fired
        assert [person.other_case_open for person in (*taken, late)] == [False, True]


async def test_people_are_told_apart(world: World) -> None:
    case = await held(world)
    await world.ledger.meet(str(uuid4()), FIRST, case.id)
    assert (await world.ledger.meet(str(uuid4()), SECOND, case.id)).is_first_number


# --- pause ---


@pytest.mark.parametrize("lasts", [timedelta(minutes=15), timedelta(seconds=1)])
async def test_a_pause_holds_everyone_for_as_long_as_it_lasts(world: World, lasts: timedelta) -> None:
    await world.ledger.admit()
    assert await world.ledger.pause(Reason.GRAPH_DENIED, "firstpass", lasts)
    for ledger in (world.ledger, await world.another()):
        with pytest.raises(Later) as caught:
            await ledger.admit()
        assert (caught.value.reason, caught.value.after) == (Reason.PAUSED, lasts)
    world.clock.advance(lasts)
    await world.ledger.admit()


async def test_a_pause_made_elsewhere_is_noticed_within_five_seconds(world: World) -> None:
    await world.ledger.admit()
    await (await world.another()).pause(Reason.GRAPH_DENIED, "operator", timedelta(minutes=15))
    world.clock.advance(timedelta(seconds=5))
    with pytest.raises(Later):
        await world.ledger.admit()


async def test_one_caller_begins_a_pause(world: World) -> None:
    ledgers = [await world.another() for _ in range(5)]
    quarter = timedelta(minutes=15)
    began = await asyncio.gather(*(ledger.pause(Reason.BUDGET, "firstpass", quarter) for ledger in ledgers))
    assert began.count(True) == 1
    world.clock.advance(quarter)
    began = await asyncio.gather(*(ledger.pause(Reason.BUDGET, "firstpass", quarter) for ledger in ledgers))
    assert began.count(True) == 1


@pytest.mark.parametrize(("second", "left"), [(5, 14), (14, 14), (15, 15), (60, 60)])
async def test_only_a_longer_pause_extends_one_and_it_begins_nothing(world: World, second: int, left: int) -> None:
    assert await world.ledger.pause(Reason.GRAPH_DENIED, "firstpass", 15 * MINUTE)
    world.clock.advance(MINUTE)
    assert not await world.ledger.pause(Reason.TWILIO_DENIED, "firstpass", second * MINUTE)
    with pytest.raises(Later) as caught:
        await world.ledger.admit()
    assert caught.value.after == left * MINUTE
