"""Schedules: what goes wrong at which call, and the search that plays every one of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.faults.ports import FREE, Fault, Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """At the `at`-th outside call of a story, this happens."""

    at: int
    fault: Fault


type Schedule = tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One call of a story: its name, and what could happen there."""

    name: str
    offered: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of each may be in one schedule."""

    faults: int
    switches: int = 0
    receipts: int = 0

    def allows(self, schedule: Schedule) -> bool:
        count = Counter(choice.fault.kind for choice in schedule)
        faults = sum(times for kind, times in count.items() if kind not in FREE)
        within = faults <= self.faults and count[Kind.SWITCH] <= self.switches
        return within and count[Kind.RECEIPT] <= self.receipts


def explore(play: Callable[[Schedule], Iterable[Point]], budget: Budget, share: tuple[int, int] = (0, 1)) -> int:
    """Play every schedule within the budget, or the n-th share of them by their first choice; gives how many.

    The calls of a story are known only once it was played: each schedule that was played is followed by those that add
    one choice after its last. Up to that choice both go the same way, so every schedule is played once.
    """
    waiting: list[Schedule] = [()]
    count = 0
    while waiting:
        schedule = waiting.pop()
        points = play(schedule)
        count += 1
        longer = [longer for longer in _longer(schedule, points) if budget.allows(longer)]
        waiting += longer if schedule else longer[share[0] :: share[1]]
    return count


def _longer(schedule: Schedule, points: Iterable[Point]) -> Iterator[Schedule]:
    last = schedule[-1] if schedule else None
    for at, point in enumerate(points):
        if last is None or at >= last.at:
            yield from ((*schedule, Choice(at, fault)) for fault in point.offered if _may_follow(last, at, fault))


def _may_follow(last: Choice | None, at: int, fault: Fault) -> bool:
    """At one call there may be a switch, then a receipt, then a fault."""
    if last is None or at > last.at:
        return True
    order = {kind: number for number, kind in enumerate(FREE)}
    return order.get(last.fault.kind, len(FREE)) < order.get(fault.kind, len(FREE))


def told(schedule: Schedule, points: list[Point]) -> str:
    """A schedule in words, for a test that failed."""
    words = (f"at call {choice.at}, {points[choice.at].name}: {choice.fault}" for choice in schedule)
    return "; ".join(words) or "nothing went wrong"
