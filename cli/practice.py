"""Joiners to practise on: what `firstpass sandbox --practice` fills the stand-ins with, as of now. Pure."""

from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from cli.cohort import Cohort

SOURCE: Final = "/hr/workday"
SETTINGS: Final = {"NUMBER_SOURCE": "event", "ALLOWED_COUNTRIES": "US"}
LATER, STAFF = 5, 9
WEEK: Final = timedelta(weeks=1)
MORNING: Final = 10
"""The hour it is for these joiners, whenever somebody practises: theirs is a zone where messages go out."""

USERS: Final[dict[int, dict[str, Any]]] = {
    1: {},
    2: {},
    3: {"roles": ["User Administrator"]},
    4: {"employeeHireDate": None},
    5: {},
    6: {},
    STAFF: {"mobilePhone": "+12025550109", "methods": ["#microsoft.graph.fido2AuthenticationMethod"]},
}
"""One has a pass, one a phone that is off, one is privileged, one no joiner, one begins next week, one has changed the
number; the last works here and lost their key."""


def practice(now: datetime) -> Cohort:
    """The world, and HR's events of the last hour."""
    zone = _zone(now)
    day = now.astimezone(ZoneInfo(zone)).date()
    hired = [
        _hired(number, now - timedelta(minutes=60 - number), day + (number == LATER) * WEEK, zone)
        for number in USERS
        if number != STAFF
    ]
    changed = _hired(6, now - timedelta(minutes=1), day, zone, mobilePhone="+12025550116")
    malformed = _hired(7, now - timedelta(minutes=2), day, zone, hireDate="soon", devicePaths=["fax"])
    return Cohort(
        settings=SETTINGS,
        users=[_user(number, f"{day}T00:00:00Z", facts) for number, facts in USERS.items()],
        phones={_mobile(2): {"sms": "off"}},
        events=[*hired, changed, malformed],
    )


def _zone(now: datetime) -> str:
    """A zone where it is morning now: its name counts from it to UTC."""
    ahead = (MORNING - now.hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def _user(number: int, hired_on: str, facts: dict[str, Any]) -> dict[str, Any]:
    name = f"joiner{number}@firstpass.example"
    return {"id": user_id(number), "userPrincipalName": name, "employeeHireDate": hired_on} | facts


def _hired(number: int, at: datetime, day: object, zone: str, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "specversion": "1.0",
        "id": f"hr-{number}-{at:%H%M}",
        "source": SOURCE,
        "type": "joiner.hired.v1",
        "subject": f"W-{1000 + number}",
        "time": at.isoformat(timespec="seconds"),
        "data": {
            "user": {"id": user_id(number)},
            "hireDate": f"{day}",
            "firstDay": f"{day}",
            "startTime": "09:00",
            "timeZone": zone,
            "devicePaths": ["autopilot"],
            "mobilePhone": _mobile(number),
        }
        | data,
    }


def user_id(number: int) -> str:
    """The object id of somebody of this world."""
    return f"5a1e0000-0000-4000-8000-{number:012d}"


def _mobile(number: int) -> str:
    """Numbers that belong to nobody."""
    return f"+1202555{100 + number:04d}"
