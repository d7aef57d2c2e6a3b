"""How a setting's text becomes a value. A reader's ValueError says what the text must be, never what it was."""

import base64
import re
from collections.abc import Callable
from datetime import time, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from shared.events import DevicePath
from shared.plan import PATHS

KEY_BYTES: Final = 32


class Credential:
    """A setting that opens something. Only connections.py looks inside."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Credential(***)"

    def open(self) -> str:
        """The value, for the client that needs it."""
        return self._value


def text(value: str) -> str:
    """Plain text."""
    return value


def credential(value: str) -> Credential:
    """Something that opens something."""
    return Credential(value)


def hash_key(value: str) -> Credential:
    """The key of every fingerprint."""
    try:
        key = base64.b64decode(value, validate=True)
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise ValueError("must be at least 32 random bytes in base64")
    return Credential(value)


def seal_keys(value: str) -> Credential:
    """The keys that seal contacts, newest first."""
    for key in value.split(","):
        try:
            good = len(base64.urlsafe_b64decode(key.strip())) == KEY_BYTES
        except ValueError:
            good = False
        if not good:
            raise ValueError("must be Fernet keys (32 bytes in URL-safe base64), newest first, separated by commas")
    return Credential(value)


def one_of[E: StrEnum](choices: type[E]) -> Callable[[str], E]:
    """One of a closed list."""

    def read(value: str) -> E:
        try:
            return choices(value)
        except ValueError:
            raise ValueError("must be one of " + ", ".join(choices)) from None

    return read


def several[T](read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """A list, separated by commas, in order."""
    return lambda value: tuple(read(part.strip()) for part in value.split(",") if part.strip())


def set_of[T](read: Callable[[str], T]) -> Callable[[str], frozenset[T]]:
    """A list, separated by commas, where order means nothing."""
    return lambda value: frozenset(several(read)(value))


def like(pattern: str, says: str) -> Callable[[str], str]:
    """Text of a certain form."""
    expected = re.compile(pattern, re.ASCII)

    def read(value: str) -> str:
        if not expected.fullmatch(value):
            raise ValueError(f"must be {says}")
        return value

    return read


def whole(at_least: int) -> Callable[[str], int]:
    """A whole number."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) < at_least:
            raise ValueError(f"must be a whole number, {at_least} or more")
        return int(value)

    return read


_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def duration(shortest: timedelta, longest: timedelta) -> Callable[[str], timedelta]:
    """A length of time within limits: 90m, 16h, 2d, or 0."""

    def read(value: str) -> timedelta:
        found = re.fullmatch(r"([0-9]{1,5})([mhd])", "0m" if value == "0" else value, re.ASCII)
        length = int(found[1]) * _UNITS[found[2]] if found else None
        if length is None or not shortest <= length <= longest:
            raise ValueError(f"must be a duration such as 90m, 16h or 2d, from {_words(shortest)} to {_words(longest)}")
        return length

    return read


def _words(length: timedelta) -> str:
    minutes = length // timedelta(minutes=1)
    return f"{minutes // 60}h" if minutes and minutes % 60 == 0 else f"{minutes}m"


def flag(value: str) -> bool:
    """True or false."""
    if value.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value.lower() == "true"


_SCHEDULE_BOUNDS: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def schedule(value: str) -> str:
    """An NCRONTAB expression in numbers. The host takes a wrong one for no timer, and says so only in its log."""
    parts = value.split()
    fits = len(parts) == len(_SCHEDULE_BOUNDS)
    if not fits or not all(map(_is_schedule_field, parts, *zip(*_SCHEDULE_BOUNDS, strict=True))):
        raise ValueError("must be an NCRONTAB schedule of six fields, seconds first, such as 0 * * * * *")
    return " ".join(parts)


def _is_schedule_field(part: str, low: int, high: int) -> bool:
    items = [
        re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?", item) for item in part.split(",")
    ]
    return all(
        item and low <= int(item[1] or low) <= int(item[2] or item[1] or high) <= high and int(item[3] or 1) <= high
        for item in items
    )


