"""What operators do, lived through by the real flow: the worker does what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.person_rows import Acquaintance
from shared.case import Case, Held
from shared.errors import BusUnavailable, Halted, Moved, Reason
from shared.events import Channel, Delivery, Purpose
from shared.findings import Code
from shared.guard_rails import NumberSource
from shared.plan import Terms
from shared.ports import Pass
from shared.states import CLOSED, State, Text
from tests.builders import NUMBER, RULES, USER_ID, body, case_in, facts, hire_event, hired
from tests.fakes.checkup import EXPECTED, Surroundings, checkup
from tests.fakes.door import APPROVER, OPERATOR, READER, WHY, Door
from tests.fakes.house import DUE, GUARD, House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPENS = DUE + 15 * HOUR
OTHER, THIRD = "+491713920002", "+491713920003"


async def sent(now: datetime = DUE, **house: Any) -> Door:
    door = Door(House(now, **house))
    await door.house.hire()
    await door.house.report()
    assert door.house.case.state is State.SENT
    return door


def sent_to(door: Door) -> list[str]:
    return [one.number for one in door.house.courier.sent]


# --- another pass ---


async def test_whoever_lost_the_message_gets_another_that_works() -> None:
    door = await sent()
    await door.house.live(OPENS + HOUR)
    said = await door.act("reissue")
    assert (said.status, said.json["state"]) == (200, "announced")
    await door.house.live(OPENS + HOUR + 3 * MINUTE)
    first, second = door.house.texts
    assert door.house.directory.works(USER_ID, second)
    assert not door.house.directory.works(USER_ID, first)
    assert (door.house.case.issuance, door.house.case.spent) == (2, 0)
    assert f"operator:{OPERATOR}" in {move.actor for move in door.house.ledger.moves[door.house.case_id]}


async def test_after_a_wasted_first_day_the_pass_comes_now_and_not_the_next_morning() -> None:
    door = await sent()
    await door.house.live(OPENS + 8 * HOUR + 2 * MINUTE)
    assert (door.house.case.reason, door.house.case.spent) == ("expired-unused", 1)
    await door.act("reissue")
    await door.house.live(OPENS + 8 * HOUR + 5 * MINUTE)
    assert door.house.directory.works(USER_ID, door.house.texts[-1])
    assert door.house.case.spent == 0


async def test_a_wish_weeks_ahead_does_not_bring_the_pass_forward() -> None:
    door = Door(House(DUE - 9 * DAY))
    await door.house.hire()
    due = door.house.case.deliver_at
    assert (await door.act("reissue")).status == 200
    assert door.house.case.deliver_at == due
    assert due
    await door.house.live(due - MINUTE)
    assert door.house.texts == []


async def test_two_wishes_at_once_cost_one_message() -> None:
    door = await sent()
    assert [(await door.act("reissue")).status for _ in range(2)] == [200, 200]
    await door.house.live(DUE + 5 * MINUTE)
    assert len(door.house.texts) == 2
    assert door.house.newest_works()


async def test_while_a_run_holds_the_case_nobody_else_reissues_it() -> None:
    door = await sent()
    door.house.ledger.cases[door.house.case_id] = replace(case_in(State.ISSUING), id=door.house.case_id, etag="e")
    assert (await door.act("reissue")).code == "issuing-now"


async def test_guard_rails_look_again_before_another_pass() -> None:
    door = await sent()
    door.house.directory.add(facts(has_role=True))
    await door.act("reissue")
    await door.house.live(DUE + 5 * MINUTE)
    assert (door.house.case.state, door.house.case.reason, len(door.house.texts)) == ("refused", "privileged", 1)


async def test_a_case_that_others_write_all_the_time_is_left_alone() -> None:
    door = await sent()
    ledger, save = door.house.ledger, door.house.ledger.save

    async def too_late(before: Case | None, after: Case, actor: str) -> Case:
        if actor.startswith("operator:"):
            raise Moved
        return await save(before, after, actor)

    ledger.save = too_late  # type: ignore[method-assign]
    said = await door.act("reissue")
    assert (said.status, said.code) == (409, "case-moved")


# --- calling off ---


@dataclass(frozen=True, slots=True)
class _CalledOffMeanwhile:
    """The house's directory; an operator calls the case off while it makes a pass."""

    door: Door

    def __getattr__(self, name: str) -> Any:
        return getattr(self.door.house.directory, name)

    async def create_pass(self, user_id: str, terms: Terms, stop_at: float) -> Pass:
        made = await self.door.house.directory.create_pass(user_id, terms, stop_at)
        assert (await self.door.act("cancel")).status == 200
        return made


