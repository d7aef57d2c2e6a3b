"""What happens after the message: each row of the step table in the real flow, over fakes and through time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import Halted, Later, Reason, Refused, Unconfirmed
from shared.events import Channel, Delivery, Word
from shared.guard_rails import DisabledAccount
from shared.states import CaseRules, State
from tests.builders import NUMBER, USER_ID, facts, terms
from tests.fakes.door import READER, Door
from tests.fakes.house import DUE, GUARD, House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPENS = datetime(2026, 12, 1, 7, tzinfo=UTC)
"""08:00 in Amsterdam on the first day, a Tuesday; the pass of builders.hired() is cut to the policy's 8 hours."""
ENDS = OPENS + 8 * HOUR
HELLO = "windowsHelloForBusiness"
SMS = {"channel": "sms"}


async def sent(data: dict[str, Any] | None = None, **house: Any) -> House:
    """A joiner whose message went out the afternoon before."""
    there = House(DUE, **house)
    await there.hire(data)
    await there.report()
    assert there.case.state is State.SENT
    return there


# --- the planned delivery ---


async def test_a_planned_delivery_wakes_by_itself_and_guards_afresh() -> None:
    house = House(datetime(2026, 11, 25, 10, tzinfo=UTC))
    await house.hire()
    house.directory.add(facts(account_enabled=True, groups=frozenset({"later"})))
    await house.live(DUE)
    assert len(house.texts) == 1
    assert house.newest_works()


async def test_somebody_made_administrator_while_waiting_gets_nothing() -> None:
    house = House(datetime(2026, 11, 25, 10, tzinfo=UTC))
    await house.hire()
    house.directory.add(facts(has_role=True))
    await house.live(OPENS)
    assert (house.texts, house.reasons) == ([], ["privileged"])


# --- the second look ---


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"has_role": True}, "privileged"),
        ({"mobile_phone": "+12025550147"}, "mobile-mismatch"),
        ({"methods": ("password", "fido2")}, "already-registered"),
        ({"employee_hire_date": datetime(2026, 12, 9, tzinfo=UTC)}, "hire-date-mismatch"),
    ],
)
async def test_who_may_have_no_pass_any_more_loses_it_before_it_opens(change: dict[str, Any], reason: str) -> None:
    house = await sent()
    house.directory.add(facts(**change))
    await house.live(OPENS - 14 * MINUTE)
    assert house.reasons == [reason]
    assert house.directory.people[USER_ID].tap is None
    assert house.case.state is State.REFUSED


async def test_the_second_look_happens_also_when_graph_was_away_and_the_pass_is_open_by_then() -> None:
    house = await sent()
    house.directory.add(facts(has_role=True))
    for _ in range(10):
        house.directory.fail("facts", Later(Reason.GRAPH_UNAVAILABLE, MINUTE))
    await house.live(OPENS + 2 * HOUR)
    assert house.reasons == ["privileged"]
    assert house.directory.people[USER_ID].tap is None


async def test_a_pass_that_opens_at_once_needs_no_second_look() -> None:
    house = House(OPENS + HOUR)
    await house.hire()
    assert house.case.guard_at is None


# --- the look whether the live pass is ours ---


async def test_a_pass_replaced_by_a_late_create_of_ours_is_sent_again_and_not_counted() -> None:
    house = await sent()
    late = house.directory._make(USER_ID, terms(start_date_time=OPENS))
    house.directory.people[USER_ID].tap = late
    await house.live(DUE + HOUR)
    assert len(house.texts) == 2
    assert house.newest_works()
    assert (house.case.spent, house.case.issuance) == (0, 2)


async def test_a_pass_that_somebody_deleted_is_replaced_and_counted() -> None:
    house = await sent()
    house.directory.people[USER_ID].tap = None
    await house.live(DUE + HOUR)
    assert len(house.texts) == 2
    assert house.newest_works()
    assert house.case.spent == 1


async def test_somebody_who_deletes_every_pass_is_given_up_not_spammed() -> None:
    house = await sent()
    for _ in range(24 * 6):
        house.directory.people[USER_ID].tap = None
        await house.live(house.clock.now() + 10 * MINUTE)
    assert len(house.texts) == 3
    assert house.case.state is State.GAVE_UP
    assert house.reasons == ["passes-exhausted"]


