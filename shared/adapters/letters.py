"""The queue of dead letters on Azure Service Bus: looked at, taken one by one, and sent again."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.amqp import AmqpMessageBodyType

from shared.adapters.queue_reader import QueueReader
from shared.adapters.service_bus import Patience, Queue
from shared.errors import BusUnavailable
from shared.oversight import Letter, Taken
from shared.ports import Clock

PAGE: Final = 100
"""Letters looked at in one call: with bodies of 256 KB a page is 25 MB."""
STRIDE: Final = 25
"""Letters taken in one call where none of them can be a wanted one."""
_UNDATED: Final = datetime.min.replace(tzinfo=UTC)
_ORIGINAL, _REPLAYS, _REASON = "OriginalMessageId", "ReplayCount", "ReplayedReason"


class ServiceBusLetters:
    """Implements oversight.Letters. `connect` builds a client: one per use, closed after it, for operators are few.

    `lull` is how many seconds without a message mean that the rest is locked, or the queue at its end.
    """

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        dead_letter_queue: str,
        clock: Clock,
        *,
        events_queue: str,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        lull: float = 2.0,
    ) -> None:
        self._connect, self._name, self._clock = connect, dead_letter_queue, clock
        self._patience, self._lull = patience, lull
        self._events = Queue(connect, events_queue, clock, patience)

    async def walk(self, after: int) -> AsyncGenerator[Letter]:
        """See oversight.Letters."""
        async with self._reader() as reader:
            while page := await reader.peek(after + 1, PAGE):
                for message in page:
                    yield _letter(message)
                after = _sequence(page[-1])

    async def find(self, sequences: Collection[int]) -> AsyncGenerator[Letter]:
        """See oversight.Letters."""
        left = sorted(set(sequences))
        async with self._reader() as reader:
            while left and (page := await reader.peek(left[0], min(_in_a_row(left), PAGE))):
                for message in page:
                    if _sequence(message) in left:
                        yield _letter(message)
                left = [number for number in left if number > _sequence(page[-1])]

    async def take(self, sequences: Collection[int], stop_at: float) -> AsyncGenerator[Taken]:
        """See oversight.Letters."""
        held = dict[int, ServiceBusReceivedMessage]()
        async with self._reader() as reader, aclosing(self._met(reader, sequences, stop_at, held)) as met:
            try:
                async for message in met:
                    yield Taken(_letter(message), partial(_complete, reader, held, _sequence(message)))
            finally:
                with suppress(BusUnavailable):  # the locks end by themselves
                    for message in held.values():
                        await reader.once(_give_back(message))
                await self._events.close()

    async def _met(
        self,
        reader: QueueReader,
        sequences: Collection[int],
        stop_at: float,
        held: dict[int, ServiceBusReceivedMessage],
    ) -> AsyncGenerator[ServiceBusReceivedMessage]:
        """The wanted ones as the walk meets them; `held` gets them, and what lies behind the last."""
        left, last, at = sorted(set(sequences)), max(sequences, default=0), 0
        while left and self._clock.monotonic() < stop_at:
            page = await reader.receive(max(min(left[0] - at - 1, STRIDE), 1), self._lull)
            if not page:
                return
            at = max(at, _sequence(page[-1]))
            wanted = [message for message in page if _sequence(message) in left]
            held |= {_sequence(m): m for m in page if m in wanted or _sequence(m) > last}
            for message in wanted:
                if self._clock.monotonic() < stop_at:
                    yield message
            left = [number for number in left if number > at]

    async def send_again(self, letter: Letter, replays: int) -> None:
        """See oversight.Letters. Never the received message itself: it would carry why and when it died."""
        message = ServiceBusMessage(
            letter.body,
            message_id=letter.replay_id(replays),
            content_type=letter.content_type,
            application_properties={_ORIGINAL: letter.original_id, _REPLAYS: replays, _REASON: letter.reason},
        )
        await self._events.put([message])

    @asynccontextmanager
    async def _reader(self) -> AsyncGenerator[QueueReader]:
        reader = QueueReader(self._connect, self._name, self._clock, self._patience)
        try:
            yield reader
        finally:
            await reader.close()


async def _complete(reader: QueueReader, held: dict[int, ServiceBusReceivedMessage], number: int) -> None:
    message = held.pop(number)
    await reader.once(lambda receiver: receiver.complete_message(message))


def _give_back(message: ServiceBusReceivedMessage) -> Callable[[ServiceBusReceiver], Awaitable[None]]:
    return lambda receiver: receiver.abandon_message(message)


def _in_a_row(numbers: list[int]) -> int:
    """How many of these sorted numbers follow each other from the first on."""
    return next((i for i, number in enumerate(numbers) if number != numbers[0] + i), len(numbers))


# --- from the SDK's words to ours ---


def _sequence(message: ServiceBusReceivedMessage) -> int:
    return message.sequence_number or 0


def _letter(message: ServiceBusReceivedMessage) -> Letter:
    told = {_text(name): value for name, value in (message.application_properties or {}).items()}
    number, replays = _sequence(message), told.get(_REPLAYS)
    message_id = _text(message.message_id) or f"letter-{number}"  # without an id of its own it needs one all the same
    return Letter(
        sequence=number,
        message_id=message_id,
        written_at=message.enqueued_time_utc or _UNDATED,
        reason=_text(told.get("DeadLetterReason")) or "unknown",
        description=_text(told.get("DeadLetterErrorDescription")),
        body=_body(message),
        content_type=_text(message.content_type) or None,
        replays=replays if isinstance(replays, int) and replays > 0 else 0,
        original_id=_text(told.get(_ORIGINAL)) or message_id,
    )


def _body(message: ServiceBusReceivedMessage) -> bytes:
    """Its bytes. A message may also carry a single value: text is its UTF-8, and anything else is no event of ours."""
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(message.body)
    return _text(message.body).encode() if message.body_type is AmqpMessageBodyType.VALUE else b""


def _text(value: object) -> str:
    """Keys and texts of what was received are bytes, or text, or missing."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
