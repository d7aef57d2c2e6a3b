"""Events that an operator sends in HR's place."""

from datetime import timedelta
from typing import Any

import pytest

from shared.errors import BusUnavailable
from shared.principal import OperatorRole, Principal
from shared.sending_models import JudgeEvents, SendEvents
from shared.sendings import Sendings
from shared.states import State
from tests.builders import cancelled, hired
from tests.fakes.house import DUE, House

OPERATOR = Principal("aaaaaaaa-0000-4000-8000-000000000001", frozenset({OperatorRole.OPERATOR}))


def sendings(house: House) -> Sendings:
    return Sendings(
        bus=house.bus,
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
