"""Whole runs of the real flow over fakes: what a joiner, HR and an operator would see."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.case import LEASE
from shared.errors import FirstpassError, Halted, Later, LedgerUnavailable, Moved, Reason, Refused, Unconfirmed
from shared.events import Channel
from shared.guard_rails import NumberSource
from shared.states import State
from tests.builders import NUMBER, USER_ID, body, facts, hired, policy
from tests.fakes.house import DUE, GUARD, House

EARLY = datetime(2026, 11, 25, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def test_a_due_event_becomes_a_working_pass_on_the_phone() -> None:
    house = House()
    await house.hire()
    assert house.case.state is State.SENT
    assert house.newest_works()
    assert house.texts == [house.directory.created[0].code]
    assert house.reasons == []


async def test_the_pass_opens_an_hour_before_work_and_covers_the_steps_and_the_arrival_window() -> None:
    house = House()
    house.directory.tenant = policy(maximum_lifetime_in_minutes=1440)
    await house.hire()
    (tap,) = house.directory.created
    assert tap.start == datetime(2026, 12, 1, 7, tzinfo=UTC)
    assert tap.lifetime_in_minutes == 555  # 80 + 105 minutes of steps, 6 h to begin, up to 15 minutes
    assert not tap.is_usable_once


async def test_an_early_event_waits_with_a_wake_row_and_no_pass() -> None:
    house = House(EARLY)
    await house.hire()
    assert (house.case.state, house.case.deliver_at) == (State.ANNOUNCED, datetime(2026, 11, 30, 15, tzinfo=UTC))
    assert house.directory.created == []
    assert ("2026113015", f"00-{house.case_id}") in house.ledger.agenda


async def test_a_nudge_issues_what_is_due_and_nothing_else() -> None:
    house = House(EARLY)
    await house.hire()
    await house.nudge()
    assert house.texts == []
    house.clock.set_now(DUE)
    await house.nudge()
    await house.nudge()
    assert len(house.texts) == 1
    assert house.newest_works()


async def test_a_nudge_for_a_case_nobody_knows_is_harmless() -> None:
    house = House()
    await house.nudge()
    assert house.ledger.cases == {}
    assert house.reasons == []


async def test_delivering_the_same_event_again_changes_nothing() -> None:
    house = House()
    for _ in range(3):
        await house.hire()
    assert len(house.texts) == len(house.directory.created) == 1
    assert house.newest_works()


async def test_a_moved_date_re_plans_a_waiting_case() -> None:
    house = House(EARLY)
    await house.hire()
    await house.hire({"hireDate": "2026-12-08"}, id="evt-2", time="2026-11-25T09:00:00Z")
    assert house.case.opens_at == datetime(2026, 12, 8, 7, tzinfo=UTC)
    assert house.case.issuance == 1


async def test_an_older_event_changes_nothing() -> None:
    house = House(EARLY)
    await house.hire()
    await house.hire({"hireDate": "2026-12-08"}, id="evt-0", time="2026-11-19T09:00:00Z")
    assert house.case.opens_at == datetime(2026, 12, 1, 7, tzinfo=UTC)


async def test_a_resync_that_asks_for_the_same_pass_sends_nothing_again() -> None:
    house = House()
    await house.hire()
    await house.hire(id="evt-2", time="2026-11-30T09:00:00Z")
    assert len(house.texts) == 1
    assert house.newest_works()


async def test_another_device_after_sending_makes_a_new_pass_and_the_newest_works() -> None:
    house = House()
    await house.hire()
    await house.hire({"devicePaths": ["autopilot"]}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert len(house.texts) == 2
    assert house.newest_works()
    assert house.case.issuance == 2


async def test_malformed_events_are_dead_letters_with_their_body() -> None:
    house = House()
    await house.onboarding.handle(b'{"type": "joiner.hired.v1", ')
    (letter,) = house.bus.letters
    assert letter.reason == "malformed-event"
    assert letter.body == b'{"type": "joiner.hired.v1", '
    assert house.ledger.cases == {}


async def test_a_refusal_is_a_dead_letter_that_names_only_case_and_reason() -> None:
    house = House()
    house.directory.add(facts(has_role=True))
    await house.hire()
    (letter,) = house.bus.letters
    assert json.loads(letter.body)["data"] == {"caseId": house.case_id, "issuance": 1, "reason": "privileged"}
    assert (house.case.state, house.case.reason) == (State.REFUSED, "privileged")
    assert house.directory.created == []


async def test_a_later_event_reopens_a_refused_case_as_a_new_issuance() -> None:
    house = House()
    house.directory.add(facts(has_role=True))
    await house.hire()
    house.directory.add(facts())
    await house.hire(id="evt-2", time="2026-11-30T09:00:00Z")
    assert (house.case.state, house.case.issuance) == (State.SENT, 2)
    assert house.newest_works()


async def test_a_user_not_provisioned_yet_waits_and_is_served_once_there() -> None:
    house = House()
    person = house.directory.people.pop(USER_ID)
    await house.hire()
    assert (house.case.state, house.case.reason) == (State.ANNOUNCED, "user-not-found")
    house.directory.people[USER_ID] = person
    house.clock.advance(15 * MINUTE)
    await house.nudge()
    assert house.newest_works()


async def test_a_user_never_provisioned_is_refused_two_days_after_the_planned_delivery() -> None:
    house = House(datetime(2026, 12, 2, 15, 1, tzinfo=UTC))
    house.directory.people.clear()
    await house.hire()
    assert house.reasons == []  # the plan of an event this late is made from now
    house.clock.advance(timedelta(hours=48))
    await house.nudge()
    assert house.reasons == ["user-not-found"]


GUARDS: list[tuple[str, Callable[[House], Any]]] = [
    ("privileged", lambda house: house.directory.add(facts(has_role=True))),
    ("external-guest", lambda house: house.directory.add(facts(is_external_guest=True))),
    ("already-registered", lambda house: house.directory.add(facts(methods=("password", "fido2")))),
    ("not-a-joiner", lambda house: house.directory.add(facts(employee_hire_date=None))),
    (
        "hire-date-mismatch",
        lambda house: house.directory.add(facts(employee_hire_date=datetime(2026, 12, 4, tzinfo=UTC))),
    ),
    ("mobile-missing", lambda house: house.directory.add(facts(mobile_phone=None))),
    ("mobile-mismatch", lambda house: house.directory.add(facts(mobile_phone="+12025550147"))),
    (
        "policy-excludes-user",
        lambda house: setattr(house.directory, "tenant", policy(exclude_targets=frozenset({USER_ID}))),
    ),
    ("policy-too-short", lambda house: setattr(house.directory, "tenant", policy(maximum_lifetime_in_minutes=120))),
]


@pytest.mark.parametrize(("reason", "arrange"), GUARDS, ids=[reason for reason, _ in GUARDS])
async def test_guard_rails_refuse_before_any_pass_is_asked_for(reason: str, arrange: Callable[[House], Any]) -> None:
    house = House()
    arrange(house)
    await house.hire()
    assert house.reasons == [reason]
    assert house.directory.created == []
    assert house.texts == []


async def test_guard_rails_run_after_the_wait_on_what_is_true_then() -> None:
    house = House(EARLY)
    await house.hire()
    house.directory.add(facts(has_role=True))
    house.clock.set_now(DUE)
    await house.nudge()
    assert house.reasons == ["privileged"]
    assert house.directory.created == []


async def test_a_number_that_is_not_the_first_must_be_known_for_three_days() -> None:
    house = House(guard=replace(GUARD, number_source=NumberSource.EVENT))
    house.directory.add(facts(mobile_phone=None))
    await house.hire()
    await house.hire({"mobilePhone": "+12025550147"}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert house.reasons == ["mobile-changed"]
    assert len(house.courier.sent) == 1


async def test_two_open_cases_of_one_person_never_both_get_a_pass() -> None:
    house = House()
    await house.hire()
    await house.hire(subject="W-99999", id="evt-9")
    assert house.reasons == ["another-case-open"]
    assert len(house.courier.sent) == 1
    assert house.newest_works()


async def test_somebody_elses_valid_pass_is_not_replaced() -> None:
    house = House()
    await House.hire(house)
    theirs = house.directory.people[USER_ID].tap
    assert theirs is not None
    house.directory.people[USER_ID].tap = replace(theirs, id="theirs", created_at=house.clock.now() - timedelta(days=1))
    await house.hire({"devicePaths": ["zero-touch"]}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert house.case.reason == "foreign-pass"
    assert len(house.directory.created) == 1


async def test_our_own_pass_whose_id_was_lost_is_replaced() -> None:
    house = House()
    house.directory.fail("create_pass", Unconfirmed(Reason.PASS_UNCONFIRMED), "after")
    await house.hire()
    assert (house.case.state, house.texts) == (State.ISSUING, [])
    house.clock.advance(LEASE)
    await house.nudge()
    assert house.newest_works()
    assert len(house.texts) == 1


async def test_a_message_that_may_have_gone_out_costs_one_extra_and_never_a_third() -> None:
    house = House()
    for _ in range(2):
        house.courier.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), after=True)
    await house.hire()
    for _ in range(4):
        house.clock.advance(LEASE + MINUTE)
        await house.nudge()
    assert len(house.texts) == 2
    assert house.reasons == ["send-unconfirmed"]


async def test_a_message_that_was_not_taken_gives_its_send_back() -> None:
    house = House()
    for _ in range(3):
        house.courier.fail_next(Later(Reason.TWILIO_BUSY, MINUTE))
    await house.hire()
    for _ in range(3):
        house.clock.advance(5 * MINUTE)
        await house.nudge()
    assert house.case.state is State.SENT
    assert house.case.attempt == 4
    assert house.newest_works()
    assert len(house.texts) == 1


async def test_a_number_twilio_refuses_leaves_no_pass_behind() -> None:
    house = House()
    house.courier.refusals[NUMBER] = Refused(Reason.OPTED_OUT)
    await house.hire()
    assert house.reasons == ["opted-out"]
    assert house.directory.people[USER_ID].tap is None


@pytest.mark.parametrize("arrange", ["policy", "graph", "twilio"])
async def test_a_fault_of_the_tenant_pauses_everybody_and_refuses_nobody(arrange: str) -> None:
    house = House()
    if arrange == "policy":
        house.directory.tenant = policy(enabled=False)
    elif arrange == "graph":
        house.directory.fail("facts", Halted(Reason.GRAPH_DENIED))
    else:
        house.courier.fail_next(Halted(Reason.TWILIO_DENIED))
    await house.hire()
    assert house.case.state is State.ANNOUNCED
    assert house.reasons == []
    assert house.ledger.paused is not None
    house.directory.tenant = policy()
    house.clock.advance(14 * MINUTE)
    await house.nudge()
    assert house.texts == []
    house.clock.advance(16 * MINUTE)
    await house.nudge()
    assert house.newest_works()


async def test_one_joiner_over_whom_all_stumble_does_not_hold_up_the_others() -> None:
    house = House()
    other = "11111111-2222-4333-8444-555555555555"
    house.directory.add(facts(user_id=other, mobile_phone="+12025550147"))
    for _ in range(3):
        house.courier.fail_next(Halted(Reason.TWILIO_DENIED))
    await house.hire()  # pauses everybody
    await house.hire({"user": {"id": other}, "mobilePhone": "+12025550147"}, subject="W-2", id="evt-2")
    assert len(house.courier.sent) == 0
    house.courier.clear_failures()
    house.clock.advance(15 * MINUTE)
    await house.hire({"user": {"id": other}, "mobilePhone": "+12025550147"}, subject="W-2", id="evt-2")
    assert [sent.number for sent in house.courier.sent] == ["+12025550147"]


async def test_a_pause_holds_what_is_due_and_then_lets_it_go() -> None:
    house = House()
    await house.ledger.pause(Reason.PAUSED, "operator", timedelta(hours=1))
    await house.hire()
    assert (house.case.reason, house.directory.created) == ("paused", [])
    house.clock.advance(timedelta(minutes=61))
    await house.nudge()
    assert house.newest_works()


async def test_a_hire_called_off_deletes_our_pass_twice_and_no_other() -> None:
    house = House()
    await house.hire()
    await house.cancel()
    assert house.case.state is State.CANCELLED
    assert house.directory.people[USER_ID].tap is None
    assert house.case.deletions_left == 1
    house.clock.advance(15 * MINUTE)
    await house.nudge()
    assert house.case.deletions_left == 0


async def test_a_cancellation_before_its_hire_keeps_the_hire_from_opening() -> None:
    house = House()
    await house.cancel()
    await house.hire()
    assert house.case.state is State.CANCELLED
    assert house.directory.created == []


async def test_a_hire_after_a_cancellation_opens_a_new_issuance() -> None:
    house = House()
    await house.hire()
    await house.cancel()
    await house.hire(id="evt-3", time="2026-11-30T09:00:00Z")
    assert (house.case.state, house.case.issuance) == (State.SENT, 2)
    assert house.newest_works()


class Meanwhile:
    """A directory during one of whose calls something else happens."""

    def __init__(self, house: House, method: str, happens: Callable[[], Awaitable[None]]) -> None:
        self._directory, self._method, self._happens = house.directory, method, happens

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._directory, name)

        async def and_then(*arguments: Any) -> Any:
            answer = await call(*arguments)
            await self._happens()
            return answer

        return and_then if name == self._method else call


async def test_a_cancellation_recorded_while_the_pass_is_made_keeps_it_from_being_sent() -> None:
    house = House()
    disturbed = house.with_directory(Meanwhile(house, "create_pass", house.cancel))
    await disturbed.handle(body(hired()))
    assert len(house.directory.created) == 1
    assert house.texts == []
    assert house.directory.people[USER_ID].tap is None
    assert house.case.state is State.CANCELLED


@pytest.mark.parametrize(("method", "passes"), [("facts", 0), ("create_pass", 1)])
async def test_a_run_that_is_out_of_time_starts_nothing_more(method: str, passes: int) -> None:
    house = House()

    async def time_flies() -> None:
        house.clock.advance(timedelta(seconds=91))

    await house.with_directory(Meanwhile(house, method, time_flies)).handle(body(hired()))
    assert len(house.directory.created) == passes
    assert house.texts == []
    assert (house.case.state, house.case.reason, house.case.sends) == (State.ANNOUNCED, "out-of-time", 0)


async def test_two_runs_at_once_send_one_message() -> None:
    house = House()
    outcomes = await asyncio.gather(house.hire(), house.hire(), house.hire(), return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, Moved) for outcome in outcomes)
    assert len(house.texts) == 1
    assert house.newest_works()


FAULTS: list[tuple[str, str]] = [
    (method, when) for method in ("load", "save", "wake", "meet", "admit") for when in ("before", "after")
]


@pytest.mark.parametrize(("method", "when"), FAULTS, ids=[f"{method}-{when}" for method, when in FAULTS])
async def test_storage_that_fails_once_loses_nobody(method: str, when: Any) -> None:
    house = House()
    house.ledger.fail_next(method, when)
    with pytest.raises(LedgerUnavailable):
        await house.hire()
    assert house.ledger.fired == [(method, when)]
    await house.hire()  # the message comes again
    house.clock.advance(LEASE + MINUTE)
    await house.nudge()
    assert house.case.state is State.SENT
    assert house.newest_works()


@pytest.mark.parametrize(
    ("method", "when"),
    [("facts", "before"), ("facts", "after"), ("policy", "before"), ("policy", "after"), ("create_pass", "before")],
)
@pytest.mark.parametrize(
    "error",
    [Later(Reason.GRAPH_THROTTLED, MINUTE), Later(Reason.GRAPH_UNAVAILABLE, MINUTE)],
    ids=["throttled", "unavailable"],
)
async def test_graph_that_says_not_now_is_asked_again_later(method: str, when: Any, error: FirstpassError) -> None:
    house = House()
    fault = house.directory.fail(method, error, when)
    await house.hire()
    assert fault.fired
    assert house.case.state is State.ANNOUNCED
    house.clock.advance(2 * MINUTE)
    await house.nudge()
    assert house.newest_works()
    assert len(house.texts) == 1


async def test_a_wait_of_nothing_still_ends_the_run() -> None:
    house = House()
    house.directory.fail("create_pass", Later(Reason.GRAPH_THROTTLED, timedelta(0)))
    await house.hire()
    assert house.case.attempt == 1
    assert house.case.not_before == DUE + MINUTE


async def test_a_hire_under_another_key_waits_until_the_old_case_deleted_its_passes() -> None:
    house = House()
    await house.hire()
    await house.cancel()
    await house.hire(subject="W-77", id="evt-7")
    assert len(house.courier.sent) == 1
    house.clock.advance(16 * MINUTE)
    await house.nudge()  # the old case's second deletion
    await house.hire(subject="W-77", id="evt-7")
    assert len(house.courier.sent) == 2
    assert house.newest_works()
    house.clock.advance(timedelta(hours=1))
    await house.nudge()
    assert house.newest_works()


@pytest.mark.parametrize(
    "change",
    [{"mobilePhone": "+12025550147"}, {"user": {"id": "11111111-2222-4333-8444-555555555555"}}],
    ids=["number", "person"],
)
async def test_a_pass_on_the_wrong_phone_or_of_the_wrong_person_does_not_stay(change: dict[str, Any]) -> None:
    house = House(guard=replace(GUARD, number_source=NumberSource.EVENT))
    house.directory.add(facts(mobile_phone=None))
    house.directory.add(facts(user_id="11111111-2222-4333-8444-555555555555", mobile_phone=None))
    await house.hire()
    first = house.texts[0]
    await house.hire(change, id="evt-2", time="2026-11-30T09:00:00Z")
    house.clock.set_now(datetime(2026, 12, 1, 8, tzinfo=UTC))
    assert not house.directory.works(USER_ID, first)


async def test_somebody_who_became_an_administrator_keeps_no_pass() -> None:
    house = House()
    await house.hire()
    house.directory.add(facts(has_role=True))
    await house.hire({"devicePaths": ["zero-touch"]}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert house.reasons == ["privileged"]
    assert house.directory.people[USER_ID].tap is None


async def test_a_hire_moved_by_weeks_ends_the_pass_of_the_old_day() -> None:
    house = House()
    await house.hire()
    later = datetime(2026, 12, 14, tzinfo=UTC)
    house.directory.add(facts(employee_hire_date=later))
    await house.hire({"hireDate": "2026-12-14"}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert house.directory.people[USER_ID].tap is None
    house.clock.set_now(datetime(2026, 12, 13, 16, tzinfo=UTC))
    await house.nudge()
    assert house.newest_works()


async def test_a_number_swapped_just_before_delivery_is_held_though_nobody_was_messaged_yet() -> None:
    house = House(EARLY, guard=replace(GUARD, number_source=NumberSource.EVENT))
    house.directory.add(facts(mobile_phone=None))
    await house.hire()
    house.clock.set_now(DUE - 10 * MINUTE)
    await house.hire({"mobilePhone": "+12025550147"}, id="evt-2", time="2026-11-30T15:00:00Z")
    house.clock.set_now(DUE)
    await house.nudge()
    assert house.reasons == ["mobile-changed"]
    assert house.courier.sent == []


async def test_a_nightly_resync_changes_nothing_that_waits() -> None:
    house = House(EARLY)
    await house.hire()
    planned = house.case.deliver_at
    for night in range(1, 5):
        house.clock.advance(timedelta(days=1))
        await house.hire(id=f"resync-{night}", time=f"2026-11-2{5 + night}T02:00:00Z")
    assert (house.case.deliver_at, house.case.issuance) == (planned, 1)
    assert house.reasons == []


async def test_news_that_changes_nothing_while_a_message_is_sent_costs_no_second_one() -> None:
    house = House()

    async def resync() -> None:
        await house.hire(id="evt-2", time="2026-11-30T09:00:00Z")

    await house.with_directory(Meanwhile(house, "create_pass", resync)).handle(body(hired()))
    assert house.case.state is State.SENT
    assert len(house.texts) == 1
    house.clock.advance(LEASE + MINUTE)
    await house.nudge()
    assert len(house.texts) == 1
    assert house.newest_works()


async def test_a_send_is_given_back_even_when_the_pause_cannot_be_written() -> None:
    house = House()
    house.courier.fail_next(Halted(Reason.TWILIO_DENIED))
    house.ledger.fail_next("pause")
    with pytest.raises(LedgerUnavailable):
        await house.hire()
    assert house.ledger.fired == [("pause", "before")]
    assert (house.case.state, house.case.sends) == (State.ANNOUNCED, 0)


async def test_our_pass_stays_ours_however_often_graph_throttles() -> None:
    house = House()
    house.directory.fail("create_pass", Unconfirmed(Reason.PASS_UNCONFIRMED), "after")
    await house.hire()
    for _ in range(20):
        house.directory.fail("create_pass", Later(Reason.GRAPH_THROTTLED, MINUTE))
        house.clock.advance(LEASE + 3 * MINUTE)
        await house.nudge()
    house.clock.advance(5 * MINUTE)
    await house.nudge()
    assert house.newest_works()


@pytest.mark.parametrize("there", [True, False], ids=["another-account", "nobody-yet"])
async def test_a_person_hr_corrects_before_any_pass_was_made_is_let_go(there: bool) -> None:
    house = House(guard=replace(GUARD, number_source=NumberSource.EVENT))
    other = "11111111-2222-4333-8444-555555555555"
    house.directory.fail("create_pass", Later(Reason.GRAPH_THROTTLED, MINUTE))
    await house.hire()
    if there:
        house.directory.add(facts(user_id=other))
    await house.hire({"user": {"id": other}}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert house.directory.people[USER_ID].tap is None
    assert house.reasons == []
    if there:
        assert [tap.user_id for tap in house.directory.created] == [other]
    else:
        assert (house.case.reason, house.texts) == ("user-not-found", [])


async def test_an_account_made_anew_under_the_same_name_gets_its_pass_once_hr_says_so_again() -> None:
    house = House()
    other, name = "11111111-2222-4333-8444-555555555555", "ann@firstpass.example"
    house.directory.add(facts(), user_principal_name=name)
    house.directory.fail("create_pass", Later(Reason.GRAPH_THROTTLED, MINUTE))
    await house.hire({"user": {"userPrincipalName": name}})
    house.directory.people.clear()
    house.directory.add(facts(user_id=other), user_principal_name=name)
    house.clock.advance(2 * MINUTE)
    await house.nudge()
    assert house.reasons == ["user-changed"]
    await house.hire({"user": {"userPrincipalName": name}}, id="evt-2", time="2026-11-30T09:00:00Z")
    assert [tap.user_id for tap in house.directory.created] == [other]


async def test_a_number_taken_back_and_another_given_is_held() -> None:
    house = House(EARLY, guard=replace(GUARD, number_source=NumberSource.EVENT))
    house.directory.add(facts(mobile_phone=None))
    await house.hire()
    without = hired(id="evt-2", time="2026-11-25T09:00:00Z")
    del without["data"]["mobilePhone"]
    await house.onboarding.handle(body(without))
    house.clock.set_now(DUE)
    await house.hire({"mobilePhone": "+12025550147"}, id="evt-3", time="2026-11-30T15:00:00Z")
    assert house.reasons == ["mobile-changed"]


async def test_somebody_renamed_after_the_first_look_is_still_found() -> None:
    house = House()
    house.directory.add(facts(), user_principal_name="ann@firstpass.example")
    house.directory.fail("create_pass", Later(Reason.GRAPH_THROTTLED, MINUTE))
    await house.hire({"user": {"userPrincipalName": "ann@firstpass.example"}})
    house.directory.people[USER_ID].user_principal_name = "ann.married@firstpass.example"
    house.clock.advance(2 * MINUTE)
    await house.nudge()
    assert house.newest_works()


async def test_whatsapp_is_asked_for_where_hr_wants_it() -> None:
    house = House()
    await house.hire({"channel": "whatsapp"})
    assert house.case.channel is Channel.WHATSAPP


async def test_no_message_ever_holds_more_than_the_pass() -> None:
    house = House()
    await house.hire()
    (sent,) = house.courier.sent
    assert sent.text == house.directory.created[0].code
    assert sent.ref == f"{house.case_id}-1-1"


async def test_an_event_of_long_ago_is_refused_not_issued() -> None:
    house = House(datetime(2026, 12, 20, 12, tzinfo=UTC))
    house.directory.add(facts(employee_hire_date=datetime(2026, 12, 20, tzinfo=UTC)))
    await house.onboarding.handle(body(hired()))
    assert house.reasons == ["event-too-old"]
