"""What the broker's tests share: queues, and the SDK's senders and receivers, which take long to open."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender

from sandbox.broker.queues import Queue

QUEUES: dict[str, dict[str, Any]] = {
    "orders": {},
    "brief": {"LockDuration": "PT1S"},
    "joiners": {
        "MaxDeliveryCount": 2,
        "RequiresDuplicateDetection": True,
        "DuplicateDetectionHistoryTimeWindow": "PT10M",
        "DeadLetteringOnMessageExpiration": True,
        "ForwardDeadLetteredMessagesTo": "joiners-dead-letters",
    },
    "joiners-dead-letters": {},
    "fleeting": {"DefaultMessageTimeToLive": "PT1H"},
}
UNSHARED: dict[str, dict[str, Any]] = {  # no receiver of the module's waits at these
    "once": {"RequiresDuplicateDetection": True, "DuplicateDetectionHistoryTimeWindow": "PT10M"},
    "plain": {},
}


class Links(NamedTuple):
    """Senders and receivers by queue; `graves` are the dead-letter sub-queues' receivers."""

    senders: dict[str, ServiceBusSender]
    receivers: dict[str, ServiceBusReceiver]
    graves: dict[str, ServiceBusReceiver]


def write_config(folder: Path, queues: dict[str, dict[str, Any]]) -> Path:
    listed = [{"Name": name, "Properties": properties} for name, properties in queues.items()]
    path = folder / "config.json"
    path.write_text(json.dumps({"UserConfig": {"Namespaces": [{"Name": "sandbox", "Queues": listed}]}}))
    return path


async def receive(receiver: ServiceBusReceiver, count: int = 1, wait: float = 2) -> list[ServiceBusReceivedMessage]:
    found: list[ServiceBusReceivedMessage] = []
    until = time.monotonic() + wait
    while len(found) < count and time.monotonic() < until:
        left = max(until - time.monotonic(), 0.1)
        found += await receiver.receive_messages(max_message_count=count - len(found), max_wait_time=left)
    return found


@asynccontextmanager
async def opened(*handlers: Any) -> AsyncGenerator[Any]:
    """Senders and receivers, opened and closed side by side: the SDK takes its time for each."""
    await asyncio.gather(*(handler.__aenter__() for handler in handlers))
    try:
        yield handlers
    finally:
        await asyncio.gather(*(handler.close() for handler in handlers))


def size(queue: Queue) -> int:
    return sum(queue.counts())


def bodies(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]
