"""Events that an operator sends in HR's place."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import BusUnavailable
from shared.guard_rails import NumberSource
from shared.principal import OperatorRole, Principal
from shared.sending_models import JudgeEvents, SendEvents
from shared.sendings import Sendings
from shared.states import State
from tests.builders import body, cancelled, facts, hired
from tests.fakes.house import DUE, GUARD, House

STRANGER = "1f8fad5b-d9cb-469f-a165-70867728950e"
OPERATOR = Principal("aaaaaaaa-0000-4000-8000-000000000001", frozenset({OperatorRole.OPERATOR}))


def sendings(house: House) -> Sendings:
    return Sendings(
        bus=house.bus,
        ledger=house.ledger,
        clock=house.clock,
        rules=house.onboarding.outside.rules,
        name_case=house.onboarding.name_case,
    )


def wish(*events: dict[str, Any]) -> SendEvents:
    return SendEvents(events=list(events), reason="HR's link was down")


async def test_every_event_is_judged_with_its_plan_in_the_joiners_words_and_nothing_is_sent() -> None:
    house = House(DUE - timedelta(days=5))
    judged = await sendings(house).judge_events(OPERATOR, JudgeEvents(events=[hired(), cancelled(subject="W-2")]))
    first, second = judged.events
    assert first.case_id == house.case_id
    assert first.opens == "Tue 01 Dec 08:00 Europe/Amsterdam"
    assert first.goes_out == "Mon 30 Nov 16:00 Europe/Amsterdam"
    assert (second.opens, second.wrong) == (None, None)
    assert house.bus.events == {}


async def test_one_wrong_event_keeps_all_from_being_sent_and_says_what_is_wrong_where() -> None:
    house = House()
    wrong = hired({"hireDate": "soon", "channel": "pigeon"}, subject="W-3")
    judged = await sendings(house).send_events(OPERATOR, wish(hired(), wrong, {"type": "case.nudge.v1"}))
    assert judged.sent == 0
    assert house.bus.events == {}
    good, bad, nudge = judged.events
    assert good.wrong is None
    assert bad.wrong is not None
    assert {"data.hireDate", "data.channel"} <= set(bad.wrong.replace(":", "").split())
    assert "pigeon" not in bad.wrong
    assert nudge.wrong


async def test_what_is_sent_again_is_one_message() -> None:
    house = House()
    for _ in range(2):
        assert (await sendings(house).send_events(OPERATOR, wish(hired()))).sent == 1
    (body,) = house.bus.events.values()
    await house.onboarding.handle(body)
    assert house.case.state is State.SENT


async def test_a_nudge_cannot_be_sent_however_well_formed() -> None:
    house = House()
    nudge = {"type": "case.nudge.v1", "data": {"caseId": "0" * 32}}
    assert (await sendings(house).send_events(OPERATOR, wish(nudge))).sent == 0


async def test_a_queue_that_is_away_says_so() -> None:
    house = House()
    house.bus.fail_next("publish")
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await sendings(house).send_events(OPERATOR, wish(hired()))
    assert house.bus.fired == [("publish", "before")]


EFFECTS: dict[str, tuple[dict[str, Any] | None, dict[str, Any], str]] = {
    "the first word": (None, hired(), "new"),
    "the same again": (hired(), hired(), "nothing"),
    "older": (hired(), hired(id="evt-0", time="2026-11-01T00:00:00Z"), "nothing"),
    "another day": (hired(), hired({"hireDate": "2026-12-03"}, id="evt-2", time="2026-11-21T00:00:00Z"), "news"),
    "called off": (hired(), cancelled(id="evt-2", time="2026-11-21T00:00:00Z"), "news"),
    "called off before it was announced": (None, cancelled(), "new"),
    "announced after all": (cancelled(), hired(id="evt-2", time="2026-11-21T00:00:00Z"), "again"),
    "refused before": (hired({"user": {"id": STRANGER}}), hired(id="evt-2", time="2026-11-21T00:00:00Z"), "again"),
}


@pytest.mark.parametrize(("before", "then", "effect"), EFFECTS.values(), ids=EFFECTS)
async def test_what_an_event_would_make_of_its_case_is_told_before_it_is_sent(
    before: dict[str, Any] | None, then: dict[str, Any], effect: str
) -> None:
    house = House(DUE)
    house.directory.add(facts(user_id=STRANGER, has_role=True))
    if before:
        await house.onboarding.handle(body(before))
    (judged,) = (await sendings(house).judge_events(OPERATOR, JudgeEvents(events=[then]))).events
    assert (judged.wrong, judged.effect) == (None, effect)


REFUSED_ANYWAY: dict[str, tuple[dict[str, Any], str]] = {
    "a number that Excel read": ({"mobilePhone": "3.1612E+10"}, "data.mobilePhone: would be refused (mobile-invalid)"),
    "a landline": ({"mobilePhone": "+31201234567"}, "data.mobilePhone: would be refused (mobile-not-mobile)"),
    "long ago": ({"hireDate": "2020-01-01"}, "data.hireDate: would be refused (event-too-old)"),
}


@pytest.mark.parametrize(("data", "wrong"), REFUSED_ANYWAY.values(), ids=REFUSED_ANYWAY)
async def test_what_no_directory_could_mend_is_wrong_already(data: dict[str, Any], wrong: str) -> None:
    house = House(DUE, guard=replace(GUARD, number_source=NumberSource.EVENT))
    judged = await sendings(house).send_events(OPERATOR, wish(hired(data)))
    assert ([one.wrong for one in judged.events], house.bus.events) == ([wrong], {})


async def test_a_number_nobody_goes_by_may_be_anything() -> None:
    house = House(DUE, guard=replace(GUARD, number_source=NumberSource.DIRECTORY))
    assert (await sendings(house).send_events(OPERATOR, wish(hired({"mobilePhone": "ask at the desk"})))).sent == 1


async def test_two_events_that_share_an_id_are_two_messages_whoever_sends_them() -> None:
    house = House(DUE)
    await sendings(house).send_events(OPERATOR, wish(hired(), hired(subject="W-2")))
    await sendings(house).send_events(OPERATOR, wish(hired({"hireDate": "2026-12-02"})))
    colleague = replace(OPERATOR, id=OPERATOR.id.replace("1", "2"))
    await sendings(house).send_events(colleague, wish(hired()))
    assert len(house.bus.events) == 3


async def test_a_plan_tells_how_long_for_what_and_how() -> None:
    house = House(DUE - timedelta(days=5))
    (judged,) = (await sendings(house).judge_events(OPERATOR, JudgeEvents(events=[hired()]))).events
    assert (judged.lasts_minutes, judged.device_paths, judged.channel) == (
        555, ["apple-business-manager", "autopilot"], "whatsapp",
    )  # fmt: skip
    assert judged.goes_out_at == DUE - timedelta(hours=1)
