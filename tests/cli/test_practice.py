"""The world to practise on is what it says, at whatever hour somebody practises."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cli.practice import MORNING, STAFF, practice, user_id
from shared.contract import parse
from shared.errors import Refused
from shared.events import EventRules, HireEvent
from shared.plan import PlanRules, when

RULES = EventRules(time_zone="UTC")
HOURS = [datetime(2026, 11, 27, hour, 30, tzinfo=UTC) for hour in range(24)]


def events(now: datetime) -> list[HireEvent | Refused]:
    def read(body: bytes) -> HireEvent | Refused:
        try:
            event = parse(body, RULES, now)
        except Refused as refused:
            return refused
        assert isinstance(event, HireEvent)
        return event

    return [read(sending.body) for sending in practice(now).sendings()]


@pytest.mark.parametrize("now", HOURS, ids=lambda now: f"{now:%H:%M}")
def test_messages_go_out_at_once_but_for_who_begins_next_week(now: datetime) -> None:
    *hired, malformed = events(now)
    assert isinstance(malformed, Refused)
    waits = dict[str, timedelta]()
    for event in hired:
        assert isinstance(event, HireEvent)
        assert now.astimezone(ZoneInfo(event.time_zone)).hour == MORNING
        waits[event.subject] = when(event, PlanRules(), now).deliver_at - now
    assert {subject: wait > timedelta(0) for subject, wait in waits.items()} == {
        f"W-100{number}": number == 5 for number in range(1, 7)
    }


def test_the_last_word_on_a_number_is_another_and_the_staff_have_one() -> None:
    now = HOURS[9]
    told = [event for event in events(now) if isinstance(event, HireEvent) and event.subject == "W-1006"]
    assert len({event.mobile_phone for event in told}) == 2
    assert told[0].version < told[1].version
    (staff,) = [user for user in practice(now).users if user["id"] == user_id(STAFF)]
    assert staff["mobilePhone"]
    assert json.dumps(practice(now).world())
