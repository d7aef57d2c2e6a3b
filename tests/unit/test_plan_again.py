"""When there is a next time: the next working morning, or another message for the same opening."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import HireEvent
from shared.plan import PlanRules, When, next_morning, once_more, when
from tests.builders import hire_event
from tests.plan_promises import ZONES, may_deliver, moment_of, on_the_wall, utc

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
RULES = PlanRules()
SUNDAY_WEEK = PlanRules(working_days=frozenset({6, 0, 1, 2, 3}))
MONDAYS = PlanRules(working_days=frozenset({0}))
THE_DAY_BEFORE = PlanRules(opens_before=24 * HOUR)


# --- the next working morning ---


@pytest.mark.parametrize(
    ("zone", "start", "rules", "now", "expected"),
    [
        ("UTC", "09:00", RULES, utc(2026, 12, 1, "14:00"), utc(2026, 12, 2, "08:00")),
        ("UTC", "09:00", RULES, utc(2026, 12, 2, "07:59"), utc(2026, 12, 2, "08:00")),
        ("UTC", "09:00", RULES, utc(2026, 12, 2, "08:00"), utc(2026, 12, 3, "08:00")),
        ("UTC", "09:00", RULES, utc(2026, 12, 2, "23:59"), utc(2026, 12, 3, "08:00")),
        # Friday evening, and the weekend
        ("UTC", "09:00", RULES, utc(2026, 12, 4, "18:00"), utc(2026, 12, 7, "08:00")),
        ("UTC", "09:00", RULES, utc(2026, 12, 5, "03:00"), utc(2026, 12, 7, "08:00")),
        ("UTC", "09:00", RULES, utc(2026, 12, 6, "23:00"), utc(2026, 12, 7, "08:00")),
        ("Asia/Riyadh", "09:00", SUNDAY_WEEK, utc(2026, 12, 3, "18:00"), utc(2026, 12, 6, "05:00")),
        ("UTC", "09:00", MONDAYS, utc(2026, 12, 7, "07:00"), utc(2026, 12, 7, "08:00")),
        ("UTC", "09:00", MONDAYS, utc(2026, 12, 7, "08:00"), utc(2026, 12, 14, "08:00")),
        # the joiner's day, not ours
        ("Pacific/Auckland", "09:00", RULES, utc(2026, 12, 3, "12:00"), utc(2026, 12, 3, "19:00")),
        ("Pacific/Auckland", "09:00", RULES, utc(2026, 12, 3, "19:00"), utc(2026, 12, 6, "19:00")),
        ("America/Los_Angeles", "09:00", RULES, utc(2026, 12, 5, "07:00"), utc(2026, 12, 7, "16:00")),
        # the clocks change over the weekend
        ("Europe/Amsterdam", "09:00", RULES, utc(2027, 3, 26, "20:00"), utc(2027, 3, 29, "06:00")),
        ("Europe/Amsterdam", "09:00", RULES, utc(2026, 10, 23, "20:00"), utc(2026, 10, 26, "07:00")),
        # openings before the working day itself, and night shifts
        ("UTC", "09:00", THE_DAY_BEFORE, utc(2026, 12, 7, "10:00"), utc(2026, 12, 8, "09:00")),
        ("UTC", "09:00", THE_DAY_BEFORE, utc(2026, 12, 4, "10:00"), utc(2026, 12, 6, "09:00")),
        ("UTC", "22:00", RULES, utc(2026, 12, 4, "20:00"), utc(2026, 12, 4, "21:00")),
        ("UTC", "00:30", RULES, utc(2026, 12, 4, "12:00"), utc(2026, 12, 6, "23:30")),
    ],
)
def test_the_next_working_morning(zone: str, start: str, rules: PlanRules, now: datetime, expected: datetime) -> None:
    event = hire_event(time_zone=zone, start_time=time.fromisoformat(start))
    assert next_morning(event, rules, now) == When(expected, expected)


# --- once more ---

FRIDAY = date(2026, 12, 4)
SATURDAY_WORK = PlanRules(working_days=frozenset(range(6)))


@pytest.mark.parametrize(
    ("first_day", "start", "rules", "earliest", "expected"),
    [
        # before the first day, and at night before it
        (FRIDAY, "09:00", RULES, utc(2026, 12, 3, "16:20"), utc(2026, 12, 3, "16:20")),
        (FRIDAY, "09:00", RULES, utc(2026, 12, 3, "20:00"), utc(2026, 12, 4, "07:30")),
        (FRIDAY, "12:00", RULES, utc(2026, 12, 4, "02:00"), utc(2026, 12, 4, "08:00")),
        (FRIDAY, "05:00", RULES, utc(2026, 12, 4, "01:00"), utc(2026, 12, 4, "03:30")),
        # around the opening: at once, whatever the hour
        (FRIDAY, "09:00", RULES, utc(2026, 12, 4, "07:30"), utc(2026, 12, 4, "07:30")),
        (FRIDAY, "05:00", RULES, utc(2026, 12, 4, "03:45"), utc(2026, 12, 4, "03:45")),
        (FRIDAY, "22:00", RULES, utc(2026, 12, 5, "02:59"), utc(2026, 12, 5, "02:59")),
        # later that day
        (FRIDAY, "09:00", RULES, utc(2026, 12, 4, "14:01"), utc(2026, 12, 4, "14:01")),
        (FRIDAY, "09:00", RULES, utc(2026, 12, 4, "19:59"), utc(2026, 12, 4, "19:59")),
        # who was announced late, or begins again on another day: at once
        (date(2026, 12, 2), "09:00", RULES, utc(2026, 12, 4, "10:15"), utc(2026, 12, 4, "10:15")),
        # somebody who begins on a Saturday
        (date(2026, 12, 5), "09:00", RULES, utc(2026, 12, 5, "13:00"), utc(2026, 12, 5, "13:00")),
    ],
)
def test_another_message_for_the_same_opening(
    first_day: date, start: str, rules: PlanRules, earliest: datetime, expected: datetime
) -> None:
    event = hire_event(time_zone="UTC", first_day=first_day, start_time=time.fromisoformat(start))
    opens_at = when(event, rules, utc(2026, 11, 1)).opens_at
    assert once_more(event, opens_at, rules, earliest) == When(opens_at, expected)


@pytest.mark.parametrize(
    ("first_day", "start", "rules", "earliest", "expected"),
    [
        (date(2026, 12, 3), "09:00", RULES, utc(2026, 12, 3, "20:00"), utc(2026, 12, 4, "08:00")),
        (date(2026, 12, 3), "09:00", RULES, utc(2026, 12, 4, "04:00"), utc(2026, 12, 4, "08:00")),
        (date(2026, 12, 3), "15:00", RULES, utc(2026, 12, 3, "20:30"), utc(2026, 12, 4, "14:00")),
        (date(2026, 12, 3), "15:00", RULES, utc(2026, 12, 4, "10:00"), utc(2026, 12, 4, "14:00")),
        (date(2026, 12, 5), "12:00", RULES, utc(2026, 12, 6, "08:00"), utc(2026, 12, 7, "11:00")),
        (date(2026, 12, 5), "12:00", RULES, utc(2026, 12, 6, "20:00"), utc(2026, 12, 7, "11:00")),
        (FRIDAY, "09:00", SATURDAY_WORK, utc(2026, 12, 4, "22:00"), utc(2026, 12, 5, "08:00")),
        (FRIDAY, "09:00", RULES, utc(2026, 12, 7, "03:00"), utc(2026, 12, 7, "08:00")),
    ],
)
def test_another_message_on_another_day_comes_with_the_opening_of_that_day(
    first_day: date, start: str, rules: PlanRules, earliest: datetime, expected: datetime
) -> None:
    event = hire_event(time_zone="UTC", first_day=first_day, start_time=time.fromisoformat(start))
    opens_at = when(event, rules, utc(2026, 11, 1)).opens_at
    assert once_more(event, opens_at, rules, earliest) == When(expected, expected)


MONDAY_MORNING = utc(2026, 12, 7, "08:00")


@pytest.mark.parametrize(
    ("first_day", "earliest"),
    [
        (FRIDAY, utc(2026, 12, 4, "20:00")),
        (FRIDAY, utc(2026, 12, 5, "00:30")),
        (FRIDAY, utc(2026, 12, 5, "10:00")),
        (FRIDAY, utc(2026, 12, 6, "19:00")),
        (date(2026, 12, 5), utc(2026, 12, 5, "14:01")),
    ],
)
def test_a_message_that_would_go_out_when_nobody_works_waits_for_another_opening(
    first_day: date, earliest: datetime
) -> None:
    event = hire_event(time_zone="UTC", first_day=first_day)
    opens_at = when(event, RULES, utc(2026, 11, 1)).opens_at
    assert once_more(event, opens_at, RULES, earliest) == When(MONDAY_MORNING, MONDAY_MORNING)


def test_a_message_put_off_into_the_night_the_clocks_change() -> None:
    event = hire_event(time_zone="Europe/Amsterdam", first_day=date(2027, 3, 28))
    opens_at = utc(2027, 3, 28, "06:00")
    assert once_more(event, opens_at, RULES, utc(2027, 3, 27, "20:00")) == When(opens_at, utc(2027, 3, 28, "05:30"))
    after_it = once_more(event, opens_at, RULES, utc(2027, 3, 28, "19:00"))
    assert after_it == When(utc(2027, 3, 29, "06:00"), utc(2027, 3, 29, "06:00")), (
        "08:00 on Monday, an hour earlier than on Friday"
    )


# --- whatever the event, the rules and the moment ---

spans = st.integers(0, 24 * 60).map(lambda minutes: minutes * MINUTE)
events = st.builds(
    hire_event,
    time_zone=st.sampled_from(ZONES),
    first_day=st.dates(date(2026, 1, 1), date(2030, 12, 31)),
    start_time=st.times(timezones=st.none()).map(lambda it: it.replace(microsecond=0)),
)
rules = st.builds(
    PlanRules, working_days=st.frozensets(st.integers(0, 6), min_size=1), opens_before=spans, arrival_window=spans
)
after_opening = st.integers(-2 * 24 * 60, 10 * 24 * 60).map(lambda minutes: minutes * MINUTE)


def openings(event: HireEvent, with_rules: PlanRules, around: datetime) -> list[datetime]:
    """Of the working days around a moment."""
    zone = ZoneInfo(event.time_zone)
    days = (on_the_wall(around, zone).date() + n * DAY for n in range(-1, 11))
    works = (day for day in days if day.weekday() in with_rules.working_days)
    return [moment_of(datetime.combine(day, event.start_time), zone) - with_rules.opens_before for day in works]


@given(event=events, rules=rules, after=after_opening)
def test_every_next_morning_is_the_first_one_of_a_working_day(
    event: HireEvent, rules: PlanRules, after: timedelta
) -> None:
    now = when(event, rules, utc(2025, 1, 1)).opens_at + after
    plan = next_morning(event, rules, now)
    assert plan == When(plan.opens_at, plan.opens_at)
    assert now < plan.opens_at <= now + 8 * DAY
    assert plan.opens_at == min(it for it in openings(event, rules, now) if it > now)


@given(event=events, rules=rules, after=after_opening)
def test_every_message_for_the_same_opening_is_in_time_and_wakes_nobody(
    event: HireEvent, rules: PlanRules, after: timedelta
) -> None:
    zone, opens_at = ZoneInfo(event.time_zone), when(event, rules, utc(2025, 1, 1)).opens_at
    earliest = opens_at + after
    plan = once_more(event, opens_at, rules, earliest)
    assert earliest <= plan.deliver_at <= earliest + 9 * DAY
    assert plan.deliver_at <= opens_at - 30 * MINUTE or earliest > opens_at - 30 * MINUTE, "nobody is made late"
    assert may_deliver(plan.deliver_at, plan.opens_at, zone, rules)
    if plan.opens_at == opens_at:
        works = on_the_wall(plan.deliver_at, zone).weekday() in rules.working_days
        assert works or plan.deliver_at <= opens_at + rules.arrival_window
    else:
        assert plan == next_morning(event, rules, earliest)


@given(event=events, rules=rules, after=after_opening)
def test_a_message_whose_moment_has_come_is_not_put_off_again(
    event: HireEvent, rules: PlanRules, after: timedelta
) -> None:
    opens_at = when(event, rules, utc(2025, 1, 1)).opens_at
    plan = once_more(event, opens_at, rules, opens_at + after)
    assert once_more(event, plan.opens_at, rules, plan.deliver_at) == plan


def test_a_spread_does_not_delay_what_is_late_already() -> None:
    event, opens_at = hire_event(time_zone="UTC"), utc(2026, 12, 1, "08:00")
    spreading = replace(RULES, delivery_spread=3 * HOUR)
    assert once_more(event, opens_at, spreading, opens_at) == When(opens_at, opens_at)
