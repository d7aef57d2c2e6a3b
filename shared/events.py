"""What can arrive, in our words: a hire, its cancellation, a nudge, a receipt; and what an event may leave out."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final, Literal

from shared.errors import Reason


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


OPERATORS: Final = "/operators"
"""The source of hires that operators open. No event may come from there."""


class Purpose(StrEnum):
    """What a pass is for. HR's events are about onboarding; the others are operators' to ask for."""

    ONBOARDING = "onboarding"
    SPARE_KEY = "spare-key"
    SECURITY_INFO = "security-info"
    AUTHENTICATOR = "authenticator"
    SINGLE_DAY = "single-day"
    DEVICES = "devices"


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
    """`joiner.hired.v1`, complete: what the sender left out is filled from EventRules. Or an operator's wish."""

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
    purpose: Purpose = Purpose.ONBOARDING
    sent_by: str | None = None
    """The operator (Entra object id) who sent it in HR's place, if one did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """`joiner.cancelled.v1`: the hire is off; every pass of this case is to end."""

    source: str
    subject: str = field(repr=False)
    version: Version
    sent_by: str | None = None


@dataclass(frozen=True, slots=True)
class Nudge:
    """`case.nudge.v1`: look at this case again. It can do nothing that is not due."""

    case_id: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message Twilio has taken: its id (SID) and the channel it really goes by."""

    id: str
    channel: Channel


class Delivery(StrEnum):
    """Twilio's word on a message, in the order it can move in; words of Twilio's before `sent` all read `queued`."""

    QUEUED = "queued"
    SENT = "sent"
    CANCELED = "canceled"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    READ = "read"

    @property
    def rank(self) -> int:
        """How far along: a word of lower rank that comes later is old news."""
        return list(Delivery).index(self)

    @property
    def has_arrived(self) -> bool:
        """The phone has it."""
        return self in (Delivery.DELIVERED, Delivery.READ)

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to the message (but that it is read)."""
        return self not in (Delivery.QUEUED, Delivery.SENT)


@dataclass(frozen=True, slots=True)
class Word:
    """What Twilio says of one message; `failure` is why it did not arrive, of those that did not."""

    delivery: Delivery
    failure: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Twilio's word on the message of one attempt, as it called us back."""

    case_id: str
    issuance: int
    attempt: int
    message_id: str
    channel: Channel
    word: Word
