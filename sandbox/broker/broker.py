"""The broker: its queues, who waits for messages, its faults, and its control server."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.clock import SandboxClock
from sandbox.faults import Fault, FaultScript, add_fault_routes

from .config import QueueRules, read_config
from .links import Link
from .messages import RefusedError
from .queues import Queue, open_database
from .wire import Connection

CONFIG = Path(__file__).with_name("config.json")
TICK_SECONDS = 0.05
KEY = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=sandbox;UseDevelopmentEmulator=true;"
SUB_QUEUE = "/$deadletterqueue"  # any case will do


class Broker:
    """A running broker: `async with Broker(...) as broker` has `broker.connection_string` and `broker.control` (a URL).

    Without `database` all is in memory; without `clock` (a SandboxClock's file) the time is real. `ports`: AMQP's and
    the control server's, 0 for a free one. `handshake_seconds`: how long a client may take to open.

    Raises:
        ValueError: the queues cannot be served.
    """

    def __init__(
        self,
        config: Path = CONFIG,
        *,
        ports: tuple[int, int] = (0, 0),
        database: Path | None = None,
        clock: Path | None = None,
        handshake_seconds: float = 10.0,
    ) -> None:
        self._ports, self.handshake_seconds = ports, handshake_seconds
        self._clock = SandboxClock(clock) if clock else None
        self._database = open_database(database)
        self.faults = FaultScript()
        self.connections: set[Connection] = set()
        self.receivers: deque[Link] = deque()
        self._open_queues(config)

    def _open_queues(self, config: Path) -> None:
        self.queues: dict[str, Queue] = {}
        for rules in (listed := read_config(config)):
            for each in (rules, QueueRules(rules.name + SUB_QUEUE, rules.lock, max_delivery_count=None)):
                self.queues[each.name.lower()] = Queue(each, self._database, self.now)
        for rules in listed:
            target = rules.forward_dead_letters_to or rules.name + SUB_QUEUE
            self.queues[rules.name.lower()].dead_letters = self.queues[target.lower()]

    def now(self) -> int:
        """The sandbox's time in milliseconds since 1970."""
        return int((self._clock.now() if self._clock else datetime.now(UTC)).timestamp() * 1000)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            lambda reader, writer: Connection(self, reader, writer).serve(), "127.0.0.1", self._ports[0]
        )
        app = web.Application()
        app.router.add_get("/sandbox/queues", self._counts)
        add_fault_routes(app, self.faults)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._ports[1]).start()
        self.connection_string = f"Endpoint=sb://localhost:{self._server.sockets[0].getsockname()[1]};{KEY}"
        self.control = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        self._server.close()
        self._server.abort_clients()
        await asyncio.gather(*(connection.ended.wait() for connection in self.connections))
        await self._runner.cleanup()
        self._database.commit()
        self._database.close()

    def node(self, address: str, *, sends: bool) -> tuple[str, Queue | None]:
        """The path in an address (a URI or a path, in any case), and its queue; none for $cbs."""
        path = urlsplit(address).path.strip("/").lower()
        queue = self.queues.get(path.removesuffix("/$management"))
        if queue is None and path != "$cbs":
            raise RefusedError(f"The messaging entity '{path}' could not be found.", "amqp:not-found")
        if path.endswith(SUB_QUEUE) and not sends:
            raise RefusedError("Only dead-lettering puts messages into a dead-letter queue.", "amqp:not-allowed")
        return path, queue

    def fault(self, operation: str, path: str) -> Fault | None:
        """The next fault for an operation on a queue: `send/orders` is for one queue, `send` for every one."""
        for fault in self.faults.faults:
            fault.operation += "" if "/" in fault.operation else "/*"
        return self.faults.take(f"{operation}/{path}")

    def later(self, fault: Fault | None, act: Callable[[], None]) -> None:
        """Act now, or after a fault's delay unless the broker is closed by then."""
        if fault and fault.kind == "delay":
            loop = asyncio.get_running_loop()
            loop.call_later(fault.seconds, lambda: act() if self._server.is_serving() else None)
        else:
            act()

    def pump(self) -> None:
        """Deliver what waits to the receivers that are ready, each in turn."""
        idle = 0
        while idle < len(self.receivers):
            link = self.receivers.popleft()
            if link.is_open():
                self.receivers.append(link)
                idle = 0 if link.session.deliver(link) else idle + 1

    def flush(self) -> None:
        """Deliver, keep, and only then answer."""
        self.pump()
        self._database.commit()
        for connection in self.connections:
            connection.write_out()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for queue in self.queues.values():
                queue.sweep()
            self.flush()

    async def _counts(self, _: web.Request) -> web.Response:
        said: dict[str, dict[str, int]] = {}
        for path, queue in self.queues.items():
            if buried := self.queues.get(path + SUB_QUEUE):
                (active, locked), dead = queue.counts(), sum(buried.counts())
                counts = {"active": active, "locked": locked, "deadLetters": dead}
                said[queue.rules.name] = counts | {"completed": queue.completed, "enqueued": queue.enqueued}
        return web.json_response(said)
