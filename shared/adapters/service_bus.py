"""The queues the app writes to on Azure Service Bus: dead letters, and nudges among the events."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus import ServiceBusMessage, ServiceBusMessageBatch
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from shared.errors import BusUnavailable, Reason
from shared.ports import Clock, WakeRow

DESCRIPTION_LENGTH: Final = 1_000
"""Characters; Service Bus allows a few thousand, and all headers of a message together 64 KB."""
ENVELOPE: Final = 1_024
"""Bytes of a batch that the SDK does not count when it says whether a message still fits: it fills one too full."""


class Again(Exception):  # noqa: N818 - reads as the errors of shared/errors.py do
    """A call failed in a way that may pass."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for one try, after which no new try begins (waiting for one's turn counts), and of the longest pause."""

    each: float = 10.0
    total: float = 20.0
    pause: float = 2.0
    tries: int = 4


class ServiceBusBus:
    """Implements ports.Bus. `connect` builds a client, and builds another when one has failed."""

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        dead_letter_queue: str,
        clock: Clock,
        *,
        events_queue: str,
        patience: Patience = Patience(),
    ) -> None:
        self._dead_letters = Queue(connect, dead_letter_queue, clock, patience)
        self._events = Queue(connect, events_queue, clock, patience)

    async def close(self) -> None:
        """Close the connections."""
        await self._dead_letters.close()
        await self._events.close()

    async def nudge(self, rows: Sequence[WakeRow]) -> None:
        """See ports.Bus.

        Raises:
            BusUnavailable: after several tries, all under the rows' ids.
        """
        await self._events.put([_nudge(row) for row in rows])

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """See ports.Bus.

        Raises:
            BusUnavailable: after several tries, all under the ids given.
        """
        await self._events.put([_event(*message) for message in messages])

    async def dead_letter(self, body: bytes, reason: Reason, description: str) -> None:
        """See ports.Bus. `description` is cut to DESCRIPTION_LENGTH.

        Raises:
            BusUnavailable: after several tries, all under one message id.
        """
        await self._dead_letters.put([_letter(body, reason, description)])


async def persist[T](call: Callable[[], Awaitable[T]], clock: Clock, patience: Patience, stop_at: float) -> T:
    """What `call` gives, tried again when it raises Again, until `stop_at`.

    Raises:
        BusUnavailable: `bus-unavailable`, it never came about.
    """

    async def once() -> T:  # what tenacity awaits must be a coroutine function
        return await call()

    def is_over(state: RetryCallState) -> bool:
        return state.attempt_number >= patience.tries or clock.monotonic() >= stop_at

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Again),
        stop=is_over,
        wait=wait_random_exponential(multiplier=patience.pause / 8, max=patience.pause),
        reraise=True,
    )
    try:
        return await retrying(once)
    except Again:
        raise BusUnavailable("bus-unavailable") from None


class Queue:
    """One queue to send to, on a connection of its own: what breaks one queue's does not meet the other's in mid-send.

    One sender stays open, and one send at a time goes through it: the SDK's senders duplicate messages, or fail, when
    several coroutines share them.
    """

    def __init__(self, connect: Callable[[], ServiceBusClient], name: str, clock: Clock, patience: Patience) -> None:
        self._connect, self._name, self._clock, self._patience = connect, name, clock, patience
        self._turn = asyncio.Lock()
        self._open: tuple[ServiceBusClient, ServiceBusSender] | None = None

    async def close(self) -> None:
        """Close the connection; the next message opens another."""
        async with self._turn:
            await self._drop()

    async def put(self, messages: Sequence[ServiceBusMessage]) -> None:
        """Send them all, as many at once as fit; what has been taken is not sent again when a later send fails."""
        left, stop_at = list(messages), self._clock.monotonic() + self._patience.total
        while left:
            del left[: await self._put_some(left, stop_at)]

    async def _put_some(self, messages: Sequence[ServiceBusMessage], stop_at: float) -> int:
        return await persist(lambda: self._send(messages, stop_at), self._clock, self._patience, stop_at)

    async def _send(self, messages: Sequence[ServiceBusMessage], stop_at: float) -> int:
        async with self._turn:
            if self._clock.monotonic() > stop_at:  # others spent our time trying
                raise BusUnavailable("bus-unavailable")
            try:
                return await self._try(messages)
            except BaseException:  # cancelled in mid-send, too: nobody knows what the SDK's sender still holds then
                await self._drop()
                raise

    async def _try(self, messages: Sequence[ServiceBusMessage]) -> int:
        try:
            async with asyncio.timeout(self._patience.each):
                sender = self._sender()
                parcel, count = await _packed(sender, messages)
                await sender.send_messages(parcel, timeout=self._patience.each)
        except Exception as error:  # noqa: BLE001 - a broken connection shows as anything, AttributeError included
            raise in_our_words(error) from None
        return count

    def _sender(self) -> ServiceBusSender:
        if self._open is None:
            client = self._connect()
            self._open = client, client.get_queue_sender(self._name)
        return self._open[1]

    async def _drop(self) -> None:
        if self._open is None:
            return
        (client, _), self._open = self._open, None
        with suppress(Exception):  # what is broken need not close well
            async with asyncio.timeout(self._patience.each):
                await client.close()


async def _packed(
    sender: ServiceBusSender, messages: Sequence[ServiceBusMessage]
) -> tuple[ServiceBusMessage | ServiceBusMessageBatch, int]:
    """What to send next, and how many of the messages it is. One goes by itself: a batch may hold fewer bytes."""
    if len(messages) == 1:
        return messages[0], 1
    full = (await sender.create_message_batch()).max_size_in_bytes
    batch = await sender.create_message_batch(full - ENVELOPE)
    for message in messages:
        try:
            batch.add_message(message)
        except MessageSizeExceededError:
            break
    return (batch, len(batch)) if len(batch) else (messages[0], 1)


_CODES: Final[Mapping[type[Exception], str]] = {
    ClientAuthenticationError: "bus-denied",
    ServiceBusAuthenticationError: "bus-denied",
    ServiceBusAuthorizationError: "bus-denied",
    MessagingEntityNotFoundError: "bus-rejected",
    MessagingEntityDisabledError: "bus-rejected",
    MessageSizeExceededError: "bus-rejected",
    MessageLockLostError: "bus-lock-lost",
}
"""What trying again does not heal."""


def in_our_words(error: Exception) -> Exception:
    """An SDK's error as ours: a code where trying again does not help, else Again."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return BusUnavailable(code)
    return Again()


def _nudge(row: WakeRow) -> ServiceBusMessage:
    """One id per version of a row: sent twice it is one message to duplicate detection, written again it is another."""
    body = json.dumps({"type": "case.nudge.v1", "data": {"caseId": row.case_id}})
    return ServiceBusMessage(body, message_id=row.id, content_type="application/json")


def _event(message_id: str, body: bytes) -> ServiceBusMessage:
    return ServiceBusMessage(body, message_id=message_id, content_type="application/json")


def _letter(body: bytes, reason: Reason, description: str) -> ServiceBusMessage:
    told = description[:DESCRIPTION_LENGTH].encode("utf-8", "replace").decode()
    return ServiceBusMessage(
        body,
        message_id=str(uuid4()),
        content_type="application/json" if _is_json(body) else "application/octet-stream",
        application_properties={"DeadLetterReason": str(reason), "DeadLetterErrorDescription": told},
    )


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
