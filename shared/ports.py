"""What the flow needs of the outside, as protocols; adapters and fakes pass the same contract suites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.case import Case
from shared.errors import Reason
from shared.events import Channel, Delivery, Message, Receipt, UserRef, Word
from shared.guard_rails import Facts, LivePass, Person
from shared.methods import Method
from shared.plan import Policy, Terms
from shared.secret import Secret
from shared.states import State


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass Graph has just made: the only object that ever holds its secret."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row of a case's history: when (UTC), from where to where, why, and by whom (a step, `event` or `receipt`).

    `message_id` and `channel` of one that was sent; `receipt` when Twilio's word on it changed; `approved` where an
    approver vouched against that refusal.
    """

    at: datetime
    from_state: State | None
    to_state: State
    reason: Reason | None
    actor: str
    issuance: int
    attempt: int
    message_id: str | None = None
    channel: Channel | None = None
    receipt: Delivery | None = None
    approved: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeRow:
    """One row of the agenda as it was read. `id` names this version of it, for the message it becomes."""

    id: str
    case_id: str
    due: datetime
    """A full minute, UTC."""
    etag: str


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

    async def methods(self, user_id: str, stop_at: float) -> list[Method]:
        """The ways a person can sign in, live, passes and the password among them. Nobody of that id has none."""
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

    async def look_up(self, message_id: str, stop_at: float) -> Word:
        """What Twilio knows of a message now; of one it does not know (any more), `queued`.

        Raises:
            Later: no answer (`twilio-busy`, `out-of-time`).
            Halted: `twilio-denied`.
        """
        ...

    async def redact(self, message_id: str, stop_at: float) -> None:
        """Empty Twilio's copy of a message; one that is empty or gone is fine.

        Raises:
            Later: not known to be done (`twilio-busy`, `out-of-time`).
            Halted: `twilio-denied`.
        """
        ...


class ReceiptReader(Protocol):
    """Twilio's callbacks, as they come over HTTP."""

    def read(self, query: str, headers: Mapping[str, str], body: bytes) -> Receipt | None:
        """The receipt in a callback; None when Twilio speaks of nothing we know.

        `query` is the raw query string; `headers` are found in any case of letters.

        Raises:
            Forged: not signed by Twilio with one of our tokens, over our public URL.
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
        """Take a person for this case and note their number, unless another case holds them still.

        Raises:
            Moved: others wrote this person again and again.
        """
        ...

    async def admit(self) -> None:
        """Let a run issue.

        Raises:
            Later: `paused`.
        """
        ...

    async def spend(self) -> None:
        """Take one pass from this hour's budget.

        Raises:
            Halted: `budget`: there is none left.
        """
        ...

    async def pause(self, reason: Reason, by: str, lasts: timedelta, why: str | None = None) -> bool:
        """Stop all issuing for a while; True for the one caller whose pause began it (that one raises the alert).

        `why` are an operator's words.
        """
        ...

    async def forget(self, case: Case) -> None:
        """Remove a case and its history, the head last and only if it is still this one.

        Raises:
            Moved: somebody else wrote the head.
        """
        ...

    async def due(self, at_most: int) -> list[WakeRow]:
        """The rows of the agenda whose minute has come, oldest first."""
        ...

    async def done(self, rows: Sequence[WakeRow]) -> None:
        """Remove rows of the agenda, each only if nobody wrote it again since it was read."""
        ...

    async def beat(self) -> None:
        """Note that the agenda is being read."""
        ...


class Bus(Protocol):
    """The queues the app writes to."""

    async def nudge(self, rows: Sequence[WakeRow]) -> None:
        """Put a nudge for each row on the queue of events, all in as few sends as fit; message ids are the rows' ids.

        Raises:
            BusUnavailable: not all are known to be there.
        """
        ...

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Put messages (id, body) on the queue of events, as an HR system would.

        Raises:
            BusUnavailable: not all are known to be there.
        """
        ...

    async def dead_letter(self, body: bytes, reason: Reason, description: str) -> None:
        """Put a message among the dead letters, under a fresh message id."""
        ...
