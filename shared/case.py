"""The case, one hire of one joiner: the moves it can make, and what it needs next. Pure.

A case never changes; a move gives a new one. All times are UTC. Only `ledger.save` makes a move last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from shared.errors import IllegalMove, Reason
from shared.events import Channel, Delivery, HireEvent, Message, Purpose, Version
from shared.fields import FRESH, NOTHING_TO_DELETE, PERSONAL, certain, follow_up, latest, rest, second_look, to_delete
from shared.guard_rails import CLAIM_LASTS, Known
from shared.plan import Terms, When
from shared.states import LEGAL, PUT_OFF, Act, CaseRules, Held, State, Step, Text

LEASE = CLAIM_LASTS
"""How long a claim keeps other runs from issuing; a run stops itself after half of it (onboarding.RUN_SECONDS)."""
MAX_SENDS = 2
"""Messages one issuance may cost."""
DELETIONS = 2
"""Passes that must not stay are deleted twice: a create that was under way the first time may land late."""
SECOND_DELETION = timedelta(minutes=15)
CLAIMS_KEPT = 16
"""Claims that may have made a pass; one that surely made none is taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The head of a case as the ledger holds it. The event and whom it is about are sealed at rest, gone when wiped."""

    id: str
    state: State
    version: Version
    event: HireEvent | None = None
    user_id: str | None = None
    user_seen: str | None = None
    """Entra object ids: whom the case is pinned to, and whom guard rails looked at last."""
    hire_date: date | None = None
    number_changed_at: datetime | None = None
    number_approved_at: datetime | None = None
    """When HR last gave another number than before, and when an operator vouched for one."""
    number_shown: str | None = None
    number_approved: str | None = None
    """What guard rails looked at last, and what an operator vouched for: fingerprints."""
    methods_shown: tuple[str, ...] = ()
    methods_approved: tuple[str, ...] = ()
    """The same of the methods the person has already; vouched for until the round ends."""
    first_opens_at: datetime | None = None
    """The opening HR's event asks for; `opens_at` moves on from it with every pass that came to nothing."""
    opens_at: datetime | None = None
    deliver_at: datetime | None = None
    not_before: datetime | None = None
    waits: int = 0
    """How often in a row a step was put off."""
    lease_until: datetime | None = None
    issuance: int = 0
    attempt: int = 0
    sends: int = 0
    spent: int = 0
    """Passes of this round that came to nothing; MAX_PASSES of them end it."""
    replaced: bool = False
    """A late create of ours took the place of a pass that was sent: once a round that is nobody's fault."""
    unused_before: bool = False
    """The pass before this issuance ran out unused."""
    by_sms: bool = False
    """WhatsApp did not reach the phone: the rest of this round goes by SMS."""
    claims: tuple[datetime, ...] = ()
    number_sent: str | None = None
    """The number the pass goes to, as a fingerprint."""
    had: tuple[str, ...] = ()
    """The person's methods when the pass was asked for."""
    reason: Reason | None = None
    pass_id: str | None = None
    pass_starts_at: datetime | None = None
    pass_ends_at: datetime | None = None
    is_usable_once: bool | None = None
    message_id: str | None = None
    channel: Channel | None = None
    sent_at: datetime | None = None
    receipt: Delivery | None = None
    failure: Reason | None = None
    guard_at: datetime | None = None
    look_at: datetime | None = None
    ask_at: datetime | None = None
    asks: int = 0
    check_at: datetime | None = None
    registered_at: datetime | None = None
    """When a check first saw a passwordless method, where Entra does not say since when there is one."""
    texts: tuple[Text, ...] = ()
    deletions_left: int = 0
    delete_at: datetime | None = None
    rested_at: datetime | None = None
    wipe_at: datetime | None = None
    forget_at: datetime | None = None
    moves: int = 0
    woken_at: datetime | None = field(default=None, compare=False)
    """The wake row last written for this case."""
    etag: str | None = field(default=None, compare=False)
    """The head this case was read from; None for one that was never saved."""

    def next_step(self) -> Step | None:
        """What this case needs next; None when nothing will happen by itself."""
        due = ((act, at(self)) for act, at in STEPS[self.state].items())
        steps = [Step(act, moment) for act, moment in due if moment is not None]
        return min(steps, key=lambda step: step.due, default=None)

    def known(self) -> Known:
        """What guard rails may know of this case."""
        return Known(
            deliver_at=certain(self.deliver_at),
            pinned_user_id=self.user_id,
            pass_id=self.pass_id,
            claims=self.claims,
            number_changed_at=self.number_changed_at,
            number_approved_at=self.number_approved_at,
            number_approved=self.number_approved,
            methods_approved=self.methods_approved,
        )

    @property
    def is_looked_at_again(self) -> bool:
        """Refused, with a pass that may be on a phone and has not opened."""
        return self.state is State.REFUSED and self.guard_at is not None

    @property
    def ref(self) -> str:
        """Names this attempt to the outside without naming anybody: case, issuance, attempt."""
        return f"{self.id}-{self.issuance}-{self.attempt}"

    # --- moves ---

    def claimed(self, user_id: str, terms: Terms, now: datetime, had: tuple[str, ...] = ()) -> "Case":
        """A run takes the case for LEASE: nobody else issues meanwhile. An attempt number is never used twice."""
        starts = terms.start_date_time or now
        return self.moved(
            State.ISSUING,
            user_id=user_id,
            number_sent=self.number_shown,
            had=had,
            lease_until=now + LEASE,
            not_before=None,
            attempt=self.attempt + 1,
            waits=self.waits,
            claims=(*self.claims, now)[-CLAIMS_KEPT:],
            reason=None,
            pass_starts_at=starts,
            pass_ends_at=starts + timedelta(minutes=terms.lifetime_in_minutes),
            is_usable_once=terms.is_usable_once,
            check_at=starts + timedelta(minutes=terms.steps_in_minutes),
        )

    def intended(self, pass_id: str) -> "Case":
        """The pass exists and its message is about to go out: counted before it happens."""
        return self.moved(State.ISSUING, pass_id=pass_id, sends=self.sends + 1, waits=self.waits)

    def sent(self, message: Message, rules: CaseRules, now: datetime) -> "Case":
        """Twilio took the message; the holder's final move, so its lease ends."""
        return self.moved(State.SENT, **self.followed(message, rules, now), lease_until=None)

    def followed(self, message: Message, rules: CaseRules, now: datetime) -> dict[str, Any]:
        """The fields of this case once Twilio has its message."""
        return follow_up(message, certain(self.pass_starts_at), self.texts, rules, now)

    def put_off(self, act: Act, reason: Reason, until: datetime, *, held: Held) -> "Case":
        """A step waits. Of an issue nothing was sent: a holder gives back its lease and what it counted."""
        if act is not Act.ISSUE:
            return self.moved(self.state, **{PUT_OFF[act]: until}, waits=self.waits + 1)
        return self.moved(
            State.ANNOUNCED,
            reason=reason,
            not_before=until,
            waits=self.waits + 1,
            lease_until=None if held.lease else self.lease_until,
            sends=self.sends - held.intended,
            claims=self.claims[:-1] if held.lease and not held.intended else self.claims,
        )

    def again(self, when: When, reason: Reason | None, *, counted: bool, held: Held, **once: bool) -> "Case":
        """The next issuance, because the pass before came to nothing; `counted` against MAX_PASSES.

        `once` are the fields `by_sms` and `replaced`, what may happen once a round uncounted, and `unused_before`.
        """
        return self.moved(
            State.ANNOUNCED,
            **{**FRESH, **once},
            lease_until=None if held.lease else self.lease_until,
            issuance=self.issuance + 1,
            spent=self.spent + counted,
            opens_at=when.opens_at,
            deliver_at=when.deliver_at,
            reason=reason,
        )

    def is_last(self, rules: CaseRules) -> bool:
        """Whether no other pass follows when this one comes to nothing. An operator's wish is for one."""
        return self.spent + 1 >= rules.max_passes or self.purpose is not Purpose.ONBOARDING

    @property
    def purpose(self) -> Purpose:
        """What its passes are for."""
        return self.event.purpose if self.event else Purpose.ONBOARDING

    def refused(self, reason: Reason, rules: CaseRules, now: datetime, *, held: Held) -> "Case":
        """No pass for this case until a later event or an operator opens it again; any we made is to be deleted.

        Except where nobody knows whether the joiner has it: it stays, and is looked at again before it opens. All
        passes used up: the round is over. A pass that may have been sent counts: a case that HR opens again every night
        must not cost a message every night.
        """
        unsure, over = reason is Reason.SEND_UNCONFIRMED, reason is Reason.PASSES_EXHAUSTED
        known_until = now if over else latest(now + rules.keep_contact, self.pass_ends_at if self.claims else None)
        return self.moved(
            State.GAVE_UP if over else State.REFUSED,
            **rest(rules, now, self.first_opens_at, known_until),
            reason=reason,
            spent=self.spent + (self.state is not State.REFUSED and self.sends > held.intended),
            not_before=None,
            lease_until=None if held.lease else self.lease_until,
            user_id=self.user_id if self.claims else None,
            guard_at=second_look(self.pass_starts_at, now) if unsure and self.pass_starts_at else None,
            **(to_delete(DELETIONS, now) if self.claims and not unsure else {}),
        )

    def onboarded(self, rules: CaseRules, now: datetime) -> "Case":
        """The joiner has made it: the pass goes at once, and then what we know of them."""
        gone = {"reason": None, "not_before": None, **(to_delete(1, now) if self.claims else NOTHING_TO_DELETE)}
        return self.moved(State.ONBOARDED, **gone, **rest(rules, now, self.first_opens_at, now))

    def passes_deleted(self, now: datetime) -> "Case":
        """One deletion is done. After the last this case has made nothing and is pinned to nobody."""
        if self.deletions_left > 1:
            return self.moved(self.state, **to_delete(self.deletions_left - 1, now + SECOND_DELETION))
        return self.moved(self.state, **NOTHING_TO_DELETE, user_id=None, pass_id=None, claims=())

    def wiped(self) -> "Case":
        """Nobody can tell any more whom this case was about."""
        return self.moved(self.state, **dict.fromkeys(PERSONAL), claims=(), wipe_at=None)

    def moved(self, state: State, **changes: Any) -> "Case":  # noqa: ANN401 - any field of Case
        """One move further, with these fields changed.

        Raises:
            IllegalMove: the table of legal moves has no such move.
        """
        if state not in LEGAL[self.state]:
            raise IllegalMove(f"{self.state} to {state}")
        return replace(self, **{"waits": 0, **changes, "state": state, "moves": self.moves + 1})


