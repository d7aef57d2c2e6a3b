"""Schedules: what goes wrong at which call, and the search that plays every one of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

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
        spent = spent_by(schedule)
        return spent.faults <= self.faults and spent.switches <= self.switches and spent.receipts <= self.receipts


def spent_by(schedule: Schedule) -> Budget:
    """How much of each is in a schedule."""
    kinds = [choice.fault.kind for choice in schedule]
    switches, receipts = kinds.count(Kind.SWITCH), kinds.count(Kind.RECEIPT)
    return Budget(len(kinds) - switches - receipts, switches, receipts)


@dataclass(slots=True)
class Ground:
    """Where the stories of a search have been."""

    _trodden: set[tuple[Budget, bytes]] = field(default_factory=set[tuple[Budget, bytes]])

    def was_trodden(self, spent: Budget, state: bytes) -> bool:
        """Whether some story came to this state after as much; now one did."""
        before = len(self._trodden)
        self._trodden.add((spent, state))
        return len(self._trodden) == before


type Trodden = Callable[[bytes], bool]


class Play(Protocol):
    """Plays a schedule and gives the calls that were made. Where `was_trodden` says so it may stop."""

    def __call__(
        self, schedule: Schedule, was_trodden: Callable[[bytes], bool] | None = None, /
    ) -> Sequence[Point]: ...


def explore(play: Play, budget: Budget, *, merging: bool = True) -> int:
    """Play every schedule within the budget; gives how many.

    The calls of a story are known only once it was played: each schedule that was played is followed by those that add
    one choice after its last. Up to that choice both go the same way, so every schedule is played once.

    Two stories in which as much went wrong and which come to the same state of everything go on alike, whatever else
    goes wrong. With `merging` the second one ends there, and so do all that would have followed it.
    """
    waiting: list[Schedule] = [()]
    ground = Ground()
    count = 0
    while waiting:
        schedule = waiting.pop()
        points = play(schedule, partial(ground.was_trodden, spent_by(schedule)) if merging else None)
        count += 1
        waiting += [longer for longer in _longer(schedule, points) if budget.allows(longer)]
    return count


def _longer(schedule: Schedule, points: Sequence[Point]) -> Iterator[Schedule]:
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


def told(schedule: Schedule, points: Sequence[Point]) -> str:
    """A schedule in words, for a test that failed."""
    words = (f"at call {choice.at}, {points[choice.at].name}: {choice.fault}" for choice in schedule)
    return "; ".join(words) or "nothing went wrong"
