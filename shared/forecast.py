"""When what waits goes out, within so many passes an hour. Pure."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

AHEAD: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)
AT_MOST: Final = timedelta(days=14)
"""How far it is played on; what is not out by then is late, whenever it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hourly:
    """How many passes an hour may make (0: no limit), and how many this one has made."""

    budget: int
    spent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A pass that is to go out: when it is due, when it opens, and by which hours.

    `may_go` gives the first moment from another on at which its message may go out: the same for the same `hours`.
    """

    due: datetime
    opens_at: datetime
    hours: Hashable
    may_go: Callable[[datetime], datetime] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What becomes of the passes `planned` for the next 24 hours; hours are full ones in UTC, as the budget's are.

    `late` of them go out in a later hour than planned, for want of budget. `after_opening` come when the pass should
    have opened already. The last is out by `through_by`; None when none is planned, or not within AT_MOST.
    """

    planned: int = 0
    busiest_hour: datetime | None = None
    busiest_planned: int = 0
    late: int = 0
    after_opening: int = 0
    through_by: datetime | None = None


def forecast(
    planned: Iterable[Planned], now: datetime, hourly: Hourly, paused_until: datetime | None = None
) -> Forecast:
    """What becomes of these, were nothing else announced: who waits longest comes first, and nobody at night."""
    begins = max(now, paused_until or now)
    groups = Counter(_group(one, begins) for one in planned if one.due <= now + AHEAD)
    if not groups:
        return Forecast()
    hours = Counter[datetime]()
    for group, count in groups.items():
        hours[group.hour] += count
    busiest = min(hours, key=lambda hour: (-hours[hour], hour))
    late, after, through = _played(groups, _full(now), hourly)
    return Forecast(
        planned=hours.total(),
        busiest_hour=busiest,
        busiest_planned=hours[busiest],
        late=late,
        after_opening=after,
        through_by=through,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Passes that go out alike: planned for the same full hour, with the same opening and hours."""

    hour: datetime
    opens_at: datetime
    in_time: bool
    hours: Hashable
    may_go: Callable[[datetime], datetime] = field(compare=False)


def _group(one: Planned, begins: datetime) -> _Group:
    hour = _full(one.may_go(max(one.due, begins)))
    return _Group(hour, one.opens_at, one.due < one.opens_at, one.hours, one.may_go)


def _played(groups: Counter[_Group], present: datetime, hourly: Hourly) -> tuple[int, int, datetime | None]:
    """How many go out late and how many after their opening, and when all are out."""
    ahead: dict[datetime, Counter[_Group]] = {}
    for group, count in groups.items():
        ahead.setdefault(group.hour, Counter())[group] += count
    late, after, hour = 0, 0, present
    while ahead:
        hour = min(ahead)
        is_end = hour >= present + AT_MOST
        room = hourly.budget - (hourly.spent if hour == present else 0) if hourly.budget and not is_end else None
        for group, count in sorted(ahead.pop(hour).items(), key=lambda pair: pair[0].hour):
            goes = count if room is None else min(count, max(room, 0))
            room = None if room is None else room - goes
            late += goes * (hour > group.hour)
            after += goes * (group.in_time and hour >= group.opens_at)
            if goes < count:
                ahead.setdefault(_full(group.may_go(hour + HOUR)), Counter())[group] += count - goes
    return late, after, hour + HOUR if hour < present + AT_MOST else None


def _full(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