# --- the step table ---


def _issue(case: Case) -> datetime | None:
    """Not while older passes are to go first."""
    ready = latest(certain(case.deliver_at), case.not_before, case.lease_until)
    return None if case.deletions_left else ready


def _revoke(case: Case) -> datetime | None:
    return latest(certain(case.delete_at), case.lease_until) if case.deletions_left else None


def _redact(case: Case) -> datetime | None:
    return min((text.redact_at for text in case.texts if text.redact_at), default=None)


def _wipe(case: Case) -> datetime | None:
    """Not before the passes are gone: whose they are is part of what is wiped."""
    anybody = case.event is not None or case.user_id is not None
    return case.wipe_at if anybody and not case.deletions_left else None


type Due = Callable[[Case], datetime | None]

_AT_REST: Mapping[Act, Due] = {
    Act.REVOKE: _revoke,
    Act.REDACT: _redact,
    Act.WIPE: _wipe,
    Act.FORGET: lambda case: case.forget_at,
}

STEPS: Mapping[State, Mapping[Act, Due]] = {
    State.ANNOUNCED: {Act.REVOKE: _revoke, Act.ISSUE: _issue, Act.REDACT: _redact},
    State.ISSUING: {Act.ISSUE: lambda case: certain(case.lease_until), Act.REDACT: _redact},
    State.SENT: {
        Act.GUARD: lambda case: case.guard_at,
        Act.LOOK: lambda case: case.look_at,
        Act.ASK: lambda case: case.ask_at,
        Act.CHECK: lambda case: case.check_at,
        Act.REDACT: _redact,
    },
    State.REFUSED: {Act.GUARD: lambda case: case.guard_at, **_AT_REST},
    State.CANCELLED: _AT_REST,
    State.ONBOARDED: _AT_REST,
    State.GAVE_UP: _AT_REST,
}
"""What each state can need next, and when; the earliest is done first. docs/lifecycle.md is made from this table."""
