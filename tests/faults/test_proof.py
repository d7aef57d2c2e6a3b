"""The same as test_schedules.py with more of everything, for `make proof`: an hour on two cores.

Two workers take turns at any call, but only so often: all orders of two runs of a dozen calls are millions. Beside a
fault there are two switches, without one there are four.
"""

from collections.abc import Callable

import pytest

from tests.faults.scenarios import ONE_WORKER, OUTAGES, RECEIPTS_ANYWHERE, TWO_WORKERS
from tests.faults.schedules import Budget, explore
from tests.faults.stories import story

pytestmark = [pytest.mark.exhaustive, pytest.mark.usefixtures("silence")]


@pytest.mark.parametrize("name", ONE_WORKER)
def test_two_faults_at_any_calls(name: str, count: Callable[[str, int], None]) -> None:
    count(f"one worker, two faults: {name}", explore(story(ONE_WORKER[name]), Budget(faults=2)))


def test_receipts_at_any_call_and_a_fault_at_another(count: Callable[[str, int], None]) -> None:
    played = explore(story(RECEIPTS_ANYWHERE), Budget(faults=1, receipts=1))
    count("one worker, one fault and receipts at any call", played)


@pytest.mark.parametrize("name", OUTAGES)
def test_two_outages(name: str, count: Callable[[str, int], None]) -> None:
    count(f"one worker, two outages: {name}", explore(story(OUTAGES[name]), Budget(faults=2)))


@pytest.mark.parametrize("name", TWO_WORKERS)
def test_two_workers_and_a_fault(name: str, count: Callable[[str, int], None]) -> None:
    played = explore(story(TWO_WORKERS[name]), Budget(faults=1, switches=2))
    count(f"two workers, two switches, one fault: {name}", played)


@pytest.mark.parametrize("name", TWO_WORKERS)
def test_two_workers_who_take_turns_often(name: str, count: Callable[[str, int], None]) -> None:
    played = explore(story(TWO_WORKERS[name]), Budget(faults=0, switches=4))
    count(f"two workers, four switches: {name}", played)
