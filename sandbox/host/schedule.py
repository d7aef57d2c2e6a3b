"""When a timer fires: NCRONTAB expressions (Microsoft Learn, "Timer trigger for Azure Functions")."""

import re

_FIELDS = (  # field, lowest, highest, names of the values from the lowest on
    ("second", 0, 59, ""),
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, "january february march april may june july august september october november december"),
    ("day of week", 0, 6, "sunday monday tuesday wednesday thursday friday saturday"),
)
_ITEM = re.compile("(?:[*]|([0-9]{1,4})(?:-([0-9]{1,4}))?)(?:/(0*[1-9][0-9]{0,3}))?")


def parse_schedule(expression: str) -> list[set[int]]:
    """The values of {second} {minute} {hour} {day} {month} {day-of-week}; ValueError says what is wrong."""
    parts = expression.lower().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"the schedule '{expression}' has {len(parts)} fields; NCRONTAB has 6, seconds first")
    return [_values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]


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
