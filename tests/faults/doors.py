"""Doors before the tables and before the app's receipts: they note what passes, and misbehave as told."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from yarl import URL

from sandbox.faults import FaultScript, Handler, fault_middleware

OPERATION = web.RequestKey("operation", str)
VERBS = {"GET": "read", "DELETE": "delete"}
HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length"}
RANKS = {"queued": 0, "accepted": 0, "sending": 1, "sent": 2, "delivered": 3, "undelivered": 3, "failed": 3, "read": 4}


@dataclass(slots=True)
class Door:
    """Passes every request on to `to`; `passed` counts them, `under_way` those without an answer yet."""

    to: str
    name_of: Callable[[web.Request, bytes], str]
    faults: FaultScript = field(default_factory=FaultScript)
    url: str = ""
    passed: int = 0
    under_way: int = 0
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Of receipts: message and status, as they came."""

    async def serve(self, request: web.Request, http: aiohttp.ClientSession) -> web.StreamResponse:
        """One request."""
        self.passed += 1
        self.under_way += 1
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = URL(self.to + request.raw_path, encoded=True)  # signed as it is
        try:
            async with http.request(request.method, url, headers=headers, data=await request.read() or None) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientError:  # nobody is there just now
            return _broken_off(request)
        finally:
            self.under_way -= 1

    @property
    def doubled(self) -> int:
        """Receipts that came again."""
        return sum(count - 1 for count in Counter(self.told).values())

    @property
    def reordered(self) -> int:
        """Receipts that came after a later state of their message."""
        highest, late = dict[str, int](), 0
        for message, status in self.told:
            late += RANKS[status] < highest.get(message, 0)
            highest[message] = max(RANKS[status], highest.get(message, 0))
        return late


@asynccontextmanager
async def opened(door: Door) -> AsyncGenerator[Door]:
    """Serve on a free port."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        @web.middleware
        async def read_first(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[OPERATION] = door.name_of(request, await request.read())
            return await handler(request)

        play = fault_middleware(door.faults, lambda request: request[OPERATION])
        app = web.Application(middlewares=[read_first, play], client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", partial(door.serve, http=http))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield door
        finally:
            await runner.cleanup()


def tables_before(url: str) -> Door:
    """In front of Azurite; operations are `read TABLE`, `write TABLE` (a transaction, too) and `delete TABLE`."""

    def name_of(request: web.Request, body: bytes) -> str:
        place = body.decode("latin-1") if request.path.endswith("/$batch") else request.path
        table = re.search(r"/devstoreaccount1/(\w+)", place)
        return f"{VERBS.get(request.method, 'write')} {table[1] if table else '?'}"

    return Door(url, name_of)


def receipts_before(url: str) -> Door:
    """In front of the app; the only operation is `receipt`."""
    door = Door(url, lambda _, body: note(body))

    def note(body: bytes) -> str:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.keys() >= {"MessageSid", "MessageStatus"}:
            door.told.append((form["MessageSid"], form["MessageStatus"]))
        return "receipt"

    return door


def _broken_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
