"""Made-up answers of the app: cases, letters, how it goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.api_models import (
    CasePage,
    CaseStory,
    CaseView,
    Contact,
    DueView,
    Exceptions,
    ForecastView,
    MoveView,
    PauseView,
    QueueView,
    SelfCheckView,
    StatusView,
    StepView,
)
from shared.events import Purpose
from shared.letter_models import LetterView
from shared.states import Act, State

NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID = "0123456789abcdef" * 2


def case_id(number: int) -> str:
    return f"{number:02x}" * 16


def case(number: int = 1, **changes: Any) -> CaseView:
    fields: dict[str, Any] = {
        "case_id": case_id(number),
        "state": State.SENT,
        "reason": None,
        "next_step": StepView(act=Act.CHECK, due=NOW + 3 * HOUR, local="Mon 30 Nov 05:00 America/New_York"),
        "opens_at": NOW + HOUR,
        "deliver_at": NOW,
        "issuance": 1,
        "spent": 0,
        "channel": "sms",
        "receipt": "delivered",
        "sent_at": NOW,
        "pass_starts_at": NOW + HOUR,
        "pass_ends_at": NOW + 8 * HOUR,
        "is_usable_once": False,
        "device_paths": ["autopilot"],
        "time_zone": "America/New_York",
        "contact_kept": True,
        "purpose": Purpose.ONBOARDING,
        "registered": [],
        "approved": [],
    }
    return CaseView(**(fields | changes))


def refused(number: int = 2, reason: str = "registered-not-passwordless") -> CaseView:
    over = {"next_step": None, "channel": None, "receipt": None, "sent_at": None}
    over |= dict.fromkeys(("pass_starts_at", "pass_ends_at", "is_usable_once"))
    return case(number, state=State.REFUSED, reason=reason, **over)


def forgotten(number: int = 3) -> CaseView:
    step = StepView(act=Act.FORGET, due=NOW + 24 * 300 * HOUR)
    return case(number, state=State.ONBOARDED, next_step=step, time_zone=None, device_paths=[], contact_kept=False)


def cases(*some: CaseView, next_after: str | None = None) -> CasePage:
    return CasePage(cases=list(some), next_after=next_after)


def move(hours: int, to: State, actor: str, **changes: Any) -> MoveView:
    fields: dict[str, Any] = {
        "at": NOW + hours * HOUR,
        "from_state": State.SENT if actor.startswith("operator:") else None,
        "to_state": to,
        "reason": None,
        "actor": actor,
        "issuance": 1,
        "attempt": 1,
        "channel": None,
        "receipt": None,
        "approved": None,
    }
    return MoveView(**(fields | changes))


def story(number: int = 1) -> CaseStory:
    return CaseStory(
        case=case(number),
        history=[
            move(-24, State.ANNOUNCED, "event"),
            move(-2, State.ANNOUNCED, "issue", reason="user-not-found"),
            move(-1, State.ANNOUNCED, "operator:acce0000-0000-4000-8000-000000000001"),
            move(0, State.SENT, "issue", channel="sms"),
            move(0, State.SENT, "receipt", receipt="delivered"),
        ],
    )


CONTACT = Contact(
    case_id=case_id(1),
    source="/hr/test",
    subject="W-1",
    user="id=acce0000-0000-4000-8000-000000000001",
    user_id="acce0000-0000-4000-8000-000000000001",
    mobile_phone="+12015550100",
)


def queue(count: int, *, age: timedelta | None = None, is_more: bool = False, seen: timedelta = HOUR * 0) -> QueueView:
    """Its oldest message was there for `age` when it was seen."""
    as_of = NOW - seen
    return QueueView(count=count, is_more=is_more, oldest=None if age is None else as_of - age, as_of=as_of)


FORECAST = ForecastView(
    planned=17, busiest_hour=NOW + HOUR, busiest_planned=9, late=0, after_opening=0, through_by=NOW + 10 * HOUR
)


def status(*, paused: bool = False, **exceptions: list[str]) -> StatusView:
    none: dict[str, list[str]] = {name: [] for name in Exceptions.model_fields}
    return StatusView(
        now=NOW,
        heartbeat=NOW - timedelta(seconds=40),
        rehearsal=False,
        pause=PauseView(until=NOW + HOUR, reason="paused", by="operator:first", why="HR sent wrong events")
        if paused
        else None,
        next_wake=NOW + 2 * HOUR,
        due=DueView(count=1, overdue=0, overdue_since=None),
        self_check=SelfCheckView(at=NOW - HOUR, failing=[]),
        cases={"sent": 12, "announced": 30, "refused": 2},
        joiners_queue=queue(3, age=timedelta(minutes=2)),
        dead_letters=queue(0),
        hourly_budget=200,
        spent_this_hour=40,
        forecast=FORECAST,
        exceptions=Exceptions(**(none | exceptions)),
    )


def letter(sequence: int, reason: str = "graph-unavailable", **changes: Any) -> LetterView:
    fields: dict[str, Any] = {
        "sequence": sequence,
        "mark": f"{sequence:016x}",
        "message_id": f"hr-{sequence}",
        "original_id": f"hr-{sequence}",
        "event_id": None,
        "event_type": None,
        "written_at": NOW - sequence * HOUR,
        "reason": reason,
        "description": f"case {case_id(sequence)} issuance 1",
        "replays": 0,
        "kind": "case",
        "case_id": case_id(sequence),
        "issuance": 1,
        "device_paths": ["autopilot"],
    }
    return LetterView(**(fields | changes))


def malformed(sequence: int) -> LetterView:
    what = "data.hireDate: must be a date; data.devicePaths.0: unknown"
    return letter(
        sequence, "malformed-event", description=what, kind="event", case_id=None, issuance=None, device_paths=[]
    )


def letters(*some: LetterView) -> dict[int, LetterView]:
    return {one.sequence: one for one in some}