async def test_no_pass_of_a_case_that_is_called_off_stays() -> None:
    door = await sent()
    await door.act("reissue")
    await door.house.live(DUE + 5 * MINUTE)
    assert (await door.act("cancel")).json["state"] == "cancelled"
    await door.house.live(DUE + 30 * MINUTE)
    assert door.house.directory.people[USER_ID].tap is None
    assert (await door.act("cancel")).code == "case-cancelled"
    assert (await door.act("reissue")).code == "case-cancelled"


async def test_a_wish_whose_wake_row_was_never_written_is_woken_by_asking_again() -> None:
    door = await sent()
    await door.act("cancel")
    door.house.ledger.agenda.clear()  # as when the host dies between the two writes, long after it began
    door.house.clock.advance(10 * MINUTE)
    assert (await door.act("cancel")).code == "case-cancelled"
    await door.house.live(door.house.clock.now() + 30 * MINUTE)
    assert door.house.directory.people[USER_ID].tap is None


async def test_a_run_under_way_sends_nothing_once_the_case_is_called_off() -> None:
    door = Door()
    await door.house.with_directory(_CalledOffMeanwhile(door)).handle(body(hired()))
    await door.house.live(DUE + HOUR)
    assert (door.house.texts, door.house.directory.people[USER_ID].tap) == ([], None)
    assert door.house.case.state is State.CANCELLED


async def test_a_later_event_of_hr_opens_a_case_again_and_an_older_one_does_not() -> None:
    door = await sent()
    await door.act("cancel")
    await door.house.live(DUE + 30 * MINUTE)
    await door.house.hire()
    assert door.house.case.state is State.CANCELLED
    await door.house.hire(id="evt-9", time="2026-11-30T16:00:00Z")
    await door.house.live(DUE + 40 * MINUTE)
    assert door.house.case.state is State.SENT
    assert door.house.newest_works()


# --- a changed number ---


async def sent_by(source: NumberSource) -> Door:
    """A joiner whose pass went to NUMBER, which only this source knows."""
    door = Door(House(guard=replace(GUARD, number_source=source)))
    door.house.directory.add(facts(mobile_phone=NUMBER if source is NumberSource.DIRECTORY else None))
    await door.house.hire()
    assert door.house.case.state is State.SENT
    return door


async def changed(source: NumberSource) -> Door:
    """The first pass went to NUMBER; then the number became OTHER, and the next one was refused."""
    door = await sent_by(source)
    await now_on(door, source, OTHER)
    assert (door.house.case.state, door.house.case.reason) == ("refused", "mobile-changed")
    return door


async def now_on(door: Door, source: NumberSource, number: str) -> None:
    """The source says another number, and the case is issued anew."""
    house = door.house
    if source is NumberSource.DIRECTORY:
        house.directory.add(facts(mobile_phone=number))
        await door.act("reissue")
    else:
        await house.hire({"mobilePhone": number}, id=f"evt-{number}", time=house.clock.now().isoformat())
    await house.live(house.clock.now() + 20 * MINUTE)


SOURCES = pytest.mark.parametrize("source", [NumberSource.EVENT, NumberSource.DIRECTORY])


@SOURCES
async def test_a_number_somebody_vouches_for_gets_the_pass_before_its_time(source: NumberSource) -> None:
    door = await changed(source)
    assert (await door.approve()).status == 200
    await door.house.live(door.house.clock.now() + 20 * MINUTE)
    assert sent_to(door)[-1] == OTHER
    tap = door.house.directory.people[USER_ID].tap
    assert tap
    assert tap.code == door.house.courier.sent[-1].text


