"""AMQP messages (part 3.2) as the broker keeps them: the sender's sections untouched, its own facts beside them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from .codec import Raw, decode, described, encode, long, raw_map, symbol, timestamp, uint

HEADER, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, VALUE = 0x70, 0x72, 0x73, 0x74, 0x75, 0x77
SEQUENCE, ENQUEUED, LOCKED_UNTIL = map(symbol, ("x-opt-sequence-number", "x-opt-enqueued-time", "x-opt-locked-until"))
SOURCE, ORIGIN = map(symbol, ("x-opt-deadletter-source", "x-opt-enqueue-sequence-number"))
SCHEDULED, TOKEN = map(symbol, ("x-opt-scheduled-enqueue-time", "x-opt-lock-token"))
OURS = {SEQUENCE, ENQUEUED, LOCKED_UNTIL, SOURCE, ORIGIN, TOKEN}


class RefusedError(Exception):
    """What the broker answers with an AMQP error: a sentence and a condition."""

    def __init__(self, sentence: str, condition: str = "amqp:not-implemented") -> None:
        super().__init__(sentence, condition)
        self.sentence, self.condition = sentence, condition

    def encoded(self) -> Raw:
        """The error on the wire. The third field stands there though it is null: azure-servicebus reads it."""
        return described(0x1D, [symbol(self.condition), self.sentence, None])


class Message(NamedTuple):
    """One message. Times are milliseconds since 1970; sections are as sent, `body` all that follow the other three."""

    annotations: bytes
    properties: bytes
    application: bytes
    body: bytes
    message_id: str | None
    ttl: int | None
    sequence: int = 0
    enqueued_at: int = 0
    expires_at: int | None = None
    delivery_count: int = 0
    token: bytes | None = None
    locked_until: int | None = None

    def encoded(self) -> bytes:
        """The message as a receiver gets it."""
        ours = {SEQUENCE: long(self.sequence), ENQUEUED: timestamp(self.enqueued_at)}
        if self.locked_until is not None:
            ours[LOCKED_UNTIL] = timestamp(self.locked_until)
        ttl = None if self.ttl is None else uint(self.ttl)
        head = described(HEADER, [None, None, ttl, None, uint(self.delivery_count)])
        head += described(ANNOTATIONS, raw_map(self.annotations) | ours)
        sent = (PROPERTIES, self.properties), (APPLICATION, self.application)
        return head + b"".join(described(code, Raw(content)) for code, content in sent if content) + self.body

    def dead(self, source: str | None, **notes: str | None) -> "Message":
        """Its dead letter. Time-to-live is not observed there (Learn, "Overview of Service Bus dead-letter queues")."""
        origin = {ORIGIN: long(self.sequence)} | ({SOURCE: encode(source)} if source else {})
        noted = {encode(name): encode(text) for name, text in notes.items() if text is not None}
        annotations, application = raw_map(self.annotations) | origin, raw_map(self.application) | noted
        return Message(encode(annotations), self.properties, encode(application), self.body, self.message_id, ttl=None)


def sections(payload: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Every section's code, its content, and its bytes as a whole."""
    at = 0
    while at < len(payload):
        if payload[at]:
            raise ValueError("a message has something that is no section")
        code, content = decode(payload, at + 1)
        end = decode(payload, content)[1]
        yield code, payload[content:end], payload[at:end]
        at = end


def parse(payload: bytes) -> Message:
    """A message as sent.

    Raises:
        RefusedError: it asks for what is not imitated. What `decode` raises: it is no message.
    """
    parts, body = dict.fromkeys((HEADER, ANNOTATIONS, PROPERTIES, APPLICATION), b""), b""
    for code, content, section in sections(payload):
        if code in parts:
            parts[code] = content
        elif code >= DATA:
            body += section
    annotations = raw_map(parts[ANNOTATIONS])
    if SCHEDULED in annotations:
        raise RefusedError("Scheduled messages are not imitated.")
    kept = encode({key: value for key, value in annotations.items() if key not in OURS})
    message_id, ttl = _field(parts[PROPERTIES], 0), _field(parts[HEADER], 2)
    known_as = None if message_id is None else str(message_id)
    return Message(kept, parts[PROPERTIES], parts[APPLICATION], body, known_as, ttl or None)


def _field(section: bytes, index: int) -> Any:
    return [*(decode(section)[0] if section else []), None, None, None][index]


def batched(payload: bytes) -> list[Message]:
    """The messages of a batch (message-format 0x80013700): each data section is one."""
    return [parse(decode(content)[0]) for code, content, _ in sections(payload) if code == DATA]
