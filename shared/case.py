"""The case, one hire of one joiner: its states, the legal moves between them, and what it needs next. Pure.

A case never changes; a move gives a new one. All times are UTC. Only `ledger.save` makes a move last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.errors import IllegalMove, Reason
from shared.events import Channel, HireEvent, Version
from shared.guard_rails import CLAIM_LASTS, Known
from shared.plan import Terms

LEASE = CLAIM_LASTS
"""How long a claim keeps other runs from issuing; a run stops itself after half of it (onboarding.RUN_SECONDS)."""
MAX_SENDS = 2
"""Messages one issuance may cost."""
DELETIONS = 2
"""Passes that must not stay are deleted twice: a create that was under way the first time may land late."""
SECOND_DELETION = timedelta(minutes=15)
CLAIMS_KEPT = 16
"""Claims that may have made a pass; one that surely made none is taken back."""


class State(StrEnum):
    """Where a case stands."""

    ANNOUNCED = "announced"
    ISSUING = "issuing"
    SENT = "sent"
    ONBOARDED = "onboarded"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    GAVE_UP = "gave_up"


CLOSED = frozenset({State.ONBOARDED, State.GAVE_UP})
"""Only an event with a later hire date opens these again."""

FREE = CLOSED | {State.CANCELLED, State.REFUSED}
"""A case in these states does not hold its person, once it has no pass of its own left to delete."""

LEGAL: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.ANNOUNCED, State.CANCELLED}),
    State.ANNOUNCED: frozenset({State.ANNOUNCED, State.ISSUING, State.REFUSED, State.CANCELLED}),
    State.ISSUING: frozenset({State.ISSUING, State.ANNOUNCED, State.SENT, State.REFUSED, State.CANCELLED}),
    State.SENT: frozenset(
        {State.SENT, State.ANNOUNCED, State.ONBOARDED, State.REFUSED, State.CANCELLED, State.GAVE_UP}
    ),
    State.REFUSED: frozenset({State.REFUSED, State.ANNOUNCED, State.CANCELLED}),
    State.CANCELLED: frozenset({State.CANCELLED, State.ANNOUNCED}),
    State.ONBOARDED: frozenset({State.ANNOUNCED, State.CANCELLED}),
    State.GAVE_UP: frozenset({State.ANNOUNCED, State.CANCELLED}),
}


class Act(StrEnum):
    """What a case can need next; onboarding.py has one short function for each."""

    ISSUE = "issue"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Step:
    """What a case needs next, and from when on (UTC)."""

    act: Act
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The head of a case as the ledger holds it. `event` and `user_id` are sealed at rest, gone when wiped."""

    id: str
    state: State
    version: Version
    event: HireEvent | None = None
    user_id: str | None = None
    hire_date: date | None = None
    number_changed_at: datetime | None = None
    """When HR last gave another number than before."""
    opens_at: datetime | None = None
    deliver_at: datetime | None = None
    not_before: datetime | None = None
    lease_until: datetime | None = None
    issuance: int = 0
    attempt: int = 0
    sends: int = 0
    claims: tuple[datetime, ...] = ()
    reason: Reason | None = None
    pass_id: str | None = None
    pass_starts_at: datetime | None = None
    pass_ends_at: datetime | None = None
    is_usable_once: bool | None = None
    message_id: str | None = None
    channel: Channel | None = None
    sent_at: datetime | None = None
    deletions_left: int = 0
    delete_at: datetime | None = None
    moves: int = 0
    woken_at: datetime | None = field(default=None, compare=False)
    """The wake row last written for this case."""
    etag: str | None = field(default=None, compare=False)
    """The head this case was read from; None for one that was never saved."""

    def next_step(self) -> Step | None:
        """What this case needs next; None when nothing will happen by itself."""
        row = STEPS.get(self.state)
        return row(self) if row else None

    def known(self) -> Known:
        """What guard rails may know of this case."""
        return Known(
            deliver_at=certain(self.deliver_at),
            pinned_user_id=self.user_id,
            pass_id=self.pass_id,
            claims=self.claims,
            number_changed_at=self.number_changed_at,
        )

    @property
    def ref(self) -> str:
        """Names this attempt to the outside without naming anybody: case, issuance, attempt."""
        return f"{self.id}-{self.issuance}-{self.attempt}"

    # --- moves ---

    def claimed(self, user_id: str, terms: Terms, now: datetime) -> "Case":
        """A run takes the case for LEASE: nobody else issues meanwhile. An attempt number is never used twice."""
        starts = terms.start_date_time or now
        return self.moved(
            State.ISSUING,
            user_id=user_id,
            lease_until=now + LEASE,
            not_before=None,
            attempt=self.attempt + 1,
            claims=(*self.claims, now)[-CLAIMS_KEPT:],
            reason=None,
            pass_starts_at=starts,
            pass_ends_at=starts + timedelta(minutes=terms.lifetime_in_minutes),
            is_usable_once=terms.is_usable_once,
        )

    def intended(self, pass_id: str) -> "Case":
        """The pass exists and its message is about to go out: counted before it happens."""
        return self.moved(State.ISSUING, pass_id=pass_id, sends=self.sends + 1)

    def sent(self, message_id: str, channel: Channel, now: datetime) -> "Case":
        """Twilio took the message; the holder's final move, so its lease ends."""
        return self.moved(State.SENT, message_id=message_id, channel=channel, sent_at=now, lease_until=None)

    def put_off(self, reason: Reason, until: datetime, *, held: "Held") -> "Case":
        """Nothing was sent: the step waits. A holder gives back its lease and what it had counted for nothing."""
        if self.deletions_left:
            return self.moved(self.state, reason=reason, delete_at=until)
        made_nothing = held.lease and not held.intended
        return self.moved(
            State.ANNOUNCED,
            reason=reason,
            not_before=until,
            lease_until=None if held.lease else self.lease_until,
            sends=self.sends - held.intended,
            claims=self.claims[:-1] if made_nothing else self.claims,
        )

    def refused(self, reason: Reason, now: datetime, *, held: "Held") -> "Case":
        """No pass for this case until a later event or an operator opens it again; any we made is to be deleted.

        Except where nobody knows whether the joiner has it: then it stays.
        """
        delete = self.claims and reason is not Reason.SEND_UNCONFIRMED
        return self.moved(
            State.REFUSED,
            reason=reason,
            not_before=None,
            lease_until=None if held.lease else self.lease_until,
            user_id=self.user_id if self.claims else None,
            **(to_delete(DELETIONS, now) if delete else {}),
        )

    def passes_deleted(self, now: datetime) -> "Case":
        """One deletion is done. After the last this case has made nothing and is pinned to nobody."""
        if self.deletions_left > 1:
            return self.moved(self.state, **to_delete(self.deletions_left - 1, now + SECOND_DELETION))
        return self.moved(self.state, **NOTHING_TO_DELETE, user_id=None, pass_id=None, claims=())

    def moved(self, state: State, **changes: Any) -> "Case":  # noqa: ANN401 - any field of Case
        """One move further, with these fields changed.

        Raises:
            IllegalMove: the table of legal moves has no such move.
        """
        if state not in LEGAL[self.state]:
            raise IllegalMove(f"{self.state} to {state}")
        return replace(self, state=state, moves=self.moves + 1, **changes)


