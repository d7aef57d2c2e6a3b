"""A way through the queue of dead letters by lock: each wanted one met alone, the others held until the end."""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from typing import Final

from azure.servicebus import ServiceBusReceivedMessage

from shared.adapters.queue_reader import Lock, QueueReader
from shared.ports import Clock

STRIDE: Final = 25
"""Letters taken in one call where none of them can be a wanted one."""


@dataclass(slots=True)
class Round:
    """It stands behind the letter `at`, and holds those it met and did not complete.

    They cannot be given back before the end: they would come again at once. `lull` is how many seconds without a
    message mean that the rest is locked, or the queue at its end.
    """

    reader: QueueReader
    lull: float
    at: int = 0
    held: dict[int, Lock] = field(default_factory=dict[int, Lock])

    async def meet(
        self, sequences: Collection[int], stop_at: float, clock: Clock
    ) -> AsyncGenerator[ServiceBusReceivedMessage]:
        """The wanted ones as they come, each locked a moment ago, until `stop_at`."""
        left = sorted(set(sequences))
        while left and clock.monotonic() < stop_at:
            page = await self.reader.receive(max(min(left[0] - self.at - 1, STRIDE), 1), self.lull)
            if not page:
                return
            if len(page) == 1 and number_of(page[0]) in left:
                if clock.monotonic() >= stop_at:
                    await self._give_back(page)
                    return
                self._hold(page[0])
                yield page[0]
            else:
                await self._pass(page, left)
            left = [number for number in left if number > self.at]

    async def _pass(self, page: list[ServiceBusReceivedMessage], left: list[int]) -> None:
        """Hold what nobody wants. What may be wanted and did not come alone is given back: it comes again, alone.

        One that came alone shows that those before it are not free: gone, or somebody else's.
        """
        bound = left[0] if len(page) > 1 else left[-1]
        for message in page:
            if number_of(message) < bound:
                self._hold(message)
        ahead = [message for message in page if number_of(message) >= bound]
        if ahead:
            await self._give_back(ahead)
            self.at = max(self.at, left[0] - 1 if len(page) > 1 else left[-1])

    def _hold(self, message: ServiceBusReceivedMessage) -> None:
        number = number_of(message)
        self.at = max(self.at, number)
        if lock := self.reader.lock_of(message):
            self.held[number] = lock

    async def _give_back(self, messages: list[ServiceBusReceivedMessage]) -> None:
        locks = map(self.reader.lock_of, messages)
        await self.reader.give_back(lock for lock in locks if lock)

    async def complete(self, message: ServiceBusReceivedMessage) -> None:
        """Remove a letter that was met, for good.

        Raises:
            BusUnavailable: that is not known.
        """
        self.held.pop(number_of(message), None)
        await self.reader.once(lambda receiver: receiver.complete_message(message))

    async def end(self) -> None:
        """Give everything back, and close the connection."""
        await self.reader.give_back(self.held.values())
        self.held.clear()
        await self.reader.close()


def number_of(message: ServiceBusReceivedMessage) -> int:
    """Its sequence number."""
    return message.sequence_number or 0
