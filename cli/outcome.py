"""What a run came to, as plain data: the same for the tables a person reads and for --json."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.case import Case
from shared.plan import in_order
from shared.states import State

WAITING = frozenset({State.ANNOUNCED, State.ISSUING})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message among the dead letters."""

    sequence_number: int
    reason: str | None
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """One case at the end of a run; times are UTC."""

    case_id: str
    subject: str
    state: State
    reason: str | None
    device_paths: list[str]
    start_date_time: datetime | None
    lifetime_in_minutes: int | None
    is_usable_once: bool | None
    channel: str | None
    waiting_until: datetime | None
    time_zone: str | None
    user_id: str | None
    messages: list[dict[str, str]]

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "subject": self.subject,
            "state": self.state,
            "reason": self.reason,
            "devicePaths": self.device_paths,
            "startDateTime": _moment(self.start_date_time),
            "lifetimeInMinutes": self.lifetime_in_minutes,
            "isUsableOnce": self.is_usable_once,
            "channel": self.channel,
            "waitingUntil": _moment(self.waiting_until),
            "messages": self.messages,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything a run left behind."""

    now: datetime
    cases: list[CaseOutcome]
    dead_letters: list[DeadLetter]
    passes: dict[str, list[dict[str, Any]]]

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "cases": [case.as_json() for case in self.cases],
            "deadLetters": [
                {"reason": letter.reason, "description": letter.description} for letter in self.dead_letters
            ],
            "passes": self.passes,
        }


def case_outcome(subject: str, case: Case, inbox: list[dict[str, Any]]) -> CaseOutcome:
    """What a case came to. While it waits the start is the planned opening, and no pass has a length yet."""
    waits, event, step = case.state in WAITING, case.event, case.next_step()
    has_pass = case.state is State.SENT
    lasts = case.pass_ends_at - case.pass_starts_at if case.pass_ends_at and case.pass_starts_at else None
    return CaseOutcome(
        case_id=case.id,
        subject=subject,
        state=case.state,
        reason=case.reason,
        device_paths=[str(path) for path in in_order(event.device_paths)] if event else [],
        start_date_time=case.pass_starts_at if has_pass else case.opens_at if waits else None,
        lifetime_in_minutes=int(lasts.total_seconds() // 60) if has_pass and lasts else None,
        is_usable_once=case.is_usable_once if has_pass else None,
        channel=case.channel if has_pass else event.channel if event else None,
        waiting_until=step.due if waits and step else None,
        time_zone=event.time_zone if event else None,
        user_id=case.user_id,
        messages=[{"to": m["to"], "channel": m["channel"], "body": m["body"]} for m in inbox],
    )


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