@SOURCES
async def test_a_number_that_changes_again_is_held_again(source: NumberSource) -> None:
    door = await changed(source)
    await door.approve()
    await now_on(door, source, THIRD)
    assert (door.house.case.state, door.house.case.reason) == ("refused", "mobile-changed")
    assert THIRD not in sent_to(door)


@SOURCES
async def test_a_number_that_was_seen_and_refused_before_is_not_approved_with_the_one_after_it(
    source: NumberSource,
) -> None:
    """THIRD came first, then OTHER; OTHER was approved; THIRD comes back."""
    door = await sent_by(source)
    for number in (THIRD, OTHER):
        await now_on(door, source, number)
    assert (await door.approve()).status == 200
    await now_on(door, source, THIRD)
    assert (door.house.case.state, door.house.case.reason) == ("refused", "mobile-changed")
    assert THIRD not in sent_to(door)


async def test_a_number_that_goes_and_comes_back_is_held_again() -> None:
    door = await changed(NumberSource.EVENT)
    await door.approve()
    for number in (THIRD, OTHER):
        await now_on(door, NumberSource.EVENT, number)
    assert (door.house.case.state, door.house.case.reason) == ("refused", "mobile-changed")


async def test_whoever_had_a_hand_in_the_case_does_not_approve_it() -> None:
    door = await changed(NumberSource.EVENT)
    assert (await door.act("reissue", APPROVER)).status == 200
    await door.house.live(door.house.clock.now() + 20 * MINUTE)
    assert door.house.case.state is State.REFUSED
    before = door.house.case
    assert (await door.approve()).code == "own-change"
    assert door.house.case == before


@pytest.mark.parametrize(("sender", "code"), [(APPROVER, "own-change"), (OPERATOR, None)])
async def test_whoever_sent_the_number_in_hrs_place_does_not_approve_it(sender: str, code: str | None) -> None:
    door = await sent_by(NumberSource.EVENT)
    later = hired({"mobilePhone": OTHER, "channel": "sms"}, id="evt-2", time=door.house.clock.now().isoformat())
    forged = later | {"sentby": OPERATOR}
    assert (await door.ask("events/send", {"events": [forged], "reason": WHY}, who=sender)).json["sent"] == 1
    (body,) = door.house.bus.events.values()
    await door.house.onboarding.handle(body)
    await door.house.live(door.house.clock.now() + 20 * MINUTE)
    assert door.house.reasons[-1:] == ["mobile-changed"]
    said = await door.approve()
    assert said.json.get("code") == code
    (heard,) = [move.actor for move in await door.house.ledger.history(door.house.case_id) if ":" in move.actor][:1]
    assert heard == f"event:{sender}"


async def heard(door: Door, number: str, sender: str) -> None:
    """Somebody sends HR's event with that number in HR's place, and the case is issued anew."""
    now = door.house.clock.now().isoformat()
    event = hired({"mobilePhone": number, "channel": "sms"}, id=f"evt-{now}", time=now)
    assert (await door.ask("events/send", {"events": [event], "reason": WHY}, who=sender)).json["sent"] == 1
    await door.house.onboarding.handle(list(door.house.bus.events.values())[-1])
    await door.house.live(door.house.clock.now() + 20 * MINUTE)


async def test_forgetting_somebody_is_no_way_around_a_second_pair_of_eyes() -> None:
    door = await sent_by(NumberSource.EVENT)
    await heard(door, OTHER, APPROVER)
    assert (await door.act("cancel", APPROVER)).status == 200
    await door.house.live(door.house.clock.now() + HOUR)
    assert (await person("forget", door)).status == 200
    await heard(door, OTHER, APPROVER)
    assert (door.house.case.reason, sent_to(door)) == ("mobile-changed", [NUMBER])
    assert (await door.approve()).code == "own-change"


async def test_somebody_forgotten_long_ago_begins_anew() -> None:
    door = await sent_by(NumberSource.EVENT)
    await door.act("cancel")
    await door.house.live(door.house.clock.now() + HOUR)
    assert (await person("forget", door)).status == 200
    door.house.clock.advance(4 * DAY)
    await now_on(door, NumberSource.EVENT, OTHER)
    assert sent_to(door) == [NUMBER, OTHER]