@dataclass(frozen=True, slots=True)
class Held:
    """What a run holds of a case when it ends: the lease of its own claim, and 1 when it had intended a send."""

    lease: bool = False
    intended: int = 0


NOTHING_TO_DELETE: Mapping[str, Any] = {"deletions_left": 0, "delete_at": None}


def to_delete(times: int, at: datetime) -> dict[str, Any]:
    """The fields of a case whose passes are to go, `times` times, from `at` on."""
    return {"deletions_left": times, "delete_at": at}


# --- the step table ---


def _latest(*moments: datetime | None) -> datetime:
    return max(moment for moment in moments if moment is not None)


def certain[T](value: T | None) -> T:
    """A value that the case's state promises.

    Raises:
        IllegalMove: it is missing: a bug, not an outcome.
    """
    if value is None:
        raise IllegalMove("the case lacks what its state promises")
    return value


def _issue(case: Case) -> Step:
    return _revoke(case) or Step(Act.ISSUE, _latest(certain(case.deliver_at), case.not_before, case.lease_until))


def _issue_again(case: Case) -> Step:
    return Step(Act.ISSUE, certain(case.lease_until))


def _revoke(case: Case) -> Step | None:
    return Step(Act.REVOKE, _latest(certain(case.delete_at), case.lease_until)) if case.deletions_left else None


STEPS: Mapping[State, Callable[[Case], Step | None]] = {
    State.ANNOUNCED: _issue,
    State.ISSUING: _issue_again,
    State.REFUSED: _revoke,
    State.CANCELLED: _revoke,
}
"""What each state needs next. A state without a row waits for an event, a receipt or a human."""
