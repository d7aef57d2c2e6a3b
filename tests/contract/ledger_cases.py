"""A case as most tests of the ledger need it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from shared.case import Case
from shared.events import Channel, DevicePath, HireEvent, UserRef, Version
from shared.states import State
from tests.contract.ledger_worlds import NOW

ALICE, BOB = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0", "9b5e3a57-3a3c-4c3e-8a55-0f0c1df4e3ab"
FIRST, SECOND = "+491713920001", "+491713920002"

EVENT = HireEvent(
    source="/hr/workday",
    subject="W-10427",
    version=Version(datetime(2026, 11, 20, 9, 12, 0, 1, tzinfo=UTC), "e-1"),
    user=UserRef("userPrincipalName", "anna@contoso.example"),
    hire_date=date(2026, 12, 1),
    first_day=None,
    start_time=time(9),
    time_zone="Europe/Amsterdam",
    device_paths=(DevicePath.APPLE_BUSINESS_MANAGER, DevicePath.AUTOPILOT),
    mobile_phone=FIRST,
    channel=Channel.WHATSAPP,
    locale="nl",
)


def announced(deliver_at: datetime = NOW + timedelta(days=1)) -> Case:
    return Case(
        id=uuid4().hex,
        state=State.ANNOUNCED,
        version=EVENT.version,
        event=EVENT,
        opens_at=deliver_at + timedelta(hours=16),
        deliver_at=deliver_at,
        issuance=1,
        moves=1,
    )


def waiting(**changes: object) -> Case:
    return replace(announced(), **changes)  # pyright: ignore[reportArgumentType]
