"""When what waits goes out, within so many passes an hour. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

AHEAD: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hourly:
    """How many passes an hour may make (0: no limit), and how many this one has made."""

    budget: int
    spent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What becomes of the passes `planned` for the next 24 hours; hours are full ones in UTC, as the budget's are.

    `late` of them go out in a later hour than planned, for want of budget. The last is out by `through_by`.
    """

    planned: int = 0
    busiest_hour: datetime | None = None
    busiest_planned: int = 0
    late: int = 0
    through_by: datetime | None = None


def forecast(dues: Iterable[datetime], now: datetime, hourly: Hourly, paused_until: datetime | None = None) -> Forecast:
    """What becomes of passes due at these moments, were nothing else announced: who waits longest comes first."""
    begins = max(now, paused_until or now)
    hours = Counter(_full(max(due, begins)) for due in dues if due <= now + AHEAD)
    if not hours:
        return Forecast()
    busiest = min(hours, key=lambda hour: (-hours[hour], hour))
    late, last = _played(hours, _full(now), hourly)
    return Forecast(
        planned=hours.total(),
        busiest_hour=busiest,
        busiest_planned=hours[busiest],
        late=late,
        through_by=last + HOUR,
    )


def _played(hours: Counter[datetime], present: datetime, hourly: Hourly) -> tuple[int, datetime]:
    """How many go out late, and the hour in which the last does."""
    hour, waiting, late = min(hours), 0, 0
    while True:
        waiting += hours[hour]
        room = hourly.budget - (hourly.spent if hour == present else 0) if hourly.budget else waiting
        waiting -= min(waiting, max(room, 0))
        late += min(waiting, hours[hour])
        if not waiting and hour >= max(hours):
            return late, hour
        hour += HOUR


def _full(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
