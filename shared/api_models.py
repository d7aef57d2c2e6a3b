"""What operators send and get, as JSON: names in camelCase, times in UTC. The command and a console speak this."""

from datetime import datetime
from typing import Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from shared.api_fields import CaseId, Figure, Model, Reasoned, UserId, Whole
from shared.errors import Reason
from shared.events import DevicePath, Purpose
from shared.states import Act, State

# --- cases ---


class CaseQuery(Model):
    """Which cases; `after` is the id of the last one seen."""

    state: State | None = None
    after: CaseId | None = None
    limit: Figure = Field(default=100, ge=1, le=500)


class OneCase(Model):
    """A case by its id."""

    case_id: CaseId


def _only(*given: str) -> dict[str, JsonValue]:
    """In a schema: these of FindCase's fields, and no other."""
    names = ("source", "subject", "user")
    kinds: dict[str, JsonValue] = {name: {"type": "string" if name in given else "null"} for name in names}
    return {"required": [*given], "properties": kinds}


class FindCase(Model):
    """A case by HR's own key of the hire, or by the person it holds (Entra object id). In the body, never in a URL."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_only("source", "subject"), _only("user")]})

    source: str | None = Field(default=None, min_length=1, max_length=256)
    subject: str | None = Field(default=None, min_length=1, max_length=256)
    user: UserId | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        by_key = self.source is not None and self.subject is not None
        if by_key == (self.user is not None) or (self.source is None) != (self.subject is None):
            raise ValueError("needs source and subject, or user")
        return self


class ActOnCase(OneCase, Reasoned):
    """A change to one case."""


class ApproveWish(ActOnCase):
    """Vouch for what a case was refused for, as the approver saw it: with this code, at this issuance, and no later."""

    code: Literal[Reason.MOBILE_CHANGED, Reason.ALREADY_REGISTERED]
    issuance: Whole = Field(ge=1)


class StepView(Model):
    """What a case needs next, and when."""

    act: Act
    due: datetime
    local: str | None = None
    """The same in the joiner's zone, where it is still known."""


class CaseView(Model):
    """A case without anything personal."""

    case_id: CaseId
    state: State
    reason: str | None
    next_step: StepView | None
    opens_at: datetime | None
    deliver_at: datetime | None
    issuance: int
    spent: int
    channel: str | None
    receipt: str | None
    sent_at: datetime | None
    pass_starts_at: datetime | None
    pass_ends_at: datetime | None
    is_usable_once: bool | None
    """Of the last pass; of one only rehearsed (`reason`), as it would have been."""
    device_paths: list[str]
    time_zone: str | None
    contact_kept: bool
    purpose: Purpose
    registered: list[str]
    """The methods it was refused for, or that were vouched for: kinds as in Graph."""
    approved: list[str]
    """The refusals an approver vouched against."""


class MoveView(Model):
    """One row of a case's history."""

    at: datetime
    from_state: State | None
    to_state: State
    reason: str | None
    actor: str
    issuance: int
    attempt: int
    channel: str | None
    receipt: str | None
    approved: str | None
    """The refusal that an approver vouched against here."""


class CaseStory(Model):
    """A case and everything that happened to it."""

    case: CaseView
    history: list[MoveView]


class CasePage(Model):
    """Some cases; `next_after` goes into the next query, None at the end."""

    cases: list[CaseView]
    next_after: str | None


class Contact(Model):
    """What is personal about a case. Each look is in the audit."""

    case_id: CaseId
    source: str
    subject: str
    user: str
    user_id: str | None
    mobile_phone: str | None


class OpenWish(Reasoned):
    """A pass for somebody who works here; `device_paths` for the purpose `devices` only."""

    purpose: Literal[
        Purpose.SPARE_KEY, Purpose.SECURITY_INFO, Purpose.AUTHENTICATOR, Purpose.SINGLE_DAY, Purpose.DEVICES
    ]
    user: UserId
    device_paths: list[DevicePath] = Field(default=[], max_length=5)


class OpenedCase(Model):
    """The case that was opened, and what to tell the person."""

    case_id: CaseId
    state: State
    tell: str


# --- people ---


class ActOnPerson(Reasoned):
    """Something about everything we keep of one person (Entra object id)."""

    user: UserId


class CaseExport(CaseStory):
    """A case with what is personal about it, while that is kept."""

    contact: Contact | None


class PersonExport(Model):
    """Everything we keep of one person; numbers only as the times they were first seen."""

    user: UserId
    numbers_first_seen: list[datetime]
    cases: list[CaseExport]


# --- the whole ---


class PauseWish(Reasoned):
    """Stop issuing for so many minutes."""

    minutes: Whole = Field(ge=1, le=7 * 24 * 60)


class PauseView(Model):
    """A pause in force: its code, by whom, and their words where they are an operator."""

    until: datetime
    reason: str
    by: str
    why: str | None = None


class Exceptions(Model):
    """What wants a look today, by case id."""

    starts_soon_undelivered: list[str]
    undelivered: list[str]
    expired_unused: list[str]
    gave_up: list[str]
    refused: list[str]
    single_day: list[str]
    unreadable: list[str]
    """Heads nobody can read, a lost key perhaps; they are in no count."""


class QueueView(Model):
    """How many messages a queue held at `as_of`, and since when the oldest was there; `is_more` were not counted."""

    count: int
    is_more: bool
    oldest: datetime | None
    as_of: datetime


class ForecastView(Model):
    """What becomes of the passes planned for the next 24 hours, within the hourly budget; hours are full ones in UTC.

    `late` of them go out in a later hour than planned, `after_opening` when their pass should have opened already; the
    last is out by `through_by`, null when that is not within two weeks.
    """

    planned: int
    busiest_hour: datetime | None
    busiest_planned: int
    late: int
    after_opening: int
    through_by: datetime | None


class DueView(Model):
    """How many cases are due for their next step, and how many for longer than it should take, since when."""

    count: int
    overdue: int
    overdue_since: datetime | None


class SelfCheckView(Model):
    """What fails by the newest self-check, begun at `at`, as check and code."""

    at: datetime
    failing: list[str]


class StatusView(Model):
    """How it goes. Times in UTC."""

    now: datetime
    rehearsal: bool
    """Nothing is sent, as far as the worker said last."""
    heartbeat: datetime | None
    pause: PauseView | None
    next_wake: datetime | None
    due: DueView
    self_check: SelfCheckView | None
    """None before the first."""
    cases: dict[str, int]
    joiners_queue: QueueView | None
    """As the worker saw it last; None when it never did."""
    dead_letters: QueueView | None
    """None when they cannot be looked at now."""
    hourly_budget: int
    """0 is no limit."""
    spent_this_hour: int
    """Also passes that a process holds ready."""
    forecast: ForecastView
    exceptions: Exceptions


class Done(Model):
    """A change was made; `state` is the case's state after it, `until` when the pause ends that is in force now."""

    done: Literal[True] = True
    state: State | None = None
    until: datetime | None = None


class Problem(Model):
    """Why nothing was done (RFC 9457): `code` is stable, `fields` names what is wrong with the input."""

    status: int
    code: str
    title: str
    fields: dict[str, str] | None = None
