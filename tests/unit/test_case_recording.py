from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest

from shared.case import Case, Held
from shared.errors import Reason
from shared.events import Channel, DevicePath, Message, UserRef
from shared.plan import When
from shared.recording import record_cancellation, record_hire
from shared.states import CLOSED, Act, State, Step
from tests.builders import (
    CASE_ID,
    NOW,
    RULES,
    USER_ID,
    cancellation,
    case,
    case_in,
    claimed,
    hire_event,
    plan,
    sent,
    terms,
    version,
)

DAY = timedelta(days=1)
NUMBER_OF_ANOTHER = "+491713920002"


def recorded(before: Case | None, minutes: int = 1, **changes: Any) -> Case | None:
    """`before` after a later event about the same hire, planned anew."""
    event = hire_event(version=version(minutes), **changes)
    return record_hire(before, CASE_ID, event, plan(event), NOW)


def certain(after: Case | None) -> Case:
    assert after is not None
    return after


def test_the_first_event_announces_a_case() -> None:
    event = hire_event()
    after = certain(record_hire(None, CASE_ID, event, plan(event), NOW))
    assert (after.id, after.state, after.issuance, after.attempt, after.sends, after.moves) == (
        CASE_ID,
        State.ANNOUNCED,
        1,
        0,
        0,
        1,
    )
    assert (after.event, after.version) == (event, event.version)
    assert (after.opens_at, after.deliver_at) == (plan(event).opens_at, plan(event).deliver_at)


@pytest.mark.parametrize("state", State)
def test_a_duplicate_or_an_older_event_changes_nothing(state: State) -> None:
    before = replace(case_in(state), version=version(0))
    for minutes in (0, -1, -10_000):
        assert recorded(before, minutes, hire_date=date(2027, 1, 4)) is None
        assert record_cancellation(before, CASE_ID, cancellation(minutes), RULES, NOW) is None


def test_at_the_same_time_the_id_decides() -> None:
    event = hire_event(version=version(0, "evt-2"), hire_date=date(2026, 12, 8))
    assert certain(record_hire(case(), CASE_ID, event, plan(event), NOW)).version == event.version
    older = hire_event(version=version(0, "evt-0"))
    assert record_hire(case(), CASE_ID, older, plan(older), NOW) is None


def test_a_moved_date_moves_a_waiting_case_within_its_issuance() -> None:
    before = case(attempt=2, not_before=NOW + DAY, reason=Reason.ACCOUNT_DISABLED)
    after = certain(recorded(before, hire_date=date(2026, 12, 8)))
    assert (after.state, after.issuance, after.attempt) == (State.ANNOUNCED, 1, 2)
    assert (after.not_before, after.reason) == (None, None)
    assert after.opens_at == certain(before).opens_at + 7 * DAY  # pyright: ignore[reportOptionalOperand] - planned


@pytest.mark.parametrize("state", [State.ISSUING, State.SENT])
@pytest.mark.parametrize(
    "change",
    [
        {"hire_date": date(2026, 12, 8)},
        {"user": UserRef("employeeId", "7")},
        {"device_paths": (DevicePath.AUTOPILOT,)},
        {"mobile_phone": NUMBER_OF_ANOTHER},
        {"mobile_phone": None},
        {"channel": Channel.WHATSAPP},
    ],
    ids=lambda it: next(iter(it)),
)
def test_news_about_the_pass_begins_a_new_issuance_and_leaves_the_lease(state: State, change: dict[str, Any]) -> None:
    before = case_in(state)
    after = certain(recorded(before, **change))
    assert (after.state, after.issuance, after.attempt, after.sends) == (State.ANNOUNCED, before.issuance + 1, 0, 0)
    assert after.lease_until == before.lease_until
    assert (after.pass_id, after.claims, after.user_id) == (before.pass_id, before.claims, before.user_id)


