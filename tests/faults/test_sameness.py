"""A search that merges stories misses nothing: it comes to every ending that the search without merging comes to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.builders import USER_ID
from tests.fakes.house import DUE
from tests.faults.sameness import digest
from tests.faults.scenarios import NIGHT, ONE_WORKER, PLAIN, REST, Scenario
from tests.faults.schedules import Budget, Point, Schedule, Trodden, explore
from tests.faults.stories import story
from tests.faults.world import World

pytestmark = pytest.mark.usefixtures("silence")


class Endings:
    """Plays a scenario, and keeps what its stories leave."""

    def __init__(self, scenario: Scenario, until: datetime) -> None:
        self.found: set[bytes] = set()
        self.merged = 0
        self._worlds: list[World] = []
        self._happens = scenario.happens
        self._play = story(replace(scenario, happens=self._begin), until)

    def _begin(self, world: World) -> None:
        self._worlds.append(world)
        self._happens(world)

    def play(self, schedule: Schedule, was_trodden: Trodden | None = None) -> list[Point]:
        answers: list[bool] = []

        def ask(state: bytes) -> bool:
            answers.append(was_trodden is not None and was_trodden(state))
            return answers[-1]

        points = self._play(schedule, ask if was_trodden else None)
        if any(answers):
            self.merged += 1
        else:
            self.found.add(digest(self._worlds[-1]))
        return list(points)


def both_ways(scenario: Scenario, until: datetime, budget: Budget) -> tuple[Endings, Endings]:
    """Searched in full, and merging."""
    full, merging = Endings(scenario, until), Endings(scenario, until)
    explore(full.play, budget, merging=False)
    explore(merging.play, budget)
    return full, merging


@pytest.mark.parametrize("name", ["made an administrator while waiting", "a plain hire"])
def test_every_ending_of_one_fault_is_found(name: str) -> None:
    full, merging = both_ways(ONE_WORKER[name], NIGHT, Budget(faults=1))
    assert merging.merged > len(merging.found)
    assert merging.found == full.found


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "until"), [("made an administrator while waiting", REST), ("a plain hire", NIGHT)])
def test_every_ending_of_two_faults_is_found(name: str, until: datetime) -> None:
    full, merging = both_ways(ONE_WORKER[name], until, Budget(faults=2))
    assert merging.found == full.found


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
