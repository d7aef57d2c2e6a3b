"""Processes at work, sent on by hand from one outside call to the next; at each the schedule says what happens.

No event loop and no thread: the same schedule is always the same story.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from shared.errors import FirstpassError, Moved, Unavailable
from tests.faults.ports import FREE, Call, Fault, Kind, faults_of, lands_after, outages_of
from tests.faults.schedules import Point, Schedule

STANDSTILL = timedelta(minutes=6)
"""Of a slow call: longer than a lease (3 minutes) and a lock (5)."""
OUT_FOR = 240.0
"""Seconds: longer than ten deliveries, each kept for 20."""
ENDLESS = 4_000
"""So many calls has no story that ends."""
LANDS = (Kind.LATE, Kind.LATER, Kind.DIES_LATE, Kind.DIES_LATER)
DIES = (Kind.DIES, Kind.DIES_LATE, Kind.DIES_LATER)


@dataclass(slots=True, eq=False)
class Run:
    """One process at work on one message, callback, sweep or wish. `end` is told when it has ended, or died."""

    work: Coroutine[Any, Any, Any]
    end: Callable[["Run"], None]
    stands_still: Callable[[], None] = lambda: None
    beside: list["Run"] = field(default_factory=list["Run"])
    """Those that are under way at the same moment, itself among them; the first goes on."""
    call: Call | None = None
    """What it is about to do."""
    error: Exception | None = None
    died: bool = False
    asked: dict[str, float] = field(default_factory=dict[str, float])
    """When it last made each call, on the monotonic clock."""

    def go_on(self, fault: Fault | None = None) -> None:
        """Up to the next outside call, or the end."""
        self.call = None
        try:
            while (call := self.work.send(fault)) is None:  # a fake that lets others run
                fault = None
            self.call = call
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - how it ended is looked at where its message is
            self.error = error

    def die(self) -> None:
        """Nothing more of it happens: what a `finally` would do neither."""
        self.call, self.died = None, True


class Around(Protocol):
    """What goes on around the workers."""

    def monotonic(self) -> float: ...

    def after(self, wait: timedelta, happens: Callable[[], None]) -> None: ...

    def goes_on(self, lasts: timedelta) -> None:
        """While somebody stands still."""
        ...

    def report_on_all(self) -> None:
        """Twilio's callbacks about every message so far."""
        ...

    def made(self, run: Run, call: Call) -> None:
        """A run has made a call."""
        ...

    def changed(self) -> None:
        """A run has ended, or something landed."""
        ...


class Workers:
    """Plays one schedule. `points` are the calls that were made, `fired` what went wrong at them."""

    def __init__(self, schedule: Schedule, around: Around) -> None:
        self.points: list[Point] = []
        self.fired: list[Fault] = []
        self.at_work, self.landing = 0, 0
        """Runs that have not ended; requests that have not landed."""
        self.is_calm = False
        """Nothing goes wrong any more, and no call counts."""
        self.dead: list[Run] = []
        """Kept until the story is over: Python cleans up after a coroutine that nobody holds."""
        self.reports_anywhere, self.outages = False, False
        """Whether Twilio may report at any call; whether what fails fails for long."""
        self._out: dict[str, tuple[float, Fault]] = {}
        self._around = around
        self._faults: dict[int, list[Fault]] = {}
        self._to_come = len(schedule)
        for choice in schedule:
            self._faults.setdefault(choice.at, []).append(choice.fault)

    @property
    def under_way(self) -> int:
        """Runs and requests of which more may come."""
        return self.at_work + self.landing

    @property
    def is_all_over(self) -> bool:
        """Nobody is at work, and nothing more goes wrong."""
        return not self.at_work and len(self.fired) == self._to_come

    @property
    def faults(self) -> int:
        """How many there were."""
        return sum(fault.kind not in FREE for fault in self.fired)

    def drive(self, *runs: Run) -> None:
        """Send runs on until all have ended; the first goes on until the schedule says otherwise."""
        beside = list(runs)
        self.at_work += len(runs)
        for run in runs:
            run.beside = beside
            run.go_on()
            self._see_end(run)
        while beside:
            self._advance(beside)

    def bury(self) -> None:
        """The story is over."""
        for run in self.dead:
            with suppress(RuntimeError):  # what it does in its `finally` is a call, and nobody makes that
                run.work.close()

    def _advance(self, beside: list[Run]) -> None:
        planned = [] if self.is_calm else self._faults.get(len(self.points), [])
        self.fired += planned
        others = len(beside) > 1
        if Fault(Kind.SWITCH) in planned:
            beside.append(beside.pop(0))
        if not self.is_calm:
            self.points.append(self._point(beside[0], others=others))
        if Fault(Kind.RECEIPT) in planned:
            self._around.report_on_all()
        self._make(beside[0], next((fault for fault in planned if fault.kind not in FREE), None))

    def _point(self, run: Run, *, others: bool) -> Point:
        """The call that is made now, after a switch if there is one, and what could happen there."""
        assert run.call is not None
        assert len(self.points) < ENDLESS, "this story does not end"
        free = [Fault(Kind.SWITCH)] if others else []
        free += [Fault(Kind.RECEIPT)] if self.reports_anywhere else []
        offered = outages_of(run.call.name) if self.outages else faults_of(run.call.name)
        return Point(run.call.name, (*free, *offered))

    def _make(self, run: Run, fault: Fault | None) -> None:
        """One call, and what goes wrong with it."""
        call = run.call
        assert call is not None
        fault = self._out_of_order(call.name, fault)
        kind = fault.kind if fault else None
        if kind is Kind.SLOW:
            self._stand_still(run)
        if kind is not None and kind in LANDS:
            self._land(call, lands_after(call.name, kind))
        if kind in DIES:
            run.die()
            self.dead.append(run)
        else:
            run.asked[call.name] = self._around.monotonic()
            run.go_on(fault)
            self._around.made(run, call)
        self._see_end(run)

    def _out_of_order(self, name: str, fault: Fault | None) -> Fault | None:
        """What begins now goes on for OUT_FOR."""
        now = self._around.monotonic()
        if fault and fault.kind in (Kind.OUTAGE, Kind.DEAF):
            self._out[name] = now + OUT_FOR, fault
        until, goes_on = self._out.get(name, (now, None))
        return goes_on if now < until else fault

    def _see_end(self, run: Run) -> None:
        if run.call is not None:
            return
        run.beside.remove(run)
        self.at_work -= 1
        if run.error and not isinstance(run.error, Moved | Unavailable):
            raise AssertionError("a bug, not an outcome") from run.error
        run.end(run)
        self._around.changed()

    def _stand_still(self, run: Run) -> None:
        """Those beside it come to their ends, and the world goes on."""
        run.beside.remove(run)
        run.stands_still()
        while run.beside:
            self._advance(run.beside)
        self._around.goes_on(STANDSTILL)
        run.beside.append(run)

    def _land(self, call: Call, after: timedelta) -> None:
        self.landing += 1

        def land() -> None:
            self.landing -= 1
            work = call.land()
            with suppress(StopIteration, FirstpassError, Moved):
                while True:
                    work.send(None)
            self._around.changed()

        self._around.after(after, land)
