from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Reason, Refused
from shared.events import DevicePath, HireEvent
from shared.plan import PATHS, PlanRules, Policy, When, fit, in_order, local_date, steps_minutes, when
from tests.builders import hire_event, policy, version
from tests.plan_promises import ZONES, assert_kept, may_deliver, utc

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LONG_BEFORE = utc(2026, 11, 1)
RULES = PlanRules()


# --- days and hours ---


def opening(zone: str, day: date, start: str) -> datetime:
    event = hire_event(time_zone=zone, first_day=day, start_time=time.fromisoformat(start))
    return when(event, RULES, utc(2011, 1, 1)).opens_at + HOUR


@pytest.mark.parametrize(
    ("hire_date", "first_day", "expected"),
    [
        (date(2026, 12, 4), None, date(2026, 12, 4)),
        (date(2026, 12, 5), None, date(2026, 12, 7)),
        (date(2026, 12, 6), None, date(2026, 12, 7)),
        (date(2026, 12, 4), date(2026, 12, 5), date(2026, 12, 5)),
        (date(2026, 12, 5), date(2026, 12, 6), date(2026, 12, 6)),
        (date(2026, 12, 5), date(2026, 12, 1), date(2026, 12, 1)),
    ],
)
def test_a_weekend_moves_to_monday_but_a_given_first_day_stays(
    hire_date: date, first_day: date | None, expected: date
) -> None:
    event = hire_event(hire_date=hire_date, first_day=first_day, time_zone="UTC")
    assert when(event, RULES, LONG_BEFORE).opens_at == datetime.combine(expected, time(8), UTC)


def test_other_weeks_have_other_working_days() -> None:
    sunday_week = PlanRules(working_days=frozenset({6, 0, 1, 2, 3}))
    event = hire_event(hire_date=date(2026, 12, 4), time_zone="Asia/Riyadh")
    assert local_date(event, when(event, sunday_week, LONG_BEFORE).opens_at) == date(2026, 12, 6)


@pytest.mark.parametrize(
    ("zone", "day", "start", "expected"),
    [
        ("Europe/Amsterdam", date(2026, 12, 1), "09:00", utc(2026, 12, 1, "08:00")),
        ("Pacific/Auckland", date(2026, 12, 1), "09:00", utc(2026, 11, 30, "20:00")),
        ("Asia/Kathmandu", date(2026, 12, 1), "09:00", utc(2026, 12, 1, "03:15")),
        # gaps: an hour that is skipped is read that much later
        ("Europe/Amsterdam", date(2027, 3, 28), "02:30", utc(2027, 3, 28, "01:30")),
        ("Africa/Cairo", date(2027, 4, 30), "00:30", utc(2027, 4, 29, "22:30")),
        ("America/Sao_Paulo", date(2018, 11, 4), "00:30", utc(2018, 11, 4, "03:30")),
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", utc(2026, 10, 3, "15:45")),
        ("Pacific/Apia", date(2011, 12, 30), "09:00", utc(2011, 12, 30, "19:00")),
        # folds: an hour that comes twice is the first of the two
        ("Europe/Amsterdam", date(2026, 10, 25), "02:30", utc(2026, 10, 25, "00:30")),
        ("Australia/Lord_Howe", date(2027, 4, 4), "01:45", utc(2027, 4, 3, "14:45")),
        ("America/New_York", date(2026, 11, 1), "01:00", utc(2026, 11, 1, "05:00")),
    ],
)
def test_the_opening_in_local_time(zone: str, day: date, start: str, expected: datetime) -> None:
    assert opening(zone, day, start) == expected


def test_an_hour_that_is_skipped_shows_as_a_later_one_on_the_wall() -> None:
    shown = opening("Europe/Amsterdam", date(2027, 3, 28), "02:30").astimezone(ZoneInfo("Europe/Amsterdam"))
    assert shown.time() == time(3, 30)


# --- delivery ---


