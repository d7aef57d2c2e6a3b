"""What operators are shown of cases, and which of them want a look today. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from shared.api_models import (
    CaseView,
    Contact,
    DueView,
    ForecastView,
    MoveView,
    QueueView,
    SelfCheckView,
    StepView,
)
from shared.case import Case
from shared.errors import IllegalMove, Reason
from shared.events import Delivery, HireEvent, Purpose
from shared.fields import latest
from shared.findings import Code, Verdict
from shared.forecast import Forecast, Planned
from shared.methods import NO_METHODS
from shared.oversight import NotedDepth
from shared.plan import PlanRules, in_order, local_words, may_send
from shared.ports import Move
from shared.report import Report
from shared.states import State, Step
from shared.wishes import Unable

SOON: Final = timedelta(hours=48)
RECENT: Final = timedelta(days=7)
DAY: Final = timedelta(days=1)
OVERDUE: Final = timedelta(minutes=15)
"""What is due for so long was not taken up: a nudge takes minutes."""
ARRIVES_WITHIN: Final = timedelta(hours=1)
"""Until then, or until Twilio was asked, a message without a receipt is under way."""


def view(case: Case) -> CaseView:
    """A case without anything personal."""
    step, event = _next_step(case), case.event
    return CaseView(
        case_id=case.id,
        state=case.state,
        reason=case.reason,
        next_step=StepView(act=step.act, due=step.due, local=_local(event, step.due)) if step else None,
        opens_at=case.opens_at,
        deliver_at=case.deliver_at,
        issuance=case.issuance,
        spent=case.spent,
        channel=case.channel or (event.channel if event else None),
        receipt=case.receipt,
        sent_at=case.sent_at,
        pass_starts_at=case.pass_starts_at,
        pass_ends_at=case.pass_ends_at,
        is_usable_once=case.is_usable_once,
        device_paths=[str(path) for path in in_order(event.device_paths)] if event else [],
        time_zone=event.time_zone if event else None,
        contact_kept=event is not None,
        purpose=case.purpose,
        registered=sorted(set(_registered(case)) - NO_METHODS),
        approved=[str(reason) for reason, vouched in _vouched_for(case) if vouched],
    )


def _registered(case: Case) -> tuple[str, ...]:
    return case.methods_shown if case.reason is Reason.ALREADY_REGISTERED else case.methods_approved


def _vouched_for(case: Case) -> Iterable[tuple[Reason, object]]:
    return (
        (Reason.MOBILE_CHANGED, case.number_approved_at),
        (Reason.ALREADY_REGISTERED, case.methods_approved),
    )


def _next_step(case: Case) -> Step | None:
    """A head that lacks what its state promises must not keep anybody from seeing it, or the others of its page."""
    try:
        return case.next_step()
    except IllegalMove:
        return None


def _local(event: HireEvent | None, due: datetime) -> str | None:
    """In the joiner's words; a zone that is not known any more must not hide the case, nor a year beyond its last."""
    try:
        return local_words(event, due) if event else None
    except (KeyError, ValueError, OSError, OverflowError):
        return None


def contact(case: Case) -> Contact:
    """What is personal about a case.

    Raises:
        Unable: `contact-wiped`.
    """
    if case.event is None:
        raise Unable("contact-wiped")
    event = case.event
    return Contact(
        case_id=case.id,
        source=event.source,
        subject=event.subject,
        user=f"{event.user.by}={event.user.value}",
        user_id=case.user_id,
        mobile_phone=event.mobile_phone,
    )


def move_view(move: Move) -> MoveView:
    """One row of the history."""
    return MoveView(
        at=move.at,
        from_state=move.from_state,
        to_state=move.to_state,
        reason=move.reason,
        actor=move.actor,
        issuance=move.issuance,
        attempt=move.attempt,
        channel=move.channel,
        receipt=move.receipt,
        approved=move.approved,
    )


def queue_view(noted: NotedDepth | None) -> QueueView | None:
    """How deep a queue was."""
    if noted is None:
        return None
    depth = noted.depth
    return QueueView(count=depth.count, is_more=depth.is_more, oldest=depth.oldest, as_of=noted.at)


def forecast_view(expected: Forecast) -> ForecastView:
    """What becomes of the passes that are planned."""
    return ForecastView(**asdict(expected))


def due_to_go_out(case: Case, plan: PlanRules) -> list[Planned]:
    """The next pass of a case, if one waits to be made."""
    if case.state is not State.ANNOUNCED or case.deliver_at is None:
        return []
    due, event = latest(case.deliver_at, case.not_before), case.event
    opens_at = case.opens_at or due
    zone = event.time_zone if event else None
    return [Planned(due=due, opens_at=opens_at, hours=(zone, opens_at), may_go=partial(_may_go, event, opens_at, plan))]


