from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from shared.plan import PlanRules
from tests.builders import hire_event
from tests.plan_promises import DAY, ZONES, assert_kept, on_the_wall

pytestmark = pytest.mark.slow

FROM, TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
PLAIN_DAYS = tuple(date(year, month, 1 + month) for year in (2026, 2030) for month in (2, 6, 11))
STARTS = (time(0), time(0, 30), time(5), time(9), time(23, 45))
MINUTE = timedelta(minutes=1)
RULES = PlanRules()
SEEN_BEFORE = (30 * DAY, timedelta(hours=20), timedelta(hours=9), timedelta(hours=1), -timedelta(hours=15))
"""How long before local midnight of the first day the event is seen."""


@cache
def offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return on_the_wall(moment, zone) - moment.replace(tzinfo=None)


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Every moment (to the minute) at which the zone's offset changes: days by comparison, minutes by bisection."""
    day = FROM
    while day < TO:
        before, after = day, day + DAY
        if offset(zone, before) != offset(zone, after):
            while after - before > MINUTE:
                middle = before + (after - before) // MINUTE // 2 * MINUTE
                before, after = (middle, after) if offset(zone, middle) == offset(zone, day) else (before, middle)
            yield after
        day += DAY


def walls(zone: ZoneInfo) -> Iterator[tuple[date, frozenset[time]]]:
    """The days to plan for, each with the starts to try: around a change also those just inside and outside it."""
    found = False
    for change in changes(zone):
        found = True
        edges = [on_the_wall(change + side, zone) for side in (-MINUTE, 0 * MINUTE)]
        near = {(edge + minutes * MINUTE).time() for edge in edges for minutes in (-15, 0, 15, 45)}
        for days in range(-2, 3):
            yield edges[0].date() + days * DAY, frozenset({*STARTS, *near})
    if not found:
        yield from ((day, frozenset(STARTS)) for day in PLAIN_DAYS)


@pytest.mark.parametrize("name", ZONES)
def test_every_plan_keeps_its_promises_around_every_change_of_every_zone(name: str) -> None:
    zone = ZoneInfo(name)
    for day, starts in walls(zone):
        for start in starts:
            event = hire_event(time_zone=name, first_day=day, start_time=start)
            for before in SEEN_BEFORE:
                assert_kept(event, RULES, datetime.combine(day, time(0), zone).astimezone(UTC) - before)


def test_the_changes_that_are_found_are_the_real_ones() -> None:
    found = list(changes(ZoneInfo("Europe/Amsterdam")))
    assert found[0] == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert found[1] == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert len(found) == 10
    assert list(changes(ZoneInfo("Asia/Tokyo"))) == []
