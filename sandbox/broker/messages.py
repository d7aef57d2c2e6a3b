"""AMQP messages (part 3.2) as the broker keeps them: the sender's bytes untouched, its own facts beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sandbox.broker.codec import Raw, decode, described, encode, encode_raw_map, long, raw_map, symbol, timestamp, uint

HEADER, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, VALUE = 0x70, 0x72, 0x73, 0x74, 0x75, 0x77
SEQUENCE, ENQUEUED, LOCKED_UNTIL = map(symbol, ("x-opt-sequence-number", "x-opt-enqueued-time", "x-opt-locked-until"))
SOURCE, ORIGIN = map(symbol, ("x-opt-deadletter-source", "x-opt-enqueue-sequence-number"))
SCHEDULED, TOKEN = map(symbol, ("x-opt-scheduled-enqueue-time", "x-opt-lock-token"))
OURS = {SEQUENCE, ENQUEUED, LOCKED_UNTIL, SOURCE, ORIGIN, TOKEN}


class RefusedError(Exception):
    """What the broker answers with an AMQP error: a condition and a sentence."""

    def __init__(self, condition: str, sentence: str) -> None:
        super().__init__(condition, sentence)
        self.condition, self.sentence = condition, sentence

    def encoded(self) -> Raw:
        """The error on the wire. The third field stands there though it is null: azure-servicebus reads it."""
        return described(0x1D, [symbol(self.condition), self.sentence, None])


@dataclass(slots=True, kw_only=True)
class Message:
    """One message. Times are milliseconds since 1970; `bare` holds all sections after the annotations, as sent."""

    bare: bytes
    annotations: bytes
    message_id: str | None
    ttl: int | None
    sequence: int = 0
    enqueued_at: int = 0
    delivery_count: int = 0
    expires_at: int | None = None
    token: UUID | None = None
    locked_until: int = 0
    deadline: float = 0.0

    def encoded(self) -> bytes:
        """The message as a receiver gets it."""
        ttl = None if self.ttl is None else uint(self.ttl)
        header = described(HEADER, [None, None, ttl, None, uint(self.delivery_count)])
        ours: dict[bytes, bytes] = {SEQUENCE: long(self.sequence), ENQUEUED: timestamp(self.enqueued_at)}
        if self.token:
            ours[LOCKED_UNTIL] = timestamp(self.locked_until)
        return header + described(ANNOTATIONS, encode_raw_map(raw_map(self.annotations, 0) | ours)) + self.bare


def sections(payload: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Every section's code, where it and its content begin, and where it ends."""
    at = 0
    while at < len(payload):
        if payload[at]:
            raise ValueError("a message has something that is no section")
        code, content = decode(payload, at + 1)
        end = decode(payload, content)[1]
        yield code, at, content, end
        at = end


def parse(payload: bytes) -> Message:
    """A message as sent.

    Raises:
        RefusedError: it asks for what is not imitated. What `decode` raises: it is no message.
    """
    found = {code: (start, content) for code, start, content, _ in sections(payload)}
    annotations = raw_map(payload, found[ANNOTATIONS][1]) if ANNOTATIONS in found else {}
    if SCHEDULED in annotations:
        raise RefusedError("amqp:not-implemented", "Scheduled messages are not imitated.")
    message_id = _field(payload, found, PROPERTIES, 0)
    return Message(
        bare=payload[min(start for code, (start, _) in found.items() if code >= PROPERTIES) :],
        annotations=encode_raw_map({key: value for key, value in annotations.items() if key not in OURS}),
        message_id=None if message_id is None else str(message_id),
        ttl=_field(payload, found, HEADER, 2) or None,
    )


def _field(payload: bytes, found: dict[int, tuple[int, int]], code: int, index: int) -> Any:
    fields = decode(payload, found[code][1])[0] if code in found else []
    return fields[index] if index < len(fields) else None


def batched(payload: bytes) -> list[Message]:
    """The messages of a batch (message-format 0x80013700): each data section is one."""
    return [parse(decode(payload, content)[0]) for code, _, content, _ in sections(payload) if code == DATA]


def dead(message: Message, source: str | None, reason: str | None, description: str | None) -> Message:
    """Its dead letter. Time-to-live is not observed there (Learn, "Overview of Service Bus dead-letter queues")."""
    origin: dict[bytes, bytes] = {ORIGIN: long(message.sequence)}
    if source:
        origin[SOURCE] = encode(source)
    return Message(
        bare=_noted(message.bare, {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}),
        annotations=encode_raw_map(origin | raw_map(message.annotations, 0)),
        message_id=message.message_id,
        ttl=None,
    )


def _noted(bare: bytes, notes: dict[str, str | None]) -> bytes:
    properties, pairs, body = b"", dict[bytes, bytes](), b""
    for code, start, content, end in sections(bare):
        if code == PROPERTIES:
            properties = bare[start:end]
        elif code == APPLICATION:
            pairs = raw_map(bare, content)
        else:
            body += bare[start:end]
    pairs |= {encode(name): encode(text) for name, text in notes.items() if text is not None}
    return properties + described(APPLICATION, encode_raw_map(pairs)) + body
