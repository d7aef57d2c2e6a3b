"""One step under way: what it reaches, the newest head it wrote, what it holds of it; and how heads are written."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from logging import ERROR
from typing import Final

from shared.case import Case, Held
from shared.errors import Halted, Moved
from shared.events import EventRules
from shared.guard_rails import GuardRules
from shared.plan import PlanRules
from shared.ports import Bus, Clock, Courier, Directory, Ledger
from shared.states import Act, CaseRules
from shared.telemetry import Event, emit

RUN_SECONDS: Final = 90.0
"""After this a run starts nothing any more: half a lease, so a holder stops long before another may begin."""
PAUSE: Final = timedelta(minutes=15)
RECORD_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """The deployer's choices, as the pure parts want them."""

    event: EventRules
    plan: PlanRules
    guard: GuardRules
    case: CaseRules
    rehearsal: bool = False
    single_day_passes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything a run reaches, and the rules it goes by."""

    directory: Directory
    courier: Courier
    ledger: Ledger
    bus: Bus
    clock: Clock
    rules: Rules


@dataclass(slots=True)
class Run:
    """One step under way. It starts nothing after `stop_at`, a moment of Clock.monotonic()."""

    outside: Outside
    case: Case
    act: Act
    stop_at: float
    held: Held = field(default_factory=Held)

    def now(self) -> datetime:
        """The present, in UTC."""
        return self.outside.clock.now()

    @property
    def rules(self) -> Rules:
        """The deployer's choices."""
        return self.outside.rules

    async def save(self, after: Case, held: Held | None = None) -> Case:
        """Make a move last; `held` is what the run holds from then on, nothing unless told.

        Raises:
            Moved: somebody else wrote the head meanwhile.
        """
        self.case = await self.outside.ledger.save(self.case, after, self.act)
        self.held = held or Held()
        return self.case

    async def save_mine(self, move: Callable[[Case], Case], held: Held | None = None) -> Case:
        """Save a holder's move, also over news recorded meanwhile that changes nothing: the attempt is still its own.

        Raises:
            Moved: the case went elsewhere.
        """
        try:
            return await self.save(move(self.case), held)
        except Moved:
            fresh = await self.outside.ledger.load(self.case.id)
            if fresh is None or (fresh.state, fresh.ref) != (self.case.state, self.case.ref):
                raise
            self.case = fresh
        return await self.save(move(fresh), held)

    async def let_go(self, move: Callable[[Case], Case]) -> Case:
        """Save the move that ends this step, a holder's also over news that changes nothing: it was sent, or was not.

        Raises:
            Moved: the case went elsewhere.
        """
        return await (self.save_mine(move) if self.held.lease else self.save(move(self.case)))


async def record(ledger: Ledger, case_id: str, news: Callable[[Case | None], Case | None], actor: str) -> Case | None:
    """Write news into a case at once, whoever holds its lease. Gives the new head; None when `news` changes nothing.

    A case that is left as it is, is woken: who told the same before may have died between the head and its wake row.

    Raises:
        Moved: others wrote the head again and again.
    """
    for _ in range(RECORD_TRIES):
        before, after = await ledger.load(case_id), None
        try:
            after = news(before)
        finally:
            if before and after is None:
                await ledger.wake(before)
        if after is None:
            return None
        with suppress(Moved):
            return await ledger.save(before, after, actor)
    raise Moved


async def halt(outside: Outside, halted: Halted) -> None:
    """Stop all issuing for a while; whoever is the first to do so raises the alert."""
    lasts = halted.lasts or PAUSE
    if await outside.ledger.pause(halted.reason, "firstpass", lasts):
        emit(Event.HALTED, ERROR, reason=halted.reason, minutes=lasts // timedelta(minutes=1))
