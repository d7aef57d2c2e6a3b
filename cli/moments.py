"""Times as operators give and read them: ages such as `2h`, and moments in their own zone beside the joiner's."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cli.exits import CommandError, Exit

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
STEPS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def moment(text: str | None, now: datetime | None = None) -> datetime | None:
    """The moment somebody means: `30m`, `2h`, `3d`, `1w` ago, or a time as in 2026-11-30T08:00 (here, if no zone).

    Raises:
        CommandError: it is neither.
    """
    if text is None:
        return None
    age = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    try:
        if age:
            return (now or datetime.now(UTC)) - timedelta(**{UNITS[age[2]]: int(age[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(f"{text} is no time: say 30m, 2h, 3d, or 2026-11-30T08:00", Exit.USAGE) from None


def here(when: datetime | None) -> str:
    """A moment where the operator is; nothing for one that stands for none (the year 1)."""
    return f"{when.astimezone():%a %d %b %H:%M}" if when and when.year > 1 else ""


def there(when: datetime | None, zone: str | None) -> str:
    """The same moment where the joiner is, if that is known."""
    try:
        return f"{when.astimezone(ZoneInfo(zone)):%a %d %b %H:%M} {zone}" if when and zone else ""
    except (KeyError, ValueError, OSError, OverflowError):  # a zone this machine does not know
        return ""


def both(when: datetime | None, zone: str | None) -> str:
    """A moment here and, where it reads otherwise, there."""
    local = there(when, zone)
    return f"{here(when)} ({local})" if local and not local.startswith(here(when)) else here(when)


def on_two_lines(text: str) -> str:
    """A text as narrow as it can be, broken before its last word."""
    return "\n".join(filter(None, text.rpartition(" ")[::2]))


def ago(when: datetime, now: datetime) -> str:
    """How long ago, in one unit that fits: `2 h ago`; `in 5 min` for what is to come."""
    seconds = int((now - when).total_seconds())
    unit, length = next(((unit, length) for unit, length in STEPS if abs(seconds) >= 2 * length), ("s", 1))
    return f"{seconds // length} {unit} ago" if seconds >= 0 else f"in {-seconds // length} {unit}"
