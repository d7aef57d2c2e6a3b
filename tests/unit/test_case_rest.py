"""A case that comes to rest: when what is personal goes, when the case itself goes, and what is left in between."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest

from shared.case import Case, Held
from shared.errors import Reason
from shared.events import UserRef
from shared.recording import record_cancellation, record_hire
from shared.states import Act, CaseRules, State, Step, Text
from tests.builders import CASE_ID, NOW, cancellation, case, claimed, hire_event, plan, sent, version

DAY = timedelta(days=1)
RULES = CaseRules(keep_contact=20 * DAY, keep_case=200 * DAY)
OPENING = plan().opens_at
"""Later than NOW: from then on a case is old."""
AT_REST = (State.REFUSED, State.CANCELLED, State.ONBOARDED, State.GAVE_UP)


def refused(before: Case, reason: Reason) -> Case:
    return before.refused(reason, RULES, NOW, held=Held())


def cancelled(before: Case) -> Case:
    after = record_cancellation(before, CASE_ID, cancellation(9), RULES, NOW)
    assert after is not None
    return after


ENDS: dict[str, tuple[Callable[[], Case], State, timedelta]] = {
    "refused": (lambda: refused(claimed(), Reason.PRIVILEGED), State.REFUSED, 20 * DAY),
    "refused after sending": (lambda: refused(sent(), Reason.UNDELIVERABLE), State.REFUSED, 20 * DAY),
    "all passes used up": (lambda: refused(sent(), Reason.PASSES_EXHAUSTED), State.GAVE_UP, 0 * DAY),
    "onboarded": (lambda: sent().onboarded(RULES, NOW), State.ONBOARDED, 0 * DAY),
    "onboarded, seen before another issue": (lambda: case().onboarded(RULES, NOW), State.ONBOARDED, 0 * DAY),
    "onboarded, seen after a lost run": (
        lambda: claimed().intended("tap-1").onboarded(RULES, NOW), State.ONBOARDED, 0 * DAY,
    ),
    "cancelled": (lambda: cancelled(sent()), State.CANCELLED, 20 * DAY),
    "cancelled after it was onboarded": (
        lambda: cancelled(sent().onboarded(RULES, NOW - DAY)), State.CANCELLED, 20 * DAY,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("end", "state", "wiped_after"), ENDS.values(), ids=ENDS)
def test_a_case_comes_to_rest(end: Callable[[], Case], state: State, wiped_after: timedelta) -> None:
    after = end()
    assert (after.state, after.wipe_at, after.forget_at) == (state, NOW + wiped_after, OPENING + 200 * DAY)
    assert after.not_before is None


DONE: dict[Act, Callable[[Case, datetime], Case]] = {
    Act.REVOKE: lambda head, now: head.passes_deleted(now),
    Act.REDACT: lambda head, _: head.moved(head.state, texts=()),
    Act.WIPE: lambda head, _: head.wiped(),
}


@pytest.mark.parametrize("end", [it[0] for it in ENDS.values()], ids=ENDS)
def test_at_rest_it_deletes_wipes_and_forgets_itself(end: Callable[[], Case]) -> None:
    head, acts = end(), list[Act]()
    while (step := head.next_step()) and step.act is not Act.FORGET:
        acts.append(step.act)
        head = DONE[step.act](head, step.due)
    assert step == Step(Act.FORGET, OPENING + 200 * DAY)
    assert acts.count(Act.WIPE) == 1
    assert Act.REVOKE not in acts[acts.index(Act.WIPE) :], "whose passes they are is known until they are gone"


def test_a_case_opened_again_is_neither_wiped_nor_forgotten() -> None:
    event = hire_event(version=version(9))
    after = record_hire(refused(claimed(), Reason.PRIVILEGED), CASE_ID, event, plan(event), NOW)
    assert after is not None
    assert (after.wipe_at, after.forget_at) == (None, None)


PERSONAL = {
    "subject": "W-7ann", "value": "ann@contoso.com", "mobile": "+491713920077", "user": "5f1c-ann", "pass": "tap-ann",
}  # fmt: skip


@pytest.mark.parametrize("state", AT_REST)
def test_a_wiped_case_tells_nobody_whom_it_was_about(state: State) -> None:
    event = hire_event(
        subject=PERSONAL["subject"],
        user=UserRef("userPrincipalName", PERSONAL["value"]),
        mobile_phone=PERSONAL["mobile"],
    )
    before = case(
        event, state=state, user_id=PERSONAL["user"], pass_id=PERSONAL["pass"], claims=(NOW,), wipe_at=NOW,
        reason=Reason.PRIVILEGED, texts=(Text("SM1", NOW),),
    )  # fmt: skip
    assert all(word in str(asdict(before)) for word in PERSONAL.values())
    after = before.wiped()
    assert not any(word in f"{asdict(after)}{after!r}" for word in PERSONAL.values())
    kept = {"event": None, "user_id": None, "pass_id": None, "claims": (), "wipe_at": None, "moves": before.moves + 1}
    assert after == replace(before, **kept), "why it ended, and the text that is still to go, stay"


@pytest.mark.parametrize("state", AT_REST)
def test_a_wiped_case_still_knows_which_news_is_old(state: State) -> None:
    wiped = case(state=state, version=version(5), deliver_at=NOW).wiped()
    stale = hire_event(version=version(4), hire_date=wiped.hire_date)
    assert record_hire(wiped, CASE_ID, stale, plan(stale), NOW) is None
    fresh = hire_event(version=version(6), hire_date=plan().opens_at.date() + DAY)
    after = record_hire(wiped, CASE_ID, fresh, plan(fresh), NOW)
    assert after is not None
    assert (after.state, after.event, after.issuance) == (State.ANNOUNCED, fresh, 2)


def test_a_refusal_of_a_pass_that_was_sent_counts_against_the_passes() -> None:
    assert refused(case(), Reason.PRIVILEGED).spent == 0
    assert refused(sent(), Reason.UNDELIVERABLE).spent == 1
    assert refused(case(spent=3), Reason.PASSES_EXHAUSTED).state is State.GAVE_UP


def test_what_may_still_open_is_known_until_it_has_ended() -> None:
    late = sent(pass_ends_at=NOW + 60 * DAY)
    assert refused(late, Reason.SEND_UNCONFIRMED).wipe_at == NOW + 60 * DAY
