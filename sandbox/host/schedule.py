"""When a timer fires: NCRONTAB expressions (Microsoft Learn, "Timer trigger for Azure Functions")."""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

_FIELDS = (  # field, lowest, highest, names of the values from the lowest on
    ("second", 0, 59, ""),
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, "january february march april may june july august september october november december"),
    ("day of week", 0, 6, "sunday monday tuesday wednesday thursday friday saturday"),
)
_NEVER = datetime.max.replace(microsecond=0, tzinfo=UTC)
_MONTHS = (
    12 * 41
)  # whatever comes at all, comes within 40 years: 29 February on a certain day, with no leap year in 2100
_ITEM = re.compile("(?:[*]|([0-9]{1,4})(?:-([0-9]{1,4}))?)(?:/(0*[1-9][0-9]{0,3}))?")


def parse_schedule(expression: str) -> list[set[int]]:
    """The values of {second} {minute} {hour} {day} {month} {day-of-week}; ValueError says what is wrong."""
    parts = expression.lower().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"the schedule '{expression}' has {len(parts)} fields; NCRONTAB has 6, seconds first")
    return [_values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]


def next_occurrence(schedule: list[set[int]], moment: datetime) -> datetime:
    """The first one after `moment` (aware), in UTC; days of month and of week must both fit (CrontabSchedule.cs).

    The last second of the year 9999 when there is none, as for 30 February.
    """
    first = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    for day in _days(schedule, first.date()):
        found = next(_times(schedule, first.time() if day == first.date() else time.min), None)
        if found:
            return datetime.combine(day, found, UTC)
    return _NEVER


def _days(schedule: list[set[int]], first: date) -> Iterator[date]:
    _, _, _, days, months, weekdays = schedule
    for number in range(first.month - 1, first.month + _MONTHS):
        year, month = first.year + number // 12, number % 12 + 1
        if month in months:
            length = monthrange(year, month)[1]
            dates = [date(year, month, day) for day in sorted(days) if day <= length]
            yield from (day for day in dates if day >= first and day.isoweekday() % 7 in weekdays)


def _times(schedule: list[set[int]], first: time) -> Iterator[time]:
    seconds, minutes, hours = (sorted(values) for values in schedule[:3])
    for hour in (hour for hour in hours if hour >= first.hour):
        for minute in (minute for minute in minutes if (hour, minute) >= (first.hour, first.minute)):
            yield from (found for second in seconds if (found := time(hour, minute, second)) >= first)


def _values(part: str, field: str, lowest: int, highest: int, names: str) -> set[int]:
    """A list of `*`, a number or name, or `first-last`, each with an optional `/step`."""
    for number, name in enumerate(names.split(), lowest):
        part = re.sub(rf"\b{name[:3]}({name[3:]})?\b", str(number), part)
    values: set[int] = set()
    for item in part.split(","):
        matched = _ITEM.fullmatch(item)
        first, last, step = matched.groups() if matched else ("-1", "-1", "1")
        start, end = int(first or lowest), int(last or (first if first and not step else highest))
        if not lowest <= start <= end <= highest:
            raise ValueError(f"'{item}' is not legal as the {field} of a schedule ({lowest} to {highest})")
        values |= {*range(start, end + 1, int(step or 1))}
    return values
