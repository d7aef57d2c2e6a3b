"""Outside calls that can go wrong in every way their ports know, by plan: each asks first, and then does as it is told.

A call is the only place where a run can stop: between two calls nothing happens outside. So dying after one call is
dying before the next, and the last call of a run is the settling of its message.
"""

from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from math import inf
from typing import Any

from shared.adapters.agenda import row_to_write
from shared.case import Case
from shared.errors import BusUnavailable, Halted, Later, LedgerUnavailable, Moved, Reason, Refused, Unconfirmed
from tests.fakes.ledger import FakeLedger

MINUTE = timedelta(minutes=1)


class Kind(StrEnum):
    FAILS = "fails"
    """An error, and nothing happened."""
    LOST = "loses its answer"
    """It took effect, and the run is told otherwise."""
    LATE = "lands late"
    """An error now; it takes effect before the next run."""
    LATER = "lands later"
    """An error now; it takes effect when the next run has been."""
    DIES = "dies"
    DIES_LATE = "dies, landing late"
    DIES_LATER = "dies, landing later"
    SLOW = "slow"
    """The worker stands still, longer than its lease and its lock, while the world goes on; then it goes on too."""
    OUTAGE = "fails for minutes"
    """As FAILS, and so does every call of this method, longer than a message is given again."""
    DEAF = "loses its answers for minutes"
    """As LOST, likewise."""
    SWITCH = "switch"
    """No fault: the other worker goes on."""
    RECEIPT = "receipt"
    """No fault: Twilio reports, twice, on every message so far."""


FREE = (Kind.SWITCH, Kind.RECEIPT)
"""These are no faults; they come first where a fault follows at the same call."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at one call. `error` makes what its run is told."""

    kind: Kind
    error: Callable[[], Exception] | None = None

    def __str__(self) -> str:
        return f"{self.kind} ({_code(self.error())})" if self.error else str(self.kind)


def _code(error: Exception) -> str:
    return f"{type(error).__name__} {error}"


def _later(reason: Reason) -> Callable[[], Exception]:
    return lambda: Later(reason, MINUTE)


def _halted(reason: Reason) -> Callable[[], Exception]:
    return lambda: Halted(reason)


def _refused(reason: Reason) -> Callable[[], Exception]:
    return lambda: Refused(reason)


def _ledger() -> Exception:
    return LedgerUnavailable("ledger-unavailable")


def _bus() -> Exception:
    return BusUnavailable("bus-unavailable")


GRAPH = (_later(Reason.GRAPH_THROTTLED), _halted(Reason.GRAPH_DENIED))
TWILIO = (_later(Reason.TWILIO_BUSY), _halted(Reason.TWILIO_DENIED))

FAILS: Mapping[str, tuple[Callable[[], Exception], ...]] = {
    "directory.facts": GRAPH,
    "directory.policy": GRAPH,
    "directory.passes": GRAPH,
    "directory.methods": GRAPH,
    "directory.delete_pass": GRAPH,
    "directory.create_pass": (*GRAPH, _refused(Reason.PASS_UNUSABLE)),
    "courier.send": (*TWILIO, _refused(Reason.OPTED_OUT)),
    "courier.look_up": TWILIO,
    "courier.redact": TWILIO,
    "ledger.load": (_ledger,),
    "ledger.row": (_ledger,),
    "ledger.head": (_ledger, Moved),
    "ledger.wake": (_ledger,),
    "ledger.meet": (_ledger, Moved),
    "ledger.admit": (_ledger, _later(Reason.PAUSED)),
    "ledger.spend": (_ledger, _halted(Reason.BUDGET)),
    "ledger.pause": (_ledger,),
    "ledger.forget": (_ledger, Moved),
    "ledger.due": (_ledger,),
    "ledger.done": (_ledger,),
    "ledger.beat": (_ledger,),
    "ledger.history": (_ledger,),
    "bus.dead_letter": (_bus,),
    "bus.nudge": (_bus,),
    "queue.complete": (_bus,),
}
"""What each method of a port raises when nothing came of it: the errors its docstring names, one of each kind."""

