"""The queue of dead letters on Azure Service Bus: looked at, taken one by one, and sent again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final

from azure.servicebus.aio import ServiceBusClient

from shared.adapters.letter_messages import letter_of, replayed
from shared.adapters.letter_round import Round, number_of
from shared.adapters.queue_reader import QueueReader
from shared.adapters.service_bus import Patience, Queue
from shared.oversight import Letter, Replay, Taken
from shared.ports import Clock

PAGE: Final = 100
"""Letters looked at in one call: with bodies of 256 KB a page is 25 MB."""
IDLE: Final = 20.0
"""Seconds after the last request of a run until what it holds is given back, unless it says before that it ends."""


class ServiceBusLetters:
    """Implements oversight.Letters. `connect` builds a client: for each look, and for each run, which keeps it.

    Opening takes seconds, and each request of a run would walk past all that the one before went past. `lull`: see
    Round; after `idle` seconds without a request a run rests.
    """

    def __init__(  # noqa: PLR0913 - where, how long, how patient
        self,
        connect: Callable[[], ServiceBusClient],
        dead_letter_queue: str,
        clock: Clock,
        *,
        events_queue: str,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        lull: float = 2.0,
        idle: float = IDLE,
    ) -> None:
        self._connect, self._name, self._clock = connect, dead_letter_queue, clock
        self._patience, self._lull, self._idle = patience, lull, idle
        self._at_work = asyncio.Lock()
        self._round: Round | None = None
        self._resting: asyncio.Task[None] | None = None
        self._events = Queue(connect, events_queue, clock, patience)

    async def walk(self, after: int) -> AsyncGenerator[Letter]:
        """See oversight.Letters."""
        async with self._reader() as reader:
            while page := await reader.peek(after + 1, PAGE):
                for message in page:
                    yield letter_of(message)
                after = number_of(page[-1])

    async def find(self, sequences: Collection[int]) -> AsyncGenerator[Letter]:
        """See oversight.Letters."""
        left = sorted(set(sequences))
        async with self._reader() as reader:
            while left and (page := await reader.peek(left[0], min(_in_a_row(left), PAGE))):
                for message in page:
                    if number_of(message) in left:
                        yield letter_of(message)
                left = [number for number in left if number > number_of(page[-1])]

    async def take(self, sequences: Collection[int], stop_at: float) -> AsyncGenerator[Taken]:
        """See oversight.Letters. One walk at a time; the next request of a run goes on where this one ended."""
        async with self._at_work:
            self._cancel_rest()
            try:
                round_ = await self._round_for(sequences)
                async with aclosing(round_.meet(sequences, stop_at, self._clock)) as met:
                    async for message in met:
                        yield Taken(letter_of(message), partial(round_.complete, message))
            finally:
                self._resting = asyncio.create_task(self._rest_later())

    async def rest(self) -> None:
        """See oversight.Letters."""
        async with self._at_work:
            self._cancel_rest()
            await self._end_round()

    async def _round_for(self, sequences: Collection[int]) -> Round:
        """The round under way, when it still goes past all of these; else a new one from the queue's beginning."""
        if self._round is not None and min(sequences, default=0) <= self._round.at:
            await self._round.end()
            self._round = None
        if self._round is None:
            self._round = Round(QueueReader(self._connect, self._name, self._clock, self._patience), self._lull)
        return self._round

    async def _rest_later(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._at_work:
            await self._end_round()

    async def _end_round(self) -> None:
        if self._round is not None:
            await self._round.end()
        self._round = None
        await self._events.close()

    def _cancel_rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()

    async def send_again(self, letter: Letter, replay: Replay) -> None:
        """See oversight.Letters."""
        await self._events.put([replayed(letter, replay)])

    @asynccontextmanager
    async def _reader(self) -> AsyncGenerator[QueueReader]:
        reader = QueueReader(self._connect, self._name, self._clock, self._patience)
        try:
            yield reader
        finally:
            await reader.close()


def _in_a_row(numbers: list[int]) -> int:
    """How many of these sorted numbers follow each other from the first on."""
    return next((i for i, number in enumerate(numbers) if number != numbers[0] + i), len(numbers))