async def test_an_approval_is_of_what_the_approver_saw() -> None:
    door = await changed(NumberSource.EVENT)
    seen = door.house.case
    await now_on(door, NumberSource.EVENT, THIRD)
    assert (await door.approve(issuance=seen.issuance)).code == "nothing-to-approve"
    assert (await door.approve()).status == 200
    await door.house.live(door.house.clock.now() + 20 * MINUTE)
    assert sent_to(door)[-1] == THIRD


async def test_a_hand_that_nobody_saw_when_the_history_was_read_is_seen_all_the_same() -> None:
    door = await changed(NumberSource.EVENT)
    before = door.house.case
    door.house.ledger.moves[before.id].pop()  # read a moment too early
    assert (await door.approve()).json["status"] == 409
    assert door.house.case == before


async def test_whoever_approved_one_number_may_approve_the_next() -> None:
    door = await changed(NumberSource.EVENT)
    assert (await door.approve()).status == 200
    await now_on(door, NumberSource.EVENT, THIRD)
    assert (await door.approve()).status == 200


async def test_a_hand_in_one_round_is_none_in_the_next() -> None:
    door = await changed(NumberSource.EVENT)
    await door.act("cancel", APPROVER)
    await door.house.live(door.house.clock.now() + HOUR)
    await now_on(door, NumberSource.EVENT, THIRD)
    assert door.house.case.reason == "mobile-changed"
    assert (await door.approve()).status == 200


async def test_somebody_refused_before_any_pass_is_found_and_forgotten_by_their_object_id() -> None:
    door = Door()
    door.house.directory.add(facts(employee_hire_date=None), "ann@contoso.example")
    await door.house.hire({"user": {"userPrincipalName": "ann@contoso.example"}})
    assert door.house.reasons == ["not-a-joiner"]
    assert (await door.ask("cases/find", {"user": USER_ID}, who=READER)).json["case"]["caseId"] == door.house.case_id
    assert [case["contact"]["mobilePhone"] for case in (await person("export", door)).json["cases"]] == [NUMBER]
    assert (await person("forget", door)).status == 200
    assert door.house.ledger.cases == {}


async def test_whom_a_case_was_about_before_hr_named_another_is_not_who_it_is_about() -> None:
    door = Door()
    door.house.directory.add(facts(employee_hire_date=None))
    await door.house.hire()
    theirs = USER_ID.replace("0f8", "1f8")
    await door.house.hire({"user": {"id": theirs}}, id="evt-2", time=DUE.isoformat())
    assert (await door.ask("cases/find", {"user": USER_ID}, who=READER)).code == "case-unknown"
    assert (await door.ask("cases/find", {"user": theirs}, who=READER)).status == 200


async def test_somebody_privileged_stays_refused_whatever_is_approved() -> None:
    door = await changed(NumberSource.DIRECTORY)
    door.house.directory.add(facts(mobile_phone=OTHER, has_role=True))
    assert (await door.approve()).status == 200
    await door.house.live(door.house.clock.now() + 20 * MINUTE)
    assert (door.house.case.reason, sent_to(door)) == ("privileged", [NUMBER])


# --- a pause ---


async def test_nobody_is_issued_during_a_pause_and_soon_after_its_early_end_all_are() -> None:
    door = Door(House(DUE - DAY))
    await door.house.hire()
    said = await door.ask("pause", {"minutes": 3 * 24 * 60, "reason": WHY})
    assert said.json["until"] == "2026-12-02T16:00:00Z"
    await door.house.live(DUE + 2 * HOUR)
    assert (door.house.texts, door.house.case.reason) == ([], "paused")
    assert (await door.ask("resume", {"reason": WHY})).json["until"] is None
    await door.house.live(DUE + 2 * HOUR + 16 * MINUTE)
    assert door.house.newest_works()