@pytest.mark.parametrize(
    ("start", "now", "expected"),
    [
        ("09:00", LONG_BEFORE, utc(2026, 11, 30, "16:00")),  # 16 hours before 08:00
        ("13:00", LONG_BEFORE, utc(2026, 12, 1, "08:00")),  # 20:00 is quiet already
        ("12:59", LONG_BEFORE, utc(2026, 11, 30, "19:59")),
        ("05:00", LONG_BEFORE, utc(2026, 11, 30, "12:00")),
        ("09:00", utc(2026, 11, 30, "18:00"), utc(2026, 11, 30, "18:00")),
        ("09:00", utc(2026, 11, 30, "20:00"), utc(2026, 12, 1, "07:30")),  # quiet, but 08:00 would be late
        ("09:00", utc(2026, 12, 1, "03:00"), utc(2026, 12, 1, "07:30")),
        ("10:00", utc(2026, 12, 1, "03:00"), utc(2026, 12, 1, "08:00")),
        ("05:00", utc(2026, 12, 1, "01:00"), utc(2026, 12, 1, "03:30")),
        ("05:00", utc(2026, 12, 1, "03:30"), utc(2026, 12, 1, "03:30")),
        ("05:00", utc(2026, 12, 1, "03:40"), utc(2026, 12, 1, "03:40")),
        ("09:00", utc(2026, 12, 1, "14:00"), utc(2026, 12, 1, "14:00")),  # the last moment of the arrival window
        ("22:00", utc(2026, 12, 1, "23:00"), utc(2026, 12, 1, "23:00")),  # a night shift begins
        ("09:00", utc(2026, 12, 1, "19:59"), utc(2026, 12, 1, "19:59")),
        ("09:00", utc(2026, 12, 1, "20:00"), utc(2026, 12, 2, "08:00")),  # nobody is woken for a day already missed
        ("05:00", utc(2026, 12, 2, "03:40"), utc(2026, 12, 2, "08:00")),
        ("05:00", utc(2026, 12, 2, "08:00"), utc(2026, 12, 2, "08:00")),
    ],
)
def test_when_the_message_goes_out(start: str, now: datetime, expected: datetime) -> None:
    event = hire_event(time_zone="UTC", start_time=time.fromisoformat(start))
    assert when(event, RULES, now).deliver_at == expected


any_time = st.times(timezones=st.none()).map(lambda it: it.replace(microsecond=0))
any_day = st.dates(date(2026, 1, 1), date(2030, 12, 31))
events = st.builds(
    hire_event,
    time_zone=st.sampled_from(ZONES),
    hire_date=any_day,
    first_day=st.none() | any_day,
    start_time=any_time,
    subject=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8),
)