async def test_a_pass_deleted_by_somebody_who_has_made_it_is_no_loss() -> None:
    house = House(OPENS)
    await house.hire()
    house.register(HELLO)
    house.directory.people[USER_ID].tap = None
    await house.live(OPENS + HOUR)
    assert house.case.state is State.ONBOARDED
    assert len(house.texts) == 1


# --- receipts, and asking ---


async def test_a_delivered_message_is_redacted_and_never_asked_about() -> None:
    house = await sent()
    assert house.case.receipt is Delivery.DELIVERED
    await house.live(DUE + 3 * HOUR)
    assert house.courier.redacted == [house.courier.sent[0].id]
    assert "look_up" not in house.courier.called


async def test_whatsapp_that_stays_silent_falls_back_to_sms_once_with_a_new_pass() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.WHATSAPP] = None
    await house.hire()
    await house.live(DUE + HOUR)
    assert [message.channel for message in house.courier.sent] == [Channel.WHATSAPP, Channel.SMS]
    assert len(set(house.texts)) == 2
    assert house.newest_works()
    assert (house.case.spent, house.case.by_sms) == (0, True)


@pytest.mark.parametrize("failure", [Reason.UNDELIVERABLE, Reason.TWILIO_DENIED, Reason.PHONE_UNREACHABLE, None])
async def test_whatsapp_that_fails_for_any_reason_falls_back_to_sms(failure: Reason | None) -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.WHATSAPP] = Word(Delivery.UNDELIVERED, failure)
    await house.hire()
    await house.live(DUE + HOUR)
    assert [message.channel for message in house.courier.sent] == [Channel.WHATSAPP, Channel.SMS]
    assert house.case.receipt is Delivery.DELIVERED
    assert house.ledger.paused is None


async def test_after_the_fall_back_every_later_pass_of_the_round_goes_by_sms() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.WHATSAPP] = None
    await house.hire()
    await house.live(OPENS + 2 * DAY)
    assert [message.channel for message in house.courier.sent][:2] == [Channel.WHATSAPP, Channel.SMS]
    assert {message.channel for message in house.courier.sent[1:]} == {Channel.SMS}


async def test_a_phone_that_is_off_gets_its_message_later_and_not_for_ever() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)
    await house.hire(SMS)
    await house.live(OPENS + 3 * DAY)
    assert len(house.texts) == 3
    assert house.reasons == ["undeliverable"]
    assert house.directory.people[USER_ID].tap is None


async def test_a_phone_that_comes_on_gets_the_next_message_and_it_works() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)
    await house.hire(SMS)
    await house.live(DUE + 30 * MINUTE)
    house.phones.clear()
    await house.live(OPENS)
    assert len(house.texts) == 2
    assert house.newest_works()


@pytest.mark.parametrize("reason", [Reason.OPTED_OUT, Reason.MOBILE_INVALID, Reason.UNDELIVERABLE])
async def test_a_number_that_will_not_do_is_refused_and_its_pass_deleted(reason: Reason) -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, reason)
    await house.hire(SMS)
    await house.live(DUE + HOUR)
    assert house.reasons == [reason]
    assert len(house.texts) == 1
    assert house.directory.people[USER_ID].tap is None


async def test_a_sender_at_fault_halts_everybody_and_this_joiner_gets_another_message() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, Reason.TWILIO_DENIED)
    await house.hire(SMS)
    await house.live(DUE + 10 * MINUTE)
    assert house.ledger.paused is not None
    house.phones.clear()
    await house.live(DUE + 4 * HOUR)
    assert len(house.texts) == 2
    assert house.newest_works()


async def test_without_any_receipt_twilio_is_asked_hourly_and_then_left_alone() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = None
    await house.hire(SMS)
    await house.live(OPENS)
    assert house.courier.called.count("look_up") == 4
    assert len(house.texts) == 1
    assert house.courier.redacted == [house.courier.sent[0].id]


async def test_a_receipt_that_got_lost_is_asked_for() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.WHATSAPP] = None
    await house.hire()
    house.courier.words[house.courier.sent[0].id] = Word(Delivery.READ)
    await house.live(DUE + HOUR)
    assert house.case.receipt is Delivery.READ
    assert len(house.texts) == 1


