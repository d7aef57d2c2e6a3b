"""A Service Bus message as the Functions host hands it to the Python runtime."""

import json
import re
from typing import Any

from azure.servicebus import ServiceBusReceivedMessage

from .runtime import Function, Outcome, Proto, invoke

_TEXTS = (  # what the host sends of a message as text (ServiceBusTriggerBindingStrategy.cs, extension 5.x)
    *("ContentType", "CorrelationId", "DeadLetterSource", "LockToken", "MessageId", "PartitionKey"),
    *("ReplyTo", "ReplyToSessionId", "SessionId", "Subject", "To"),
)


async def deliver(function: Function, message: ServiceBusReceivedMessage) -> Outcome:
    """Run `function` on `message`; a body that is no data section is a failure of its own."""
    try:
        data, metadata = Proto(bytes=b"".join(message.body)), _metadata(message)
    except Exception as error:  # noqa: BLE001 - whatever it is, this message alone fails
        return Outcome(f"the message cannot be read: {type(error).__name__}: {error}")
    return await invoke(function, data, metadata)


def _metadata(message: ServiceBusReceivedMessage) -> dict[str, Proto]:
    """These keys only; what is null is left out, numbers, dates and dictionaries travel as JSON."""
    texts = {name: getattr(message, re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()) for name in _TEXTS}
    texts["Label"] = texts["Subject"]
    properties = {_plain(name): value for name, value in (message.application_properties or {}).items()}
    others = dict[str, Any].fromkeys(("ApplicationProperties", "UserProperties"), properties)
    others |= {"DeliveryCount": delivery_number(message), "SequenceNumber": message.sequence_number}
    for name, moment in (("EnqueuedTime", message.enqueued_time_utc), ("ExpiresAt", message.expires_at_utc)):
        text = moment.replace(tzinfo=None).isoformat() if moment else "9999-12-31T23:59:59.9999999"
        others |= {name: f"{text}+00:00", f"{name}Utc": text}  # the older of the two carries no zone
    strings = {name: Proto(string=_plain(text)) for name, text in texts.items() if text is not None}
    return strings | {name: Proto(json=json.dumps(value, default=_plain)) for name, value in others.items()}


def delivery_number(message: ServiceBusReceivedMessage) -> int:
    """.NET counts this delivery, the Python SDK does not."""
    return (message.delivery_count or 0) + 1


def _plain(value: Any) -> str:
    """Text for what JSON has no type for; AMQP strings reach us as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
