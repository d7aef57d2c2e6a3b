"""A pass for somebody who has methods already: refused until an approver vouches for it, and no further than that."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.states import State
from tests.builders import USER_ID, facts
from tests.fakes.door import APPROVER, OPERATOR, READER, WHY, Door
from tests.fakes.house import DUE, House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPENS, ENDS = datetime(2026, 12, 1, 7, tzinfo=UTC), datetime(2026, 12, 1, 15, tzinfo=UTC)
HAD = ("password", "fido2", "microsoftAuthenticator")
OTHER = USER_ID.replace("0f8", "1f8")


async def refused(*, had: tuple[str, ...] = HAD, now: datetime = DUE) -> Door:
    """Somebody who came back: the key and the Authenticator of the last time are still there."""
    door = Door(House(now))
    door.house.directory.add(facts(methods=had))
    for kind in had:
        door.house.directory.register(USER_ID, kind, now - 400 * DAY)
    await door.house.hire()
    await door.house.live(max(now, DUE))
    assert is_refused(door)
    return door


def is_refused(door: Door, reason: str = "already-registered") -> bool:
    return (door.house.case.state, door.house.case.reason) == (State.REFUSED, reason)


async def approved(**changes: Any) -> Door:
    """The same, vouched for; the pass is out."""
    door = await refused(**changes)
    assert (await door.approve()).json["state"] == "announced"
    await door.house.live(door.house.clock.now() + 5 * MINUTE)
    assert door.house.case.state is State.SENT
    return door


def now_has(door: Door, *methods: str, **changes: Any) -> None:
    changes = {"methods": methods or HAD} | changes
    door.house.directory.add(facts(**changes))


async def again(door: Door, data: dict[str, Any], minutes: int = 5) -> None:
    """HR says something later, and the app has time to do what follows."""
    now = door.house.clock.now()
    await door.house.hire(data, id=f"evt-{now:%d%H%M}", time=now.isoformat())
    await door.house.live(now + minutes * MINUTE)


# --- what it lets through ---


async def test_somebody_vouched_for_gets_a_pass_that_outlives_the_second_look() -> None:
    door = await approved()
    await door.house.live(OPENS + 5 * MINUTE)
    assert (door.house.case.state, door.house.case.guard_at) == (State.SENT, None)
    assert door.house.directory.works(USER_ID, door.house.texts[-1])


async def test_what_they_had_before_makes_nobody_onboarded() -> None:
    door = await approved()
    await door.house.live(ENDS - MINUTE)
    assert door.house.case.state is State.SENT
    assert door.house.newest_works()


async def test_a_method_registered_with_the_pass_does() -> None:
    door = await approved()
    await door.house.live(OPENS + HOUR)
    door.house.register("windowsHelloForBusiness")
    await door.house.live(ENDS - MINUTE)
    assert door.house.case.state is State.ONBOARDED
    assert door.house.directory.people[USER_ID].tap is None


async def test_a_method_in_the_place_of_the_lost_one_does_too() -> None:
    door = await approved()
    await door.house.live(OPENS + HOUR)
    door.house.register("microsoftAuthenticator")  # the old one is gone: there are no more than before
    await door.house.live(ENDS - MINUTE)
    assert door.house.case.state is State.ONBOARDED


async def test_a_pass_that_ran_out_unused_is_followed_by_the_next_of_the_round() -> None:
    door = await approved()
    await door.house.live(ENDS + DAY)
    assert len(door.house.texts) == 2
    await door.house.live(ENDS + 9 * DAY)
    assert (door.house.case.state, len(door.house.texts)) == (State.GAVE_UP, 3)
    assert door.house.reasons == ["already-registered", "passes-exhausted"]


async def test_set_up_that_stopped_half_way_is_told_by_what_is_new() -> None:
    door = await approved()
    await door.house.live(OPENS + HOUR)
    door.house.register("phone")
    await door.house.live(ENDS + HOUR)
    assert is_refused(door, "registered-not-passwordless")


# --- how narrow it is ---


async def test_one_method_more_than_was_vouched_for_is_refused_again() -> None:
    door = await refused()
    now_has(door, *HAD, "phone")
    await door.approve()
    await door.house.live(DUE + 5 * MINUTE)
    assert is_refused(door)
    assert door.house.texts == []


@pytest.mark.parametrize(("had", "then"), [(HAD, ("password", "fido2")), (("password", "fido2"), ("password", *HAD))])
async def test_before_it_opens_the_same_rail_looks_again(had: tuple[str, ...], then: tuple[str, ...]) -> None:
    door = await approved(had=had)
    now_has(door, *then)
    await door.house.live(OPENS)
    assert is_refused(door) is (len(then) > len(had))
    assert bool(door.house.directory.people[USER_ID].tap) is (len(then) < len(had))


ELSE: dict[str, tuple[dict[str, Any], str]] = {
    "privileged": ({"has_role": True}, "privileged"),
    "not a joiner": ({"employee_hire_date": None}, "not-a-joiner"),
    "a guest": ({"is_external_guest": True}, "external-guest"),
    "another number": ({"mobile_phone": "+491713920002"}, "mobile-mismatch"),
}


@pytest.mark.parametrize(("changes", "reason"), ELSE.values(), ids=ELSE)
async def test_every_other_rail_runs_again(changes: dict[str, Any], reason: str) -> None:
    door = await refused()
    now_has(door, **changes)
    assert (await door.approve()).status == 200
    await door.house.live(DUE + 5 * MINUTE)
    assert is_refused(door, reason)
    assert door.house.texts == []


async def test_somebody_privileged_is_never_approved() -> None:
    door = Door()
    now_has(door, has_role=True)
    await door.house.hire()
    assert is_refused(door, "privileged")
    assert (await door.approve()).code == "nothing-to-approve"


async def test_who_gets_rights_before_it_opens_loses_the_pass() -> None:
    door = await approved()
    now_has(door, has_role=True)
    await door.house.live(OPENS)
    assert is_refused(door, "privileged")
    assert door.house.directory.people[USER_ID].tap is None


async def called_off_first(door: Door) -> None:
    assert (await door.act("cancel")).status == 200
    await door.house.live(DUE + 30 * MINUTE)
    await again(door, {})


async def over_first(door: Door) -> None:
    await door.house.live(OPENS + HOUR)
    door.house.register("fido2")
    await door.house.live(ENDS)
    assert door.house.case.state is State.ONBOARDED
    await again(door, {"hireDate": "2026-12-02", "firstDay": "2026-12-01"})  # the same opening: over is over


ROUNDS: dict[str, Callable[[Door], Any]] = {
    "a later hire date": lambda door: again(door, {"hireDate": "2026-12-02"}, minutes=60 * 24),
    "called off between": called_off_first,
    "over between": over_first,
}


@pytest.mark.parametrize("follows", ROUNDS.values(), ids=ROUNDS)
async def test_a_new_round_needs_its_own(follows: Callable[[Door], Any]) -> None:
    door = await approved()
    texts = len(door.house.texts)
    door.house.directory.add(facts(methods=HAD, employee_hire_date=datetime(2026, 12, 2, tzinfo=UTC)))
    await follows(door)
    assert is_refused(door)
    assert len(door.house.texts) == texts


async def test_it_is_for_that_person_and_nobody_hr_names_instead() -> None:
    door = await refused()
    assert (await door.approve()).status == 200
    door.house.directory.add(facts(user_id=OTHER, methods=HAD))
    await again(door, {"user": {"id": OTHER}})
    assert is_refused(door)
    assert door.house.texts == []


async def test_what_changes_nothing_about_the_round_leaves_it() -> None:
    door = await refused(now=DUE - 2 * HOUR)
    assert (await door.approve()).status == 200
    await again(door, {"devicePaths": ["autopilot"]})
    await door.house.live(DUE + 20 * MINUTE)
    assert door.house.newest_works()


async def test_a_number_that_was_approved_lets_no_methods_through() -> None:
    door = await refused()
    case = door.house.case
    vouched = replace(case, number_approved_at=DUE, number_approved=case.number_shown)
    door.house.ledger.cases[case.id] = vouched
    await door.act("reissue")
    await door.house.live(DUE + 5 * MINUTE)
    assert is_refused(door)


# --- who, and how it is told ---


async def test_an_approver_without_a_hand_in_it_approves_and_says_why() -> None:
    door = await refused()
    assert (await door.approve(OPERATOR)).code == "role-missing"
    assert (await door.ask(f"cases/{door.house.case_id}/approve", {}, who=APPROVER)).code == "bad-input"
    assert (await door.act("reissue", APPROVER)).status == 200
    await door.house.live(DUE + 5 * MINUTE)
    assert (await door.approve()).code == "own-change"
    assert is_refused(door)
    first = door.audit.written[0]
    assert (first.act, first.allowed, first.why) == ("approve", False, WHY)


async def test_a_yes_to_something_else_approves_nothing() -> None:
    door = await refused()
    assert (await door.approve(code="mobile-changed")).code == "nothing-to-approve"
    assert (await door.approve(issuance=door.house.case.issuance - 1 or 9)).code == "nothing-to-approve"
    assert (await door.approve(code="privileged")).code == "bad-input"
    assert is_refused(door)
    assert (await door.approve()).status == 200


async def test_a_case_tells_what_was_there_and_what_was_approved() -> None:
    door = await refused()
    shown = f"cases/{door.house.case_id}"
    case = (await door.ask(shown, who=READER)).json["case"]
    assert (case["registered"], case["approved"]) == (["fido2", "microsoftAuthenticator"], [])
    await door.approve()
    await door.house.live(DUE + 5 * MINUTE)
    told = (await door.ask(shown, who=READER)).json
    assert (told["case"]["registered"], told["case"]["approved"]) == (
        ["fido2", "microsoftAuthenticator"], ["already-registered"],
    )  # fmt: skip
    assert [(move["actor"], move["approved"]) for move in told["history"] if move["approved"]] == [
        (f"operator:{APPROVER}", "already-registered")
    ]


async def test_an_approval_whose_wake_row_was_never_written_is_woken_by_asking_again() -> None:
    door = await refused()
    await door.approve()
    door.house.ledger.agenda.clear()
    door.house.clock.advance(10 * MINUTE)
    assert (await door.approve()).code == "nothing-to-approve"
    await door.house.live(door.house.clock.now() + 10 * MINUTE)
    assert door.house.case.state is State.SENT
