"""AMQP sessions and links (parts 2.5 to 2.7): credit, transfers and settlement, as azure-servicebus 7.15 uses them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
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


@dataclass(eq=False, slots=True)
class Link:
    """One link: from or to a queue, or to a desk ($cbs, which has no queue, or QUEUE/$management)."""

    session: "Session"
    handle: int
    sends: bool
    path: str
    queue: Any
    is_desk: bool
    credit: int = 0
    count: int = 0
    first: list[Any] = field(default_factory=list[Any])
    payload: bytearray = field(default_factory=bytearray)

    def is_open(self) -> bool:
        """Whether neither it nor its session is closed."""
        return self.session.links.get(self.handle) is self


class Session:
    """One session of a connection, with its links by handle; None stands for a link refused or closed."""

    def __init__(self, connection: "Connection", channel: int, begin: list[Any]) -> None:
        self._connection, self._broker, self._channel = connection, connection.broker, channel
        self._next_incoming, self._window = begin[1], begin[2]
        self._next_outgoing = self._next_delivery = 0
        self.links: dict[int, Link | None] = {}
        self._unsettled: dict[int, tuple[Link, UUID]] = {}
        self._send(BEGIN, [ushort(channel), uint(0), uint(PLENTY), uint(PLENTY), uint(0xFFFF)])

    def _send(self, code: int, fields: list[Any], payload: bytes = b"") -> None:
        self._connection.send(self._channel, described(code, fields) + payload)

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
            path, queue = self._broker.node(_wanted(fields), sends=sends)
        except RefusedError as refusal:  # a link without source and target, and a detach that says why
            self.links[handle] = None
            self._send(ATTACH, [*head, None, None, *tail])
            self._send(DETACH, [uint(handle), True, refusal.encoded()])
            return
        ends = [described(code, [end.value[0]]) for code, end in zip((SOURCE, TARGET), fields[5:7], strict=True)]
        self._send(ATTACH, [*head, *ends, *tail])
        self.links[handle] = link = Link(self, handle, sends, path, queue, path.endswith(("$cbs", "$management")))
        if not sends:
            link.credit = PLENTY
            self._send_flow(link)
        elif not link.is_desk:
            self._broker.receivers.append(link)

    def _on_flow(self, fields: list[Any], _: bytes) -> None:
        _, _, _, _, handle, count, credit, _, drain, echo = fields[:10]
        self._window = (fields[0] or 0) + fields[1] - self._next_outgoing
        link = None if handle is None else self.links[handle]
        if link and link.sends:
            link.credit = max((count or 0) + (credit or 0) - link.count, 0)
            if drain:  # send what waits, and give up the rest of the credit
                self._broker.pump()
                link.count, link.credit = link.count + link.credit, 0
            if drain or echo:
                self._send_flow(link, drain=bool(drain))

    def _send_flow(self, link: Link, *, drain: bool = False) -> None:
        ids = self._next_incoming, PLENTY, self._next_outgoing, PLENTY, link.handle, link.count, link.credit
        self._send(FLOW, [*(uint(number % 2**32) for number in ids), None, drain])

    def _on_transfer(self, fields: list[Any], payload: bytes) -> None:
        self._next_incoming += 1
        link = self.links[fields[0]]
        if not link:
            return
        first = link.first = link.first or fields
        if len(link.payload) <= MAX_MESSAGE:  # of what is too large no more is kept
            link.payload += payload
        if not fields[5]:  # no more to come
            message, link.first, link.payload, link.count = bytes(link.payload), [], bytearray(), link.count + 1
            if not fields[9]:  # aborted
                self._play("send", link, None if first[4] else first[1], partial(self._accept, link, message, first[3]))

    def _accept(self, link: Link, payload: bytes, message_format: int) -> Raw:
        if link.is_desk:
            back = [each for each in self.links.values() if each and each.sends and each.path == link.path]
            self._transfer(back[-1], None, answer(payload, link.queue))
        elif len(payload) > MAX_MESSAGE:
            raise RefusedError(f"A message may be {MAX_MESSAGE} bytes long.", "amqp:link:message-size-exceeded")
        else:
            for message in batched(payload) if message_format == BATCH else [parse(payload)]:
                link.queue.enqueue(message)
        return described(ACCEPTED, [])

    def deliver(self, link: Link) -> bool:
        """Send the next waiting message; false when there is none, or the receiver takes none."""
        taken = link.queue.take() if link.credit > 0 and self._window > 0 else None
        if taken:
            (message, token), link.credit, link.count = taken, link.credit - 1, link.count + 1
            fault = self._broker.fault("deliver", link.path)
            self._broker.later(fault, partial(self._transfer, link, token, message.encoded()))
            if fault and fault.kind == "drop":
                link.queue.unlock(message)
        return bool(taken)

    def _transfer(self, link: Link, token: UUID | None, message: bytes) -> None:
        if not link.is_open():  # closed while a fault held the delivery back
            return
        number, room = self._next_delivery, self._connection.peer_frame - 128
        self._next_delivery += 1
        if token:  # a delivery to be settled, not a desk's answer
            self._unsettled[number] = link, token
        tag = token.bytes_le if token else number.to_bytes(4)
        for start in range(0, len(message), room):
            has_more = start + room < len(message)
            once = [None] * 4 if start else [uint(number), tag, uint(0), token is None]
            self._send(TRANSFER, [uint(link.handle), *once, has_more], message[start : start + room])
            self._next_outgoing, self._window = self._next_outgoing + 1, self._window - 1

    def _on_disposition(self, fields: list[Any], _: bytes) -> None:
        is_receiver, first, last, is_settled, state = fields[:5]
        for number in range(first, min(last or first, self._next_delivery) + 1) if is_receiver else ():
            link, token = self._unsettled.pop(number, (None, None))
            if link and link.is_open():
                self._play("settle", link, None if is_settled else number, partial(_settle, link, token, state))

    def _play(self, operation: str, link: Link, number: int | None, act: Callable[[], Raw]) -> None:
        fault = None if link.is_desk else self._broker.fault(operation, link.path)
        if fault is None or fault.kind == "delay":
            self._broker.later(fault, partial(self._conclude, link, number, act))
            return
        if fault.when == "after":
            with suppress(RefusedError):
                act()
        if fault.kind == "status":
            self._conclude(link, number, partial(_refuse, fault.status))
        elif fault.kind == "drop":
            self._connection.abort()

    def _conclude(self, link: Link, number: int | None, act: Callable[[], Raw]) -> None:
        try:
            outcome = act()
        except RefusedError as refusal:
            outcome = described(REJECTED, [refusal.encoded()])
        if number is not None:  # else the client has settled the delivery itself
            self._send(DISPOSITION, [not link.sends, uint(number), uint(number), True, outcome])

    def _on_detach(self, fields: list[Any], _: bytes) -> None:
        link, self.links[fields[0]] = self.links[fields[0]], None
        if link:  # what is locked stays locked until its lock ends or a management link settles it
            self._send(DETACH, [uint(link.handle), True])

    def _on_end(self, _: list[Any], __: bytes) -> None:
        self.links.clear()
        self._send(END, [])

    _in_order = _on_attach, _on_flow, _on_transfer, _on_disposition, _on_detach, _on_end
    _handlers: ClassVar = dict(zip(range(ATTACH, END + 1), _in_order, strict=True))


def _settle(link: Link, token: UUID | None, state: Described | None) -> Raw:
    """Apply a receiver's outcome to the message locked by `token`, and echo it bare (SDK 7.15 waits for that)."""
    link.queue.settle(token, *_settlement(state))
    return described(state.code if state else RELEASED, [])


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
