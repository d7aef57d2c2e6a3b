"""AMQP sessions and links (parts 2.5 to 2.7): credit, transfers and settlement, as azure-servicebus 7.15 uses them."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sandbox.broker.codec import Described, Raw, described, ubyte, uint, ulong, ushort
from sandbox.broker.management import answer, operation_of
from sandbox.broker.messages import RefusedError, batched, parse
from sandbox.broker.queues import Queue

if TYPE_CHECKING:
    from sandbox.broker.wire import Connection

MAX_MESSAGE = 262_144  # the Standard tier's (Learn, "Service Bus quotas")
BATCH = 0x80013700  # a message-format of Service Bus: every data section is a message
WINDOW, CREDIT = 2**31 - 1, 1000
BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END = range(0x11, 0x18)
SOURCE, TARGET, COORDINATOR = 0x28, 0x29, 0x30
ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27
OUTCOMES = {ACCEPTED: "complete", REJECTED: "dead-letter", RELEASED: "release", MODIFIED: "abandon"}


class Session:
    """One session of a connection, with its links by handle; None stands for a link refused or closed."""

    def __init__(self, connection: "Connection", channel: int, begin: list[Any]) -> None:
        self.connection, self.broker, self._channel = connection, connection.broker, channel
        self.next_incoming, self.window = begin[1], begin[2]
        self.next_outgoing = self._next_delivery = 0
        self.links: dict[int, Link | None] = {}
        self._unsettled: dict[int, tuple[Link, UUID]] = {}
        self.send(BEGIN, [ushort(channel), uint(0), uint(WINDOW), uint(WINDOW), uint(0xFFFF)])
        self._handlers = {
            ATTACH: self._on_attach,
            FLOW: self._on_flow,
            TRANSFER: self._on_transfer,
            DISPOSITION: self._on_disposition,
            DETACH: self._on_detach,
            END: self._on_end,
        }

    def send(self, code: int, fields: list[Any], payload: bytes = b"") -> None:
        """Send one performative."""
        self.connection.send(self._channel, described(code, fields) + payload)

    def handle(self, code: int, fields: list[Any], payload: bytes) -> None:
        """Do what a performative of the client asks."""
        self._handlers[code](fields, payload)

    def _on_attach(self, fields: list[Any], _: bytes) -> None:
        handle, sends = fields[1], fields[2]  # the client's role "receiver" (true) means that we send
        if self.links.get(handle):
            raise ValueError("a handle in use")
        modes = [None if mode is None else ubyte(mode) for mode in fields[3:5]]
        head = [fields[0], uint(handle), not sends, *modes]
        tail = [None, None, uint(0) if sends else None, ulong(MAX_MESSAGE)]
        try:
            path, queue = self.broker.node(_wanted(fields), sends=sends)
        except RefusedError as refusal:  # a link without source and target, and a detach that says why
            self.links[handle] = None
            self.send(ATTACH, [*head, None, None, *tail])
            self.send(DETACH, [uint(handle), True, refusal.encoded()])
            return
        ends = [described(code, [end.value[0]]) for code, end in zip((SOURCE, TARGET), fields[5:7], strict=True)]
        self.send(ATTACH, [*head, *ends, *tail])
        self.links[handle] = link = Link(self, handle, path, queue, sends=sends)
        if not sends:
            link.grant()
        elif not link.is_desk:
            self.broker.consumers.append(link)

    def _on_flow(self, fields: list[Any], _: bytes) -> None:
        self.window = (fields[0] or 0) + fields[1] - self.next_outgoing
        link = None if fields[4] is None else self.links[fields[4]]
        if link and link.sends:
            link.on_flow(fields)

    def _on_transfer(self, fields: list[Any], payload: bytes) -> None:
        self.next_incoming += 1
        if link := self.links[fields[0]]:
            link.on_transfer(fields, payload)

    def _on_disposition(self, fields: list[Any], _: bytes) -> None:
        is_receiver, first, last, is_settled, state = fields[:5]
        last = first if last is None else last
        span = [first] if first == last else [number for number in self._unsettled if first <= number <= last]
        for number in span if is_receiver else []:
            if number in self._unsettled:
                link, token = self._unsettled.pop(number)
                link.settle(token, state, None if is_settled else number)

    def _on_detach(self, fields: list[Any], _: bytes) -> None:
        link, self.links[fields[0]] = self.links[fields[0]], None
        if link:
            self._drop(link)
            self._unsettled = {number: held for number, held in self._unsettled.items() if held[0] is not link}
            self.send(DETACH, [uint(link.handle), True])

    def _on_end(self, _: list[Any], __: bytes) -> None:
        self.close()
        self.send(END, [])

    def _drop(self, link: "Link") -> None:
        if link in self.broker.consumers:
            self.broker.consumers.remove(link)

    def close(self) -> None:
        """Deliver nothing more. What is locked stays locked until its lock ends or a management link settles it."""
        for link in filter(None, self.links.values()):
            self._drop(link)

    def tell(self, number: int | None, outcome: Raw, *, as_receiver: bool) -> None:
        """Settle delivery `number` with this outcome; None: the client has settled it already."""
        if number is not None:
            self.send(DISPOSITION, [as_receiver, uint(number), uint(number), True, outcome])

    def transfer(self, link: "Link", token: UUID | None, message: bytes) -> None:
        """Send a message in as many frames as it needs; with a lock token, as a delivery to be settled."""
        if self.links.get(link.handle) is not link:  # closed while a fault held the delivery back
            return
        number, room = self._next_delivery, self.connection.peer_frame - 128
        self._next_delivery += 1
        if token:
            self._unsettled[number] = link, token
        tag = token.bytes_le if token else number.to_bytes(4)
        for start in range(0, len(message), room):
            has_more = start + room < len(message)
            once = [None] * 4 if start else [uint(number), tag, uint(0), token is None]
            self.send(TRANSFER, [uint(link.handle), *once, has_more], message[start : start + room])
            self.next_outgoing, self.window = self.next_outgoing + 1, self.window - 1


class Link:
    """One link: from or to a queue, or to a desk ($cbs, QUEUE/$management) that answers requests."""

    def __init__(self, session: Session, handle: int, path: str, queue: Queue | None, *, sends: bool) -> None:
        self.session, self.handle, self.path, self.queue, self.sends = session, handle, path, queue, sends
        self.is_desk = queue is None or path.endswith("$management")
        self.credit = self.count = 0
        self._first: list[Any] = []
        self._payload = bytearray()

    def grant(self) -> None:
        """Let the client send."""
        self.credit = CREDIT
        self._send_flow()

    def _send_flow(self, *, drain: bool = False) -> None:
        session = self.session
        ids = session.next_incoming, WINDOW, session.next_outgoing, WINDOW, self.handle, self.count, self.credit
        session.send(FLOW, [*(uint(number % 2**32) for number in ids), None, drain])

    def on_flow(self, fields: list[Any]) -> None:
        """Take over a receiver's credit; when it drains, send what waits and give up the rest of the credit."""
        self.credit = max((fields[5] or 0) + (fields[6] or 0) - self.count, 0)
        if fields[8]:
            self.session.broker.pump()
            self.count, self.credit = self.count + self.credit, 0
        if fields[8] or fields[9]:  # drain, echo
            self._send_flow(drain=bool(fields[8]))

    def is_ready(self) -> bool:
        """Whether the receiver takes another message."""
        return self.credit > 0 and self.session.window > 0

    def on_transfer(self, fields: list[Any], payload: bytes) -> None:
        """Collect a message's frames; when it is whole, act on it and tell the outcome."""
        self._first = self._first or fields
        if len(self._payload) <= MAX_MESSAGE:  # of what is too large no more is kept
            self._payload += payload
        if fields[5]:
            return
        first, message = self._first, bytes(self._payload)
        self._first, self._payload = [], bytearray()
        self.count, self.credit = self.count + 1, self.credit - 1
        if self.credit <= CREDIT // 2:
            self.grant()
        number, is_batch = None if first[4] else first[1], first[3] == BATCH
        if not fields[9]:  # aborted
            name = operation_of(message) if self.is_desk else "send"
            act = (lambda: self._reply(message)) if self.is_desk else lambda: self._enqueue(message, is_batch=is_batch)
            self.session.broker.play(name, self, act, lambda told: self.session.tell(number, told, as_receiver=True))

    def _reply(self, request: bytes) -> Raw:
        back = [link for link in self.session.links.values() if link and link.sends and link.path == self.path]
        self.session.transfer(back[-1], None, answer(request, self.queue))
        return described(ACCEPTED, [])

    def _enqueue(self, payload: bytes, *, is_batch: bool) -> Raw:
        if len(payload) > MAX_MESSAGE:
            raise RefusedError("amqp:link:message-size-exceeded", f"A message may be {MAX_MESSAGE} bytes long.")
        assert self.queue is not None  # noqa: S101 - only a desk has none
        for message in batched(payload) if is_batch else [parse(payload)]:
            self.queue.enqueue(message)
        return described(ACCEPTED, [])

    def settle(self, token: UUID, state: Described | None, number: int | None) -> None:
        """Apply a receiver's outcome to the message locked by `token`, and echo it bare (SDK 7.15 waits for that)."""

        def act() -> Raw:
            assert self.queue is not None  # noqa: S101 - only queues deliver with a lock
            self.queue.settle(token, *_settlement(state))
            return described(state.code if state else RELEASED, [])

        self.session.broker.play("settle", self, act, lambda told: self.session.tell(number, told, as_receiver=False))