async def test_twilio_being_away_puts_the_asking_off() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.WHATSAPP] = None
    await house.hire()
    for _ in range(3):
        house.courier.fail_next(Later(Reason.TWILIO_BUSY, MINUTE), method="look_up")
    await house.live(DUE + HOUR)
    assert [message.channel for message in house.courier.sent] == [Channel.WHATSAPP, Channel.SMS]


async def test_our_own_record_lost_is_made_good_by_the_receipt_and_costs_no_second_message() -> None:
    house = House(DUE)
    house.courier.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), after=True)
    await house.hire(SMS)
    assert house.case.state is State.ISSUING
    await house.live(DUE + 2 * HOUR)
    assert (house.case.state, house.case.receipt) == (State.SENT, Delivery.DELIVERED)
    assert len(house.texts) == 1
    assert house.newest_works()


async def test_a_record_and_a_receipt_lost_cost_one_more_message_and_the_newest_works() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = None
    house.courier.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), after=True)
    await house.hire(SMS)
    await house.live(DUE + 2 * HOUR)
    assert len(house.texts) == 2
    assert house.newest_works()


async def test_the_receipt_of_an_attempt_that_was_given_up_moves_nothing_but_its_text_goes() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = None
    house.courier.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), after=True)
    await house.hire(SMS)
    await house.live(DUE + 10 * MINUTE)
    first, second = house.courier.sent
    await house.receipt(first, Word(Delivery.UNDELIVERED, Reason.OPTED_OUT))
    assert (house.case.state, house.case.receipt) == (State.SENT, None)
    await house.live(DUE + 20 * MINUTE)
    assert house.courier.redacted == [first.id]
    await house.receipt(second, Word(Delivery.DELIVERED))
    assert house.case.receipt is Delivery.DELIVERED


# --- redaction ---


async def test_a_redaction_that_fails_is_tried_again_until_it_is_done_and_halts_nobody() -> None:
    house = await sent()
    for _ in range(4):
        house.courier.fail_next(Halted(Reason.TWILIO_DENIED), method="redact")
    await house.live(OPENS + DAY - HOUR)
    assert set(house.courier.redacted) == {message.id for message in house.courier.sent}
    assert house.ledger.paused is None


async def test_every_message_is_redacted_whatever_became_of_it() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.WHATSAPP] = None
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)
    await house.hire()
    await house.live(OPENS + 3 * DAY)
    assert len(house.courier.sent) > 2
    assert set(house.courier.redacted) == {message.id for message in house.courier.sent}


# --- the check ---


async def test_onboarded_after_an_hour_the_pass_goes_and_what_is_personal_with_it() -> None:
    house = await sent()
    await house.live(OPENS + 3 * HOUR)
    house.register(HELLO)
    await house.live(OPENS + 4 * HOUR - MINUTE)
    assert house.case.state is State.SENT, "nobody is cut off half-way"
    await house.live(OPENS + 5 * HOUR)
    assert house.case.state is State.ONBOARDED
    assert house.directory.people[USER_ID].tap is None
    assert (house.case.event, house.case.user_id) == (None, None)


async def test_a_method_of_unknown_age_counts_an_hour_after_it_was_first_seen() -> None:
    house = await sent()
    await house.live(OPENS + 2 * HOUR)
    person = house.directory.people[USER_ID]
    house.register("microsoftAuthenticator")
    person.registered_at.clear()
    await house.live(OPENS + 6 * HOUR)
    assert house.case.state is State.ONBOARDED


async def test_at_the_end_of_the_pass_any_passwordless_method_counts() -> None:
    house = await sent()
    await house.live(ENDS - 5 * MINUTE)
    house.register("fido2")
    await house.live(ENDS + 2 * MINUTE)
    assert house.case.state is State.ONBOARDED
    assert len(house.texts) == 1


async def test_registered_but_not_passwordless_at_the_end_is_for_a_human() -> None:
    house = await sent()
    await house.live(OPENS + HOUR)
    house.register("phone")
    await house.live(ENDS + 2 * MINUTE)
    assert house.reasons == ["registered-not-passwordless"]
    assert house.case.state is State.REFUSED