@pytest.mark.parametrize("state", [State.ANNOUNCED, State.ISSUING, State.SENT])
@pytest.mark.parametrize(
    "change", [{}, {"locale": "en"}, {"hire_date": date(2026, 11, 29), "first_day": date(2026, 12, 1)}]
)
def test_an_event_that_asks_for_the_same_pass_is_only_noted(state: State, change: dict[str, Any]) -> None:
    """What the case waits for, since when and why, is no business of news that changes nothing."""
    waiting: dict[str, Any] = {"deliver_at": NOW - DAY, "not_before": NOW + DAY, "reason": Reason.ACCOUNT_DISABLED}
    before = replace(case_in(state), **waiting)
    event = hire_event(version=version(1), **change)
    after = certain(recorded(before, **change))
    noted = {"version": version(1), "event": event, "hire_date": event.hire_date}
    assert after == replace(before, **noted, moves=before.moves + 1)
    assert after.next_step() == before.next_step()


def test_device_paths_in_another_order_ask_for_the_same_pass() -> None:
    both = (DevicePath.AUTOPILOT, DevicePath.AUTHENTICATOR)
    before = case(hire_event(device_paths=both)).claimed(USER_ID, terms(), NOW)
    assert certain(recorded(before, device_paths=both[::-1])).state is State.ISSUING


def test_a_case_that_once_sent_begins_a_new_issuance_even_while_it_waits() -> None:
    before = claimed().intended("tap-1").put_off(Act.ISSUE, Reason.PAUSED, NOW, held=Held(lease=True))
    assert before.sends == 1
    after = certain(recorded(before, hire_date=date(2026, 12, 8)))
    assert (after.issuance, after.attempt, after.sends) == (2, 0, 0)


@pytest.mark.parametrize("state", [State.REFUSED, State.CANCELLED])
def test_a_refused_or_cancelled_case_is_opened_by_any_later_event(state: State) -> None:
    after = certain(recorded(case_in(state), 2))
    assert (after.state, after.issuance, after.attempt, after.reason) == (State.ANNOUNCED, 2, 0, None)
    assert after.next_step() is not None


@pytest.mark.parametrize("state", [State.ONBOARDED, State.GAVE_UP])
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Pacific/Auckland", "America/Los_Angeles"])
@pytest.mark.parametrize("wiped", [False, True])
def test_a_closed_case_is_opened_only_by_a_later_hire_date(state: State, zone: str, wiped: bool) -> None:
    before = replace(case(hire_event(time_zone=zone)), state=state)
    before = replace(before, event=None) if wiped else before
    for same_or_earlier in (date(2026, 12, 1), date(2026, 11, 30)):
        assert recorded(before, time_zone=zone, hire_date=same_or_earlier, mobile_phone=NUMBER_OF_ANOTHER) is None
    after = certain(recorded(before, time_zone=zone, hire_date=date(2026, 12, 2)))
    assert (after.state, after.issuance) == (State.ANNOUNCED, 2)


def test_a_closed_case_nobody_planned_stays_closed() -> None:
    assert recorded(replace(case(hire_date=None), state=State.GAVE_UP), hire_date=date(2027, 1, 4)) is None


# --- another number ---


@pytest.mark.parametrize("state", set(State) - CLOSED)
@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("+491713920001", NUMBER_OF_ANOTHER, True),
        ("+491713920001", "+49 171 3920002", True),
        ("+491713920001", "+491713920001", False),
        ("+491713920001", "+49 (171) 392-0001", False),
        ("+491713920001", None, True),
        (None, "+491713920001", False),
    ],
)
def test_a_case_remembers_when_hr_gave_another_number(
    state: State, before: str | None, after: str | None, changed: bool
) -> None:
    head = replace(case_in(state), event=hire_event(mobile_phone=before))
    told = certain(recorded(head, 2, mobile_phone=after))
    assert told.number_changed_at == (NOW if changed else None)


def test_later_news_does_not_make_a_number_older_or_newer() -> None:
    changed = certain(recorded(case(), mobile_phone=NUMBER_OF_ANOTHER))
    for news in ({}, {"channel": Channel.WHATSAPP}, {"hire_date": date(2026, 12, 8)}):
        event = hire_event(version=version(2), mobile_phone=NUMBER_OF_ANOTHER, **news)
        after = certain(record_hire(changed, CASE_ID, event, plan(event), NOW + DAY))
        assert after.number_changed_at == NOW
    back = hire_event(version=version(2))
    assert certain(record_hire(changed, CASE_ID, back, plan(back), NOW + DAY)).number_changed_at == NOW + DAY


