"""Unlucky histories: what must hold when the wrong thing happens at the wrong moment, or goes on for too long."""

from datetime import UTC, datetime, timedelta

from shared.errors import Halted, Reason
from shared.states import State
from tests.fakes.house import DUE, House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPENS = datetime(2026, 12, 1, 7, tzinfo=UTC)
"""08:00 in Amsterdam on the first day; the pass of builders.hired() is cut to the policy's 8 hours."""
SMS = {"channel": "sms"}


async def sent() -> House:
    """A joiner whose message went out, by SMS, the afternoon before."""
    house = House(DUE)
    await house.hire(SMS)
    await house.report()
    return house


async def test_a_text_that_cannot_be_redacted_for_weeks_keeps_its_case_from_nothing() -> None:
    house = await sent()
    for _ in range(200):
        house.courier.fail_next(Halted(Reason.TWILIO_DENIED), method="redact")
    await house.live(DUE + 60 * DAY)
    assert house.case.state is State.GAVE_UP
    assert house.case.event is None
    assert len(house.texts) == 3
    house.courier.clear_failures()
    await house.live(DUE + 62 * DAY)
    assert set(house.courier.redacted) == {message.id for message in house.courier.sent}
