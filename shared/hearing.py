"""What Twilio's word on a message makes of a case, whether it called us or was asked: only ever forward. Pure."""

from datetime import datetime
from typing import Any

from shared.case import Case
from shared.events import Delivery, Message, Receipt, Word
from shared.fields import with_text
from shared.states import CaseRules, State, Text


def record_receipt(case: Case | None, receipt: Receipt, rules: CaseRules, now: datetime) -> Case | None:
    """The case after a receipt, or None when it changes nothing.

    Only the current attempt's receipt moves the case, also to `sent` when our own record of it was lost; of any other
    message nothing follows but that its text is to go.
    """
    if case is None:
        return None
    texts = _texts(case, receipt.message_id, receipt.word, rules, now)
    if _proves_the_send(case, receipt):
        message = Message(receipt.message_id, receipt.channel)
        sent = case.followed(message, rules, now) | {"texts": texts}
        return case.moved(State.SENT, **(sent | _heard(receipt.word, now)))
    if _is_current(case, receipt) and case.state is State.SENT and receipt.message_id == case.message_id:
        return word_on(case, receipt.word, rules, now)
    return None if texts == case.texts else case.moved(case.state, texts=texts)


def record_text(case: Case | None, *, message_id: str, redact_at: datetime) -> Case | None:
    """The case with one more text that is to go, or None when it has that already."""
    texts = with_text(case.texts, message_id, redact_at) if case else ()
    return None if case is None or texts == case.texts else case.moved(case.state, texts=texts)


def word_on(case: Case, word: Word, rules: CaseRules, now: datetime) -> Case | None:
    """The case after a word on its own message, or None when it is old news."""
    known = case.receipt or Delivery.QUEUED
    if word.delivery.rank <= known.rank:
        return None
    texts = _texts(case, case.message_id or "", word, rules, now)
    return case.moved(State.SENT, texts=texts, **_heard(word, now))


def _is_current(case: Case, receipt: Receipt) -> bool:
    return (receipt.issuance, receipt.attempt) == (case.issuance, case.attempt)


def _proves_the_send(case: Case, receipt: Receipt) -> bool:
    told = receipt.word.delivery is not Delivery.QUEUED  # that much may come before the answer to the send itself
    return told and _is_current(case, receipt) and case.state is State.ISSUING and case.sends > 0


def _heard(word: Word, now: datetime) -> dict[str, Any]:
    """An arrived message needs no more asking; one that will not arrive needs somebody to act now."""
    heard: dict[str, Any] = {"receipt": word.delivery, "failure": word.failure}
    if word.delivery.is_final:
        heard["ask_at"] = None if word.delivery.has_arrived else now
    return heard


def _texts(case: Case, message_id: str, word: Word, rules: CaseRules, now: datetime) -> tuple[Text, ...]:
    return with_text(case.texts, message_id, now if word.delivery.is_final else now + rules.message_lasts)
