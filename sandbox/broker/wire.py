"""AMQP connections (parts 2.3, 2.4, 5.3): headers, SASL, frames. Whatever a peer sends ends at worst its connection."""

import asyncio
import logging
import struct
from typing import TYPE_CHECKING, Any

from .codec import Described, decode, described, symbol, ubyte, uint, ushort
from .links import BEGIN, END, Session
from .messages import RefusedError

if TYPE_CHECKING:
    from .broker import Broker

_LOG = logging.getLogger("sandbox.broker")
_FRAME = struct.Struct(">IBBH")
SASL_HEADER, AMQP_HEADER = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"
MECHANISMS, OUTCOME, OPEN, CLOSE, HEARTBEAT = 0x40, 0x44, 0x10, 0x18, 0  # a heartbeat is an empty frame
MAX_FRAME = 65_536
IDLE_SECONDS = 240  # what the service offers; a client sends something at half of it
PADDING = [None] * 14  # a performative may leave out its last fields


class Connection:
    """One client. Frames are handled as they come; what they cause is sent at the broker's next flush."""

    def __init__(self, broker: "Broker", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.broker, self._reader, self._writer = broker, reader, writer
        self.peer_frame, self._is_open = MAX_FRAME, False
        self._outbox, self.ended = bytearray(), asyncio.Event()
        self._sessions: dict[int, Session | None] = {}  # None: ended, and what still comes for it is ignored

    async def serve(self) -> None:
        """Answer the client until one side closes or breaks off."""
        self.broker.connections.add(self)
        try:
            await self._converse()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            _LOG.info("a client is gone: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - no input may do more than end its own connection
            _LOG.warning("a connection is closed: %s: %s", type(error).__name__, error)
            if self._is_open:
                self.send(0, described(CLOSE, [RefusedError(type(error).__name__, "amqp:decode-error").encoded()]))
        finally:
            self.broker.flush()
            self.broker.connections.discard(self)
            for session in filter(None, self._sessions.values()):
                session.links.clear()
            self._writer.close()
            self.ended.set()

    async def _converse(self) -> None:
        async with asyncio.timeout(self.broker.handshake_seconds):
            while (header := await self._reader.readexactly(8)) == SASL_HEADER:
                self._outbox += SASL_HEADER
                self.send(0, described(MECHANISMS, [(symbol("ANONYMOUS"),)]), kind=1)
                await self._read_frame()
                self.send(0, described(OUTCOME, [ubyte(0)]), kind=1)
            self._outbox += AMQP_HEADER
            if header != AMQP_HEADER:
                raise ValueError("no AMQP header")
            self._handle(*await self._read_frame())
        while self._is_open:
            async with asyncio.timeout(IDLE_SECONDS):
                self._handle(*await self._read_frame())

    async def _read_frame(self) -> tuple[int, int, list[Any], bytes]:
        asyncio.get_running_loop().call_soon(self.broker.flush)  # once all that has arrived by now is handled
        size, offset, _, channel = _FRAME.unpack(await self._reader.readexactly(8))
        if not 8 <= size <= MAX_FRAME or not 2 <= offset <= size // 4:
            raise ValueError(f"a frame of {size} bytes with its data at {offset * 4}")
        body = (await self._reader.readexactly(size - 8))[offset * 4 - 8 :]
        performative, end = decode(body) if body else (Described(HEARTBEAT, []), 0)
        return channel, performative.code, [*performative.value, *PADDING], body[end:]

    def _handle(self, channel: int, code: int, fields: list[Any], payload: bytes) -> None:
        if (code == OPEN) == self._is_open:
            raise ValueError("open comes first, and once")
        if code == OPEN:
            self._is_open, self.peer_frame = True, max(512, min(fields[2] or MAX_FRAME, MAX_FRAME))
            self.send(0, described(OPEN, ["sandbox", None, uint(MAX_FRAME), ushort(255), uint(IDLE_SECONDS * 1000)]))
        elif code == CLOSE:
            self._is_open = False
            self.send(0, described(CLOSE, []))
        elif code == BEGIN and not self._sessions.get(channel):
            self._sessions[channel] = Session(self, channel, fields)
        elif code != HEARTBEAT and (session := self._sessions[channel]):
            session.handle(code, fields, payload)
            self._sessions[channel] = None if code == END else session

    def send(self, channel: int, body: bytes, *, kind: int = 0) -> None:
        """Put one frame into the outbox."""
        self._outbox += _FRAME.pack(len(body) + 8, 2, kind, channel) + body

    def write_out(self) -> None:
        """Send the outbox."""
        if self._outbox and not self._writer.is_closing():
            self._writer.write(bytes(self._outbox))
        self._outbox.clear()

    def abort(self) -> None:
        """End as a broken network does: nothing more is sent."""
        self._is_open = False
        self._writer.transport.abort()
