"""Fields of a case that go together, as its moves change them. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.errors import IllegalMove
from shared.events import Channel, Message
from shared.states import CaseRules, Text

TEXTS_KEPT = 16
LOOK_AFTER = timedelta(minutes=15)
"""After sending: is the live pass still ours? By then a create that came late has landed."""
WHATSAPP_HAS = timedelta(minutes=15)
"""Ten minutes in which WhatsApp tries to deliver an authentication message (twilio.md §3), and a margin."""
GUARD_BEFORE = timedelta(minutes=15)

NOTHING_TO_DELETE: Mapping[str, Any] = {"deletions_left": 0, "delete_at": None}
NO_FOLLOW_UP: Mapping[str, Any] = {
    "receipt": None,
    "failure": None,
    "asks": 0,
    "registered_at": None,
    **dict.fromkeys(("guard_at", "look_at", "ask_at", "check_at")),
}
FRESH: Mapping[str, Any] = {**NO_FOLLOW_UP, "attempt": 0, "sends": 0, "not_before": None, "unused_before": False}
"""How an issuance begins."""
AWAKE: Mapping[str, Any] = {"rested_at": None, "wipe_at": None, "forget_at": None}
"""Of a case that is open again."""
PERSONAL = ("event", "user_id", "user_seen", "pass_id", "number_shown", "number_approved", "number_sent")
"""What is wiped."""


def to_delete(times: int, at: datetime) -> dict[str, Any]:
    """Passes are to go, `times` times, from `at` on."""
    return {"deletions_left": times, "delete_at": at}


def rest(rules: CaseRules, now: datetime, opening: datetime | None, known_until: datetime) -> dict[str, Any]:
    """The case comes to rest: what is personal goes then, the case itself later, and long after the day it is about."""
    return {"rested_at": now, "wipe_at": known_until, "forget_at": latest(now, opening) + rules.keep_case}


def follow_up(
    message: Message, starts_at: datetime, texts: tuple[Text, ...], rules: CaseRules, now: datetime
) -> dict[str, Any]:
    """Twilio has the message: what is looked at, and when."""
    return {
        "message_id": message.id,
        "channel": message.channel,
        "sent_at": now,
        "reason": None,
        "guard_at": second_look(starts_at, now),
        "look_at": now + LOOK_AFTER,
        "ask_at": now + (WHATSAPP_HAS if message.channel is Channel.WHATSAPP else rules.message_lasts),
        "texts": with_text(texts, message.id, now + rules.message_lasts),
    }


def second_look(starts_at: datetime, now: datetime) -> datetime | None:
    """When the guard rails look at a pass again; one that opens within minutes needs no second look."""
    moment = starts_at - GUARD_BEFORE
    return moment if moment > now else None


def with_text(texts: tuple[Text, ...], message_id: str, redact_at: datetime) -> tuple[Text, ...]:
    """`texts` with this one to be redacted at `redact_at` at the latest; one that is done stays done."""
    known = next((text for text in texts if text.message_id == message_id), None)
    if known is None:
        return _not_too_many((*texts, Text(message_id, redact_at)))
    if known.redact_at is None or known.redact_at <= redact_at:
        return texts
    return tuple(replace(text, redact_at=redact_at) if text is known else text for text in texts)


def _not_too_many(texts: tuple[Text, ...]) -> tuple[Text, ...]:
    """The newest texts; one whose copy has gone makes room before one whose copy has not."""
    if len(texts) <= TEXTS_KEPT:
        return texts
    dropped = next((text for text in texts if text.redact_at is None), texts[0])
    return tuple(text for text in texts if text is not dropped)


def text_gone(texts: tuple[Text, ...], gone: Text) -> tuple[Text, ...]:
    """`texts` with this one redacted."""
    return tuple(replace(text, redact_at=None) if text == gone else text for text in texts)


def text_kept(texts: tuple[Text, ...], kept: Text, until: datetime) -> tuple[Text, ...]:
    """`texts` with this one to be tried again."""
    again = replace(kept, redact_at=until, tries=kept.tries + 1)
    return tuple(again if text == kept else text for text in texts)


def certain[T](value: T | None) -> T:
    """A value that the case's state promises.

    Raises:
        IllegalMove: it is missing: a bug, not an outcome.
    """
    if value is None:
        raise IllegalMove("the case lacks what its state promises")
    return value


def latest(*moments: datetime | None) -> datetime:
    """The last of the moments that are set."""
    return max(moment for moment in moments if moment is not None)
