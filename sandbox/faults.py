"""Scripted misbehaviour: a service takes the next fault meant for an operation and says which ones fired."""

import asyncio
import fnmatch
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong, for which operation, how often, and before or after the operation took effect.

    `kind`: `status` answers with `status`, `headers` and `body`; `drop` closes the connection without an answer;
    `delay` waits `seconds` and goes on; `empty` answers the operation's own status without a body. `skip` calls pass
    unharmed first. `operation` is a shell pattern over the names a service lists in COVERAGE.md.
    """

    operation: str
    kind: Literal["status", "drop", "delay", "empty"] = "status"
    when: Literal["before", "after"] = "before"
    times: int = 1
    skip: int = 0
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    seconds: float = 0.0
    fired: int = 0


class FaultScript:
    """The faults of one service, in the order they were added."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, **fault: Any) -> Fault:
        """Add a fault by its fields; unknown names are a TypeError."""
        self.faults.append(Fault(**fault))
        return self.faults[-1]

    def take(self, operation: str) -> Fault | None:
        """The fault this call of `operation` meets, counted as fired, or None."""
        for fault in self.faults:
            if fault.fired < fault.times and fnmatch.fnmatchcase(operation, fault.operation):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.fired += 1
                return fault
        return None


def fault_middleware(script: FaultScript, name_of: Callable[[web.Request], str | None]) -> Any:
    """Middleware that plays `script`; `name_of` gives a request's operation, or None to leave it alone."""

    @web.middleware
    async def play(request: web.Request, handler: Handler) -> web.StreamResponse:
        operation = name_of(request)
        fault = script.take(operation) if operation else None
        if fault is None:
            return await handler(request)
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            return await handler(request)
        answered = await handler(request) if fault.when == "after" else None
        return _misbehave(request, fault, answered)

    return play


def _misbehave(request: web.Request, fault: Fault, answered: web.StreamResponse | None) -> web.StreamResponse:
    if fault.kind == "drop":
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError
    if fault.kind == "empty":
        return web.Response(status=answered.status if answered else 201)
    if isinstance(fault.body, str):
        return web.Response(status=fault.status, headers=fault.headers, text=fault.body, content_type="text/html")
    return web.json_response(fault.body if fault.body is not None else {}, status=fault.status, headers=fault.headers)


def add_fault_routes(app: web.Application, script: FaultScript) -> None:
    """`POST /sandbox/faults` adds one, `GET` lists them with their `fired` counts, `DELETE` clears them."""

    async def add(request: web.Request) -> web.Response:
        return web.json_response(asdict(script.add(**await request.json())), status=201)

    async def listing(_: web.Request) -> web.Response:
        return web.json_response([asdict(fault) for fault in script.faults])

    async def clear(_: web.Request) -> web.Response:
        script.faults.clear()
        return web.Response(status=204)

    app.router.add_post("/sandbox/faults", add)
    app.router.add_get("/sandbox/faults", listing)
    app.router.add_delete("/sandbox/faults", clear)
