"""Every crash point: each outside call of each scenario goes wrong in every way its port knows, and no promise breaks.

Here one fault at a time, and what comes of two workers without one; a little more of both under `make test-slow`; the
rest is `make proof`.
"""

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.faults.scenarios import NIGHT, ONE_WORKER, OUTAGES, RECEIPTS_ANYWHERE, REST, TWO_WORKERS
from tests.faults.schedules import Budget, explore
from tests.faults.stories import story

TO_THE_END = ("a plain hire", "made an administrator while waiting", "made an administrator with a pass")
"""The others differ until the night before the first day only; `make proof` plays all of them to the end."""

IN_PROOF_ONLY = (
    "WhatsApp that stays silent",
    "reissued by an operator",
    "called off by an operator",
    "refused and replayed",
)

pytestmark = pytest.mark.usefixtures("silence")


@pytest.mark.parametrize("name", [name for name in ONE_WORKER if name not in IN_PROOF_ONLY])
def test_one_fault_at_any_call_breaks_no_promise(name: str, count: Callable[[str, int], None]) -> None:
    until = REST if name in TO_THE_END else NIGHT
    count(f"one worker, one fault: {name}", explore(story(ONE_WORKER[name], until), Budget(faults=1)))


def test_receipts_may_come_twice_at_any_call(count: Callable[[str, int], None]) -> None:
    played = explore(story(RECEIPTS_ANYWHERE), Budget(faults=0, receipts=1))
    count("one worker, receipts twice at any call", played)


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_that_outlasts_ten_deliveries_breaks_no_promise(name: str, count: Callable[[str, int], None]) -> None:
    count(f"one worker, one outage: {name}", explore(story(OUTAGES[name]), Budget(faults=1)))


@pytest.mark.parametrize("name", TWO_WORKERS)
def test_two_workers_who_take_turns_break_no_promise(name: str, count: Callable[[str, int], None]) -> None:
    played = explore(story(TWO_WORKERS[name], NIGHT), Budget(faults=0, switches=2))
    count(f"two workers, two switches: {name}", played)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "until"), [("a plain hire", NIGHT), ("made an administrator while waiting", REST)], ids=["hire", "refusal"]
)
def test_two_faults_at_any_calls_break_no_promise(
    name: str, until: datetime, count: Callable[[str, int], None]
) -> None:
    count(f"one worker, two faults: {name}", explore(story(ONE_WORKER[name], until), Budget(faults=2)))


@pytest.mark.slow
@pytest.mark.parametrize("name", TWO_WORKERS)
def test_two_workers_and_a_fault_break_no_promise(name: str, count: Callable[[str, int], None]) -> None:
    played = explore(story(TWO_WORKERS[name], NIGHT), Budget(faults=1, switches=1))
    count(f"two workers, one switch, one fault: {name}", played)
