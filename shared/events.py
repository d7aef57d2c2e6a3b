"""What can arrive on the queue, in our words: a hire, its cancellation, a nudge; and what an event may leave out."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Literal


class DevicePath(StrEnum):
    """How a joiner's device is set up; shared/plan.py says what each needs."""

    AUTOPILOT = "autopilot"
    ZERO_TOUCH = "zero-touch"
    APPLE_BUSINESS_MANAGER = "apple-business-manager"
    AUTHENTICATOR = "authenticator"
    SECURITY_INFO = "security-info"


class Channel(StrEnum):
    """How the pass travels."""

    SMS = "sms"
    WHATSAPP = "whatsapp"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """What an event may leave out, and how far ahead a hire may lie."""

    start_time: time = time(9)
    time_zone: str = "UTC"
    device_paths: tuple[DevicePath, ...] = (DevicePath.AUTHENTICATOR,)
    channel: Channel = Channel.SMS
    max_days_ahead: int = 366


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The order of events about one hire: by the sender's time (UTC), then by id."""

    time: datetime
    id: str


@dataclass(frozen=True, slots=True)
class UserRef:
    """How an event names its person: `by` is a Graph user property, `value` its value (personal data)."""

    by: Literal["id", "userPrincipalName", "employeeId"]
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HireEvent:
    """`joiner.hired.v1`, complete: what the sender left out is filled from EventRules."""

    source: str
    subject: str = field(repr=False)
    version: Version
    user: UserRef
    hire_date: date
    first_day: date | None
    start_time: time
    time_zone: str
    device_paths: tuple[DevicePath, ...]
    mobile_phone: str | None = field(repr=False)
    channel: Channel
    locale: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """`joiner.cancelled.v1`: the hire is off; every pass of this case is to end."""

    source: str
    subject: str = field(repr=False)
    version: Version


@dataclass(frozen=True, slots=True)
class Nudge:
    """`case.nudge.v1`: look at this case again. It can do nothing that is not due."""

    case_id: str
