"""The same as test_schedules.py with more of everything, for `make proof`: tens of minutes of one core.

Two workers take turns at any call, but only so often: all orders of two runs of a dozen calls are millions. Beside a
fault there is one switch (the other goes on to its end, and the first goes on after it), without one there are three.
"""

from collections.abc import Callable

import pytest

from tests.faults.scenarios import NIGHT, ONE_WORKER, OUTAGES, RECEIPTS_ANYWHERE, REST, TWO_WORKERS
from tests.faults.schedules import Budget, explore
from tests.faults.stories import story

SHARES = 8
"""Each search is cut into so many tests, for as many processes."""
IN_FULL = ("a hire that waits for its time", "made an administrator while waiting")
"""Two faults anywhere between the event and the end of the case."""
UNTIL_NIGHT = (
    "a plain hire",
    "a later event in between",
    "a cancellation in between",
    "locks that end at once",
    "receipts of old attempts",
)
"""Two faults until the message is out and looked after; what follows is the same as above."""

pytestmark = [pytest.mark.exhaustive, pytest.mark.usefixtures("silence")]
every_share = pytest.mark.parametrize("share", range(SHARES))


@pytest.mark.parametrize("name", ONE_WORKER)
def test_one_fault_at_any_call_to_the_very_end(name: str, count: Callable[[str, int], None]) -> None:
    count(f"one worker, one fault, to the end: {name}", explore(story(ONE_WORKER[name]), Budget(faults=1)))


@every_share
@pytest.mark.parametrize("name", [*IN_FULL, *UNTIL_NIGHT])
def test_two_faults_at_any_calls(name: str, share: int, count: Callable[[str, int], None]) -> None:
    play = story(ONE_WORKER[name], REST if name in IN_FULL else NIGHT)
    played = explore(play, Budget(faults=2), (share, SHARES))
    count(f"one worker, two faults{'' if name in IN_FULL else ', until night'}: {name}", played)


@every_share
def test_receipts_at_any_call_and_a_fault_at_another(share: int, count: Callable[[str, int], None]) -> None:
    played = explore(story(RECEIPTS_ANYWHERE, NIGHT), Budget(faults=1, receipts=1), (share, SHARES))
    count("one worker, one fault and receipts at any call, until night", played)


@every_share
@pytest.mark.parametrize("name", OUTAGES)
def test_two_outages(name: str, share: int, count: Callable[[str, int], None]) -> None:
    played = explore(story(OUTAGES[name], NIGHT), Budget(faults=2), (share, SHARES))
    count(f"one worker, two outages, until night: {name}", played)


@every_share
@pytest.mark.parametrize("name", TWO_WORKERS)
def test_two_workers_and_a_fault(name: str, share: int, count: Callable[[str, int], None]) -> None:
    played = explore(story(TWO_WORKERS[name], NIGHT), Budget(faults=1, switches=1), (share, SHARES))
    count(f"two workers, one switch, one fault: {name}", played)


@pytest.mark.parametrize("name", TWO_WORKERS)
def test_two_workers_who_take_turns_often(name: str, count: Callable[[str, int], None]) -> None:
    played = explore(story(TWO_WORKERS[name], NIGHT), Budget(faults=0, switches=3))
    count(f"two workers, three switches: {name}", played)
