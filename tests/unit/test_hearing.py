"""What Twilio's word on a message makes of a case: every word, in every state, of every message, in any order."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.case import Case
from shared.errors import Reason
from shared.events import Channel, Delivery, Receipt, Word
from shared.fields import TEXTS_KEPT, text_gone, text_kept, with_text
from shared.hearing import record_receipt, word_on
from shared.states import State, Text
from tests.builders import CASE_ID, NOW, RULES, case_in, claimed, sent

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FINAL = {Delivery.CANCELED, Delivery.FAILED, Delivery.UNDELIVERED, Delivery.DELIVERED, Delivery.READ}
ARRIVED = {Delivery.DELIVERED, Delivery.READ}
WHY = {
    Delivery.CANCELED: Reason.TWILIO_DENIED,
    Delivery.FAILED: Reason.PHONE_UNREACHABLE,
    Delivery.UNDELIVERED: Reason.UNDELIVERABLE,
}


def word(delivery: Delivery) -> Word:
    return Word(delivery, WHY.get(delivery))


def receipt(delivery: Delivery, message_id: str = "SM1", issuance: int = 2, attempt: int = 3) -> Receipt:
    return Receipt(
        case_id=CASE_ID,
        issuance=issuance,
        attempt=attempt,
        message_id=message_id,
        channel=Channel.WHATSAPP,
        word=word(delivery),
    )


def head_in(state: State, known: Delivery | None = None) -> Case:
    """The third attempt of a second issuance, whose message is SM1."""
    place = {"issuance": 2, "attempt": 3, "sends": 1, "message_id": "SM1", "receipt": known}
    return replace(case_in(state), texts=(Text("SM0", None),), **place)


def hear(head: Case, *words: Delivery) -> Case:
    """`head` after these receipts, one after the other."""
    for delivery in words:
        head = record_receipt(head, receipt(delivery), RULES, NOW) or head
    return head


# --- every word, in every state, of every message ---

ATTEMPTS = ((2, 3), (2, 2), (1, 3), (3, 1))
"""The current one first."""


def old_news(known: Delivery | None, delivery: Delivery) -> bool:
    """Also `queued`, which says no more than that Twilio has the message."""
    order = [Delivery.QUEUED, Delivery.SENT, *sorted(FINAL, key=list(Delivery).index)]
    return order.index(delivery) <= order.index(known or Delivery.QUEUED)


@pytest.mark.parametrize("state", State)
def test_only_the_current_attempts_message_moves_a_case(state: State) -> None:
    heard = (None, *Delivery) if state is State.SENT else (None, Delivery.DELIVERED)
    for known, delivery, message_id, attempt in product(heard, Delivery, ("SM1", "SM9"), ATTEMPTS):
        before = head_in(state, known)
        after = record_receipt(before, receipt(delivery, message_id, *attempt), RULES, NOW)
        current = attempt == (2, 3)
        proof = state is State.ISSUING and current and delivery is not Delivery.QUEUED
        news = state is State.SENT and current and message_id == "SM1" and not old_news(known, delivery)
        own_old_news = state is State.SENT and current and message_id == "SM1" and not news
        if own_old_news:
            assert after is None
            continue
        redact_at = NOW if delivery in FINAL else NOW + RULES.message_lasts
        texts = (Text("SM0", None), Text(message_id, redact_at))
        assert after is not None
        if proof or news:
            assert (after.state, after.receipt, after.failure) == (State.SENT, delivery, WHY.get(delivery))
            assert (after.message_id, after.texts) == (message_id, texts)
            assert (after.issuance, after.attempt, after.moves) == (2, 3, before.moves + 1)
        else:
            assert after == replace(before, texts=texts, moves=before.moves + 1), "but that its text is to go, nothing"


@pytest.mark.parametrize("state", State)
def test_of_a_text_that_is_gone_there_is_nothing_to_do(state: State) -> None:
    for delivery, attempt in product(Delivery, ATTEMPTS[1:]):
        assert record_receipt(head_in(state), receipt(delivery, "SM0", *attempt), RULES, NOW) is None


@pytest.mark.parametrize("delivery", Delivery)
def test_a_send_that_was_not_counted_is_proved_by_nobody(delivery: Delivery) -> None:
    before = replace(head_in(State.ISSUING), sends=0)
    after = record_receipt(before, receipt(delivery), RULES, NOW)
    assert after is not None
    assert after == replace(before, texts=after.texts, moves=before.moves + 1)


@pytest.mark.parametrize("delivery", set(Delivery) - {Delivery.QUEUED})
def test_a_receipt_that_proves_a_send_is_as_good_as_our_own_record_of_it(delivery: Delivery) -> None:
    before = claimed().intended("tap-1")
    after = record_receipt(before, receipt(delivery, issuance=1, attempt=1), RULES, NOW)
    own = sent().moved(State.SENT, channel=Channel.WHATSAPP)
    ask_at = None if delivery in ARRIVED else NOW if delivery in FINAL else NOW + 15 * MINUTE
    told = {"receipt": delivery, "failure": WHY.get(delivery), "ask_at": ask_at, "lease_until": before.lease_until}
    text = Text("SM1", NOW if delivery in FINAL else NOW + HOUR)
    assert after == replace(own, **told, texts=(text,), moves=before.moves + 1), "but that a run may still hold it"


@pytest.mark.parametrize("delivery", set(Delivery) - {Delivery.QUEUED})
def test_what_a_word_leads_to(delivery: Delivery) -> None:
    before = sent(ask_at=NOW + HOUR)
    after = word_on(before, word(delivery), RULES, NOW)
    assert after is not None
    expected = None if delivery in ARRIVED else NOW if delivery in FINAL else NOW + HOUR
    assert after.ask_at == expected, "an arrived message needs no more asking, a lost one somebody to act"


def test_of_a_case_that_is_forgotten_nothing_is_written() -> None:
    assert record_receipt(None, receipt(Delivery.READ), RULES, NOW) is None


# --- any order ---


def told(head: Case) -> Case:
    """A case but for how many moves it took."""
    return replace(head, moves=0)


@pytest.mark.parametrize("state", [State.ISSUING, State.SENT])
def test_duplicates_and_other_orders_end_the_same(state: State) -> None:
    before, ends = head_in(state), dict[frozenset[Delivery], Case]()
    for length in (1, 2, 3):
        for words in product(Delivery, repeat=length):
            end = told(hear(before, *words))
            assert end == ends.setdefault(frozenset(words), end), words


@pytest.mark.parametrize("state", [State.ISSUING, State.SENT])
@given(words=st.lists(st.sampled_from(Delivery), min_size=1, max_size=12))
def test_any_receipts_of_a_message_in_any_order_end_the_same(state: State, words: list[Delivery]) -> None:
    before = head_in(state)
    assert told(hear(before, *words)) == told(hear(before, *sorted(set(words))))


@given(words=st.lists(st.sampled_from(Delivery), min_size=1, max_size=12))
def test_as_time_goes_by_the_status_only_goes_on_and_a_final_word_makes_the_text_due(words: list[Delivery]) -> None:
    head, now = sent(issuance=2, attempt=3), NOW
    for delivery in words:
        now += timedelta(seconds=1)
        before, head = head, record_receipt(head, receipt(delivery), RULES, now) or head
        assert (head.receipt or Delivery.QUEUED).rank >= (before.receipt or Delivery.QUEUED).rank
    furthest = max(words, key=list(Delivery).index)
    assert (head.receipt or Delivery.QUEUED, head.failure) == (furthest, WHY.get(furthest))
    (text,) = head.texts
    assert text.redact_at is not None
    assert (text.redact_at <= now) == bool(FINAL & set(words))


# --- the texts ---


def test_a_text_due_keeps_its_earliest_moment_and_how_often_it_failed() -> None:
    later = (Text("SM1", NOW + HOUR, tries=4), Text("SM2", None))
    assert with_text(later, "SM1", NOW + 2 * HOUR) == later
    assert with_text(later, "SM1", NOW) == (Text("SM1", NOW, tries=4), Text("SM2", None))


def test_a_redacted_text_stays_redacted_and_a_failed_one_waits() -> None:
    texts = (Text("SM1", NOW), Text("SM2", NOW))
    gone = text_gone(texts, texts[0])
    assert gone == (Text("SM1", None), Text("SM2", NOW))
    assert with_text(gone, "SM1", NOW) == gone
    assert text_kept(gone, gone[1], NOW + HOUR) == (Text("SM1", None), Text("SM2", NOW + HOUR, tries=1))


def test_at_most_sixteen_texts_are_kept_and_those_that_are_gone_make_room_first() -> None:
    texts = tuple(Text(f"SM{n}", NOW if n % 2 else None) for n in range(TEXTS_KEPT))
    for n in range(TEXTS_KEPT, 2 * TEXTS_KEPT):
        texts = with_text(texts, f"SM{n}", NOW)
        assert len(texts) == TEXTS_KEPT == 16
        assert texts[-1] == Text(f"SM{n}", NOW)
        if n == 3 * TEXTS_KEPT // 2 - 1:
            assert {text.message_id for text in texts} >= {f"SM{odd}" for odd in range(1, TEXTS_KEPT, 2)}
    assert all(text.redact_at for text in texts)
