"""One queue of Azure Service Bus to read from: looked at, or received from."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver

from shared.adapters.service_bus import Patience, in_our_words, persist
from shared.errors import BusUnavailable
from shared.ports import Clock


class QueueReader:
    """A receiver that is opened when needed, and opened anew when it failed; calls go through it one at a time.

    It asks for messages only while it waits for some: one that only peeks has no credit, and is never sent any to lock.
    """

    def __init__(self, connect: Callable[[], ServiceBusClient], name: str, clock: Clock, patience: Patience) -> None:
        self._connect, self._name, self._clock, self._patience = connect, name, clock, patience
        self._open: tuple[ServiceBusClient, ServiceBusReceiver] | None = None

    async def peek(self, first: int, count: int) -> list[ServiceBusReceivedMessage]:
        """At most so many messages from a sequence number on; none only when there are none."""
        return await self._persist(lambda receiver: receiver.peek_messages(count, sequence_number=first))

    async def receive(self, count: int, lull: float) -> list[ServiceBusReceivedMessage]:
        """At most so many messages, locked; none when none came for `lull` seconds."""
        return await self._persist(lambda receiver: receiver.receive_messages(count, max_wait_time=lull))

    async def _persist[T](self, call: Callable[[ServiceBusReceiver], Awaitable[T]]) -> T:
        stop_at = self._clock.monotonic() + self._patience.total
        return await persist(lambda: self._try(call), self._clock, self._patience, stop_at)

    async def once(self, call: Callable[[ServiceBusReceiver], Awaitable[None]]) -> None:
        """Settle something: what is locked belongs to the receiver that took it, so there is no second try."""
        if self._open is None:
            raise BusUnavailable("bus-lock-lost")
        await persist(lambda: self._try(call), self._clock, self._patience, self._clock.monotonic())

    async def _try[T](self, call: Callable[[ServiceBusReceiver], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._patience.each):
                return await call(await self._receiver())
        except Exception as error:  # noqa: BLE001 - a broken connection shows as anything, AttributeError included
            await self.close()
            raise in_our_words(error) from None

    async def _receiver(self) -> ServiceBusReceiver:
        if self._open is None:
            client = self._connect()
            self._open = client, client.get_queue_receiver(self._name, prefetch_count=0)
            await self._open[1].__aenter__()  # now: opening counts as waiting for a message
        return self._open[1]

    async def close(self) -> None:
        """Close the connection; what waits to be locked is locked no more."""
        if self._open is None:
            return
        (client, receiver), self._open = self._open, None
        with suppress(Exception):  # what is broken need not close well
            async with asyncio.timeout(self._patience.each):
                await receiver.close()
                await client.close()