def span(least: timedelta, most: timedelta) -> st.SearchStrategy[timedelta]:
    return st.integers(least // MINUTE, most // MINUTE).map(lambda minutes: minutes * MINUTE)


rules = st.builds(
    PlanRules,
    working_days=st.frozensets(st.integers(0, 6), min_size=1),
    opens_before=span(0 * HOUR, 24 * HOUR),
    deliver_before=span(30 * MINUTE, 14 * 24 * HOUR),
    arrival_window=span(0 * HOUR, 7 * 24 * HOUR),
)
moments = span(-20 * 24 * HOUR, 3 * 24 * HOUR)
"""How long after the opening the event is seen."""


def seen(event: HireEvent, with_rules: PlanRules, after: timedelta) -> datetime:
    return when(event, with_rules, utc(2025, 1, 1)).opens_at + after


@given(event=events, rules=rules, after=moments)
def test_every_plan_keeps_its_promises(event: HireEvent, rules: PlanRules, after: timedelta) -> None:
    assert_kept(event, rules, seen(event, rules, after))


@given(event=events, after=span(-48 * HOUR, 30 * HOUR))
def test_every_plan_by_default_rules_keeps_its_promises(event: HireEvent, after: timedelta) -> None:
    assert_kept(event, RULES, seen(event, RULES, after))


@given(event=events, rules=rules, after=moments, spread=span(0 * HOUR, 24 * HOUR))
def test_a_spread_delays_some_and_makes_nobody_late(
    event: HireEvent, rules: PlanRules, after: timedelta, spread: timedelta
) -> None:
    now, spreading = seen(event, rules, after), replace(rules, delivery_spread=spread)
    plan, without = when(event, spreading, now), when(event, rules, now)
    latest = without.opens_at - 30 * MINUTE
    assert plan.opens_at == without.opens_at
    assert plan.deliver_at >= without.deliver_at
    assert plan.deliver_at <= latest or now > latest
    assert may_deliver(plan.deliver_at, plan.opens_at, ZoneInfo(event.time_zone), rules)


def spread_plan(event: HireEvent) -> When:
    return when(event, PlanRules(delivery_spread=3 * HOUR), LONG_BEFORE)


def test_a_spread_is_the_same_for_every_event_of_one_hire_and_spreads_others() -> None:
    later = hire_event(version=version(99), mobile_phone="+491713920002", locale="en")
    assert spread_plan(later) == spread_plan(hire_event())
    delays = {spread_plan(hire_event(subject=f"W-{n}")).deliver_at for n in range(50)}
    assert len(delays) > 40
    assert max(delays) - min(delays) > 2 * HOUR
    assert max(delays) < utc(2026, 11, 30, "15:00") + 3 * HOUR


# --- the pass ---


def fitted(
    *paths: DevicePath, tenant: Policy | None = None, rules: PlanRules = RULES, now: datetime = LONG_BEFORE
) -> tuple[int, bool]:
    terms = fit(hire_event(device_paths=paths), utc(2026, 12, 1, "07:00"), tenant or policy(), rules, now)
    return terms.lifetime_in_minutes, terms.cut


def test_the_minutes_of_each_device_path() -> None:
    assert {path.value: steps_minutes([path], RULES) for path in DevicePath} == {
        "autopilot": 105, "zero-touch": 70, "apple-business-manager": 80, "authenticator": 15, "security-info": 15,
    }  # fmt: skip
    assert PATHS.keys() == set(DevicePath)


def test_a_lifetime_is_steps_and_arrival_window_rounded_up_within_the_policy() -> None:
    assert fitted(DevicePath.AUTHENTICATOR) == (375, False)
    assert fitted(DevicePath.ZERO_TOUCH) == (435, False)  # 70 + 360
    assert fitted(DevicePath.AUTOPILOT, DevicePath.ZERO_TOUCH) == (480, True)  # 175 + 360
    assert fitted(DevicePath.AUTHENTICATOR, tenant=policy(maximum_lifetime_in_minutes=375)) == (375, False)
    assert fitted(DevicePath.AUTHENTICATOR, tenant=policy(minimum_lifetime_in_minutes=400)) == (405, False)
    short = PlanRules(arrival_window=timedelta(0), step_minutes={(DevicePath.AUTHENTICATOR, "authenticator"): 1})
    assert fitted(DevicePath.AUTHENTICATOR, rules=short, tenant=policy(minimum_lifetime_in_minutes=10)) == (15, False)


def test_only_steps_that_do_not_fit_are_refused() -> None:
    assert fitted(DevicePath.AUTOPILOT, tenant=policy(maximum_lifetime_in_minutes=105)) == (105, True)
    with pytest.raises(Refused) as refused:
        fitted(DevicePath.AUTOPILOT, tenant=policy(maximum_lifetime_in_minutes=104))
    assert refused.value.reason is Reason.POLICY_TOO_SHORT
    assert refused.value.detail


def test_the_minutes_of_a_step_can_be_set() -> None:
    slow = PlanRules(step_minutes={(DevicePath.AUTOPILOT, "device-set-up"): 90})
    assert steps_minutes([DevicePath.AUTOPILOT], slow) == 150
    assert steps_minutes([DevicePath.ZERO_TOUCH], slow) == 70


@pytest.mark.parametrize(
    ("opens_in", "starts"),
    [(HOUR, True), (3 * MINUTE, True), (2 * MINUTE, False), (MINUTE, False), (0 * HOUR, False), (-HOUR, False)],
)
def test_a_pass_starts_when_it_opens_or_at_once(opens_in: timedelta, starts: bool) -> None:
    opens_at = LONG_BEFORE + opens_in
    terms = fit(hire_event(), opens_at, policy(), RULES, LONG_BEFORE)
    assert terms.start_date_time == (opens_at if starts else None)


def test_the_phone_comes_first() -> None:
    assert in_order([DevicePath.SECURITY_INFO, DevicePath.AUTOPILOT, DevicePath.AUTHENTICATOR]) == (
        DevicePath.AUTHENTICATOR, DevicePath.AUTOPILOT, DevicePath.SECURITY_INFO,
    )  # fmt: skip
    phones = {DevicePath.APPLE_BUSINESS_MANAGER, DevicePath.ZERO_TOUCH, DevicePath.AUTHENTICATOR}
    assert set(in_order(DevicePath)[:3]) == phones
    assert in_order(reversed(DevicePath)) == in_order(DevicePath)


some_paths = st.lists(st.sampled_from(DevicePath), min_size=1, max_size=6).map(tuple)
policies = st.builds(
    policy,
    minimum_lifetime_in_minutes=st.integers(10, 600),
    maximum_lifetime_in_minutes=st.integers(10, 43_200) | st.integers(10, 600),
)


@given(paths=some_paths, tenant=policies, window=span(0 * HOUR, 7 * 24 * HOUR), one_time=st.booleans(), after=moments)
def test_every_pass_fits_or_is_refused(
    paths: tuple[DevicePath, ...], tenant: Policy, window: timedelta, one_time: bool, after: timedelta
) -> None:
    rules, opens_at = PlanRules(arrival_window=window, one_time_where_possible=one_time), utc(2026, 12, 1, "07:00")
    event, needed = hire_event(device_paths=paths), steps_minutes(paths, RULES)
    least, most = tenant.minimum_lifetime_in_minutes, tenant.maximum_lifetime_in_minutes
    multiples = [it for it in range(0, 43_201, 15) if max(least, needed) <= it <= most]
    try:
        terms = fit(event, opens_at, tenant, rules, opens_at + after)
    except Refused as refused:
        assert (refused.reason, multiples) == (Reason.POLICY_TOO_SHORT, [])  # noqa: PT017 - one of two right outcomes
        return
    assert terms.lifetime_in_minutes in multiples
    wanted = needed + window // MINUTE
    assert terms.cut == (terms.lifetime_in_minutes < wanted)
    assert terms.lifetime_in_minutes - max(wanted, least) < 15
    assert terms.start_date_time is None or terms.start_date_time > opens_at + after
    assert terms.start_date_time in (None, opens_at)
    assert not terms.is_usable_once or one_time


@given(paths=some_paths, more=some_paths, tenant=policies)
def test_more_device_paths_never_get_less_time(
    paths: tuple[DevicePath, ...], more: tuple[DevicePath, ...], tenant: Policy
) -> None:
    try:
        both = fitted(*paths, *more, tenant=tenant)
    except Refused:
        return
    assert fitted(*paths, tenant=tenant)[0] <= both[0]


def test_a_path_named_twice_counts_once() -> None:
    assert fitted(DevicePath.AUTOPILOT, DevicePath.AUTOPILOT) == fitted(DevicePath.AUTOPILOT)


def test_one_time_only_where_every_path_allows_and_the_deployer_asks() -> None:
    signs_in_again = {DevicePath.AUTOPILOT, DevicePath.ZERO_TOUCH, DevicePath.APPLE_BUSINESS_MANAGER}
    for rules, asked in ((PlanRules(one_time_where_possible=True), True), (PlanRules(), False)):
        for first in DevicePath:
            for second in DevicePath:
                event = hire_event(device_paths=(first, second))
                terms = fit(event, utc(2026, 12, 1), policy(), rules, LONG_BEFORE)
                assert terms.is_usable_once == (asked and not {first, second} & signs_in_again)


def test_the_day_it_is_for_the_joiner() -> None:
    assert local_date(hire_event(time_zone="Pacific/Auckland"), utc(2026, 11, 30, "12:00")) == date(2026, 12, 1)
    assert local_date(hire_event(time_zone="America/Los_Angeles"), utc(2026, 12, 1, "07:00")) == date(2026, 11, 30)