async def test_a_shorter_pause_shortens_none_and_the_answer_says_so() -> None:
    door = Door()
    await door.ask("pause", {"minutes": 60, "reason": WHY})
    said = await door.ask("pause", {"minutes": 5, "reason": WHY}, who=APPROVER)
    assert datetime.fromisoformat(said.json["until"]) == DUE + HOUR
    assert (await door.ask("status")).json["pause"]["by"] == f"operator:{OPERATOR}"


async def test_a_halt_is_ended_by_resuming_too() -> None:
    door = Door()
    door.house.directory.fail("policy", Halted(Reason.GRAPH_DENIED))
    await door.house.hire()
    assert (await door.ask("status")).json["pause"] == {
        "until": "2026-11-30T16:15:00Z", "reason": "graph-denied", "by": "firstpass", "why": None,
    }  # fmt: skip
    await door.ask("resume", {"reason": WHY})
    assert (await door.ask("status")).json["pause"] is None
    assert (await door.ask("resume", {"reason": WHY})).status == 200


# --- people ---


async def person(act: str, door: Door, user: str = USER_ID) -> Any:
    return await door.ask(f"people/{act}", {"user": user, "reason": WHY}, who=APPROVER)


async def test_an_export_holds_everything_there_is() -> None:
    door = await sent()
    told = (await person("export", door, USER_ID.upper())).json
    (case,) = told["cases"]
    assert (told["user"], len(told["numbersFirstSeen"])) == (USER_ID, 1)
    assert (case["case"]["caseId"], case["contact"]["mobilePhone"]) == (door.house.case_id, NUMBER)
    assert len(case["history"]) == len(door.house.ledger.moves[door.house.case_id])


async def test_a_person_nobody_has_met_is_exported_by_what_hr_announced() -> None:
    door = Door(House(DUE - 9 * DAY))
    await door.house.hire()
    told = (await person("export", door)).json
    assert [case["contact"]["mobilePhone"] for case in told["cases"]] == [NUMBER]
    assert (await door.ask("cases/find", {"user": USER_ID}, who=READER)).status == 200
    assert (await person("forget", door)).code == "case-open"
    assert (await person("export", door, USER_ID.replace("0f8", "1f8"))).code == "person-unknown"


async def test_a_case_hr_gave_to_somebody_else_is_not_the_first_ones() -> None:
    door = Door()
    door.house.directory.people.clear()
    door.house.directory.add(facts(employee_hire_date=None, methods=("password", "fido2")))
    await door.house.hire()
    theirs = USER_ID.replace("0f8", "1f8")
    door.house.ledger.people[USER_ID] = replace(await known(door), open_case=door.house.case_id)
    event = hire_event(user=replace(hire_event().user, value=theirs))
    door.house.ledger.cases[door.house.case_id] = replace(door.house.case, event=event, user_id=theirs, user_seen=None)
    assert (await person("export", door)).json["cases"] == []
    assert (await door.ask("cases/find", {"user": USER_ID}, who=READER)).code == "case-unknown"
    assert (await person("forget", door)).status == 200
    assert door.house.case_id in door.house.ledger.cases


async def known(door: Door) -> Any:
    await door.house.ledger.meet(USER_ID, NUMBER, door.house.case_id)
    return door.house.ledger.people[USER_ID]


NEEDED: dict[str, tuple[Callable[[], Case], str | None]] = {
    **{state: (lambda state=state: case_in(state), "case-open") for state in State if state not in CLOSED},
    "passes gone": (lambda: replace(case_in(State.CANCELLED), deletions_left=0, texts=()), None),
    "a text at Twilio": (
        lambda: replace(case_in(State.CANCELLED), deletions_left=0, texts=(Text("SM1", DUE),)), "texts-pending",
    ),
    "a text that is empty": (
        lambda: replace(case_in(State.CANCELLED), deletions_left=0, texts=(Text("SM1", None),)), None,
    ),
    "refused at once": (lambda: case_in(State.ANNOUNCED).refused(Reason.PRIVILEGED, RULES, DUE, held=Held()), None),
}  # fmt: skip