def _wanted(fields: list[Any]) -> str:
    """The address a client attaches to, unless it asks for what is not imitated."""
    source, target, is_receiver = fields[5], fields[6], fields[2]
    if target and target.code == COORDINATOR:
        raise RefusedError("amqp:not-implemented", "Transactions are not imitated.")
    if is_receiver and fields[3] == 1:
        raise RefusedError("amqp:not-implemented", "The receive-and-delete mode is not imitated.")
    if is_receiver and [*source.value, *[None] * 8][7]:
        raise RefusedError("amqp:not-implemented", "Sessions and filters are not imitated.")
    return str((source if is_receiver else target).value[0])


def _settlement(state: Described | None) -> tuple[str, str | None, str | None]:
    """What an outcome asks of the queue, with the reason and description of a dead letter."""
    code, fields = (state.code, [*state.value, None, None]) if state else (RELEASED, [])
    if code not in OUTCOMES or (code == MODIFIED and fields[1]):
        raise RefusedError("amqp:not-implemented", "Deferral and transactions are not imitated.")
    if code == REJECTED and fields[0]:
        info = [*fields[0].value, None, None][2] or {}
        return OUTCOMES[code], info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription")
    return "release" if code == MODIFIED and not fields[0] else OUTCOMES[code], None, None