def _may_go(event: HireEvent | None, opens_at: datetime, plan: PlanRules, moment: datetime) -> datetime:
    """By the joiner's hours; where their zone is not known any more, at once."""
    try:
        return may_send(event, opens_at, plan, moment) if event else moment
    except (KeyError, ValueError, OSError, OverflowError):
        return moment


def next_due(case: Case) -> list[datetime]:
    """When the next step of a case is due, if there is one."""
    step = _next_step(case)
    return [step.due] if step else []


def due_view(dues: Iterable[datetime], now: datetime) -> DueView:
    """How many are due, and for too long: nudges take minutes."""
    past = sorted(due for due in dues if due <= now)
    late = [due for due in past if due <= now - OVERDUE]
    return DueView(count=len(past), overdue=len(late), overdue_since=late[0] if late else None)


def self_check_view(report: Report | None) -> SelfCheckView | None:
    """What the worker says that fails, or failed when it was seen last."""
    if report is None:
        return None
    failing = [f"{one.check} ({one.code})" for one in report.standing if one.verdict is Verdict.FAILED]
    return SelfCheckView(at=report.at, failing=failing)


def is_rehearsal(report: Report | None, here: bool) -> bool:  # noqa: FBT001 - a setting
    """Whether the worker rehearses: it knows; before it said anything, our own setting stands for its."""
    return here if report is None else any(one.code is Code.REHEARSAL_ON for one in report.standing)


def _is_recent(case: Case, now: datetime) -> bool:
    """Whether a case at rest came there in the last days."""
    return case.rested_at is not None and case.rested_at >= now - RECENT


def _starts_soon(case: Case, now: datetime) -> bool:
    """Nothing has arrived, and not because a message is under way, or because only a rehearsal is on."""
    soon = case.opens_at is not None and case.opens_at <= now + SOON
    return soon and case.reason is not Reason.REHEARSAL and (_is_late(case, now) or _is_unheard_of(case, now))


def _is_late(case: Case, now: datetime) -> bool:
    """Whether its message should have gone out some time ago."""
    waits = case.state in (State.ANNOUNCED, State.ISSUING)
    return waits and case.deliver_at is not None and case.deliver_at <= now - OVERDUE


def _is_unheard_of(case: Case, now: datetime) -> bool:
    """Whether a message has not arrived, as far as Twilio told or was asked.

    Some carriers never confirm: what they took, and Twilio says no more of after all asking, is nothing to look at.
    """
    if case.state is not State.SENT or (case.receipt and case.receipt.has_arrived):
        return False
    no_more = case.asks > 0 and case.ask_at is None and case.receipt is Delivery.SENT
    under_way = case.asks == 0 and case.sent_at is not None and case.sent_at > now - ARRIVES_WITHIN
    return not no_more and not under_way


def _ran_out_unused(case: Case, now: datetime) -> bool:
    """The pass before did, and the next waits, or went out within the last day: at eight, before anybody looks."""
    waits = case.state in (State.ANNOUNCED, State.ISSUING)
    lately = case.state is State.SENT and case.sent_at is not None and case.sent_at >= now - DAY
    return case.unused_before and (waits or lately)


def _is_about_now(case: Case, now: datetime) -> bool:
    return case.forget_at is None or _is_recent(case, now)


_NOT_REACHED: Final = {Reason.UNDELIVERABLE, Reason.OPTED_OUT, Reason.PHONE_UNREACHABLE}

EXCEPTIONS: Final[Mapping[str, Callable[[Case, datetime], bool]]] = {
    "starts_soon_undelivered": _starts_soon,
    "undelivered": lambda case, now: case.reason in _NOT_REACHED and _is_about_now(case, now),
    "expired_unused": _ran_out_unused,
    "gave_up": lambda case, now: case.state is State.GAVE_UP and _is_recent(case, now),
    "single_day": lambda case, now: case.purpose is Purpose.SINGLE_DAY and _is_about_now(case, now),
    "refused": lambda case, now: case.state is State.REFUSED and _is_recent(case, now),
}
"""What an operator should look at today; those at rest for a week."""


# --- whom a case is about ---


def is_about(case: Case, user_id: str) -> bool:
    """Whether a case names this person (Entra object id), as far as it knows."""
    return user_id in _named(case)


def is_about_another(case: Case, user_id: str) -> bool:
    """Whether it names somebody, and not this person."""
    return bool(_named(case)) and not is_about(case, user_id)


def _named(case: Case) -> set[str]:
    by_id = case.event.user.value if case.event and case.event.user.by == "id" else None
    return {one.lower() for one in (case.user_id, case.user_seen, by_id) if one}
