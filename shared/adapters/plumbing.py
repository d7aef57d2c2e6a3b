"""Whether what the app stands on can be reached with its rights, for the self-check: queues, tables, its own door."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from azure.data.tables.aio import TableServiceClient
from azure.servicebus.aio import ServiceBusClient

from shared.adapters.service_bus import in_our_words
from shared.adapters.storage import Patience, Table
from shared.checkup_ports import NotThere
from shared.errors import BusUnavailable

EACH_SECONDS: Final = 10.0
TABLES: Final = ("cases", "agenda", "people", "control")
NOBODY: Final = "-"
"""The key of no row."""


class AppPlumbing:
    """Implements checkup_ports.Plumbing. `connect` builds a client; `door_url` is the receipts' door from outside."""

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        events_queue: str,
        dead_letter_queue: str,
        tables: TableServiceClient,
        door_url: str | None,
    ) -> None:
        self._connect, self._events, self._dead_letters = connect, events_queue, dead_letter_queue
        self._tables, self._door_url = tables, door_url

    async def queues(self) -> None:
        """See checkup_ports.Plumbing. How the queues are set up only shows to who may manage them, which no app may."""
        async with self._connect() as client:
            await _tried(self._events, lambda: _receive(client, self._events))
            await _tried(self._events, lambda: _send(client, self._events))
            await _tried(self._dead_letters, lambda: _send(client, self._dead_letters))

    async def tables(self) -> None:
        """See checkup_ports.Plumbing."""
        for name in TABLES:
            where, keys = "PartitionKey eq @nobody", {"nobody": NOBODY}
            await Table(self._tables, name, Patience()).find(where, keys, lambda row: row, at_most=1)

    async def door(self) -> int | None:
        """See checkup_ports.Plumbing."""
        if self._door_url is None:
            return None
        limits = aiohttp.ClientTimeout(EACH_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=limits) as session,
                session.head(self._door_url, allow_redirects=False) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, OSError) as error:
            raise NotThere(type(error).__name__) from None


async def _tried(queue: str, attempt: Callable[[], Awaitable[object]]) -> None:
    """One thing done with a queue.

    Raises:
        NotThere: it is not there, or disabled.
        BusUnavailable: `bus-denied`, `bus-unavailable`.
    """
    try:
        async with asyncio.timeout(EACH_SECONDS):
            await attempt()
    except Exception as error:  # noqa: BLE001 - a broken connection shows as anything
        said = in_our_words(error)
    else:
        return
    if str(said) == "bus-rejected":
        raise NotThere(queue)
    raise said if isinstance(said, BusUnavailable) else BusUnavailable("bus-unavailable")


async def _receive(client: ServiceBusClient, queue: str) -> None:
    async with client.get_queue_receiver(queue) as receiver:
        await receiver.peek_messages(1, timeout=EACH_SECONDS)


async def _send(client: ServiceBusClient, queue: str) -> None:
    """A link to send over is refused without the right to; nothing is sent."""
    async with client.get_queue_sender(queue) as sender:
        await sender.create_message_batch()