async def test_a_failed_onboarding_gets_the_next_pass_on_the_next_working_morning() -> None:
    house = await sent()
    await house.live(ENDS + 2 * MINUTE)
    assert (house.case.state, house.case.reason) == (State.ANNOUNCED, Reason.EXPIRED_UNUSED)
    await house.live(OPENS + DAY - MINUTE)
    assert len(house.texts) == 1
    await house.live(OPENS + DAY + MINUTE)
    assert len(house.texts) == 2
    assert house.directory.works(USER_ID, house.texts[-1])


async def test_after_friday_comes_monday() -> None:
    friday = {"hireDate": "2026-12-04"}
    house = House(DUE + 3 * DAY)
    house.directory.add(facts(employee_hire_date=datetime(2026, 12, 4, tzinfo=UTC)))
    await house.hire(friday)
    await house.live(OPENS + 5 * DAY)
    assert len(house.texts) == 1
    await house.live(OPENS + 6 * DAY + MINUTE)
    assert len(house.texts) == 2


async def test_three_passes_and_then_one_dead_letter() -> None:
    house = await sent()
    await house.live(OPENS + 6 * DAY)
    assert len(house.texts) == 3
    assert house.case.state is State.GAVE_UP
    assert house.reasons == ["passes-exhausted"]
    assert (house.case.event, house.case.user_id) == (None, None)


async def test_the_number_of_passes_can_be_set() -> None:
    house = await sent(rules=CaseRules(max_passes=1))
    await house.live(OPENS + 6 * DAY)
    assert len(house.texts) == 1
    assert house.case.state is State.GAVE_UP


async def test_who_registers_before_the_next_pass_needs_none() -> None:
    house = await sent()
    await house.live(ENDS + HOUR)
    house.register(HELLO)
    await house.live(OPENS + 2 * DAY)
    assert house.case.state is State.ONBOARDED
    assert len(house.texts) == 1


async def test_an_app_that_was_away_past_the_end_of_the_pass_does_not_take_it_for_gone() -> None:
    house = await sent()
    house.clock.set_now(ENDS + HOUR)
    await house.live(ENDS + HOUR + 5 * MINUTE)
    assert (house.case.state, house.case.reason, house.case.spent) == (State.ANNOUNCED, Reason.EXPIRED_UNUSED, 1)
    assert len(house.texts) == 1


# --- changes of mind ---


async def test_a_nightly_resync_changes_nothing_whatever_happened_before() -> None:
    house = await sent()
    for night in range(1, 12):
        await house.live(DUE + night * DAY)
        await house.hire(id=f"evt-{night + 1}", time=(DUE + night * DAY).isoformat())
    assert len(house.texts) == 3
    assert house.case.state is State.GAVE_UP
    assert house.reasons == ["passes-exhausted"]


async def test_a_resync_every_night_costs_no_more_messages_than_there_are_passes() -> None:
    house = House(DUE)
    house.phones[NUMBER, Channel.SMS] = Word(Delivery.UNDELIVERED, Reason.OPTED_OUT)
    await house.hire(SMS)
    for night in range(1, 7):
        await house.live(DUE + night * DAY)
        await house.hire(SMS, id=f"evt-{night + 1}", time=(DUE + night * DAY).isoformat())
    assert len(house.texts) == 3
    assert house.reasons == ["opted-out"] * 3 + ["passes-exhausted"]
    assert house.case.state is State.GAVE_UP


async def test_a_second_look_that_comes_late_leaves_alone_who_has_made_it() -> None:
    house = await sent()
    house.clock.set_now(OPENS + 2 * HOUR)
    house.register(HELLO)
    await house.live(OPENS + 2 * HOUR + 30 * MINUTE)
    assert (house.case.state, house.reasons) == (State.SENT, [])
    await house.live(OPENS + 4 * HOUR)
    assert house.case.state is State.ONBOARDED


async def test_a_resync_between_two_passes_moves_neither() -> None:
    house = await sent()
    await house.live(ENDS + HOUR)
    planned = house.case.deliver_at
    await house.hire(id="evt-2", time=house.clock.now().isoformat())
    assert (house.case.state, house.case.deliver_at, len(house.texts)) == (State.ANNOUNCED, planned, 1)


