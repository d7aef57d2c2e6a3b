"""What an operator's wish makes of a case. Pure; who may wish what is decided in api.py."""

from datetime import datetime

from shared.case import DELETIONS, Case
from shared.errors import Reason
from shared.fields import AWAKE, FRESH, NOTHING_TO_DELETE, rest, to_delete
from shared.plan import When
from shared.states import CLOSED, CaseRules, State


class Unable(Exception):  # noqa: N818 - as the errors of errors.py
    """The wish does not fit the case as it is; the text is only a code."""


def reissued(case: Case, when: When) -> Case:
    """Another pass, by whatever the case knows now. All guard rails run again; the passes of this round count anew.

    Raises:
        Unable: `issuing-now`, a run holds it; `case-cancelled`, `case-closed`, `contact-wiped`: HR has to announce it.
    """
    return _opened(case, when)


def reopened(case: Case, issuance: int, when: When) -> Case:
    """A refused case once more, because somebody replays the dead letter of that very issuance.

    Raises:
        Unable: `not-refused`, or refused at another issuance: somebody was quicker; `contact-wiped`.
    """
    if case.state is not State.REFUSED or case.issuance != issuance:
        raise Unable("not-refused")
    return _opened(case, when)


def approved(case: Case, when: When, now: datetime) -> Case:
    """A refused case once more: this number is the person's, somebody made sure of that.

    Raises:
        Unable: `nothing-to-approve`: it was refused for something else; `contact-wiped`.
    """
    if case.state is not State.REFUSED or case.reason is not Reason.MOBILE_CHANGED:
        raise Unable("nothing-to-approve")
    return _opened(case, when, number_approved_at=now)


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


def _opened(case: Case, when: When, **vouched: datetime) -> Case:
    """A case that goes on as a new issuance, unless the table of what keeps it closed says no."""
    reasons = (
        (case.state is State.ISSUING, "issuing-now"),
        (case.state is State.CANCELLED, "case-cancelled"),
        (case.state in CLOSED, "case-closed"),
        (case.event is None, "contact-wiped"),
    )
    for holds, code in reasons:
        if holds:
            raise Unable(code)
    keeps_issuance = case.state is State.ANNOUNCED and not case.sends
    return case.moved(
        State.ANNOUNCED,
        **AWAKE,
        **FRESH,
        **vouched,
        issuance=case.issuance + (not keeps_issuance),
        spent=0,
        opens_at=when.opens_at,
        deliver_at=when.deliver_at,
        reason=None,
    )
