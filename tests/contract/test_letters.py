"""What every queue of dead letters promises, whatever it stands on."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from shared.errors import BusUnavailable
from tests.contract.letter_worlds import (
    SOMEBODY,
    BrokerWorld,
    FakeWorld,
    World,
    as_replay,
    everything,
    first_taken,
    found,
    taken,
)
from tests.fakes.letters import Again, When

# A connection that breaks under the SDK leaves its socket to the collector, which says so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    async with BrokerWorld(tmp_path) as there:
        yield there


def bodies(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(1, count + 1)]


# --- looking ---


async def test_a_letter_is_shown_as_it_was_written(world: World) -> None:
    await world.put(b"\xff{", reason="privileged")
    (letter,) = await everything(world)
    assert (letter.sequence, letter.body, letter.reason) == (1, b"\xff{", "privileged")
    assert (letter.message_id, letter.original_id, letter.replays) == ("letter-1", "letter-1", 0)
    assert letter.content_type == "application/json"
    assert letter.written_at.utcoffset() is not None


async def test_looking_goes_through_all_in_order_and_takes_none(world: World) -> None:
    await world.put(*bodies(230))
    assert [letter.sequence for letter in await everything(world)] == list(range(1, 231))
    assert [letter.sequence for letter in await everything(world, after=228)] == [229, 230]
    assert await everything(world, after=230) == []
    assert await taken(world, 1, 230) == [1, 230]


async def test_letters_are_found_by_number_also_locked_ones(world: World) -> None:
    await world.put(*bodies(120))
    await world.held_elsewhere(3)
    await taken(world, 7)
    assert await found(world, 2, 6, 7, 8, 9, 119, 120, 121, 500) == [2, 6, 8, 9, 119, 120]
    assert await found(world, 7) == []
    assert await found(world) == []
    assert await found(world, *range(1, 121)) == [number for number in range(1, 121) if number != 7]


# --- taking ---


async def test_what_is_completed_is_gone_and_nothing_else(world: World) -> None:
    await world.put(*bodies(6))
    assert await taken(world, 5, 2, 99) == [2, 5]
    assert [letter.sequence for letter in await everything(world)] == [1, 3, 4, 6]


async def test_what_is_taken_and_not_completed_is_there_again_at_once(world: World) -> None:
    await world.put(*bodies(3))
    for _ in range(2):
        assert await taken(world, 1, 2, 3, complete=False) == [1, 2, 3]
    assert await taken(world, 1, 2, 3) == [1, 2, 3]


async def test_what_was_passed_by_is_met_when_it_is_wanted(world: World) -> None:
    await world.put(*bodies(5))
    assert await taken(world, 4) == [4]
    assert await taken(world, 2, 5) == [2, 5]
    assert await taken(world, 1, 3) == [1, 3]
    assert await everything(world) == []


async def test_what_was_passed_by_is_free_for_everybody_once_walks_rest(world: World) -> None:
    await world.put(*bodies(5))
    assert await taken(world, 3) == [3]
    assert await taken(world, 5, complete=False) == [5]
    await world.letters.rest()
    await world.held_elsewhere(4)
    assert await taken(world, 1, 2, 4, 5) == []


async def test_letters_with_gaps_between_them_are_met_one_at_a_time(world: World) -> None:
    await world.put(*bodies(60))
    await taken(world, *range(3, 50))
    walk, first = await first_taken(world, 51)
    assert first.letter.sequence == 51
    await world.held_elsewhere(9)  # 52 to 60: behind it nothing is locked
    await walk.aclose()


async def test_resting_with_nothing_held_is_nothing(world: World) -> None:
    await world.letters.rest()
    await world.put(b"1")
    assert await taken(world, 1) == [1]
    await world.letters.rest()


async def test_a_letter_behind_the_last_wanted_one_stays_free(world: World) -> None:
    await world.put(*bodies(5))
    await world.held_elsewhere(2)
    assert await taken(world, 1, 2) == []
    assert await taken(world, 3, 4, 5) == [3, 4, 5]


async def test_somebody_elses_letter_is_not_met_before_their_lock_ends(world: World) -> None:
    await world.put(*bodies(3))
    await world.held_elsewhere(1)
    assert await taken(world, 1, 2) == [2]
    assert await found(world, 1, 2) == [1]
    await world.locks_end()
    assert await taken(world, 1, 3) == [1, 3]


async def test_two_walks_at_once_never_meet_the_same_letter(world: World) -> None:
    await world.put(*bodies(60))
    one, other = await asyncio.gather(taken(world, *range(1, 61)), taken(world, *range(1, 61)))
    assert sorted(one + other) == sorted(set(one + other))
    await world.locks_end()
    rest = await taken(world, *range(1, 61))
    assert sorted(one + other + rest) == list(range(1, 61))


async def test_letters_that_arrive_during_a_walk_are_none_of_its_business(world: World) -> None:
    await world.put(*bodies(3))
    walk, first = await first_taken(world, 1)
    await world.put(b"new")
    await first.complete()
    await walk.aclose()
    assert [letter.body for letter in await everything(world)] == [b"2", b"3", b"new"]
    assert await taken(world, 2, 3, 4) == [2, 3, 4]


async def test_an_empty_queue_or_no_time_ends_a_walk(world: World) -> None:
    assert await taken(world, 1, 2) == []
    await world.put(*bodies(2))
    assert await taken(world, 1, 2, within=-1) == []
    assert await taken(world) == []
    assert await taken(world, 1, 2) == [1, 2]


# --- sending again ---


async def test_what_is_sent_again_is_a_fresh_message_under_an_id_of_its_own(world: World) -> None:
    await world.put(b'{"a": 1}', reason="TTLExpiredException", message_id="hr-1")
    (letter,) = await everything(world)
    await world.letters.send_again(letter, as_replay(letter, 1))
    told = Again(b'{"a": 1}', "hr-1:replay:1", "application/json", "hr-1", 1, "TTLExpiredException", SOMEBODY)
    assert await world.sent() == [told]


async def test_what_is_sent_again_says_who_sent_it_and_since_when_it_is_there(world: World) -> None:
    await world.put(b"{}", message_id="hr-1")
    (letter,) = await everything(world)
    assert letter.first_written_at == letter.written_at
    await world.letters.send_again(letter, as_replay(letter, 1))
    assert [each.by for each in await world.sent()] == [SOMEBODY]


async def test_a_letter_keeps_its_mark_and_no_other_has_it(world: World) -> None:
    await world.put(b"1", b"1", message_id="hr-1")
    one, other = await everything(world)
    assert one.mark != other.mark
    walk, first = await first_taken(world, 1)
    assert first.letter.mark == one.mark
    await walk.aclose()
    assert one.replay_id(1, marked=True) == f"hr-1:replay:1-{one.mark}"


async def test_the_same_replay_twice_is_one_message_and_the_next_another(world: World) -> None:
    await world.put(b"{}", message_id="hr-1")
    (letter,) = await everything(world)
    for replays in (1, 1, 2):
        await world.letters.send_again(letter, as_replay(letter, replays))
    assert [each.message_id for each in await world.sent()] == ["hr-1:replay:1", "hr-1:replay:2"]


async def test_a_long_id_is_shortened_and_still_tells_two_apart(world: World) -> None:
    for ending in "ab":
        await world.put(b"{}", message_id="x" * 127 + ending)
    for letter in await everything(world):
        await world.letters.send_again(letter, as_replay(letter, 1))
    ids = [each.message_id for each in await world.sent()]
    assert len(set(ids)) == 2
    assert {len(each) for each in ids} == {128}
    assert {each.original_id for each in await world.sent()} == {"x" * 127 + "a", "x" * 127 + "b"}


# --- outages ---


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_send_that_fails_is_a_code_and_the_letter_stays(world: World, when: When) -> None:
    await world.put(b"{}")
    walk, first = await first_taken(world, 1)
    await world.outage("send_again", when)
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await world.letters.send_again(first.letter, as_replay(first.letter, 1))
    await walk.aclose()
    assert await world.fired()
    assert len(await world.sent()) == (1 if when == "after" else 0)
    walk, first = await first_taken(world, 1)
    await world.letters.send_again(first.letter, as_replay(first.letter, 1))
    await first.complete()
    await walk.aclose()
    assert len(await world.sent()) == 1
    assert await everything(world) == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_completion_that_fails_is_a_code(world: World, when: When) -> None:
    await world.put(b"{}")
    walk, first = await first_taken(world, 1)
    await world.outage("complete", when)
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await first.complete()
    await walk.aclose()
    assert await world.fired()
    await world.locks_end()
    assert await found(world, 1) == ([] if when == "after" else [1])
    assert await taken(world, 1) == ([] if when == "after" else [1])
