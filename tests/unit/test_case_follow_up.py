"""After sending: what is looked at and when, what comes after a pass that came to nothing, and when that ends."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.case import LEASE, Held
from shared.errors import Reason
from shared.events import Channel, Delivery, Message
from shared.fields import FRESH
from shared.plan import When
from shared.states import Act, CaseRules, State, Step, Text
from tests.builders import NOW, RULES, USER_ID, case, claimed, sent, terms

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TOMORROW = When(NOW + DAY, NOW + DAY + HOUR)


@pytest.mark.parametrize(
    ("channel", "opens_in", "validity", "guard", "ask", "redact"),
    [
        (Channel.SMS, 16 * HOUR, HOUR, 16 * HOUR - 15 * MINUTE, HOUR, HOUR),
        (Channel.WHATSAPP, 16 * HOUR, HOUR, 16 * HOUR - 15 * MINUTE, 15 * MINUTE, HOUR),
        (Channel.SMS, 16 * MINUTE, HOUR, MINUTE, HOUR, HOUR),
        (Channel.SMS, 15 * MINUTE, HOUR, None, HOUR, HOUR),
        (Channel.WHATSAPP, 0 * HOUR, HOUR, None, 15 * MINUTE, HOUR),
        (Channel.SMS, 0 * HOUR, MINUTE, None, MINUTE, MINUTE),
        (Channel.WHATSAPP, 0 * HOUR, 10 * HOUR, None, 15 * MINUTE, 10 * HOUR),
    ],
)
def test_when_a_message_and_its_pass_are_looked_after(
    channel: Channel, opens_in: timedelta, validity: timedelta, guard: timedelta | None, ask: timedelta,
    redact: timedelta,
) -> None:  # fmt: skip
    opening = terms(start_date_time=NOW + opens_in if opens_in else None, steps_in_minutes=20)
    intended = case().claimed(USER_ID, opening, NOW).intended("tap-1")
    after = intended.sent(Message("SM1", channel), CaseRules(message_lasts=validity), NOW)
    assert after.guard_at == (None if guard is None else NOW + guard)
    assert (after.look_at, after.ask_at) == (NOW + 15 * MINUTE, NOW + ask)
    assert after.check_at == NOW + opens_in + 20 * MINUTE
    assert after.texts == (Text("SM1", NOW + redact),)
    assert after.next_step() is not None


def test_news_that_a_message_went_out_does_not_bring_back_a_text_that_is_gone() -> None:
    gone = (Text("SM1", None),)
    assert claimed(texts=gone).intended("tap-1").sent(Message("SM1", Channel.SMS), RULES, NOW).texts == gone


# --- the next issuance ---

USED = sent(
    texts=(Text("SM0", None), Text("SM1", NOW)),
    attempt=2, sends=2, spent=1, receipt=Delivery.UNDELIVERED, failure=Reason.UNDELIVERABLE, asks=3,
    registered_at=NOW, guard_at=NOW, not_before=NOW, lease_until=NOW + LEASE,
)  # fmt: skip


@pytest.mark.parametrize(("was", "asked", "is_now"), [(False, False, False), (False, True, True), (True, False, True)])
@pytest.mark.parametrize(("held", "lease"), [(Held(), NOW + LEASE), (Held(lease=True, intended=1), None)])
def test_another_issuance_begins_afresh_and_keeps_what_is_of_the_case(
    was: bool, asked: bool, is_now: bool, held: Held, lease: datetime | None
) -> None:
    before = replace(USED, by_sms=was)
    after = before.again(TOMORROW, Reason.PASS_GONE, counted=not asked, held=held, **{"by_sms": True} if asked else {})
    changed: dict[str, Any] = {
        **FRESH, "state": State.ANNOUNCED, "issuance": 2, "moves": before.moves + 1, "spent": 2 - asked,
        "by_sms": is_now, "lease_until": lease, "opens_at": TOMORROW.opens_at, "deliver_at": TOMORROW.deliver_at,
        "reason": Reason.PASS_GONE,
    }  # fmt: skip
    assert after == replace(before, **changed)
    assert (after.texts, after.claims, after.pass_id) == (USED.texts, USED.claims, "tap-1"), "still to be cleared away"
    assert after.first_opens_at == before.first_opens_at, "HR's opening stays what HR's next event is compared with"


def test_nothing_of_the_last_message_is_looked_after_any_more() -> None:
    after = USED.again(TOMORROW, None, counted=False, held=Held())
    follow_up = (after.guard_at, after.look_at, after.ask_at, after.check_at, after.registered_at)
    assert follow_up == (None,) * 5
    assert (after.attempt, after.sends, after.asks, after.receipt, after.failure) == (0, 0, 0, None, None)
    assert replace(after, texts=()).next_step() == Step(Act.ISSUE, TOMORROW.deliver_at)


@pytest.mark.parametrize(
    ("spent", "most", "last"),
    [(0, 1, True), (0, 2, False), (1, 2, True), (0, 3, False), (1, 3, False), (2, 3, True), (3, 3, True)],
)
def test_the_last_pass_of_a_round(spent: int, most: int, last: bool) -> None:
    assert sent(spent=spent).is_last(CaseRules(max_passes=most)) == last
