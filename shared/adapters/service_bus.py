"""The queue of dead letters on Azure Service Bus."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageSizeExceededError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from shared.errors import BusUnavailable, Reason
from shared.ports import Clock

DESCRIPTION_LENGTH: Final = 1_000
"""Characters; Service Bus allows a few thousand, and all headers of a message together 64 KB."""


class _Again(Exception):  # noqa: N818 - reads as the errors of shared/errors.py do
    """Sending failed in a way that may pass."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for one try, after which no new try begins (waiting for one's turn counts), and of the longest pause."""

    each: float = 10.0
    total: float = 20.0
    pause: float = 2.0
    tries: int = 4


class ServiceBusBus:
    """Implements ports.Bus. `connect` builds a client, and builds another when one has failed.

    One sender stays open, and one message at a time goes through it: the SDK's senders duplicate messages, or fail,
    when several coroutines share them.
    """

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        dead_letter_queue: str,
        clock: Clock,
        *,
        patience: Patience = Patience(),
    ) -> None:
        self._connect, self._queue, self._clock, self._patience = connect, dead_letter_queue, clock, patience
        self._turn = asyncio.Lock()
        self._open: tuple[ServiceBusClient, ServiceBusSender] | None = None

    async def close(self) -> None:
        """Close the connection."""
        async with self._turn:
            await self._drop()

    async def dead_letter(self, body: bytes, reason: Reason, description: str) -> None:
        """See ports.Bus. `description` is cut to DESCRIPTION_LENGTH.

        Raises:
            BusUnavailable: after several tries, all under one message id.
        """
        letter = _letter(body, reason, description)
        stop_at = self._clock.monotonic() + self._patience.total

        def is_over(state: RetryCallState) -> bool:
            return state.attempt_number >= self._patience.tries or self._clock.monotonic() >= stop_at

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Again),
            stop=is_over,
            wait=wait_random_exponential(multiplier=self._patience.pause / 8, max=self._patience.pause),
            reraise=True,
        )
        try:
            await retrying(self._send, letter, stop_at)
        except _Again:
            raise BusUnavailable("bus-unavailable") from None

    async def _send(self, letter: ServiceBusMessage, stop_at: float) -> None:
        async with self._turn:
            if self._clock.monotonic() > stop_at:  # others spent our time trying
                raise BusUnavailable("bus-unavailable")
            try:
                await self._try(letter)
            except BaseException:  # cancelled in mid-send, too: nobody knows what the SDK's sender still holds then
                await self._drop()
                raise

    async def _try(self, letter: ServiceBusMessage) -> None:
        try:
            async with asyncio.timeout(self._patience.each):
                await self._sender().send_messages(letter, timeout=self._patience.each)
        except Exception as error:  # noqa: BLE001 - a broken connection shows as anything, AttributeError included
            raise _in_our_words(error) from None

    def _sender(self) -> ServiceBusSender:
        if self._open is None:
            client = self._connect()
            self._open = client, client.get_queue_sender(self._queue)
        return self._open[1]

    async def _drop(self) -> None:
        if self._open is None:
            return
        (client, _), self._open = self._open, None
        with suppress(Exception):  # what is broken need not close well
            async with asyncio.timeout(self._patience.each):
                await client.close()


_CODES: Final[Mapping[type[Exception], str]] = {
    ClientAuthenticationError: "bus-denied",
    ServiceBusAuthenticationError: "bus-denied",
    ServiceBusAuthorizationError: "bus-denied",
    MessagingEntityNotFoundError: "bus-rejected",
    MessagingEntityDisabledError: "bus-rejected",
    MessageSizeExceededError: "bus-rejected",
}
"""What trying again does not heal."""


def _in_our_words(error: Exception) -> Exception:
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return BusUnavailable(code)
    return _Again()


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
