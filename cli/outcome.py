"""What a run came to, as plain data: the same for the tables a person reads and for --json."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.case import Case
from shared.plan import in_order
from shared.ports import Move
from shared.states import State

WAITING = frozenset({State.ANNOUNCED, State.ISSUING})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message among the dead letters."""

    sequence_number: int
    reason: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class SignInOutcome:
    """One try of the newest pass on a phone."""

    user: str
    at: datetime
    worked: bool


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
    time_zone: str
    user_id: str | None
    issuances: int
    receipt: str | None
    history: list[Move]
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
            "issuances": self.issuances,
            "receipt": self.receipt,
            "history": [_move(move) for move in self.history],
            "messages": self.messages,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything a run left behind."""

    now: datetime
    cases: list[CaseOutcome]
    dead_letters: list[DeadLetter]
    passes: dict[str, list[dict[str, Any]]]
    sign_ins: list[SignInOutcome]

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "cases": [case.as_json() for case in self.cases],
            "deadLetters": [
                {"reason": letter.reason, "description": letter.description} for letter in self.dead_letters
            ],
            "passes": self.passes,
            "signIns": [{"user": one.user, "at": _moment(one.at), "worked": one.worked} for one in self.sign_ins],
        }


def case_outcome(
    subject: str, case: Case, history: list[Move], inbox: list[dict[str, Any]], zone: str = "UTC"
) -> CaseOutcome:
    """What a case came to. While it waits the start is the planned opening, and no pass has a length yet.

    `zone` is for a case that does not know its own any more.
    """
    ours = {move.message_id for move in history} | {text.message_id for text in case.texts}
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
        time_zone=event.time_zone if event else zone,
        user_id=case.user_id,
        issuances=case.issuance,
        receipt=case.receipt,
        history=history,
        messages=[{"to": m["to"], "channel": m["channel"], "body": m["body"]} for m in inbox if m["sid"] in ours],
    )


def _move(move: Move) -> dict[str, Any]:
    return {
        "at": _moment(move.at),
        "from": move.from_state,
        "to": move.to_state,
        "reason": move.reason,
        "actor": move.actor,
        "issuance": move.issuance,
        "attempt": move.attempt,
        "channel": move.channel,
        "receipt": move.receipt,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
