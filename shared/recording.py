"""What news from HR makes of a case: recorded at once, whoever holds the lease. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from shared.case import DELETIONS, Case
from shared.events import Cancellation, HireEvent
from shared.fields import AWAKE, FRESH, NOTHING_TO_DELETE, rest, to_delete
from shared.plan import When
from shared.states import CLOSED, CaseRules, State

EVENT: Final = "event"
"""Who moved a case, in its history: HR. Whoever sent the event in HR's place stands behind it."""


def heard_from(event: HireEvent | Cancellation) -> str:
    """Who stands in the history for an event."""
    return f"{EVENT}:{event.sent_by}" if event.sent_by else EVENT


def is_of_an_event(actor: str) -> bool:
    """Whether this is how an event stands in the history."""
    return actor.partition(":")[0] == EVENT


def record_hire(case: Case | None, case_id: str, event: HireEvent, when: When, now: datetime) -> Case | None:
    """The case after `event`, or None when it changes nothing: a duplicate, an older one, or news of a closed hire."""
    heard: dict[str, Any] = {"version": event.version, "event": event, "hire_date": event.hire_date}
    plan: dict[str, Any] = {
        "first_opens_at": when.opens_at,
        "opens_at": when.opens_at,
        "deliver_at": when.deliver_at,
    }
    if case is None:
        return Case(id=case_id, state=State.ANNOUNCED, issuance=1, moves=1, **heard, **plan)
    if event.version <= case.version or _is_news_of_a_closed_hire(case, event):
        return None
    if case.state in _KEEP_GOING and _asks_for_the_same_pass(case, event, when):
        return case.moved(case.state, **heard)
    changed = {"number_changed_at": now} if _gives_another_number(case, event) else {}
    unpinned = _of_nobody(case) if _names_another_person(case, event) else {}
    return case.moved(
        State.ANNOUNCED,
        **heard,
        **plan,
        **changed,
        **unpinned,
        **AWAKE,
        **_fresh_round(case, event, when),
        **_approval(case, event, when),
        **_fresh_issuance(case),
        **_old_passes(case, event, when, now),
    )


def record_cancellation(
    case: Case | None, case_id: str, event: Cancellation, rules: CaseRules, now: datetime
) -> Case | None:
    """The case after the hire was called off, or None when a later event already spoke."""
    resting = rest(rules, now, case and case.first_opens_at, now + rules.keep_contact)
    if case is None:
        return Case(id=case_id, state=State.CANCELLED, version=event.version, moves=1, **resting)
    if event.version <= case.version:
        return None
    deletions = to_delete(DELETIONS, now) if case.claims else NOTHING_TO_DELETE
    return case.moved(State.CANCELLED, version=event.version, not_before=None, reason=None, **resting, **deletions)


def _of_nobody(case: Case) -> Mapping[str, Any]:
    """A number was approved for the person it was shown for; while there are passes, whose they are stays known."""
    pinned = ("user_id", "number_shown", "number_approved", "number_approved_at")
    return dict.fromkeys(("user_seen",) if case.claims else ("user_seen", *pinned))


_KEEP_GOING = frozenset({State.ANNOUNCED, State.ISSUING, State.SENT})
"""News that changes nothing leaves these as they are; a refused or cancelled case takes any later event as a wish."""


def _is_news_of_a_closed_hire(case: Case, event: HireEvent) -> bool:
    return case.state in CLOSED and (case.hire_date is None or event.hire_date <= case.hire_date)


def _asks_for_the_same_pass(case: Case, event: HireEvent, when: When) -> bool:
    if case.event is None or when.opens_at != case.first_opens_at:
        return False
    asked: tuple[Callable[[HireEvent], object], ...] = (
        lambda e: e.user,
        lambda e: frozenset(e.device_paths),
        lambda e: e.mobile_phone,
        lambda e: e.channel,
    )
    return all(of(event) == of(case.event) for of in asked)


def _gives_another_number(case: Case, event: HireEvent) -> bool:
    """Also a number given after one was taken back; the first one ever given is no change."""
    before = case.event.mobile_phone if case.event else None
    if before is None:
        return case.number_changed_at is not None and event.mobile_phone is not None
    return event.mobile_phone is None or _digits(before) != _digits(event.mobile_phone)


def _names_another_person(case: Case, event: HireEvent) -> bool:
    return case.event is None or event.user != case.event.user


def _digits(number: str) -> str:
    return "".join(sign for sign in number if sign.isdigit())


def _fresh_round(case: Case, event: HireEvent, when: When) -> dict[str, Any]:
    """Another opening begins to count afresh; WhatsApp gets another chance then, and on another number."""
    round_begins = when.opens_at != case.first_opens_at
    chance = round_begins or case.event is None or event.mobile_phone != case.event.mobile_phone
    return ({"spent": 0, "replaced": False} if round_begins else {}) | ({"by_sms": False} if chance else {})


def _approval(case: Case, event: HireEvent, when: When) -> dict[str, Any]:
    """Somebody with methods was vouched for as that person, and for one round; after its end nobody was."""
    same_round = when.opens_at == case.first_opens_at and case.state in _KEEP_GOING | {State.REFUSED}
    return {} if same_round and not _names_another_person(case, event) else {"methods_approved": ()}


def _fresh_issuance(case: Case) -> dict[str, Any]:
    """A case that never got further than waiting keeps its issuance; any other begins a new one."""
    if case.state is State.ANNOUNCED and not case.sends:
        return {"not_before": None, "reason": None}
    return {**FRESH, "reason": None, "issuance": case.issuance + 1}


def _old_passes(case: Case, event: HireEvent, when: When, now: datetime) -> dict[str, Any]:
    """What becomes of passes made before: a new one will replace them, unless it comes later or for somebody else."""
    soon = when.deliver_at <= now and not _names_another_person(case, event)
    if not case.claims or (soon and not case.deletions_left):
        return dict(NOTHING_TO_DELETE)
    return to_delete(1, now)
