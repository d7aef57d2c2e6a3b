"""The case, one hire of one joiner: its states, the legal moves between them, and what it needs next. Pure.

A case never changes; a move gives a new one. All times are UTC. Only `ledger.save` makes a move last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.errors import IllegalMove, Reason
from shared.events import Cancellation, Channel, HireEvent, Version
from shared.guard_rails import Known
from shared.plan import Terms, When

LEASE = timedelta(seconds=180)
"""How long a claim keeps other runs from issuing; a run stops itself after half of it (onboarding.RUN_SECONDS)."""
MAX_SENDS = 2
"""Messages one issuance may cost."""
DELETIONS = 2
"""A cancelled case deletes its passes twice: a create that was under way the first time may land late."""
SECOND_DELETION = timedelta(minutes=15)
CLAIMS_KEPT = 16


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
"""A case in these states does not hold its person: another case may take them."""

LEGAL: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.ANNOUNCED, State.CANCELLED}),
    State.ANNOUNCED: frozenset({State.ANNOUNCED, State.ISSUING, State.REFUSED, State.CANCELLED}),
    State.ISSUING: frozenset({State.ISSUING, State.ANNOUNCED, State.SENT, State.REFUSED, State.CANCELLED}),
    State.SENT: frozenset(
        {State.SENT, State.ANNOUNCED, State.ONBOARDED, State.REFUSED, State.CANCELLED, State.GAVE_UP}
    ),
    State.REFUSED: frozenset({State.ANNOUNCED, State.CANCELLED}),
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
            deliver_at=_known(self.deliver_at),
            pinned_user_id=self.user_id,
            pass_id=self.pass_id,
            claims=self.claims,
        )

    @property
    def ref(self) -> str:
        """Names this attempt to the outside without naming anybody: case, issuance, attempt."""
        return f"{self.id}-{self.issuance}-{self.attempt}"

    # --- moves ---

    def claimed(self, user_id: str, terms: Terms, now: datetime) -> "Case":
        """A run takes the case for LEASE: nobody else issues meanwhile. An attempt number is never used twice."""
        starts = terms.start_date_time or now
        return self._to(
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
        return self._to(State.ISSUING, pass_id=pass_id, sends=self.sends + 1)

    def sent(self, message_id: str, channel: Channel, now: datetime) -> "Case":
        """Twilio took the message; the holder's final move, so its lease ends."""
        return self._to(State.SENT, message_id=message_id, channel=channel, sent_at=now, lease_until=None)

    def put_off(self, reason: Reason, until: datetime, *, held: "Held") -> "Case":
        """Nothing was sent: back to announced. A holder gives back its lease, and the send it had intended."""
        if self.state is State.CANCELLED:
            return self._to(State.CANCELLED, reason=reason, delete_at=until)
        return self._to(
            State.ANNOUNCED,
            reason=reason,
            not_before=until,
            lease_until=None if held.lease else self.lease_until,
            sends=self.sends - held.intended,
        )

    def refused(self, reason: Reason, *, held: "Held") -> "Case":
        """No pass for this case until a later event or an operator opens it again."""
        return self._to(
            State.REFUSED, reason=reason, not_before=None, lease_until=None if held.lease else self.lease_until
        )

    def passes_deleted(self, now: datetime) -> "Case":
        """One of the two deletions of a cancelled case is done."""
        left = self.deletions_left - 1
        return self._to(State.CANCELLED, deletions_left=left, delete_at=now + SECOND_DELETION if left else None)

    def _to(self, state: State, **changes: Any) -> "Case":  # noqa: ANN401 - any field of Case
        if state not in LEGAL[self.state]:
            raise IllegalMove(f"{self.state} to {state}")
        return replace(self, state=state, moves=self.moves + 1, **changes)


@dataclass(frozen=True, slots=True)
class Held:
    """What a run holds of a case when it ends: the lease of its own claim, and 1 when it had intended a send."""

    lease: bool = False
    intended: int = 0


# --- recording: an event is recorded at once, whoever holds the lease ---


def record_hire(case: Case | None, case_id: str, event: HireEvent, when: When) -> Case | None:
    """The case after `event`, or None when it changes nothing: a duplicate, an older one, or news of a closed hire."""
    plan: dict[str, Any] = {
        "version": event.version,
        "event": event,
        "hire_date": event.hire_date,
        "opens_at": when.opens_at,
        "deliver_at": when.deliver_at,
    }
    if case is None:
        return Case(id=case_id, state=State.ANNOUNCED, issuance=1, moves=1, **plan)
    if event.version <= case.version or _is_news_of_a_closed_hire(case, event):
        return None
    if case.state in (State.ISSUING, State.SENT) and _asks_for_the_same_pass(case, event, when):
        return case._to(case.state, version=event.version, event=event)  # noqa: SLF001 - one subject, one file
    return case._to(State.ANNOUNCED, **plan, **_fresh_issuance(case), **_NOTHING_DUE)  # noqa: SLF001 - as above


def record_cancellation(case: Case | None, case_id: str, event: Cancellation, now: datetime) -> Case | None:
    """The case after the hire was called off, or None when a later event already spoke."""
    if case is None:
        return Case(id=case_id, state=State.CANCELLED, version=event.version, moves=1)
    if event.version <= case.version:
        return None
    deletions = DELETIONS if case.user_id else 0  # a person is pinned before the first pass is asked for
    return case._to(  # noqa: SLF001 - one subject, one file
        State.CANCELLED,
        **_NOTHING_DUE,
        version=event.version,
        deletions_left=deletions,
        delete_at=now if deletions else None,
    )


_NOTHING_DUE: Mapping[str, Any] = {"not_before": None, "reason": None}


def _is_news_of_a_closed_hire(case: Case, event: HireEvent) -> bool:
    return case.state in CLOSED and (case.hire_date is None or event.hire_date <= case.hire_date)


def _asks_for_the_same_pass(case: Case, event: HireEvent, when: When) -> bool:
    if case.event is None or when.opens_at != case.opens_at:
        return False
    asked: tuple[Callable[[HireEvent], object], ...] = (
        lambda e: e.user,
        lambda e: frozenset(e.device_paths),
        lambda e: e.mobile_phone,
        lambda e: e.channel,
    )
    return all(of(event) == of(case.event) for of in asked)


def _fresh_issuance(case: Case) -> dict[str, Any]:
    """A case that never got further than waiting keeps its issuance; any other begins a new one."""
    if case.state is State.ANNOUNCED and not case.sends:
        return {}
    return {"issuance": case.issuance + 1, "attempt": 0, "sends": 0, "deletions_left": 0, "delete_at": None}


# --- the step table ---


def _latest(*moments: datetime | None) -> datetime:
    return max(moment for moment in moments if moment is not None)


def _known(moment: datetime | None) -> datetime:
    if moment is None:
        raise IllegalMove("a case without a plan cannot be issued")
    return moment


def _issue(case: Case) -> Step:
    return Step(Act.ISSUE, _latest(_known(case.deliver_at), case.not_before, case.lease_until))


def _issue_again(case: Case) -> Step:
    return Step(Act.ISSUE, _known(case.lease_until))


def _revoke(case: Case) -> Step | None:
    return Step(Act.REVOKE, _latest(_known(case.delete_at), case.lease_until)) if case.deletions_left else None


STEPS: Mapping[State, Callable[[Case], Step | None]] = {
    State.ANNOUNCED: _issue,
    State.ISSUING: _issue_again,
    State.CANCELLED: _revoke,
}
"""What each state needs next. A state without a row waits for an event, a receipt or a human."""
