"""A joiner for a cohort file: the user, and the event that announces them."""

from typing import Any

NOW = "2026-11-30T07:00:00Z"
"""A Monday, eight in the morning in Amsterdam."""


def user_id(number: int) -> str:
    return f"acce0000-0000-4000-8000-{number:012d}"


def mobile(number: int) -> str:
    """Numbers that belong to nobody, one per joiner."""
    return f"+1{201 + number // 100}555{100 + number % 100:04d}"


def user(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": user_id(number),
        "userPrincipalName": f"joiner{number}@firstpass.example",
        "employeeId": f"E{number}",
        "mobilePhone": mobile(number),
        "employeeHireDate": "2026-11-30T00:00:00Z",
    } | changes


def hired(number: int, data: dict[str, Any] | None = None, **envelope: Any) -> dict[str, Any]:
    """Due at once: the first day is today, work starts at nine in Amsterdam."""
    return {
        "specversion": "1.0",
        "id": f"evt-{number}",
        "source": "/hr/test",
        "type": "joiner.hired.v1",
        "subject": f"W-{number}",
        "time": "2026-11-27T09:00:00Z",
        "data": {
            "user": {"id": user_id(number)},
            "hireDate": "2026-11-30",
            "startTime": "09:00",
            "timeZone": "Europe/Amsterdam",
            "devicePaths": ["autopilot"],
            "mobilePhone": mobile(number),
            **(data or {}),
        },
    } | envelope


SETTINGS = {"NUMBER_SOURCE": "event", "ALLOWED_COUNTRIES": "DE,NL,US", "CHECKUP_EVERY": "0"}
POLICY = {
    "state": "enabled",
    "minimumLifetimeInMinutes": 60,
    "maximumLifetimeInMinutes": 1440,
    "defaultLength": 12,
    "isUsableOnce": False,
    "includeTargets": [{"targetType": "group", "id": "all_users"}],
}
