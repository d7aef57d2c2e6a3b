"""Unlucky histories: what must hold when the wrong thing happens at the wrong moment, or goes on for too long."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import Halted, Later, Reason, Refused, Unconfirmed
from shared.events import Channel, Delivery, Message, Word
from shared.guard_rails import NumberSource
from shared.plan import PlanRules
from shared.states import CaseRules, State
from tests.builders import NUMBER, USER_ID, facts
from tests.fakes.courier import FakeCourier
from tests.fakes.house import DUE, GUARD, House

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


@pytest.mark.parametrize("method", ["phone", "softwareOath", "microsoftAuthenticator"])
async def test_a_second_look_that_comes_late_cuts_nobody_off_half_way(method: str) -> None:
    house = await sent()
    house.clock.set_now(OPENS + HOUR)
    house.register(method)
    await house.live(OPENS + HOUR + 30 * MINUTE)
    assert house.reasons == []
    assert house.newest_works()


async def unsure() -> House:
    """Two messages in doubt: nobody knows whether the joiner has the pass, which stays."""
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = None  # no report settles it
    for _ in range(2):
        house.courier.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), method="send", after=True)
    await house.hire(SMS)
    await house.live(DUE + 15 * MINUTE)
    assert house.reasons == [Reason.SEND_UNCONFIRMED]
    return house


async def test_a_pass_that_may_be_on_a_phone_is_withdrawn_before_it_opens() -> None:
    house = await unsure()
    house.directory.add(facts(has_role=True))
    await house.live(OPENS)
    assert house.reasons == [Reason.SEND_UNCONFIRMED, Reason.PRIVILEGED]
    assert house.directory.people[USER_ID].tap is None


async def test_a_pass_that_may_be_on_a_phone_stays_while_nothing_speaks_against_it() -> None:
    house = await unsure()
    await house.live(OPENS + MINUTE)
    assert (house.case.state, house.case.reason) == (State.REFUSED, Reason.SEND_UNCONFIRMED)
    assert house.directory.works(USER_ID, house.texts[-1])


async def test_a_second_look_that_comes_late_still_sees_an_administrator() -> None:
    house = await sent()
    house.clock.set_now(OPENS + HOUR)
    house.directory.add(facts(has_role=True, methods=("password", "microsoftAuthenticator")))
    await house.live(OPENS + HOUR + 30 * MINUTE)
    assert house.reasons == ["privileged"]
    assert house.directory.people[USER_ID].tap is None


async def test_a_second_look_that_comes_after_the_pass_ran_out_refuses_nobody() -> None:
    house = await sent()
    house.register("windowsHelloForBusiness")
    house.clock.set_now(OPENS + 9 * DAY)
    await house.live(OPENS + 9 * DAY + 30 * MINUTE)
    assert (house.case.state, house.reasons) == (State.ONBOARDED, [])


async def test_a_number_that_twilio_would_not_take_costs_no_pass_once_hr_has_corrected_it() -> None:
    house = House(DUE, rules=CaseRules(max_passes=1))
    house.courier.refusals[NUMBER] = Refused(Reason.MOBILE_INVALID)
    await house.hire(SMS)
    assert (house.case.state, house.case.spent, house.texts) == (State.REFUSED, 0, [])
    house.courier.refusals.clear()
    await house.live(DUE + HOUR)
    await house.hire(SMS, id="evt-2", time=house.clock.now().isoformat())
    assert (house.case.state, len(house.texts)) == (State.SENT, 1)


async def test_a_sender_at_fault_halts_everybody_also_when_it_cost_a_joiner_the_last_pass() -> None:
    house = House(DUE, rules=CaseRules(max_passes=1))
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, Reason.TWILIO_DENIED)
    await house.hire(SMS)
    await house.live(DUE + 10 * MINUTE)
    assert house.reasons == ["undeliverable"]
    assert house.ledger.paused is not None


async def test_twilio_busy_while_hr_says_it_all_again_gives_the_send_back() -> None:
    house = House(DUE)
    courier = _Meanwhile(house.courier, lambda: house.hire(SMS, id="evt-2", time=house.clock.now().isoformat()))
    house.onboarding = replace(house.onboarding, outside=replace(house.onboarding.outside, courier=courier))
    house.courier.fail_next(Later(Reason.TWILIO_BUSY, MINUTE))
    await house.hire(SMS)
    assert (house.case.state, house.case.sends, house.case.lease_until) == (State.ANNOUNCED, 0, None)
    assert house.case.version.id == "evt-2"


async def test_a_refusal_while_hr_says_it_all_again_is_one_refusal() -> None:
    house = House(DUE)
    courier = _Meanwhile(house.courier, lambda: house.hire(SMS, id="evt-2", time=house.clock.now().isoformat()))
    house.onboarding = replace(house.onboarding, outside=replace(house.onboarding.outside, courier=courier))
    house.courier.refusals[NUMBER] = Refused(Reason.OPTED_OUT)
    await house.hire(SMS)
    await house.live(DUE + HOUR)
    assert (house.case.state, house.reasons) == (State.REFUSED, ["opted-out"])


async def test_a_text_sent_while_the_hire_was_called_off_is_redacted_also_when_twilio_never_reports() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = None
    courier = _Meanwhile(house.courier, house.cancel)
    house.onboarding = replace(house.onboarding, outside=replace(house.onboarding.outside, courier=courier))
    await house.hire(SMS)
    assert house.case.state is State.CANCELLED
    await house.live(DUE + 2 * HOUR)
    assert house.courier.redacted == [house.courier.sent[0].id]
    assert house.directory.people[USER_ID].tap is None
    assert len(house.texts) == 1


@dataclass(frozen=True, slots=True)
class _Meanwhile:
    """A courier; `happens` happens while a message goes out, or does not."""

    courier: FakeCourier
    happens: Callable[[], Awaitable[None]]

    async def send(self, *asked: Any) -> Message:
        try:
            return await self.courier.send(*asked)
        finally:
            await self.happens()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.courier, name)


async def test_a_one_time_pass_that_was_used_at_once_is_not_taken_for_deleted() -> None:
    house = House(OPENS + HOUR, plan=PlanRules(one_time_where_possible=True))
    await house.hire({"devicePaths": ["authenticator"], **SMS})
    house.directory.people[USER_ID].tap = None  # used: Entra lists it no more, and nothing is registered yet
    await house.live(OPENS + HOUR + 20 * MINUTE)
    assert (house.case.state, len(house.texts)) == (State.SENT, 1)
    house.register("microsoftAuthenticator")
    await house.live(OPENS + 4 * HOUR)
    assert house.case.state is State.ONBOARDED


async def test_a_one_time_pass_deleted_before_it_opens_is_replaced() -> None:
    house = House(DUE, plan=PlanRules(one_time_where_possible=True))
    await house.hire({"devicePaths": ["authenticator"], **SMS})
    house.directory.people[USER_ID].tap = None
    await house.live(DUE + 20 * MINUTE)
    assert len(house.texts) == 2
    assert house.newest_works()


async def test_a_receipt_told_again_wakes_a_case_whose_row_went_before_its_head_was_written() -> None:
    house = await sent()
    house.ledger.agenda.clear()
    await house.receipt(house.courier.sent[0], Word(Delivery.DELIVERED))
    await house.live(DUE + HOUR)
    assert house.courier.redacted == [house.courier.sent[0].id]


# --- bounds ---


async def test_a_live_pass_that_is_ours_under_another_id_costs_one_message_and_then_counts() -> None:
    house = House(DUE)
    await house.hire(SMS)
    for _ in range(24 * 6):
        tap = house.directory.people[USER_ID].tap
        if tap:
            tap.id = f"other-{tap.id}"
        await house.live(house.clock.now() + 10 * MINUTE)
    assert len(house.texts) == 4
    assert house.case.state is State.GAVE_UP


async def test_an_id_that_graph_writes_in_other_letters_is_the_same() -> None:
    house = await sent()
    tap = house.directory.people[USER_ID].tap
    assert tap is not None
    tap.id = tap.id.upper()
    await house.live(DUE + HOUR)
    assert len(house.texts) == 1


async def test_one_person_whom_we_may_not_look_at_halts_nobody_else() -> None:
    house = await sent()
    denied = [house.directory.fail("passes", Halted(Reason.GRAPH_DENIED)) for _ in range(3)]
    await house.live(DUE + HOUR)
    assert denied[0].fired
    assert house.ledger.paused is None


async def test_what_was_put_off_wakes_nobody_when_it_is_over() -> None:
    house = House(DUE)
    person = house.directory.people.pop(USER_ID)
    await house.hire(SMS)
    await house.live(DUE + 10 * HOUR)
    house.directory.people[USER_ID] = person
    await house.live(OPENS - HOUR)
    assert (house.texts, house.case.reason) == ([], Reason.QUIET_HOURS)
    await house.live(OPENS)
    assert len(house.texts) == 1, "half past seven, thirty minutes before it opens"


async def test_a_number_that_goes_back_to_an_older_one_does_not_leave_the_pass_on_the_other_phone() -> None:
    house = House(DUE - 5 * DAY, guard=replace(GUARD, number_source=NumberSource.DIRECTORY))
    old = "+491713920099"
    for number in (old, NUMBER):
        await house.ledger.meet(USER_ID, number, house.case_id)
    await house.hire(SMS)
    await house.live(DUE)
    assert len(house.texts) == 1
    house.directory.add(facts(mobile_phone=old))
    await house.live(OPENS)
    assert house.reasons == ["mobile-changed"]
    assert house.directory.people[USER_ID].tap is None


async def test_a_friday_starter_gets_monday_and_tuesday_however_short_events_live() -> None:
    house = House(DUE + 3 * DAY, guard=replace(GUARD, max_event_age=DAY))
    house.directory.add(facts(employee_hire_date=datetime(2026, 12, 4, tzinfo=UTC)))
    await house.hire({**SMS, "hireDate": "2026-12-04"})
    await house.live(OPENS + 9 * DAY)
    assert len(house.texts) == 3
    assert house.reasons == ["passes-exhausted"]
