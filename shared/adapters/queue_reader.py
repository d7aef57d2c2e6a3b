"""One queue of Azure Service Bus to read from: looked at, or received from."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver

from shared.adapters.service_bus import Patience, in_our_words, persist
from shared.errors import BusUnavailable
from shared.ports import Clock


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock of a message, without the message: enough to give it back to the receiver it came from."""

    receiver: ServiceBusReceiver
    delivery: int
    tag: bytes


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

    def lock_of(self, message: ServiceBusReceivedMessage) -> Lock | None:
        """The lock of a message received a moment ago."""
        delivery, tag = message._delivery_id, message._delivery_tag  # noqa: SLF001 - see give_back
        return Lock(self._open[1], delivery, tag) if self._open and delivery is not None and tag is not None else None

    async def give_back(self, locks: Iterable[Lock]) -> None:
        """Let others have these at once. Where that cannot be told to the queue the locks end by themselves.

        The SDK offers only to abandon, which counts a delivery, and that wants the whole message kept: 10,000 of them
        are too many, and what was delivered too often would be laid aside once more.
        """
        with suppress(BusUnavailable):
            for lock in locks:
                if self._open is not None and lock.receiver is self._open[1]:
                    await self.once(partial(_release, lock))

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


async def _release(lock: Lock, receiver: ServiceBusReceiver) -> None:
    # The SDK gives back in just this way what it took and nobody asked for.
    await receiver._handler.settle_messages_async(lock.delivery, lock.tag, "released")  # noqa: SLF001 - see give_back