# --- the same news every night ---

MORNING = When(NOW + 2 * DAY, NOW + 2 * DAY)
RE_ISSUED = (
    sent(by_sms=True).again(MORNING, Reason.EXPIRED_UNUSED, counted=True, held=Held()).claimed(USER_ID, terms(), NOW)
)
UNDER_WAY = {
    "announced": case(not_before=NOW + DAY, reason=Reason.ACCOUNT_DISABLED),
    "issuing": claimed(),
    "sent": sent(spent=1, by_sms=True),
    "announced again": sent().again(MORNING, Reason.PASS_GONE, counted=True, held=Held()),
    "issuing again": RE_ISSUED,
    "sent again": RE_ISSUED.intended("tap-2").sent(Message("SM2", Channel.SMS), RULES, NOW),
}


@pytest.mark.parametrize("before", UNDER_WAY.values(), ids=UNDER_WAY)
def test_hr_repeating_itself_disturbs_nothing_that_is_under_way(before: Case) -> None:
    """Also once the opening has moved on from what HR asks for, because a pass came to nothing."""
    event = hire_event(version=version(60))
    for now in (NOW, NOW + DAY, NOW + 3 * DAY):
        after = certain(record_hire(before, CASE_ID, event, plan(event, now), now))
        assert after == replace(before, version=event.version, event=event, moves=before.moves + 1)


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_hr_repeating_itself_does_not_open_a_closed_case(state: State) -> None:
    assert recorded(case_in(state), 60) is None
    assert recorded(case_in(state).wiped(), 60) is None


@pytest.mark.parametrize(
    ("change", "spent", "by_sms"),
    [
        ({"hire_date": date(2026, 12, 8)}, 0, False),
        ({"start_time": time(10)}, 0, False),
        ({"first_day": date(2026, 12, 2)}, 0, False),
        ({"device_paths": (DevicePath.AUTOPILOT,)}, 2, True),
        ({"channel": Channel.WHATSAPP}, 2, True),
        ({"mobile_phone": NUMBER_OF_ANOTHER}, 2, False),
        ({}, 2, True),
    ],
)
def test_only_another_opening_begins_another_round(change: dict[str, Any], spent: int, by_sms: bool) -> None:
    for state in set(State) - CLOSED:
        before = replace(case_in(state), spent=2, by_sms=True, opens_at=MORNING.opens_at)
        after = certain(recorded(before, 60, **change))
        assert (after.spent, after.by_sms) == (spent, by_sms), state


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_a_new_hire_after_a_closed_one_begins_another_round(state: State) -> None:
    before = replace(case_in(state), spent=2, by_sms=True)
    after = certain(recorded(before, 60, hire_date=date(2027, 1, 4)))
    assert (after.spent, after.by_sms, after.wipe_at, after.forget_at) == (0, False, None, None)


# --- cancelling ---


@pytest.mark.parametrize("state", State)
def test_a_cancellation_ends_any_case(state: State) -> None:
    before = replace(case_in(state), not_before=NOW + DAY, reason=Reason.PAUSED)
    after = certain(record_cancellation(before, CASE_ID, cancellation(2), RULES, NOW))
    assert (after.state, after.version, after.reason, after.not_before) == (State.CANCELLED, version(2), None, None)
    assert after.lease_until == before.lease_until


def test_a_cancellation_that_overtakes_its_hire_keeps_it_out() -> None:
    before = certain(record_cancellation(None, CASE_ID, cancellation(5), RULES, NOW))
    assert (before.state, before.issuance, before.moves) == (State.CANCELLED, 0, 1)
    assert before.next_step() == Step(Act.FORGET, NOW + RULES.keep_case), "there is nobody to wipe"
    assert recorded(before, 4) is None
    rehired = certain(recorded(before, 6))
    assert (rehired.state, rehired.issuance, rehired.moves) == (State.ANNOUNCED, 1, 2)
