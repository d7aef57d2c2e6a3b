"""How deep a queue of Azure Service Bus is, by looking at it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from azure.servicebus import ServiceBusMessageState, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient

from shared.adapters.queue_reader import QueueReader
from shared.adapters.service_bus import Patience
from shared.oversight import Depth
from shared.ports import Clock

LOOKED_AT: Final = 1_000
"""Messages one reading looks at; each costs the namespace one of its thousand credits a second (Standard tier)."""
PAGE: Final = 100
"""Messages looked at in one call: with bodies of 256 KB a page is 25 MB."""
BRISK: Final = Patience(each=5.0, total=5.0, pause=0.5, tries=2)
"""A number nobody gets in time is none; the second try is for a connection that lay idle."""


class ServiceBusGauge:
    """Implements oversight.Gauge. `connect` builds a client; its connection stays open for the next reading."""

    def __init__(
        self, connect: Callable[[], ServiceBusClient], queue: str, clock: Clock, patience: Patience = BRISK
    ) -> None:
        self._reader = QueueReader(connect, queue, clock, patience)
        self._turn = asyncio.Lock()

    async def read(self) -> Depth:
        """See oversight.Gauge."""
        waiting: list[ServiceBusReceivedMessage] = []
        looked_at, first = 0, 1
        async with self._turn:
            while looked_at < LOOKED_AT and (page := await self._reader.peek(first, PAGE)):
                waiting += [message for message in page if message.state is not ServiceBusMessageState.SCHEDULED]
                looked_at, first = looked_at + len(page), (page[-1].sequence_number or 0) + 1
        return _depth(waiting, is_more=looked_at >= LOOKED_AT)

    async def close(self) -> None:
        """Close the connection."""
        async with self._turn:
            await self._reader.close()


def _depth(waiting: Sequence[ServiceBusReceivedMessage], *, is_more: bool) -> Depth:
    since = [message.enqueued_time_utc for message in waiting if message.enqueued_time_utc]
    return Depth(count=len(waiting), is_more=is_more, oldest=min(since, default=None))
