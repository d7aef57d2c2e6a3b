"""A received message as the host hands it to the worker (ServiceBusTriggerBindingStrategy.cs, extension 5.x)."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from azure.servicebus import ServiceBusReceivedMessage

from .runtime import Message, typed

_STRINGS = (
    *("ContentType", "CorrelationId", "DeadLetterSource", "LockToken", "MessageId", "PartitionKey"),
    *("ReplyTo", "ReplyToSessionId", "SessionId", "Subject", "To"),
)
_NEVER = "9999-12-31T23:59:59.9999999"


def metadata(message: ServiceBusReceivedMessage) -> dict[str, Message]:
    """The trigger metadata, these keys only; what is null is left out, numbers and dates travel as JSON."""
    found = {name: getattr(message, re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()) for name in _STRINGS}
    found["Label"] = found["Subject"]
    properties = {_plain(name): value for name, value in (message.application_properties or {}).items()}
    others = {
        "ApplicationProperties": properties,
        "DeliveryCount": delivery_number(message),
        "SequenceNumber": message.sequence_number,
        "UserProperties": properties,
        **_moment("EnqueuedTime", message.enqueued_time_utc),
        **_moment("ExpiresAt", message.expires_at_utc),
    }
    strings = {name: typed("string", _plain(value)) for name, value in found.items() if value is not None}
    return strings | {name: typed("json", json.dumps(value, default=_plain)) for name, value in others.items()}


def delivery_number(message: ServiceBusReceivedMessage) -> int:
    """.NET counts this delivery, the Python SDK does not."""
    return (message.delivery_count or 0) + 1


def _moment(name: str, moment: datetime | None) -> Mapping[str, str]:
    """A DateTimeOffset, and beside it the older DateTime, which carries no zone."""
    text = moment.replace(tzinfo=None).isoformat() if moment else _NEVER
    return {name: f"{text}+00:00", f"{name}Utc": text}


def _plain(value: Any) -> str:
    """Text for what JSON has no type for; AMQP strings reach us as bytes."""
    if not isinstance(value, bytes):
        return value.isoformat() if isinstance(value, datetime) else str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def body(message: ServiceBusReceivedMessage, data_type: str) -> Message:
    """The body: a string when it is valid UTF-8 and the binding's `dataType` is not BINARY, else bytes."""
    content = message.body
    raw = content.encode() if isinstance(content, str) else content if isinstance(content, bytes) else b"".join(content)
    try:
        return typed("bytes", raw) if data_type == "BINARY" else typed("string", raw.decode())
    except UnicodeDecodeError:
        return typed("bytes", raw)
