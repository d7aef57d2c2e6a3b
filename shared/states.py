"""Where a case can stand, the legal moves between those places, and the deployer's choices about its life. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CASE_ID = re.compile("[0-9a-f]{32}")
"""The form of a case's id (seal.py makes them)."""


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

_ENDS = frozenset({State.ONBOARDED, State.REFUSED, State.CANCELLED, State.GAVE_UP})

LEGAL: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.ANNOUNCED, State.CANCELLED}),
    State.ANNOUNCED: _ENDS | {State.ANNOUNCED, State.ISSUING},
    State.ISSUING: _ENDS | {State.ANNOUNCED, State.ISSUING, State.SENT},
    State.SENT: _ENDS | {State.ANNOUNCED, State.SENT},
    State.REFUSED: frozenset({State.REFUSED, State.ANNOUNCED, State.CANCELLED}),
    State.CANCELLED: frozenset({State.CANCELLED, State.ANNOUNCED}),
    State.ONBOARDED: frozenset({State.ONBOARDED, State.ANNOUNCED, State.CANCELLED}),
    State.GAVE_UP: frozenset({State.GAVE_UP, State.ANNOUNCED, State.CANCELLED}),
}


class Act(StrEnum):
    """What a case can need next; steps.py and issuing.py have one short function for each."""

    ISSUE = "issue"
    REVOKE = "revoke"
    GUARD = "guard"
    LOOK = "look"
    ASK = "ask"
    CHECK = "check"
    REDACT = "redact"
    WIPE = "wipe"
    FORGET = "forget"


PUT_OFF: Mapping[Act, str] = {
    Act.REVOKE: "delete_at",
    Act.GUARD: "guard_at",
    Act.LOOK: "look_at",
    Act.ASK: "ask_at",
    Act.CHECK: "check_at",
    Act.WIPE: "wipe_at",
    Act.FORGET: "forget_at",
}
"""The field that holds when a step is due; an issue waits by `not_before`, a redaction by its text."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a case needs next, and from when on (UTC)."""

    act: Act
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRules:
    """The deployer's choices (MESSAGE_VALIDITY, MAX_PASSES, KEEP_CONTACT_DAYS, KEEP_CASES_DAYS)."""

    message_lasts: timedelta = timedelta(hours=1)
    max_passes: int = 3
    keep_contact: timedelta = timedelta(days=30)
    keep_case: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Text:
    """A message of the case and when Twilio's copy of its text is to go (UTC); None once it has gone."""

    message_id: str
    redact_at: datetime | None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What a run holds of a case when it ends: the lease of its own claim, and 1 when it had intended a send."""

    lease: bool = False
    intended: int = 0
