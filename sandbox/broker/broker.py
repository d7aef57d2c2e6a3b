"""The broker: its queues, who waits for messages, its faults, and its control server."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.broker.codec import Raw, described
from sandbox.broker.config import read_config
from sandbox.broker.links import REJECTED, Link
from sandbox.broker.messages import RefusedError
from sandbox.broker.queues import Queue
from sandbox.broker.store import Store
from sandbox.broker.wire import Connection
from sandbox.clock import SandboxClock
from sandbox.faults import Fault, FaultScript, add_fault_routes

CONFIG = Path(__file__).with_name("config.json")
TICK_SECONDS = 0.05
KEY = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=sandbox;UseDevelopmentEmulator=true;"
BUSY, LOCK_LOST = "com.microsoft:server-busy", "com.microsoft:message-lock-lost"
CONDITIONS = {401: "amqp:unauthorized-access", 404: "amqp:not-found", 410: LOCK_LOST, 429: BUSY, 503: BUSY}


class Broker:
    """A running broker: `async with Broker(database=...) as broker`, then `broker.connection_string`.

    Without `database` all is in memory; without `clock` (a SandboxClock's file) the time is real. `ports`: AMQP's and
    the control server's, 0 for a free one. `handshake_seconds`: how long a client may take to open.

    Raises:
        ConfigError: the queues cannot be served.
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
        self._store = Store(database)
        self.faults = FaultScript()
        self.connections: set[Connection] = set()
        self.consumers: deque[Link] = deque()
        self._will_flush = False
        self._open_queues(config)

    def _open_queues(self, config: Path) -> None:
        self.queues: dict[str, Queue] = {}
        self._dead: dict[str, Queue] = {}
        for rules in read_config(config):
            name = f"{rules.name}/$DeadLetterQueue"
            plain = replace(rules, name=name, max_delivery_count=None, default_ttl=None, duplicate_window=None)
            dead = self._dead[name.lower()] = Queue(plain, self._store, self.now, None)
            self.queues[rules.name.lower()] = Queue(rules, self._store, self.now, dead)
        for queue in self.queues.values():
            if target := queue.rules.forward_dead_letters_to:
                queue.dead_letters = self.queues[target.lower()]
        self._all = self.queues | self._dead

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
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        self._server.close()
        self._server.abort_clients()
        await asyncio.gather(*(connection.ended.wait() for connection in self.connections))
        await self._runner.cleanup()
        self._store.close()

    @property
    def connection_string(self) -> str:
        """What the app is told."""
        return f"Endpoint=sb://localhost:{self._server.sockets[0].getsockname()[1]};{KEY}"

    @property
    def control(self) -> str:
        """The control server's address."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def node(self, address: str, *, sends: bool) -> tuple[str, Queue | None]:
        """The path in an address (a URI or a path, in any case), and its queue; none for $cbs."""
        path = urlsplit(address).path.strip("/").lower()
        queue = self._all.get(path.removesuffix("/$management"))
        if queue is None and path != "$cbs":
            raise RefusedError("amqp:not-found", f"The messaging entity '{path}' could not be found.")
        if path in self._dead and not sends:
            raise RefusedError("amqp:not-allowed", "Only dead-lettering puts messages into a dead-letter queue.")
        return path, queue

    def play(self, operation: str, link: Link, act: Callable[[], Raw], answer: Callable[[Raw], None]) -> None:
        """Act and answer with the outcome, or do as the next fault for the operation says."""
        fault = self._fault(operation, link)
        if fault is None:
            answer(_outcome(act))
        elif fault.kind == "delay":
            self._later(fault, lambda: answer(_outcome(act)))
        else:
            if fault.when == "after":
                _outcome(act)
            if fault.kind == "status":
                condition = CONDITIONS.get(fault.status, "amqp:internal-error")
                answer(_rejected(RefusedError(condition, f"A fault of the sandbox ({fault.status}).")))
            elif fault.kind == "drop":
                link.session.connection.abort()

    def _fault(self, operation: str, link: Link) -> Fault | None:
        """The fault for OPERATION/QUEUE while the script has one, else for OPERATION."""
        name = f"{operation}/{link.path.removesuffix('/$management')}"
        pending = [fault.operation for fault in self.faults.faults if fault.fired < fault.times]
        return self.faults.take(name if any(fnmatchcase(name, each) for each in pending) else operation)

    def _later(self, fault: Fault, act: Callable[[], None]) -> None:
        def act_and_flush() -> None:
            if self._server.is_serving():
                act()
                self.flush()

        asyncio.get_running_loop().call_later(fault.seconds, act_and_flush)

    def pump(self) -> None:
        """Deliver what waits to the receivers that are ready, each in turn."""
        idle = 0
        while idle < len(self.consumers):
            self.consumers.rotate(-1)
            link = self.consumers[-1]
            idle += 1
            if link.queue and link.is_ready() and link.queue.is_waiting():
                self._deliver(link.queue, link)
                idle = 0

    def _deliver(self, queue: Queue, link: Link) -> None:
        fault = self._fault("deliver", link)
        message, token = queue.take()
        link.credit, link.count, encoded = link.credit - 1, link.count + 1, message.encoded()
        if fault and fault.kind == "delay":
            self._later(fault, lambda: link.session.transfer(link, token, encoded))
        else:
            link.session.transfer(link, token, encoded)
        if fault and fault.kind == "drop":
            queue.unlock(message)

    def flush_soon(self) -> None:
        """Flush once everything that has arrived by now is handled."""
        if not self._will_flush:
            self._will_flush = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Deliver, keep, and only then answer."""
        self._will_flush = False
        self.pump()
        self._store.commit()
        for connection in self.connections:
            connection.write_out()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for queue in self._all.values():
                queue.sweep()
            self.flush()

    async def _counts(self, _: web.Request) -> web.Response:
        return web.json_response({queue.rules.name: self._count(name, queue) for name, queue in self.queues.items()})

    def _count(self, name: str, queue: Queue) -> dict[str, int]:
        locked, dead = len(queue.locked), len(self._dead[f"{name}/$deadletterqueue"].messages)
        counts = {"active": len(queue.messages) - locked, "locked": locked, "deadLetters": dead}
        return counts | {"completed": queue.completed, "enqueued": queue.enqueued}


def _outcome(act: Callable[[], Raw]) -> Raw:
    try:
        return act()
    except RefusedError as refusal:
        return _rejected(refusal)


def _rejected(refusal: RefusedError) -> Raw:
    return described(REJECTED, [refusal.encoded()])
