"""What operators' wishes make of a case, state by state."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Case, Held
from shared.errors import Reason
from shared.plan import PlanRules, When
from shared.recording import record_cancellation, record_hire
from shared.states import Act, State
from shared.wishes import Unable, approved, called_off, next_chance, reissued, reopened, vouched
from tests.builders import CASE_ID, NOW, RULES, cancellation, case, case_in, claimed, hire_event, plan, sent, version

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOON = When(NOW + 19 * HOUR, NOW)
SHOWN = "n-1"


def held_number(**changes: object) -> Case:
    """Refused because the number changed."""
    after = replace(case(), number_shown=SHOWN).refused(Reason.MOBILE_CHANGED, RULES, NOW, held=Held())
    return replace(after, **changes)  # pyright: ignore[reportArgumentType]


def vouched_for(refused: Case) -> Case:
    """Approved by somebody who saw it as it is."""
    return approved(refused, SOON, NOW, refused.reason or Reason.PAUSED, refused.issuance)


WISHES: dict[str, Callable[[Case, When | None], Case]] = {
    "reissue": reissued,
    "reopen": lambda before, when: reopened(before, before.issuance, when),
    "approve": lambda before, when: approved(before, when, NOW, before.reason or Reason.PAUSED, before.issuance),
    "cancel": lambda before, _: called_off(before, RULES, NOW),
}

OUTCOMES: dict[State, dict[str, str]] = {
    State.ANNOUNCED: {
        "reissue": "announced", "reopen": "not-refused", "approve": "nothing-to-approve", "cancel": "cancelled",
    },
    State.ISSUING: {
        "reissue": "issuing-now", "reopen": "not-refused", "approve": "nothing-to-approve", "cancel": "cancelled",
    },
    State.SENT: {
        "reissue": "announced", "reopen": "not-refused", "approve": "nothing-to-approve", "cancel": "cancelled",
    },
    State.REFUSED: {
        "reissue": "announced", "reopen": "announced", "approve": "nothing-to-approve", "cancel": "cancelled",
    },
    State.CANCELLED: {
        "reissue": "case-cancelled", "reopen": "not-refused", "approve": "nothing-to-approve",
        "cancel": "case-cancelled",
    },
    State.ONBOARDED: {
        "reissue": "case-closed", "reopen": "not-refused", "approve": "nothing-to-approve", "cancel": "cancelled",
    },
    State.GAVE_UP: {
        "reissue": "case-closed", "reopen": "not-refused", "approve": "nothing-to-approve", "cancel": "cancelled",
    },
}  # fmt: skip


def outcome(wish: str, before: Case, when: When | None = SOON) -> str:
    try:
        return WISHES[wish](before, when).state
    except Unable as unable:
        return str(unable)


@pytest.mark.parametrize("wiped", [False, True])
@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("state", State)
def test_what_a_wish_comes_to_in_each_state(state: State, wish: str, wiped: bool) -> None:
    before = case_in(state)
    expected = OUTCOMES[state][wish]
    if wiped:
        before, expected = before.wiped(), "contact-wiped" if expected == "announced" else expected
    assert outcome(wish, before, None if wiped else SOON) == expected


def test_a_case_that_was_called_off_before_it_came_says_so() -> None:
    before = record_cancellation(None, CASE_ID, cancellation(), RULES, NOW)
    assert before
    assert outcome("reissue", before, next_chance(before, PlanRules(), NOW)) == "case-cancelled"


# --- another pass ---


@pytest.mark.parametrize(
    ("before", "issuance"),
    [
        (case(), 1),
        (case().put_off(Act.ISSUE, Reason.USER_NOT_FOUND, NOW + HOUR, held=Held()), 1),
        (sent(), 2),
        (sent().again(SOON, Reason.EXPIRED_UNUSED, counted=True, held=Held()), 2),
        (sent().refused(Reason.UNDELIVERABLE, RULES, NOW, held=Held()), 2),
    ],
)
def test_another_pass_counts_afresh(before: Case, issuance: int) -> None:
    after = reissued(replace(before, spent=2), SOON)
    assert (after.state, after.issuance, after.attempt, after.sends, after.spent) == (
        State.ANNOUNCED, issuance, 0, 0, 0,
    )  # fmt: skip
    assert (after.reason, after.not_before, after.wipe_at, after.forget_at, after.waits) == (None, None, None, None, 0)
    assert (after.opens_at, after.deliver_at) == (SOON.opens_at, SOON.deliver_at)


def test_another_pass_waits_until_the_ones_of_a_refused_case_are_gone() -> None:
    after = reissued(sent().refused(Reason.PRIVILEGED, RULES, NOW, held=Held()), SOON)
    step = after.next_step()
    assert step
    assert (step.act, after.deletions_left) == ("revoke", 2)


def test_a_refusal_is_replayed_once() -> None:
    refused = case_in(State.REFUSED)
    assert outcome("reopen", refused) == "announced"
    with pytest.raises(Unable, match=r"^not-refused$"):
        reopened(refused, refused.issuance - 1, SOON)


# --- when ---


OPENS, LONG_BEFORE = plan().opens_at, NOW - 9 * DAY
CHANCES: dict[str, tuple[Case, timedelta, timedelta, timedelta | None]] = {
    # what, when somebody wishes it, when the message may go out, how long after OPENS the pass opens
    "not due yet: HR's plan stands": (case(now=LONG_BEFORE), -8 * DAY, plan(now=LONG_BEFORE).deliver_at - OPENS, None),
    "due, and waiting": (case(), -15 * HOUR, -15 * HOUR, None),
    "lost before it opens": (sent(), -15 * HOUR, -15 * HOUR, None),
    "lost on the first day": (sent(), 3 * HOUR, 3 * HOUR, None),
    "put off to the next morning, wanted now": (
        sent().again(When(OPENS + DAY, OPENS + DAY), Reason.EXPIRED_UNUSED, counted=True, held=Held()),
        8 * HOUR, 8 * HOUR, None,
    ),
    "in the evening": (sent(), 14 * HOUR, DAY, DAY),
}  # fmt: skip


@pytest.mark.parametrize(("before", "at", "deliver", "opens"), CHANCES.values(), ids=CHANCES)
def test_when_another_message_goes_out(
    before: Case, at: timedelta, deliver: timedelta, opens: timedelta | None
) -> None:
    chance = next_chance(before, PlanRules(), OPENS + at)
    assert chance == When(OPENS + (opens or timedelta(0)), OPENS + deliver)


# --- approval ---


def test_an_approval_is_of_the_number_that_was_refused() -> None:
    after = vouched_for(held_number())
    assert (after.state, after.number_approved, after.number_approved_at) == (State.ANNOUNCED, SHOWN, NOW)


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.MOBILE_CHANGED, Reason.ALREADY_REGISTERED}))
def test_only_a_changed_number_or_methods_can_be_approved(reason: Reason) -> None:
    assert outcome("approve", held_number(reason=reason)) == "nothing-to-approve"


def test_an_approval_is_of_the_methods_that_were_shown() -> None:
    before = held_number(reason=Reason.ALREADY_REGISTERED, methods_shown=("password", "fido2"))
    after = vouched_for(before)
    assert (after.methods_approved, after.number_approved) == (("password", "fido2"), None)
    assert [vouched(None, before), vouched(before, after), vouched(after, replace(after, waits=1))] == [
        None, Reason.ALREADY_REGISTERED, None,
    ]  # fmt: skip
    with pytest.raises(Unable, match="nothing-to-approve"):
        approved(before, SOON, NOW, Reason.MOBILE_CHANGED, before.issuance)
    with pytest.raises(Unable, match="nothing-to-approve"):
        approved(before, SOON, NOW, Reason.ALREADY_REGISTERED, before.issuance - 1)


def test_an_approval_goes_with_the_person_it_was_for() -> None:
    mine = vouched_for(held_number())
    other = hire_event(version=version(5), user=replace(hire_event().user, value="b" * 8 + hire_event().user.value[8:]))
    theirs = record_hire(mine, CASE_ID, other, plan(), NOW)
    assert theirs
    assert (theirs.number_approved, theirs.number_approved_at, theirs.number_shown) == (None, None, None)


def test_a_wiped_case_keeps_no_number() -> None:
    wiped = vouched_for(held_number()).wiped()
    assert (wiped.number_approved, wiped.number_shown) == (None, None)


# --- calling off ---


@pytest.mark.parametrize("before", [claimed(), sent(), claimed().intended("tap-1")])
def test_passes_of_a_case_that_is_called_off_are_deleted_twice(before: Case) -> None:
    after = called_off(before, RULES, NOW)
    assert (after.deletions_left, after.delete_at, after.lease_until) == (2, NOW, before.lease_until)
    assert (after.wipe_at, after.forget_at) == (NOW + RULES.keep_contact, plan().opens_at + RULES.keep_case)


def test_one_that_made_no_pass_has_none_to_delete() -> None:
    assert called_off(case(), RULES, NOW).deletions_left == 0


def test_only_a_later_event_opens_it_again() -> None:
    off = called_off(sent(), RULES, NOW)
    assert record_hire(off, CASE_ID, hire_event(), plan(), NOW) is None
    later = record_hire(off, CASE_ID, hire_event(version=version(5)), plan(), NOW)
    assert later
    assert later.state is State.ANNOUNCED
