"""What every plan must keep, said without the arithmetic of shared/plan.py: shared by the unit and the slow tier."""

from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

from shared.events import HireEvent
from shared.plan import PlanRules, When, when

ZONES = sorted(resources.files("tzdata").joinpath("zones").read_text().split())
LAST_DELIVERY = timedelta(minutes=30)
DAY = timedelta(days=1)


def on_the_wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first UTC moment at which the clocks of `zone` show `wall`; in a gap, what clocks not yet changed show."""
    around = [on_the_wall(wall.replace(tzinfo=UTC) + side, zone) - (wall + side) for side in (-DAY, DAY)]
    moments = [(wall - offset).replace(tzinfo=UTC) for offset in around]
    shown = [moment for moment in moments if on_the_wall(moment, zone) == wall]
    return min(shown, default=moments[0])


def first_working_day(event: HireEvent, rules: PlanRules) -> date:
    if event.first_day:
        return event.first_day
    return next(day for day in (event.hire_date + n * DAY for n in range(7)) if day.weekday() in rules.working_days)


def may_deliver(moment: datetime, opens_at: datetime, zone: ZoneInfo, rules: PlanRules) -> bool:
    around_opening = opens_at - LAST_DELIVERY <= moment <= opens_at + rules.arrival_window
    return around_opening or rules.quiet_until <= on_the_wall(moment, zone).time() < rules.quiet_from


def assert_kept(event: HireEvent, rules: PlanRules, now: datetime) -> When:
    """Plan `event` and hold every promise against it; `rules` without a spread."""
    plan, zone = when(event, rules, now), ZoneInfo(event.time_zone)
    starts_work = datetime.combine(first_working_day(event, rules), event.start_time)
    assert plan.opens_at + rules.opens_before == moment_of(starts_work, zone), "opens at the right local hour"

    latest = plan.opens_at - LAST_DELIVERY
    earliest = max(plan.opens_at - rules.deliver_before, now)
    assert plan.deliver_at >= earliest, "never before its time, never in the past"
    assert plan.deliver_at <= latest or now > latest, "nobody is late but by a late event"
    assert may_deliver(plan.deliver_at, plan.opens_at, zone, rules), "in the day's hours or around the opening"
    skipped = (plan.deliver_at - earliest) // timedelta(minutes=30)
    moments = [earliest + n * timedelta(minutes=30) for n in range(skipped)]
    assert not any(may_deliver(moment, plan.opens_at, zone, rules) for moment in moments), "the first such moment"
    assert plan.opens_at.tzinfo is plan.deliver_at.tzinfo is UTC
    return plan


def utc(year: int, month: int, day: int, at: str = "00:00") -> datetime:
    return datetime.combine(date(year, month, day), time.fromisoformat(at), UTC)
