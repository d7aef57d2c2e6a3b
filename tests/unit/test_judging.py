"""What a replay would make of a dead letter, from what it says and what has become of its case."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.case import Case
from shared.errors import Reason
from shared.events import DevicePath, EventRules, Purpose
from shared.fields import certain
from shared.judging import Known, Refusal, judge, kind, paths_of, read, reopening, reopenings
from shared.oversight import Letter
from shared.plan import PlanRules
from shared.ports import Move
from shared.run import Rules
from shared.states import State
from tests.builders import CASE_ID, NOW, RULES, body, cancelled, hired, without
from tests.fakes.house import GUARD, House

WAYS = Rules(EventRules(time_zone="Europe/Amsterdam"), PlanRules(), GUARD, RULES)


def letter(content: bytes | object, **changes: Any) -> Letter:
    told = Letter(
        sequence=7,
        message_id="hr-1",
        written_at=NOW,
        reason="malformed-event",
        description="",
        body=content if isinstance(content, bytes) else body(content),
        content_type="application/json",
        replays=0,
        original_id="hr-1",
        first_written_at=NOW,
    )
    return replace(told, **changes)


def refusal(issuance: int = 1) -> dict[str, Any]:
    return {"type": "case.refused.v1", "data": {"caseId": CASE_ID, "issuance": issuance, "reason": "privileged"}}


def told(
    content: object, case: Case | None = None, replays: int = 0, now: datetime = NOW, *, force: bool = False
) -> tuple[str, str | None]:
    written = letter(content)
    verdict = judge(Known(written, read(written, WAYS, now), replays, case), WAYS, now, force=force)
    assert verdict.sequence == 7
    return verdict.outcome, verdict.why


async def refused(**changes: Any) -> Case:
    house = House()
    house.directory.people.clear()
    house.clock.advance(timedelta(days=3))
    await house.hire()
    house.clock.advance(timedelta(hours=49))
    await house.nudge()
    assert (house.case.state, house.case.reason) == (State.REFUSED, Reason.USER_NOT_FOUND)
    return replace(house.case, **changes)


# --- events as they came ---


@pytest.mark.parametrize(
    ("content", "outcome", "why"),
    [
        (hired(), "send", None),
        (cancelled(), "send", None),
        (without(hired(), "data", "hireDate"), "nothing", "malformed-event"),
        (b"\xff{", "nothing", "malformed-event"),
        (b"[" * 50_000, "nothing", "malformed-event"),
        (b"", "nothing", "malformed-event"),
        (hired(type="joiner.moved.v1"), "nothing", "unknown-type"),
        ({"type": "case.nudge.v1", "data": {"caseId": CASE_ID}}, "send", None),
        ({"type": "case.refused.v1"}, "nothing", "unknown-type"),
        ({"type": "case.refused.v1", "data": {"caseId": "me", "issuance": 1}}, "nothing", "unknown-type"),
        (refusal("1"), "nothing", "unknown-type"),  # type: ignore[arg-type]
    ],
)
def test_an_event_is_sent_again_when_the_door_would_take_it_now(content: object, outcome: str, why: str | None) -> None:
    assert told(content) == (outcome, why)


def test_an_event_whose_day_is_long_past_is_not_sent_again() -> None:
    assert told(hired(), now=NOW + timedelta(days=8)) == ("send", None)
    assert told(hired(), now=NOW + timedelta(days=10)) == ("nothing", "event-too-old")


@pytest.mark.parametrize(("replays", "force", "outcome"), [(2, False, "send"), (3, False, "capped"), (3, True, "send")])
def test_what_came_back_three_times_needs_force(replays: int, force: bool, outcome: str) -> None:
    assert told(hired(), replays=replays, force=force) == (outcome, None)


def test_force_makes_no_good_event_of_a_bad_one() -> None:
    assert told(b"{", replays=9, force=True) == ("nothing", "malformed-event")


# --- refusals ---


async def test_a_refused_case_goes_on_as_a_new_issuance() -> None:
    case = await refused()
    assert told(refusal(case.issuance), case) == ("reopen", None)
    after = reopening(case, Refusal(case.id, case.issuance), WAYS.plan, NOW)
    assert (after.state, after.issuance, after.reason) == (State.ANNOUNCED, case.issuance + 1, None)


@pytest.mark.parametrize(
    ("changes", "issuance", "why"),
    [
        ({"issuance": 2}, 1, "resolved"),
        ({"state": State.CANCELLED}, 1, "resolved"),
        ({"state": State.ONBOARDED, "event": None}, 1, "resolved"),
        ({"state": State.ANNOUNCED, "issuance": 2}, 1, "resolved"),
        ({"state": State.ISSUING}, 1, "not-refused"),
        ({"state": State.SENT}, 1, "not-refused"),
        ({"event": None}, 1, "contact-wiped"),
    ],
)
async def test_a_case_that_is_elsewhere_is_left_alone(changes: dict[str, Any], issuance: int, why: str) -> None:
    assert told(refusal(issuance), await refused(**changes)) == ("nothing", why)


async def test_a_case_that_would_be_refused_again_at_once_for_its_age_is_left_alone() -> None:
    case = await refused()
    assert told(refusal(), case, now=NOW + timedelta(days=6)) == ("reopen", None)
    errand = replace(case, event=replace(certain(case.event), purpose=Purpose.SPARE_KEY))
    assert told(refusal(), errand) == ("nothing", "event-too-old")


def test_a_case_we_forgot_or_cannot_read_is_said() -> None:
    assert told(refusal()) == ("nothing", "case-unknown")
    written = letter(refusal())
    known = Known(written, read(written, WAYS, NOW), 0, trouble="row-unreadable")
    assert judge(known, WAYS, NOW).why == "row-unreadable"


async def test_a_case_brought_back_three_times_needs_force() -> None:
    case = await refused()
    assert told(refusal(), case, replays=3) == ("capped", None)
    assert told(refusal(), case, replays=3, force=True) == ("reopen", None)


def test_only_reopenings_since_the_last_news_count() -> None:
    def move(actor: str, before: State, after: State) -> Move:
        return Move(at=NOW, from_state=before, to_state=after, reason=None, actor=actor, issuance=1, attempt=1)

    back = move("operator:x", State.REFUSED, State.ANNOUNCED)
    again = move("issue", State.ANNOUNCED, State.REFUSED)
    news = move("event", State.REFUSED, State.ANNOUNCED)
    assert reopenings([]) == 0
    assert reopenings([again, back, again, back]) == 2
    assert reopenings([again, back, again, back, again, news, again, back]) == 1


# --- what is shown ---


def test_what_a_letter_is_about_can_be_told_also_when_it_is_malformed() -> None:
    paths = [DevicePath.AUTOPILOT, DevicePath.APPLE_BUSINESS_MANAGER]

    def shown(content: object) -> tuple[str, set[DevicePath]]:
        said = read(letter(content), WAYS, NOW)
        return kind(said), set(paths_of(Known(letter(content), said, 0)))

    assert shown(hired()) == ("event", set(paths))
    assert shown(without(hired(), "data", "hireDate")) == ("event", set(paths))
    assert shown(hired({"devicePaths": ["autopilot", "typewriter", 3]})) == ("event", {DevicePath.AUTOPILOT})
    assert shown(hired({"devicePaths": "autopilot"})) == ("event", set())
    assert shown(b"[]") == ("event", set())
    assert shown(refusal()) == ("case", set())


# --- message ids ---


@pytest.mark.parametrize("length", [1, 119, 120, 128, 500])
def test_a_replay_id_fits_and_is_the_same_each_time(length: int) -> None:
    written = letter(b"{}", original_id="é" * length)
    ids = {written.replay_id(replays) for replays in (1, 1, 2, 1_000_000)}
    assert len(ids) == 3
    assert all(len(each) <= 128 for each in ids)
    other = letter(b"{}", original_id="é" * (length - 1) + "e")
    assert other.replay_id(1) not in ids
