"""When a timer fires: NCRONTAB expressions and time spans (Microsoft Learn, "Timer trigger for Azure Functions")."""

import re
from datetime import timedelta

_FIELDS = (  # field, lowest, highest, names of the values from the lowest on
    ("second", 0, 59, ""),
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, "january february march april may june july august september october november december"),
    ("day of week", 0, 6, "sunday monday tuesday wednesday thursday friday saturday"),
)
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d\d?):([0-5]?\d):([0-5]?\d)(\.\d{1,7})?", re.ASCII)
_HOURS_A_DAY = 24

Schedule = timedelta | tuple[frozenset[int], ...]


def parse_schedule(expression: str) -> Schedule:
    """The values allowed in each of {second} {minute} {hour} {day} {month} {day-of-week}, or an interval.

    ValueError when the host would refuse it, or would read it otherwise than it looks; the text says what is wrong.
    """
    if ":" in expression:
        return parse_time_span(expression)
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{len(parts)} fields, an NCRONTAB expression has 6, seconds first")
    return tuple(
        frozenset(value for item in part.split(",") for value in _values(item, *field))
        for part, field in zip(parts, _FIELDS, strict=True)
    )


def _values(item: str, field: str, lowest: int, highest: int, names: str) -> range:
    """One item of a field's list: `*`, a number or name, or `first-last`, each with an optional `/step`."""
    span, slash, step = item.partition("/")
    start, dash, end = span.partition("-") if span != "*" else (str(lowest), "-", str(highest))
    first, last = (_value(text, lowest, names) for text in (start, end or (str(highest) if slash else start)))
    broken = (slash and not re.fullmatch("0*[1-9][0-9]*", step)) or (dash and not end)
    if broken or not lowest <= first <= last <= highest:
        raise ValueError(f"'{item}' is not legal in the field {field} ({lowest} to {highest})")
    return range(first, last + 1, int(step or 1))


def _value(text: str, lowest: int, names: str) -> int:
    """A number, or a name by its first three letters or more; -1 for anything else."""
    named = [place for place, name in enumerate(names.split(), lowest) if name.startswith(text.lower())]
    if named and len(text) >= 3:
        return named[0]
    return int(text) if re.fullmatch("[0-9]{1,4}", text) else -1


def parse_time_span(text: str) -> timedelta:
    """`[d.]hh:mm:ss[.fraction]`; .NET reads a first number of 24 or more as days (`dd:hh:mm`). ValueError otherwise."""
    matched = _TIME_SPAN.fullmatch(text)
    days, first, second, third = (int(part or 0) for part in matched.groups()[:4]) if matched else (0, 99, 99, 99)
    if first >= _HOURS_A_DAY and not days:
        days, first, second, third = first, second, third, 0
    if not matched or first >= _HOURS_A_DAY:
        raise ValueError(f"'{text}' is not a time span hh:mm:ss")
    return timedelta(days=days, hours=first, minutes=second, seconds=third + float(matched[5] or 0))
