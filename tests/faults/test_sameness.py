"""A search that merges stories misses nothing: from one state every story goes on alike, and to the same ending."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.builders import USER_ID
from tests.fakes.house import DUE
from tests.faults.sameness import digest
from tests.faults.scenarios import NIGHT, ONE_WORKER, OUTAGES, PLAIN, RECEIPTS_ANYWHERE, REST, TWO_WORKERS, Scenario
from tests.faults.schedules import Budget, Point, Schedule, Trodden, explore, spent_by
from tests.faults.stories import story
from tests.faults.world import World

pytestmark = pytest.mark.usefixtures("silence")


type Search = tuple[Scenario, datetime, Budget]

SEARCHES: dict[str, Search] = {
    "a refusal": (ONE_WORKER["made an administrator while waiting"], REST, Budget(faults=1)),
    "two workers": (TWO_WORKERS["the same event twice"], NIGHT, Budget(faults=0, switches=2)),
}
LONG_SEARCHES: dict[str, Search] = {
    "a hire": (ONE_WORKER["a plain hire"], REST, Budget(faults=1)),
    "an operator": (ONE_WORKER["refused and replayed"], REST, Budget(faults=1)),
    "outages": (OUTAGES["a cancellation in between"], REST, Budget(faults=1)),
    "receipts": (RECEIPTS_ANYWHERE, NIGHT, Budget(faults=1, receipts=1)),
    "two workers and a fault": (TWO_WORKERS["a hire and its cancellation"], REST, Budget(faults=1, switches=1)),
    "a refusal and two faults": (ONE_WORKER["made an administrator while waiting"], REST, Budget(faults=2)),
}


class Stories:
    """Plays a scenario, never merging, and keeps what follows each state and what each story leaves."""

    def __init__(self, scenario: Scenario, until: datetime) -> None:
        self.met_again = 0
        self.endings: set[bytes] = set()
        self._tails: dict[tuple[Budget, bytes], int] = {}
        self._world: World | None = None
        self._happens = scenario.happens
        self._play = story(replace(scenario, happens=self._begin), until)

    def _begin(self, world: World) -> None:
        self._world = world
        self._happens(world)

    def play(self, schedule: Schedule, was_trodden: Trodden | None = None) -> list[Point]:
        stood: list[tuple[bytes, int]] = []
        merged: list[bool] = []

        def look(state: bytes) -> bool:
            assert self._world
            stood.append((state, len(self._world.workers.points)))
            merged.append(was_trodden is not None and was_trodden(state))
            return merged[-1]

        points = list(self._play(schedule, look))
        if not any(merged):
            ending = digest(self._world)
            self.endings.add(ending)
            for state, at in stood:
                self._follows((spent_by(schedule), state), hash((*points[at:], ending)))
        return points

    def _follows(self, state: tuple[Budget, bytes], tail: int) -> None:
        before = self._tails.get(state)
        assert before in (None, tail), "two stories in one state went on in two ways"
        self._tails[state] = tail
        self.met_again += before is not None


@pytest.mark.parametrize(
    "search",
    [*SEARCHES.values(), *(pytest.param(each, marks=pytest.mark.exhaustive) for each in LONG_SEARCHES.values())],
    ids=[*SEARCHES, *LONG_SEARCHES],
)
def test_what_follows_a_state_is_the_same_in_every_story(search: Search) -> None:
    scenario, until, budget = search
    stories = Stories(scenario, until)
    played = explore(stories.play, budget, merging=False)
    assert stories.met_again > played


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("made an administrator while waiting", Budget(faults=1)),
        pytest.param("made an administrator while waiting", Budget(faults=2), marks=pytest.mark.exhaustive),
    ],
    ids=["one", "two"],
)
def test_a_search_that_merges_comes_to_every_ending(name: str, budget: Budget) -> None:
    full, merging = Stories(ONE_WORKER[name], REST), Stories(ONE_WORKER[name], REST)
    assert explore(full.play, budget, merging=False) >= explore(merging.play, budget)
    assert merging.endings == full.endings


def test_a_story_that_goes_round_in_circles_is_no_end() -> None:
    def turn(world: World) -> None:
        world.after(timedelta(0), lambda: turn(world))

    with pytest.raises(AssertionError, match="circles"):
        explore(story(Scenario(turn)), Budget(faults=0))


def lived() -> World:
    """A world whose pass is out, and names in it that were drawn anew."""
    world = World((), DUE)
    PLAIN(world)
    world.live(NIGHT)
    return world


def _change_the_pass(world: World) -> None:
    tap = world.directory.people[USER_ID].tap
    assert tap
    tap.code = "0BADC0DE"


DIFFERENCES: dict[str, Callable[[World], object]] = {
    "a second later": lambda world: world.clock.advance(timedelta(seconds=1)),
    "a row of the agenda more": lambda world: world.ledger.agenda.setdefault(("2026120109", "00-x"), "etag-x"),
    "a case in another state": lambda world: world.ledger.cases.clear(),
    "another pass in Entra than on the phone": _change_the_pass,
    "something planned": lambda world: world.after(timedelta(hours=1), lambda: None),
    "a method registered": lambda world: world.house.register("fido2"),
    "a text emptied": lambda world: world.courier.redacted.append("SM1"),
    "a lost lock": lambda world: setattr(world.told[0], "lock", object()),
    "a message given once more": lambda world: setattr(world.told[0], "deliveries", 1),
}


def test_names_drawn_at_random_make_no_difference() -> None:
    assert digest(lived()) == digest(lived())


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES)
def test_whatever_can_matter_makes_a_difference(difference: Callable[[World], object]) -> None:
    world = lived()
    difference(world)
    assert digest(world) != digest(lived())


def test_a_run_under_way_cannot_be_told() -> None:
    async def work() -> None: ...

    under_way = work()
    with pytest.raises(TypeError, match="cannot tell where a coroutine stands"):
        digest([under_way])
    under_way.close()
