"""What an operator's wish makes of a case. Pure; who may wish what is decided in api.py."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from shared.case import DELETIONS, Case
from shared.errors import Reason
from shared.fields import AWAKE, FRESH, NOTHING_TO_DELETE, rest, to_delete
from shared.plan import PlanRules, When, once_more
from shared.states import CLOSED, CaseRules, State


class Unable(Exception):  # noqa: N818 - as the errors of errors.py
    """The wish does not fit the case as it is; the text is only a code."""


def next_chance(case: Case, plan: PlanRules, now: datetime) -> When | None:
    """When another message of a case may go out; None when nobody knows any more where to.

    What was never tried keeps HR's plan. What was is due at the opening HR asked for, not at one put off to a morning.
    """
    if case.event is None or case.opens_at is None or case.deliver_at is None:
        return None
    if not case.claims and case.deliver_at > now:
        return When(case.opens_at, case.deliver_at)
    return once_more(case.event, min(case.opens_at, case.first_opens_at or case.opens_at), plan, now)


def reissued(case: Case, when: When | None) -> Case:
    """Another pass, by whatever the case knows now. All guard rails run again; the passes of this round count anew.

    Raises:
        Unable: `issuing-now`, a run holds it; `case-cancelled`, `case-closed`, `contact-wiped`: HR has to announce it.
    """
    return _opened(case, when)


def reopened(case: Case, issuance: int, when: When | None) -> Case:
    """A refused case once more, because somebody replays the dead letter of that very issuance.

    Raises:
        Unable: `not-refused`, or refused at another issuance: somebody was quicker; `contact-wiped`.
    """
    if case.state is not State.REFUSED or case.issuance != issuance:
        raise Unable("not-refused")
    return _opened(case, when)


def approved(case: Case, when: When | None, now: datetime, reason: Reason, issuance: int) -> Case:
    """A refused case once more: somebody made sure that what it was refused for, at that issuance, is as it should be.

    Raises:
        Unable: `nothing-to-approve`: it was refused for something else, or again since; `contact-wiped`.
    """
    is_this = case.state is State.REFUSED and (case.reason, case.issuance) == (reason, issuance)
    vouch = VOUCHED.get(case.reason) if is_this else None
    if vouch is None:
        raise Unable("nothing-to-approve")
    return _opened(case, when, **vouch(case, now))


VOUCHED: Final[Mapping[Reason | None, Callable[[Case, datetime], Mapping[str, Any]]]] = {
    Reason.MOBILE_CHANGED: lambda case, now: {"number_approved_at": now, "number_approved": case.number_shown},
    Reason.ALREADY_REGISTERED: lambda case, _: {"methods_approved": case.methods_shown},
}
"""What can be approved, and what of the case is then vouched for: no more than what it was refused for."""


def vouched(before: Case | None, after: Case) -> Reason | None:
    """What an approver vouched for in this move, if anything."""
    if before is None:
        return None
    news = (
        (Reason.MOBILE_CHANGED, after.number_approved_at, before.number_approved_at),
        (Reason.ALREADY_REGISTERED, after.methods_approved, before.methods_approved),
    )
    return next((reason for reason, now, then in news if now and now != then), None)


def called_off(case: Case, rules: CaseRules, now: datetime) -> Case:
    """No pass of this case stays valid, and none follows until HR announces the hire again.

    Raises:
        Unable: `case-cancelled`: it is called off already.
    """
    if case.state is State.CANCELLED:
        raise Unable("case-cancelled")
    deletions = to_delete(DELETIONS, now) if case.claims else NOTHING_TO_DELETE
    resting = rest(rules, now, case.first_opens_at, now + rules.keep_contact)
    return case.moved(State.CANCELLED, not_before=None, reason=None, **resting, **deletions)


def _opened(case: Case, when: When | None, **vouched_for: Any) -> Case:  # noqa: ANN401 - any field of Case
    """A case that goes on as a new issuance, unless the table of what keeps it closed says no."""
    reasons = (
        (case.state is State.ISSUING, "issuing-now"),
        (case.state is State.CANCELLED, "case-cancelled"),
        (case.state in CLOSED, "case-closed"),
    )
    for holds, code in reasons:
        if holds:
            raise Unable(code)
    if case.event is None or when is None:
        raise Unable("contact-wiped")
    keeps_issuance = case.state is State.ANNOUNCED and not case.sends
    return case.moved(
        State.ANNOUNCED,
        **AWAKE,
        **FRESH,
        **vouched_for,
        issuance=case.issuance + (not keeps_issuance),
        spent=0,
        opens_at=when.opens_at,
        deliver_at=when.deliver_at,
        reason=None,
    )