@pytest.mark.parametrize(("make", "code"), NEEDED.values(), ids=NEEDED)
async def test_a_person_is_not_forgotten_while_something_is_left_to_do(
    make: Callable[[], Case], code: str | None
) -> None:
    door = Door()
    case = await door.house.ledger.save(None, replace(make(), id=door.house.case_id, moves=1, etag=None), "event")
    await known(door)
    said = await person("forget", door)
    assert (said.status, said.json.get("code")) == ((409, code) if code else (200, None))
    assert (door.house.ledger.cases == {}) is (code is None)
    assert door.house.ledger.people[USER_ID].is_nobody is (code is None)
    assert any(case.id in keys[1] for keys in door.house.ledger.agenda) is (code is not None)


async def test_after_a_life_and_an_erasure_nothing_is_left_and_old_rows_wake_nobody() -> None:
    door = await sent()
    await door.house.live(OPENS + HOUR)
    await door.act("cancel")
    assert (await person("forget", door)).code == "case-open"
    await door.house.live(OPENS + 2 * HOUR)
    assert (await person("forget", door)).status == 200
    ledger = door.house.ledger
    assert (ledger.cases, ledger.moves, ledger.agenda) == ({}, {}, {})
    assert ledger.people == {USER_ID: Acquaintance(forgotten_at=door.house.clock.now())}
    assert (await person("forget", door)).code == "person-unknown"
    await door.house.nudge()
    assert ledger.cases == {}


# --- the whole ---


def at_rest(case: Case, days: int) -> Case:
    """At rest for so long; how long it is kept after that was once another number."""
    return replace(case, rested_at=DUE - days * DAY, forget_at=DUE + 4 * RULES.keep_case)


def told_of(receipt: Delivery | None, since: timedelta, *, asks: int = 0, ask_at: datetime | None = None) -> Case:
    """A message that went out so long ago, and what is known of it."""
    return replace(case_in(State.SENT), sent_at=DUE - since, receipt=receipt, asks=asks, ask_at=ask_at)


def a_day(case: Case) -> Case:
    assert case.event
    return replace(case, event=replace(case.event, purpose=Purpose.SINGLE_DAY))


ROWS: dict[str, tuple[Case, list[str]]] = {
    "not due yet": (replace(case_in(State.ANNOUNCED), deliver_at=DUE + MINUTE), []),
    "due just now": (replace(case_in(State.ANNOUNCED), deliver_at=DUE - 14 * MINUTE), []),
    "due, not issued": (replace(case_in(State.ANNOUNCED), deliver_at=DUE - 15 * MINUTE), ["startsSoonUndelivered"]),
    "due, only rehearsed": (
        replace(case_in(State.ANNOUNCED), deliver_at=DUE - HOUR, reason=Reason.REHEARSAL), [],
    ),
    "issuing since long": (replace(case_in(State.ISSUING), deliver_at=DUE - HOUR), ["startsSoonUndelivered"]),
    "sent a moment ago": (told_of(None, 5 * MINUTE, ask_at=DUE), []),
    "sent, not heard of": (told_of(None, HOUR, ask_at=DUE), ["startsSoonUndelivered"]),
    "asked, not heard of": (told_of(Delivery.QUEUED, 20 * MINUTE, asks=1, ask_at=DUE), ["startsSoonUndelivered"]),
    "with the carrier, asked again": (told_of(Delivery.SENT, 2 * HOUR, asks=2, ask_at=DUE), ["startsSoonUndelivered"]),
    "with a carrier that never confirms": (told_of(Delivery.SENT, 5 * HOUR, asks=4), []),
    "never taken by a carrier": (told_of(Delivery.QUEUED, 5 * HOUR, asks=4), ["startsSoonUndelivered"]),
    "sent, opens next week": (replace(case_in(State.SENT), opens_at=DUE + 7 * DAY), []),
    "arrived": (replace(case_in(State.SENT), receipt=Delivery.DELIVERED), []),
    "out of reach": (
        replace(case_in(State.ANNOUNCED), deliver_at=DUE + DAY, reason=Reason.PHONE_UNREACHABLE), ["undelivered"],
    ),
    "opted out": (replace(at_rest(case_in(State.REFUSED), 6), reason=Reason.OPTED_OUT), ["undelivered", "refused"]),
    "opted out long ago": (replace(at_rest(case_in(State.REFUSED), 8), reason=Reason.OPTED_OUT), []),
    "ran out": (
        replace(case_in(State.ANNOUNCED), deliver_at=DUE + DAY, unused_before=True), ["expiredUnused"],
    ),
    "ran out, and the next came at eight": (
        replace(told_of(Delivery.DELIVERED, 23 * HOUR), unused_before=True), ["expiredUnused"],
    ),
    "ran out, and the next came long ago": (replace(told_of(Delivery.DELIVERED, 25 * HOUR), unused_before=True), []),
    "given up": (at_rest(case_in(State.GAVE_UP), 1), ["gaveUp"]),
    "given up long ago": (at_rest(case_in(State.GAVE_UP), 9), []),
    "onboarded": (at_rest(case_in(State.ONBOARDED), 1), []),
    "called off": (at_rest(case_in(State.CANCELLED), 1), []),
    "a whole day, open": (a_day(replace(case_in(State.SENT), receipt=Delivery.DELIVERED)), ["singleDay"]),
    "a whole day, over": (a_day(at_rest(case_in(State.ONBOARDED), 1)), ["singleDay"]),
    "a whole day, long ago": (a_day(at_rest(case_in(State.ONBOARDED), 8)), []),
    "without a time": (replace(case_in(State.ANNOUNCED), deliver_at=None, opens_at=None), []),
}  # fmt: skip