def clock_time(value: str) -> time:
    """A local time of day."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII):
        raise ValueError("must be a time as HH:MM")
    return time.fromisoformat(value)


def hours(value: str) -> tuple[time, time]:
    """From when to when, local time."""
    first, _, last = value.partition("-")
    hours = clock_time(first), clock_time(last)
    if hours[0] >= hours[1]:
        raise ValueError("must be two times as 08:00-20:00, the earlier first")
    return hours


_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def days(value: str) -> frozenset[int]:
    """Days of the week, Monday = 0."""
    days = frozenset(
        _WEEK.index(part.strip().lower()) if part.strip().lower() in _WEEK else -1 for part in value.split(",")
    )
    if not days or -1 in days:
        raise ValueError("must be days of the week such as mon,tue,wed")
    return days


def zone(value: str) -> str:
    """An IANA time zone."""
    try:
        return ZoneInfo(value).key
    except (OSError, ValueError, KeyError):
        raise ValueError("must be an IANA time zone such as Europe/Amsterdam") from None


def guid(value: str) -> str:
    """An Entra object id."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        raise ValueError("must be Entra object ids (GUIDs)")
    return value.lower()


def step_minutes(value: str) -> dict[tuple[DevicePath, str], int]:
    """Minutes of single steps of device paths."""
    known = {f"{path}.{step.name}": (path, step.name) for path, needs in PATHS.items() for step in needs.steps}
    found: dict[tuple[DevicePath, str], int] = {}
    for part in value.split(","):
        name, _, minutes = part.strip().partition("=")
        if name not in known or not re.fullmatch(r"[0-9]{1,4}", minutes):
            raise ValueError("must be like autopilot.device-set-up=60; steps: " + ", ".join(known))
        found[known[name]] = int(minutes)
    return found


def templates(value: str) -> dict[str, str]:
    """WhatsApp templates by language tag."""
    found: dict[str, str] = {}
    for part in value.split(","):
        tag, _, sid = part.strip().partition("=")
        found[tag] = sid
    if not all(re.fullmatch(r"HX[0-9a-fA-F]{32}", sid) and tag for tag, sid in found.items()):
        raise ValueError("must be language=content SID pairs such as nl=HX…,default=HX…")
    return found


def url(*hosts: str) -> Callable[[str], str]:
    """An https address, of certain hosts if given; plain http only on loopback."""

    def read(value: str) -> str:
        scheme, host = _address(value)
        named = scheme == "https" and host != "" and (not hosts or host.endswith(hosts))
        if not (named or host in _LOOPBACK):
            raise ValueError(
                "must be an https address" + (f" of {', '.join(hosts)}" if hosts else "") + ", or loopback"
            )
        return value.rstrip("/")

    return read


_LOOPBACK: Final = {"127.0.0.1", "localhost"}


def _address(value: str) -> tuple[str, str]:
    """Scheme and host of a plain web address; empty for anything else."""
    try:
        parts = urlsplit(value)
        extra = parts.query or parts.fragment or "@" in parts.netloc or re.search(r"\s", value) or parts.port == 0
    except ValueError:  # its text repeats the value
        return "", ""
    return (parts.scheme, parts.hostname or "") if parts.scheme in {"http", "https"} and not extra else ("", "")


def loopback(value: str) -> str:
    """An address of this machine: for stand-ins only."""
    if _address(value)[1] not in _LOOPBACK:
        raise ValueError("must be a loopback address; a real tenant is chosen by CLOUD")
    return value.rstrip("/")


def some[C: (frozenset[str], tuple[DevicePath, ...])](read: Callable[[str], C]) -> Callable[[str], C]:
    """A list that must not be empty."""

    def not_empty(value: str) -> C:
        found = read(value)
        if not found:
            raise ValueError("must not be empty")
        return found

    return not_empty