async def test_a_date_moved_after_sending_deletes_the_pass_and_plans_another() -> None:
    house = await sent()
    house.directory.add(facts(employee_hire_date=datetime(2026, 12, 8, tzinfo=UTC)))
    await house.hire({"hireDate": "2026-12-08"}, id="evt-2", time=house.clock.now().isoformat())
    assert house.directory.people[USER_ID].tap is None
    assert house.case.state is State.ANNOUNCED
    await house.live(OPENS + 7 * DAY)
    assert len(house.texts) == 2
    assert house.newest_works()
    assert house.case.spent == 0


async def test_called_off_after_sending_no_pass_stays_valid() -> None:
    house = await sent()
    await house.cancel()
    await house.live(OPENS)
    assert house.directory.people[USER_ID].tap is None
    assert house.case.state is State.CANCELLED


async def test_called_off_after_onboarding_there_is_nothing_left_to_delete() -> None:
    house = await sent()
    await house.live(OPENS + HOUR)
    house.register(HELLO)
    await house.live(ENDS + HOUR)
    await house.cancel()
    await house.live(ENDS + 2 * HOUR)
    assert house.case.state is State.CANCELLED
    assert house.directory.people[USER_ID].tap is None
    assert house.reasons == []


async def test_only_a_later_hire_date_opens_a_closed_case_again() -> None:
    house = await sent(rules=CaseRules(max_passes=1))
    await house.live(OPENS + 2 * DAY)
    assert house.case.state is State.GAVE_UP
    await house.hire(id="evt-2", time=house.clock.now().isoformat())
    assert house.case.state is State.GAVE_UP
    house.directory.add(facts(employee_hire_date=datetime(2026, 12, 10, tzinfo=UTC)))
    await house.hire({"hireDate": "2026-12-10"}, id="evt-3", time=house.clock.now().isoformat())
    await house.live(OPENS + 9 * DAY)
    assert (house.case.state, house.case.spent) == (State.SENT, 0)
    assert len(house.texts) == 2
    assert house.newest_works()


# --- the end ---


async def test_a_closed_case_is_forgotten_at_last() -> None:
    house = await sent()
    await house.live(OPENS + HOUR)
    house.register(HELLO)
    await house.live(ENDS + HOUR)
    assert house.case.state is State.ONBOARDED
    await house.live(ENDS + 401 * DAY)
    assert house.ledger.cases == {}
    assert house.ledger.moves == {}
    assert house.ledger.agenda == {}


async def test_a_refused_case_keeps_its_contact_for_a_while() -> None:
    house = House(DUE)
    house.directory.add(facts(has_role=True))
    await house.hire()
    await house.live(DUE + 29 * DAY)
    assert house.case.event is not None
    await house.live(DUE + 31 * DAY)
    assert house.case.event is None
    assert house.case.state is State.REFUSED


# --- not there yet ---


async def test_a_disabled_account_on_the_first_day_waits_until_it_is_enabled() -> None:
    house = House(OPENS)
    house.directory.add(facts(account_enabled=False))
    await house.hire()
    await house.live(OPENS + HOUR)
    assert (house.texts, house.case.reason) == ([], Reason.ACCOUNT_DISABLED)
    house.directory.add(facts())
    await house.live(OPENS + 2 * HOUR)
    assert len(house.texts) == 1


async def test_a_budget_used_up_waits_for_the_next_hour_with_one_alert() -> None:
    house = House(DUE)
    house.ledger.budget = 1
    await house.ledger.spend()
    await house.hire()
    assert (house.texts, house.case.reason) == ([], Reason.BUDGET)
    await house.live(DUE + HOUR + 2 * MINUTE)
    assert len(house.texts) == 1


async def test_what_lasts_is_looked_at_less_often() -> None:
    house = House(DUE)
    outage = [house.directory.fail("policy", Later(Reason.GRAPH_UNAVAILABLE, MINUTE)) for _ in range(100)]
    await house.hire()
    await house.live(DUE + 2 * HOUR)
    asked = sum(fault.fired for fault in outage)
    assert 20 < asked < 30, "two hours: after one, two, four minutes, and then every five"
    for fault in outage:
        fault.fired = True
    await house.live(DUE + 2 * HOUR + 6 * MINUTE)
    assert len(house.texts) == 1


def rehearsing(house: House, *, on: bool = True) -> None:
    """REHEARSAL, from now on."""
    outside = house.onboarding.outside
    house.onboarding = replace(house.onboarding, outside=replace(outside, rules=replace(outside.rules, rehearsal=on)))


