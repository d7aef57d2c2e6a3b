"""What the flow needs of the outside, as protocols; adapters and fakes pass the same contract suites."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.case import Case, State
from shared.errors import Reason
from shared.events import Channel, UserRef
from shared.guard_rails import Facts, LivePass, Person
from shared.plan import Policy, Terms
from shared.secret import Secret


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass Graph has just made: the only object that ever holds its secret."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Message:
    """A message Twilio has taken: its id (SID) and the channel it really goes by."""

    id: str
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row of a case's history: when (UTC), from where to where, why, by whom; `message_id` of one that was sent."""

    at: datetime
    from_state: State | None
    to_state: State
    reason: Reason | None
    actor: str
    issuance: int
    attempt: int
    message_id: str | None = None


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds, for deadlines inside one run."""
        ...


class Directory(Protocol):
    """Microsoft Entra. `stop_at` is a moment of Clock.monotonic() after which nothing may be started any more.

    Every method raises Later (`graph-throttled`, `graph-unavailable`) or Halted (`graph-denied`) as it must.
    """

    async def facts(self, user: UserRef, stop_at: float) -> Facts | None:
        """Everything guard rails ask about a person, or None when there is no such person (yet).

        Raises:
            Refused: `user-ambiguous`.
        """
        ...

    async def policy(self, stop_at: float) -> Policy:
        """The tenant's Temporary Access Pass policy, at most 15 minutes old."""
        ...

    async def create_pass(self, user_id: str, terms: Terms, stop_at: float) -> Pass:
        """Make a pass; one already there is replaced.

        Raises:
            Later: nothing was made (also `out-of-time`, when stop_at has passed; also `user-not-found`).
            Unconfirmed: `pass-unconfirmed`, a pass may have been made whose secret nobody has.
            Refused: `pass-unusable`, Graph made a pass the person cannot use, and it was deleted; `external-guest`.
        """
        ...

    async def passes(self, user_id: str, stop_at: float) -> list[LivePass]:
        """The passes a person holds that are usable now or will be."""
        ...

    async def delete_pass(self, user_id: str, pass_id: str, stop_at: float) -> None:
        """Delete one pass; one that is already gone is fine."""
        ...


class Courier(Protocol):
    """Twilio."""

    async def send(
        self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str, stop_at: float
    ) -> Message:
        """Send the pass and nothing else to `number` (E.164). WhatsApp falls to SMS where it cannot carry this pass.

        Raises:
            Later: provably not sent (`twilio-busy`, `out-of-time`).
            Unconfirmed: `message-unconfirmed`, it may have been sent.
            Refused: this number will not do (`opted-out`, `undeliverable`, `mobile-invalid`, `mobile-not-mobile`,
                `mobile-country-blocked`).
            Halted: `twilio-denied`: account, sender or template are at fault.
        """
        ...


class Ledger(Protocol):
    """Where cases live."""

    async def load(self, case_id: str) -> Case | None:
        """The head of a case as it is now."""
        ...

    async def save(self, before: Case | None, after: Case, actor: str) -> Case:
        """Make a move last: wake row first, then head (If-Match `before`) and one history row in one transaction.

        Raises:
            Moved: somebody else wrote the head since `before` was read. Nothing changed but, perhaps, a wake row.
        """
        ...

    async def history(self, case_id: str) -> list[Move]:
        """Every move a case made, oldest first."""
        ...

    async def wake(self, case: Case) -> None:
        """See to it that an open case has a wake row at or before its next step."""
        ...

    async def meet(self, user_id: str, number: str, case_id: str) -> Person:
        """Take a person for this case and note their number, unless another case holds them still."""
        ...

    async def admit(self) -> None:
        """Let a run issue.

        Raises:
            Later: `paused`.
        """
        ...

    async def pause(self, reason: Reason, by: str, lasts: timedelta) -> bool:
        """Stop all issuing for a while; True for the one caller whose pause began it (that one raises the alert)."""
        ...


class Bus(Protocol):
    """The queues the app writes to."""

    async def dead_letter(self, body: bytes, reason: Reason, description: str) -> None:
        """Put a message among the dead letters, under a fresh message id."""
        ...
