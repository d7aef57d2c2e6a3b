"""A cohort file: the world a demo runs in, the events it sends, and what its people do, each at its time."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError


class CohortError(Exception):
    """The file cannot be run; the text says where it is wrong."""


class SignIn(BaseModel):
    """A person tries the newest pass on their phone, and registers a method (an OData type name) if it works."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(min_length=1)
    at: AwareDatetime
    registers: str | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """An event as it goes onto the queue; one without a time goes when the one before is settled."""

    body: bytes
    subject: str
    at: datetime | None = None


class Cohort(BaseModel):
    """Every key but `events` may be left out; `users`, `policy` and `phones` go to the stand-ins as they are."""

    model_config = ConfigDict(extra="forbid")

    now: AwareDatetime | None = None
    until: AwareDatetime | None = None
    settings: dict[str, str] = {}
    policy: dict[str, Any] = {}
    users: list[dict[str, Any]] = []
    phones: dict[str, dict[str, str]] = {}
    events: list[dict[str, Any] | str]
    sign_ins: list[SignIn] = Field(default=[], alias="signIns")

    def world(self) -> dict[str, Any]:
        """What the directory is told."""
        return {"users": self.users} | ({"policy": self.policy} if self.policy else {})

    def sendings(self) -> list[Sending]:
        """The events in order: objects as JSON, strings as they are; `{"at": …, "event": …}` waits for its time."""
        return [_sending(*_unwrapped(event, place)) for place, event in enumerate(self.events)]

    def documents(self) -> list[dict[str, Any]]:
        """The events that are objects, without their times."""
        events = (_unwrapped(event, place)[0] for place, event in enumerate(self.events))
        return [event for event in events if isinstance(event, dict)]

    def end(self) -> datetime | None:
        """How far the clock goes: `until`, or the last thing that has a time; None to leave it where it is."""
        times = [sending.at for sending in self.sendings() if sending.at] + [one.at for one in self.sign_ins]
        return self.until or max(times, default=None)

    def numbers_of(self, user: str) -> set[str]:
        """Every number of a person, by object id or user principal name: the directory's, and those events give."""
        names = {name.lower() for person in self.users if user.lower() in _names(person) for name in _names(person)}
        people = [person.get("mobilePhone") for person in self.users if _names(person) & names]
        data = [document["data"] for document in self.documents() if isinstance(document.get("data"), dict)]
        told = [one.get("mobilePhone") for one in data if _names(one.get("user")) & (names | {user.lower()})]
        return {number for number in (*people, *told) if isinstance(number, str)}

    def zone_of(self, subject: str, otherwise: str) -> str:
        """The time zone HR gave for a hire, where it gave one that Python knows."""
        data = [one["data"] for one in self.documents() if one.get("subject") == subject and "data" in one]
        zones = [str(one.get("timeZone")) for one in data if isinstance(one, dict)]
        return next((zone for zone in zones if zone in available_timezones()), otherwise)


def read_cohort(path: Path) -> Cohort:
    """Read a cohort file.

    Raises:
        CohortError: it cannot be read, is not JSON, or has a wrong field.
    """
    try:
        cohort = Cohort.model_validate_json(path.read_bytes())
        cohort.sendings()
    except OSError as error:
        raise CohortError(f"{path}: {error.strerror}") from None
    except ValidationError as wrong:
        places = ("  " + ".".join(map(str, error["loc"])) + ": " + error["msg"] for error in wrong.errors())
        raise CohortError(f"{path} is not a cohort:\n" + "\n".join(places)) from None
    except ValueError as wrong:
        raise CohortError(f"{path} is not a cohort:\n  {wrong}") from None
    return cohort


def _unwrapped(event: dict[str, Any] | str, place: int) -> tuple[dict[str, Any] | str, datetime | None]:
    if isinstance(event, str) or event.keys() != {"at", "event"}:
        return event, None
    at = _moment(event["at"])
    if at is None or not isinstance(event["event"], dict | str):
        raise ValueError(f"events.{place}: must be an event, or an event with the time it is sent at, in UTC")
    return event["event"], at


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _sending(event: dict[str, Any] | str, at: datetime | None) -> Sending:
    if isinstance(event, str):
        return Sending(event.encode("utf-8", "surrogatepass"), "(not an event)", at)
    return Sending(json.dumps(event).encode(), str(event.get("subject", "(not an event)")), at)


def _names(person: object) -> set[str]:
    """What a person goes by, in lower case."""
    if not isinstance(person, dict):
        return set()
    found = (person.get(key) for key in ("id", "userPrincipalName", "employeeId"))
    return {str(name).lower() for name in found if name}