IN_DOUBT: Mapping[str, Callable[[], Exception]] = {
    "directory.create_pass": lambda: Unconfirmed(Reason.PASS_UNCONFIRMED),
    "directory.delete_pass": _later(Reason.GRAPH_UNAVAILABLE),
    "courier.send": lambda: Unconfirmed(Reason.MESSAGE_UNCONFIRMED),
    "courier.redact": _later(Reason.TWILIO_BUSY),
    **dict.fromkeys((f"ledger.{name}" for name in ("row", "head", "wake", "meet", "spend", "pause")), _ledger),
    **dict.fromkeys((f"ledger.{name}" for name in ("forget", "done", "beat")), _ledger),
    **dict.fromkeys(("bus.dead_letter", "bus.nudge", "queue.complete"), _bus),
}
"""What each method that changes something raises when it did change it, or will."""

LANDS_LATE = frozenset({"directory.create_pass", "ledger.row", "ledger.head", "bus.dead_letter", "bus.nudge"})
"""What can still be under way when its run has given up. Twilio takes a message when it reads the request, or never:
what it holds back after that is bounded by MESSAGE_VALIDITY, not by us. The rest names one thing by its id or ETag, and
is as harmless late as it is at once; or it counts (`spend`) or halts (`pause`), and costs a pass or minutes."""


@cache
def outages_of(name: str) -> tuple[Fault, ...]:
    """How a method of a port can be out of order for some time."""
    faults = [Fault(Kind.OUTAGE, error) for error in FAILS[name]]
    return (*faults, *([Fault(Kind.DEAF, IN_DOUBT[name])] if name in IN_DOUBT else []))


def lands_after(name: str, kind: Kind) -> timedelta:
    """How long a request is under way after its run gave it up.

    The tables themselves give up after 30 seconds; a failed message comes again after 20. What Entra does with a
    request nobody knows: two minutes lie inside a lease, five beyond it and the run that follows.
    """
    late = kind in (Kind.LATE, Kind.DIES_LATE)
    if name.startswith("ledger."):
        return timedelta(seconds=10 if late else 50)
    return timedelta(minutes=2 if late else 5)


@cache
def faults_of(name: str) -> tuple[Fault, ...]:
    """Everything that can go wrong with a call of this port and method."""
    faults = [Fault(Kind.FAILS, error) for error in FAILS[name]]
    if doubt := IN_DOUBT.get(name):
        late = (Kind.LATE, Kind.LATER) if name in LANDS_LATE else ()
        faults += [Fault(kind, doubt) for kind in (Kind.LOST, *late)]
        faults += [Fault(kind) for kind in (Kind.DIES_LATE, Kind.DIES_LATER) if late]
    return (*faults, Fault(Kind.DIES), Fault(Kind.SLOW))


@dataclass(slots=True, eq=False)
class Call:
    """One outside call about to be made: awaiting it asks what is to happen."""

    name: str
    do: Callable[[], Coroutine[Any, Any, Any]]
    land: Callable[[], Coroutine[Any, Any, Any]]
    """The same, for a request that left in time and takes effect when its run's time is over."""

    def __await__(self) -> Generator["Call", Fault | None, Any]:
        fault = yield self
        if fault is None or fault.error is None:
            return (yield from self.do().__await__())
        if fault.kind in (Kind.LOST, Kind.DEAF):
            yield from self.do().__await__()
        raise fault.error()


class Faulty:
    """A port whose every method is a Call."""

    def __init__(self, name: str, port: Any) -> None:
        self._name, self._port = name, port

    def __getattr__(self, method: str) -> Callable[..., Call]:
        act = getattr(self._port, method)
        has_deadline = self._name in ("directory", "courier")

        def call(*asked: Any) -> Call:
            late = (*asked[:-1], inf) if has_deadline else asked
            return Call(f"{self._name}.{method}", lambda: act(*asked), lambda: act(*late))

        return call


class FaultyLedger(Faulty):
    """A ledger whose `save` is the two writes that it is, wake row and head."""

    def __init__(self, ledger: FakeLedger) -> None:
        super().__init__("ledger", ledger)
        self._ledger = ledger

    async def save(self, before: Case | None, after: Case, actor: str) -> Case:
        async def head() -> Case:
            return self._ledger.write_head(before, after, actor)

        after = await self._row(after)
        return await self._row(await Call("ledger.head", head, head))

    async def _row(self, case: Case) -> Case:
        async def row() -> Case:
            return self._ledger.write_row(case)

        needed = row_to_write(case, self._ledger._clock.now()) is not None
        return await Call("ledger.row", row, row) if needed else case
