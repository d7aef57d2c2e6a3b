"""When what waits goes out, within so many passes an hour."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.forecast import AHEAD, HOUR, Forecast, Hourly, Planned, forecast

NOW = datetime(2026, 11, 30, 16, 20, tzinfo=UTC)
SIX = datetime(2026, 12, 1, 6, tzinfo=UTC)


def planned(due: datetime) -> Planned:
    """May go at any hour, and opens in a year."""
    return Planned(due=due, opens_at=NOW + 365 * AHEAD, hours=None, may_go=lambda moment: moment)


def at(counts: Mapping[datetime, int]) -> list[Planned]:
    return [planned(moment) for moment, count in counts.items() for _ in range(count)]


def of(*numbers: object) -> Forecast:
    planned, busiest, most, late, through = numbers
    return Forecast(planned=planned, busiest_hour=busiest, busiest_planned=most, late=late, through_by=through)  # type: ignore[arg-type]


FOUR = datetime(2026, 11, 30, 16, tzinfo=UTC)
ROWS: dict[str, tuple[Mapping[datetime, int], Hourly, Forecast]] = {
    "nothing": ({}, Hourly(budget=5), Forecast()),
    "fits": ({SIX: 5, SIX + 3 * HOUR: 2}, Hourly(budget=5), of(7, SIX, 5, 0, SIX + 4 * HOUR)),
    "one too many": ({SIX: 6}, Hourly(budget=5), of(6, SIX, 6, 1, SIX + 2 * HOUR)),
    "takes hours": ({SIX: 23}, Hourly(budget=5), of(23, SIX, 23, 18, SIX + 5 * HOUR)),
    "one hour keeps the next late": (
        {SIX: 8, SIX + HOUR: 4}, Hourly(budget=5), of(12, SIX, 8, 5, SIX + 3 * HOUR),
    ),
    "catches up between": ({SIX: 8, SIX + 4 * HOUR: 4}, Hourly(budget=5), of(12, SIX, 8, 3, SIX + 5 * HOUR)),
    "spent already": ({NOW: 3}, Hourly(budget=5, spent=4), of(3, FOUR, 3, 2, FOUR + 2 * HOUR)),
    "spent is of this hour only": ({SIX: 5}, Hourly(budget=5, spent=5), of(5, SIX, 5, 0, SIX + HOUR)),
    "more spent than there is": ({NOW: 1}, Hourly(budget=5, spent=9), of(1, FOUR, 1, 1, FOUR + 2 * HOUR)),
    "overdue": ({NOW - 5 * HOUR: 2}, Hourly(budget=5), of(2, FOUR, 2, 0, FOUR + HOUR)),
    "no limit": ({SIX: 5000}, Hourly(budget=0), of(5000, SIX, 5000, 0, SIX + HOUR)),
    "the first of equals": ({SIX + HOUR: 2, SIX: 2}, Hourly(budget=5), of(4, SIX, 2, 0, SIX + 2 * HOUR)),
    "just within": ({NOW + AHEAD: 1}, Hourly(budget=5), of(1, FOUR + 24 * HOUR, 1, 0, FOUR + 25 * HOUR)),
    "beyond": ({NOW + AHEAD + timedelta(seconds=1): 1}, Hourly(budget=5), Forecast()),
}  # fmt: skip


@pytest.mark.parametrize(("counts", "hourly", "expected"), ROWS.values(), ids=ROWS)
def test_what_becomes_of_what_is_planned(counts: Mapping[datetime, int], hourly: Hourly, expected: Forecast) -> None:
    assert forecast(at(counts), NOW, hourly) == expected


def test_what_is_due_during_a_pause_comes_when_it_ends() -> None:
    dues = at({NOW: 3, SIX - HOUR: 3, SIX + 2 * HOUR: 1})
    assert forecast(dues, NOW, Hourly(budget=4, spent=4), paused_until=SIX) == of(7, SIX, 6, 2, SIX + 3 * HOUR)


def test_a_pause_that_is_over_changes_nothing() -> None:
    assert forecast([planned(SIX)], NOW, Hourly(budget=4), paused_until=NOW - HOUR) == of(1, SIX, 1, 0, SIX + HOUR)


@given(st.lists(st.timedeltas(timedelta(0), AHEAD), max_size=60), st.integers(1, 9), st.integers(0, 12))
def test_as_many_are_late_as_a_queue_would_keep(waits: list[timedelta], budget: int, spent: int) -> None:
    """One by one: each takes the first hour from its own on that has room."""
    room, late, last = {FOUR: max(budget - spent, 0)}, 0, None
    for due in sorted(NOW + wait for wait in waits):
        mine = hour = due.replace(minute=0, second=0, microsecond=0)
        while not room.setdefault(hour, budget):
            hour += HOUR
        room[hour] -= 1
        late += hour > mine
        last = max(last or hour, hour)
    found = forecast([planned(NOW + wait) for wait in waits], NOW, Hourly(budget=budget, spent=spent))
    assert (found.planned, found.late, found.through_by) == (len(waits), late, last and last + HOUR)


def by_day(moment: datetime) -> datetime:
    """From six to eighteen."""
    if 6 <= moment.hour < 18:
        return moment
    morning = moment.replace(hour=6, minute=0)
    return morning if moment.hour < 6 else morning + 24 * HOUR


def joiner(due: datetime, opens_at: datetime) -> Planned:
    return Planned(due=due, opens_at=opens_at, hours=("day", opens_at), may_go=by_day)


def test_what_spills_over_into_the_night_goes_in_the_morning_and_some_after_their_opening() -> None:
    """Twelve in the afternoon, five an hour: ten by eighteen o'clock, two at six; and five of the morning's own."""
    evening = [joiner(FOUR, SIX + HOUR) for _ in range(12)]
    morning = [joiner(SIX, SIX + HOUR) for _ in range(5)]
    found = forecast(evening + morning, NOW, Hourly(budget=5))
    assert (found.planned, found.late, found.after_opening) == (17, 5 + 2 + 2, 2)
    assert found.through_by == SIX + 2 * HOUR


def test_what_a_pause_keeps_into_the_night_is_not_planned_for_the_night() -> None:
    found = forecast([joiner(FOUR, SIX + HOUR)], NOW, Hourly(budget=5), paused_until=FOUR + 6 * HOUR)
    assert (found.busiest_hour, found.after_opening) == (SIX, 0)
    found = forecast([joiner(FOUR, SIX + HOUR)], NOW, Hourly(budget=5), paused_until=SIX + 2 * HOUR)
    assert (found.busiest_hour, found.after_opening) == (SIX + 2 * HOUR, 1)


def test_what_would_take_for_ever_is_not_played_to_its_end() -> None:
    found = forecast(at({SIX: 5000}), NOW, Hourly(budget=1))
    assert found.through_by is None
    assert found.late == 4999