@pytest.mark.parametrize(("case", "rows"), ROWS.values(), ids=ROWS)
async def test_what_wants_a_look_today(case: Case, rows: list[str]) -> None:
    door = Door()
    door.house.ledger.cases[case.id] = case
    told = (await door.ask("status", who=READER)).json
    assert [name for name, ids in told["exceptions"].items() if ids == [case.id]] == rows
    assert told["cases"] == {str(case.state): 1}


async def test_a_pass_that_ran_out_is_still_shown_when_the_next_went_out_at_eight() -> None:
    door = await sent()
    await door.house.live(OPENS + DAY + HOUR)
    assert len(door.house.texts) == 2
    assert (await door.ask("status", who=READER)).json["exceptions"]["expiredUnused"] == [door.house.case_id]
    await door.house.live(OPENS + DAY + 7 * HOUR)
    door.house.register("windowsHelloForBusiness")
    await door.house.live(OPENS + 2 * DAY)
    assert (await door.ask("status", who=READER)).json["exceptions"]["expiredUnused"] == []


async def test_what_is_due_and_for_too_long_is_counted() -> None:
    door = Door()
    for number, minutes in enumerate((-1, 5, 20, 40)):
        case_id = f"{number:032x}"
        due = replace(case_in(State.ANNOUNCED), id=case_id, deliver_at=DUE - minutes * MINUTE, deletions_left=0)
        door.house.ledger.cases[case_id] = due
    told = (await door.ask("status", who=READER)).json["due"]
    assert (told["count"], told["overdue"]) == (3, 2)
    assert datetime.fromisoformat(told["overdueSince"]) == DUE - 40 * MINUTE


async def test_why_somebody_paused_is_told_without_what_looks_personal() -> None:
    door = Door()
    await door.ask("pause", {"minutes": 60, "reason": "wrong events, ask ann@contoso.com or +49 171 3920001"})
    pause = (await door.ask("status", who=READER)).json["pause"]
    assert (pause["reason"], pause["why"]) == ("paused", "wrong events, ask *** or ***")
    assert door.audit.written[-1].why == pause["why"]


async def test_the_worker_says_whether_it_rehearses_and_what_fails() -> None:
    door = Door()
    told = (await door.ask("status", who=READER)).json
    assert (told["rehearsal"], told["selfCheck"]) == (False, None)
    around = Surroundings(door.house.clock)
    around.troubles["queues"] = BusUnavailable("bus-unavailable")
    rehearsing = replace(EXPECTED, risky=(Code.REHEARSAL_ON,))
    await checkup(around, door.reports, expected=rehearsing).run()
    told = (await door.ask("status", who=READER)).json
    assert told["rehearsal"]
    assert told["selfCheck"]["failing"] == ["service-bus (no-answer)"]
    assert around.fired == ["queues"]


