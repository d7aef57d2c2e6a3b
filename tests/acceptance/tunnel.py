"""A way to a service on loopback that can hold requests back, so that a process can be killed exactly there."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tunnel:
    """Passes everything on; a request that begins with `hold` stays here for ever, and `held` says that one did."""

    to: int
    port: int = 0
    hold: bytes | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def pass_on(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        theirs, there = await asyncio.open_connection("127.0.0.1", self.to)
        for task in (self._copy(ours, there, watched=True), self._copy(theirs, back, watched=False)):
            self._tasks.add(asyncio.create_task(task))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watched: bool) -> None:
        with suppress(ConnectionError), closing(writer):
            while chunk := await reader.read(65536):
                if watched and self.hold and chunk.startswith(self.hold):
                    self.held.set()
                    await asyncio.Event().wait()
                writer.write(chunk)
                await writer.drain()

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def tunnel_to(port: int) -> AsyncGenerator[Tunnel]:
    """A tunnel to 127.0.0.1:`port`."""
    tunnel = Tunnel(port)
    server = await asyncio.start_server(tunnel.pass_on, "127.0.0.1", 0)
    tunnel.port = server.sockets[0].getsockname()[1]
    try:
        yield tunnel
    finally:
        server.close()
        server.abort_clients()
        await tunnel.close()
