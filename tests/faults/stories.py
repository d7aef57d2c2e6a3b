"""One story: a scenario played under one schedule, with every promise held against what can be seen of it."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.builders import USER_ID
from tests.faults.promises import Promises
from tests.faults.sameness import digest
from tests.faults.scenarios import NIGHT, OPENS, REST, Scenario
from tests.faults.schedules import Play, Point, Schedule, Trodden, told
from tests.faults.world import Merged, World

HOUR = timedelta(hours=1)
SECOND_LOOK = timedelta(minutes=50)
"""After the opening: by then whoever looks again has looked."""
TRIES = 9
"""How often a joiner tries to sign in: their first day long."""


def story(scenario: Scenario, until: datetime = REST) -> Play:
    """What `explore` plays: gives the calls of a story in which whatever went wrong kept every promise."""

    def play(schedule: Schedule, was_trodden: Trodden | None = None) -> list[Point]:
        world = World(schedule, scenario.start)
        if was_trodden:
            world.was_trodden = Steps(was_trodden).go
        try:
            with suppress(Merged):
                _live(world, scenario, until)
            assert len(world.workers.fired) == len(schedule), "a fault did not happen"
        except Exception as error:
            error.add_note(told(schedule, world.workers.points))
            raise
        finally:
            world.workers.bury()
        return world.workers.points

    return play


@dataclass(frozen=True, slots=True)
class Steps:
    """Where one story has been: it may come to where another was, never to where it was itself."""

    was_trodden: Trodden
    own: set[bytes] = field(default_factory=set[bytes])

    def go(self, world: World, until: datetime) -> bool:
        state = digest(world, until)
        assert state not in self.own, "this story goes round in circles"
        self.own.add(state)
        return self.was_trodden(state)


def _live(world: World, scenario: Scenario, until: datetime) -> None:
    promises = Promises(world)
    world.at(OPENS + SECOND_LOOK, promises.nobody_privileged_can_sign_in)
    world.at(OPENS + HOUR, lambda: _begin_work(world, TRIES))
    scenario.happens(world)
    world.live(NIGHT)
    promises.what_comes_again_is_harmless()
    promises.no_more_messages_than(scenario.messages)
    if until > NIGHT:
        world.live(until)
        promises.what_comes_again_is_harmless()
        promises.end_well(scenario.ends, scenario.messages)


def _begin_work(world: World, tries: int) -> None:
    """The joiner signs in with the newest message and registers; when it does not work they try again in an hour."""
    if world.house.texts and world.directory.works(USER_ID, world.house.texts[-1]):
        world.house.register("windowsHelloForBusiness")
    elif tries:
        world.after(HOUR, lambda: _begin_work(world, tries - 1))