async def test_five_thousand_cases_are_counted_and_paged_while_others_come() -> None:
    door, one = Door(), case_in(State.SENT)
    ids = [f"{number:032x}" for number in range(0, 10_000, 2)]
    states = list(State)
    door.house.ledger.cases |= {
        case_id: replace(one, id=case_id, state=states[number % 7]) for number, case_id in enumerate(ids)
    }
    door.overview.unreadable |= {ids[0][:-1] + "1", "f" * 32}
    told = (await door.ask("status")).json
    assert sum(told["cases"].values()) == 5000
    assert told["exceptions"]["unreadable"] == sorted(door.overview.unreadable)
    seen: list[str] = []
    query = "limit=500"
    while query:
        page = (await door.ask("cases", query=query)).json
        seen += [case["caseId"] for case in page["cases"]]
        for place in (3, len(seen) * 2 + 1):  # new ones on either side
            door.house.ledger.cases[f"{place:032x}"] = replace(one, id=f"{place:032x}")
        query = f"limit=500&after={page['nextAfter']}" if page["nextAfter"] else ""
    assert len(seen) == len(set(seen))
    assert set(ids) <= set(seen)


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
async def test_keys_that_are_no_case_ids_are_counted_and_in_no_page_and_no_pages_way(limit: int) -> None:
    door = Door()
    ids = [digit * 32 for digit in "0248"]
    door.house.ledger.cases |= {case_id: replace(case_in(State.SENT), id=case_id) for case_id in ids}
    door.overview.unreadable |= (odd := {"1", "2b", "2c", "nobody", "zz"})
    assert (await door.ask("status")).json["exceptions"]["unreadable"] == sorted(odd)
    seen: list[str] = []
    query: str | None = f"limit={limit}"
    while query:
        said = await door.ask("cases", query=query)
        assert said.status == 200, said.text
        seen += [case["caseId"] for case in said.json["cases"]]
        query = f"limit={limit}&after={said.json['nextAfter']}" if said.json["nextAfter"] else None
    assert seen == ids


async def test_a_zone_that_has_gone_hides_neither_its_case_nor_the_others() -> None:
    door = Door()
    await door.house.hire()
    case = door.house.case
    assert case.event
    gone = replace(case, id="f" * 32, event=replace(case.event, time_zone="Europe/Nowhere"))
    door.house.ledger.cases[gone.id] = gone
    told = (await door.ask("cases")).json["cases"]
    steps = {one["caseId"]: one["nextStep"] for one in told}
    assert steps[case.id]["local"].endswith("Europe/Amsterdam")
    assert steps[gone.id] == steps[case.id] | {"local": None}


async def test_a_page_of_one_state_holds_no_other() -> None:
    door = Door()
    for state in State:
        case_id = f"{list(State).index(state):032x}"
        door.house.ledger.cases[case_id] = replace(case_in(state), id=case_id)
    page = (await door.ask("cases", query="state=gave_up")).json
    assert [(case["state"], page["nextAfter"]) for case in page["cases"]] == [("gave_up", None)]


async def test_the_status_of_an_empty_house() -> None:
    told = (await Door().ask("status", who=READER)).json
    assert (told["cases"], told["pause"], told["heartbeat"], told["nextWake"], told["forecast"]["planned"]) == (
        {}, None, None, None, 0,
    )  # fmt: skip


async def test_a_silent_channel_is_shown_with_its_story() -> None:
    door = Door(House())
    door.house.phones[NUMBER, Channel.WHATSAPP] = None
    await door.house.hire()
    await door.house.live(DUE + 20 * MINUTE)
    story = (await door.ask("cases/find", {"source": "/hr/workday", "subject": "W-10427"}, who=READER)).json
    assert (story["case"]["channel"], story["case"]["issuance"]) == ("sms", 2)
    assert [move["channel"] for move in story["history"] if move["actor"] == "issue" and move["toState"] == "sent"] == [
        "whatsapp", "sms",
    ]  # fmt: skip