async def test_a_rehearsal_does_everything_but_make_and_send() -> None:
    house = House(DUE, budget=5)
    rehearsing(house)
    await house.hire()
    assert (house.texts, house.directory.created, house.case.reason) == ([], [], Reason.REHEARSAL)
    assert house.ledger.hour_spent()[1] == 1, "counted against the budget"
    await house.live(DUE + 2 * HOUR)
    assert house.ledger.calls.count("meet") == 1, "once for this plan"
    rehearsing(house, on=False)
    await house.live(DUE + 2 * HOUR + 17 * MINUTE)
    assert len(house.texts) == 1
    assert house.newest_works()


async def test_who_would_have_got_what_is_kept_of_a_rehearsal() -> None:
    house = House(DUE)
    rehearsing(house)
    await house.hire()
    story = await Door(house).ask(f"cases/{house.case_id}", who=READER)
    case = story.json["case"]
    assert (case["state"], case["reason"], case["channel"], case["isUsableOnce"]) == (
        "announced", "rehearsal", "whatsapp", False,
    )  # fmt: skip
    assert [datetime.fromisoformat(case[name]) for name in ("passStartsAt", "passEndsAt")] == [OPENS, ENDS]
    assert house.case.number_shown
    assert NUMBER not in story.text
    house = House(DUE)
    rehearsing(house)
    house.phones[NUMBER, Channel.WHATSAPP] = Word(Delivery.UNDELIVERED)
    rehearsing(house, on=False)
    await house.hire()
    rehearsing(house)
    await house.live(DUE + HOUR)
    assert (house.case.reason, house.case.by_sms) == (Reason.REHEARSAL, True)
    assert [sent.channel for sent in house.courier.sent] == [Channel.WHATSAPP]


async def test_after_a_rehearsal_a_pass_is_there_on_day_one() -> None:
    """Switched off ten minutes before it opens, whoever was rehearsed the afternoon before has it when it does."""
    house = House(DUE)
    rehearsing(house)
    await house.hire()
    await house.live(OPENS - 20 * MINUTE)
    rehearsing(house, on=False)
    await house.live(OPENS)
    assert len(house.texts) == 1


@pytest.mark.parametrize(
    ("off", "sent"),
    [
        (OPENS + 2 * HOUR, OPENS + 2 * HOUR),
        (OPENS + 9 * HOUR, OPENS + 9 * HOUR),
        (OPENS + 14 * HOUR, OPENS + DAY),
        (OPENS + 4 * DAY + 2 * HOUR, OPENS + 6 * DAY),
    ],
    ids=["on the first day", "in the evening", "at night", "on Saturday"],
)
async def test_after_a_rehearsal_whose_opening_has_passed_is_planned_anew(off: datetime, sent: datetime) -> None:
    house = House(DUE)
    rehearsing(house)
    await house.hire()
    await house.live(off)
    rehearsing(house, on=False)
    await house.live(sent - MINUTE)
    assert house.texts == []
    await house.live(sent + 17 * MINUTE)
    assert len(house.texts) == 1
    assert house.newest_works()
    assert house.case.issuance == 1


async def test_a_new_plan_is_rehearsed_again() -> None:
    house = House(DUE)
    rehearsing(house)
    await house.hire()
    await house.live(DUE + HOUR)
    await house.hire({"devicePaths": ["autopilot"]}, id="evt-2", time="2026-11-21T09:12:00Z")
    assert (house.case.reason, house.ledger.calls.count("meet")) == (Reason.REHEARSAL, 2)


async def test_a_rehearsal_refuses_as_ever() -> None:
    house = House(DUE)
    rehearsing(house)
    house.directory.add(facts(has_role=True))
    await house.hire()
    assert house.reasons == ["privileged"]


async def test_a_halt_pauses_and_resumes_by_itself() -> None:
    house = House(DUE)
    house.directory.fail("policy", Halted(Reason.GRAPH_DENIED))
    await house.hire()
    assert house.texts == []
    await house.live(DUE + HOUR)
    assert len(house.texts) == 1


def test_settings_this_suite_leans_on() -> None:
    assert GUARD.disabled_account is DisabledAccount.WAIT
    assert Refused(Reason.OPTED_OUT).detail == ""
