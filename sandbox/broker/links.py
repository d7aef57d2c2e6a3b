"""AMQP sessions and links (parts 2.5 to 2.7): credit, transfers and settlement, as azure-servicebus 7.15 uses them."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from .codec import Described, Raw, described, ubyte, uint, ulong, ushort
from .management import answer
from .messages import RefusedError, batched, parse

if TYPE_CHECKING:
    from .wire import Connection

MAX_MESSAGE = 262_144  # the Standard tier's (Learn, "Service Bus quotas")
BATCH = 0x80013700  # a message-format of Service Bus: every data section is a message
PLENTY = 2**31 - 1  # of window, and of credit for a sender
BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END = range(0x11, 0x18)
SOURCE, TARGET, COORDINATOR = 0x28, 0x29, 0x30
ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27
OUTCOMES = {ACCEPTED: "complete", REJECTED: "dead-letter", RELEASED: "release", MODIFIED: "abandon"}
BUSY, LOCK_LOST = "com.microsoft:server-busy", "com.microsoft:message-lock-lost"
CONDITIONS = {401: "amqp:unauthorized-access", 404: "amqp:not-found", 410: LOCK_LOST, 429: BUSY, 503: BUSY}


class Session:
    """One session of a connection, with its links by handle; None stands for a link refused or closed."""

    def __init__(self, connection: "Connection", channel: int, begin: list[Any]) -> None:
        self.connection, self.broker, self._channel = connection, connection.broker, channel
        self.next_incoming, self.window = begin[1], begin[2]
        self.next_outgoing = self._next_delivery = 0
        self.links: dict[int, Link | None] = {}
        self._unsettled: dict[int, tuple[Link, UUID]] = {}
        self.send(BEGIN, [ushort(channel), uint(0), uint(PLENTY), uint(PLENTY), uint(0xFFFF)])

    def send(self, code: int, fields: list[Any], payload: bytes = b"") -> None:
        """Send one performative."""
        self.connection.send(self._channel, described(code, fields) + payload)

    def handle(self, code: int, fields: list[Any], payload: bytes) -> None:
        """Do what a performative of the client asks."""
        self._handlers[code](self, fields, payload)

    def _on_attach(self, fields: list[Any], _: bytes) -> None:
        name, handle, sends, *modes = fields[:5]  # the client's role "receiver" (true) means that we send
        head = [name, uint(handle), not sends, *(None if mode is None else ubyte(mode) for mode in modes)]
        tail = [None, None, uint(0) if sends else None, ulong(MAX_MESSAGE)]
        if self.links.get(handle):
            raise ValueError("a handle in use")
        try:
            path, queue = self.broker.node(_wanted(fields), sends=sends)
        except RefusedError as refusal:  # a link without source and target, and a detach that says why
            self.links[handle] = None
            self.send(ATTACH, [*head, None, None, *tail])
            self.send(DETACH, [uint(handle), True, refusal.encoded()])
            return
        ends = [described(code, [end.value[0]]) for code, end in zip((SOURCE, TARGET), fields[5:7], strict=True)]
        self.send(ATTACH, [*head, *ends, *tail])
        self.links[handle] = Link(self, handle, path, queue, sends=sends)

    def _on_flow(self, fields: list[Any], _: bytes) -> None:
        self.window = (fields[0] or 0) + fields[1] - self.next_outgoing
        if fields[4] is not None and (link := self.links[fields[4]]):
            link.on_flow(fields)

    def _on_transfer(self, fields: list[Any], payload: bytes) -> None:
        self.next_incoming += 1
        if link := self.links[fields[0]]:
            link.on_transfer(fields, payload)

    def _on_disposition(self, fields: list[Any], _: bytes) -> None:
        is_receiver, first, last, is_settled, state = fields[:5]
        for number in range(first, min(last or first, self._next_delivery) + 1) if is_receiver else ():
            link, token = self._unsettled.pop(number, (None, None))
            if link and token and link.is_open:
                link.settle(None if is_settled else number, token, state)

    def _on_detach(self, fields: list[Any], _: bytes) -> None:
        link, self.links[fields[0]] = self.links[fields[0]], None
        if link:  # what is locked stays locked until its lock ends or a management link settles it
            self.send(DETACH, [uint(link.handle), True])

    def _on_end(self, _: list[Any], __: bytes) -> None:
        self.links.clear()
        self.send(END, [])

    _in_order = _on_attach, _on_flow, _on_transfer, _on_disposition, _on_detach, _on_end
    _handlers: ClassVar = dict(zip(range(ATTACH, END + 1), _in_order, strict=True))

    def transfer(self, link: "Link", token: UUID | None, message: bytes) -> None:
        """Send a message in as many frames as it needs; with a lock token, as a delivery to be settled."""
        if not link.is_open:  # closed while a fault held the delivery back
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
    """One link: from or to a queue, or to a desk ($cbs, which has no queue, or QUEUE/$management)."""

    def __init__(self, session: Session, handle: int, path: str, queue: Any, *, sends: bool) -> None:
        self._session, self._broker, self.handle, self.sends = session, session.broker, handle, sends
        self.path, self._queue, self._is_desk = path, queue, path.endswith(("$cbs", "$management"))
        self._credit, self._count = 0 if sends else PLENTY, 0
        self._first: list[Any] = []
        self._payload = bytearray()
        if not sends:
            self._send_flow()
        elif not self._is_desk:
            self._broker.receivers.append(self)

    @property
    def is_open(self) -> bool:
        """Whether neither it nor its session is closed."""
        return self._session.links.get(self.handle) is self

    def _send_flow(self, *, drain: bool = False) -> None:
        session = self._session
        ids = session.next_incoming, PLENTY, session.next_outgoing, PLENTY, self.handle, self._count, self._credit
        session.send(FLOW, [*(uint(number % 2**32) for number in ids), None, drain])

    def on_flow(self, fields: list[Any]) -> None:
        """Take over a receiver's credit; when it drains, send what waits and give up the rest of the credit."""
        count, credit, _, drain, echo = fields[5:10]
        if self.sends:
            self._credit = max((count or 0) + (credit or 0) - self._count, 0)
            if drain:
                self._broker.pump()
                self._count, self._credit = self._count + self._credit, 0
            if drain or echo:
                self._send_flow(drain=bool(drain))

    def deliver(self) -> bool:
        """Send the next waiting message; false when there is none, or the receiver takes none."""
        taken = self._queue.take() if self._credit > 0 and self._session.window > 0 else None
        if taken:
            (message, token), self._credit, self._count = taken, self._credit - 1, self._count + 1
            fault = self._broker.fault("deliver", self.path)
            self._broker.later(fault, partial(self._session.transfer, self, token, message.encoded()))
            if fault and fault.kind == "drop":
                self._queue.unlock(message)
        return bool(taken)

    def on_transfer(self, fields: list[Any], payload: bytes) -> None:
        """Collect a message's frames; when it is whole, act on it and tell the outcome."""
        first = self._first = self._first or fields
        if len(self._payload) <= MAX_MESSAGE:  # of what is too large no more is kept
            self._payload += payload
        if fields[5]:
            return
        message, self._first, self._payload, self._count = bytes(self._payload), [], bytearray(), self._count + 1
        if not fields[9]:  # aborted
            self._play("send", None if first[4] else first[1], partial(self._accept, message, first[3]))

    def _accept(self, payload: bytes, message_format: int) -> Raw:
        if self._is_desk:
            back = [link for link in self._session.links.values() if link and link.sends and link.path == self.path]
            self._session.transfer(back[-1], None, answer(payload, self._queue))
        elif len(payload) > MAX_MESSAGE:
            raise RefusedError(f"A message may be {MAX_MESSAGE} bytes long.", "amqp:link:message-size-exceeded")
        else:
            for message in batched(payload) if message_format == BATCH else [parse(payload)]:
                self._queue.enqueue(message)
        return described(ACCEPTED, [])

    def settle(self, number: int | None, token: UUID, state: Described | None) -> None:
        """Apply a receiver's outcome to the message locked by `token`, and echo it bare (SDK 7.15 waits for that)."""

        def act() -> Raw:
            self._queue.settle(token, *_settlement(state))
            return described(state.code if state else RELEASED, [])

        self._play("settle", number, act)

    def _play(self, operation: str, number: int | None, act: Callable[[], Raw]) -> None:
        fault = None if self._is_desk else self._broker.fault(operation, self.path)
        if fault is None or fault.kind == "delay":
            self._broker.later(fault, partial(self._conclude, number, act))
            return
        if fault.when == "after":
            with suppress(RefusedError):
                act()
        if fault.kind == "status":
            self._conclude(number, partial(_refuse, fault.status))
        elif fault.kind == "drop":
            self._session.connection.abort()

    def _conclude(self, number: int | None, act: Callable[[], Raw]) -> None:
        try:
            outcome = act()
        except RefusedError as refusal:
            outcome = described(REJECTED, [refusal.encoded()])
        if number is not None:  # else the client has settled the delivery itself
            self._session.send(DISPOSITION, [not self.sends, uint(number), uint(number), True, outcome])


def _refuse(status: int) -> Raw:
    raise RefusedError(f"A fault of the sandbox ({status}).", CONDITIONS.get(status, "amqp:internal-error"))


def _wanted(fields: list[Any]) -> str:
    """The address a client attaches to, unless it asks for what is not imitated."""
    is_receiver, settle_mode, _, source, target = fields[2:7]
    if target and target.code == COORDINATOR:
        raise RefusedError("Transactions are not imitated.")
    if is_receiver and (settle_mode == 1 or [*source.value, *[None] * 8][7]):
        raise RefusedError("The receive-and-delete mode, sessions and filters are not imitated.")
    return str((source if is_receiver else target).value[0])


def _settlement(state: Described | None) -> tuple[str, str | None, str | None]:
    """What an outcome asks of the queue, with the reason and description of a dead letter."""
    code, fields = (state.code, [*state.value, None, None]) if state else (RELEASED, [])
    if code not in OUTCOMES or (code == MODIFIED and fields[1]):
        raise RefusedError("Deferral and transactions are not imitated.")
    if code == REJECTED and fields[0]:
        info = [*fields[0].value, None, None][2] or {}
        return OUTCOMES[code], info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription")
    return "release" if code == MODIFIED and not fields[0] else OUTCOMES[code], None, None
