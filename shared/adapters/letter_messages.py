"""Dead letters as messages of Azure Service Bus: how one is read, and how it is sent again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType

from shared.adapters.letter_round import number_of
from shared.oversight import Extras, Letter, Replay

_UNDATED: Final = datetime.min.replace(tzinfo=UTC)
_DIED, _WHY_DIED, _REASON_DIED = "DeadLetter", "DeadLetterErrorDescription", "DeadLetterReason"
_ORIGINAL, _REPLAYS, _FIRST = "OriginalMessageId", "ReplayCount", "OriginalEnqueued"
_REASON, _BY, _AT = "ReplayedReason", "ReplayedBy", "ReplayedAt"
_OURS: Final = {_ORIGINAL, _REPLAYS, _FIRST, _REASON, _BY, _AT}


def letter_of(message: ServiceBusReceivedMessage) -> Letter:
    """A letter as it was received or looked at."""
    told = {_text(name): value for name, value in (message.application_properties or {}).items()}
    number, replays = number_of(message), told.get(_REPLAYS)
    message_id = _text(message.message_id) or f"letter-{number}"  # without an id of its own it needs one all the same
    written_at = message.enqueued_time_utc or _UNDATED
    return Letter(
        sequence=number,
        message_id=message_id,
        written_at=written_at,
        reason=_text(told.get(_REASON_DIED)) or "unknown",
        description=_text(told.get(_WHY_DIED)),
        body=_body(message),
        content_type=_text(message.content_type) or None,
        replays=replays if isinstance(replays, int) and replays > 0 else 0,
        original_id=_text(told.get(_ORIGINAL)) or message_id,
        first_written_at=_moment(_text(told.get(_FIRST))) or written_at,
        extras=_extras(message, told),
    )


def replayed(letter: Letter, replay: Replay) -> ServiceBusMessage:
    """The letter as a new message. Never the received message itself: it would carry why and when it died."""
    extras = letter.extras
    notes: dict[str | bytes, Any] = {
        _ORIGINAL: letter.original_id,
        _REPLAYS: replay.count,
        _FIRST: letter.first_written_at.isoformat(),
        _REASON: letter.reason,
        _BY: replay.by,
        _AT: replay.at.isoformat(),
    }
    return ServiceBusMessage(
        letter.body,
        message_id=replay.message_id,
        content_type=letter.content_type,
        application_properties=dict(extras.properties) | notes,
        subject=extras.subject,
        correlation_id=extras.correlation_id,
        session_id=extras.session_id,
        partition_key=extras.session_id or extras.partition_key,
        to=extras.to,
        reply_to=extras.reply_to,
    )


def _extras(message: ServiceBusReceivedMessage, told: Mapping[str, Any]) -> Extras:
    return Extras(
        subject=_text(message.subject) or None,
        correlation_id=_text(message.correlation_id) or None,
        session_id=_text(message.session_id) or None,
        partition_key=_text(message.partition_key) or None,
        to=_text(message.to) or None,
        reply_to=_text(message.reply_to) or None,
        properties={
            name: _plain(value) for name, value in told.items() if name not in _OURS and not name.startswith(_DIED)
        },
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever AMQP can say
    """Texts come as bytes: what is no text stays bytes."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _body(message: ServiceBusReceivedMessage) -> bytes:
    """Its bytes. A message may also carry a single value: text is its UTF-8, and anything else is no event of ours."""
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(message.body)
    return _text(message.body).encode() if message.body_type is AmqpMessageBodyType.VALUE else b""


def _text(value: object) -> str:
    """Keys and texts of what was received are bytes, or text, or missing."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
