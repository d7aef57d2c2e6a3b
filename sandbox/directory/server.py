"""The directory on HTTP: Graph under /v1.0, the managed identity at /msi/token, control under /sandbox."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from sandbox.directory import graph, identity, rules
from sandbox.directory.graph import Call
from sandbox.directory.rules import Refusal
from sandbox.directory.shapes import Batch, Json, SignIn, User, read
from sandbox.directory.world import World, load
from sandbox.faults import FaultScript, add_fault_routes, fault_middleware

CALL = web.RequestKey("call", Call)


@dataclass(slots=True)
class Directory:
    """A running directory; `url` has no version in it."""

    world: World
    url: str = ""
    identity: str = ""  # what the app is told as IDENTITY_ENDPOINT
    faults: FaultScript = field(default_factory=FaultScript)

    def note(self, request: web.Request) -> str | None:
        """Count a request, whether or not a fault answers it, and give its name; None for control."""
        name = "token" if request.path == "/msi/token" else None
        if request.path.startswith("/v1.0/"):
            url = request.raw_path.removeprefix("/v1.0/")
            request[CALL] = Call(self.world, request.method, url, f"{self.url}/v1.0", request.headers)
            name = request[CALL].operation
        self.world.counts.update([name] if name else [])
        return name

    async def graph(self, request: web.Request) -> web.Response:
        """Answer any request under /v1.0."""
        call: Call = request[CALL]
        try:
            call.roles = identity.roles_of(request.headers.get("Authorization", ""))
            with contextlib.suppress(ValueError):
                call.body = json.loads(await request.read())
            answer = await self._batch(call) if call.operation == "batch" else graph.reply(call)
        except Refusal as refusal:
            answer = graph.refused(call, refusal)
        body = json.dumps(answer["body"]).encode() if "body" in answer else None
        dated = {"Date": format_datetime(self.world.now(), usegmt=True)}
        return web.Response(status=answer["status"], headers=dated | call.ids | answer["headers"], body=body)

    async def _batch(self, call: Call) -> Json:
        """Microsoft Learn, Combine multiple HTTP requests using JSON batching. `dependsOn` is ignored."""
        try:
            parts = read(Batch, call.body, "batch")["requests"]
        except ValueError:
            raise Refusal("bad-batch") from None
        if len(parts) > 20:
            raise Refusal("long-batch")
        if len({part["id"].lower() for part in parts}) < len(parts):
            raise Refusal("same-id-twice")
        answers = [{"id": part["id"]} | answer for part in parts if (answer := await self._part(call, part))]
        random.shuffle(answers)
        return {"status": 200, "headers": graph.CONTENT, "body": {"responses": answers}}

    async def _part(self, batch: Call, part: Json) -> Json | None:
        """Judge a part by itself; a `drop` fault leaves it out."""
        headers = CIMultiDict[str](part.get("headers", {}))
        call = Call(batch.world, part.get("method", "").upper(), part.get("url", ""), batch.base, headers)
        call.roles = batch.roles
        call.body = part.get("body") if "Content-Type" in headers else None  # a body needs its type (same page)
        self.world.counts[name := f"batch.{call.operation}"] += 1
        fault = self.faults.take(name)
        if fault is None or fault.kind == "delay":
            await asyncio.sleep(fault.seconds if fault else 0)
            return graph.reply(call)
        status = graph.reply(call)["status"] if fault.when == "after" else 200
        scripted = {"status": fault.status, "headers": dict(fault.headers), "body": fault.body}
        return {"status": scripted, "empty": {"status": status}}.get(fault.kind)

    async def token(self, request: web.Request) -> web.Response:
        """Answer the managed identity's endpoint."""
        return identity.token(self.world.settings["appRoles"], request)

    async def control(self, request: web.Request) -> web.Response:
        """Answer tests and the demo: 200, or 400 with a sentence that names the field."""
        do = CONTROL[request.method, request.path.split("/")[2]]
        try:
            document = await request.json() if request.can_read_body else {}
            return web.json_response(do(self, request.match_info.get("key", document)))
        except ValueError as bad:
            return web.json_response({"error": str(bad)}, status=400)


def _become(directory: Directory, world: World) -> Json:
    directory.world = world
    return {"users": list(world.users)}


CONTROL: dict[tuple[str, str], Callable[[Directory, Any], Json]] = {
    ("PUT", "world"): lambda one, document: _become(one, load(World(now=one.world.now), document)),
    ("PATCH", "world"): lambda one, document: _become(one, load(one.world, document)),
    ("POST", "users"): lambda one, document: graph.shown(one.world.put(read(User, document, "user"), "user")),
    ("DELETE", "users"): lambda one, key: {"removed": one.world.drop(key.lower())},
    ("POST", "sign-ins"): lambda one, document: rules.sign_in(one.world, read(SignIn, document, "sign-in")),
    ("GET", "passes"): lambda one, _: {key: rules.told(one.world, key) for key in one.world.passes},
    ("GET", "requests"): lambda one, _: {"operations": one.world.counts, "passesCreated": one.world.created},
}


@contextlib.asynccontextmanager
async def running(
    world: Any = None, *, now: Callable[[], datetime] | None = None, port: int = 0
) -> AsyncGenerator[Directory]:
    """Serve on 127.0.0.1, a free port unless told; `world` is a document as for PUT /sandbox/world."""
    directory = Directory(load(World(now=now) if now else World(), world or {}))
    app = web.Application(middlewares=[fault_middleware(directory.faults, directory.note)], client_max_size=2**28)
    app.router.add_route("*", "/v1.0/{rest:.*}", directory.graph)
    app.router.add_get("/msi/token", directory.token)
    for verb, name in CONTROL:
        app.router.add_route(verb, f"/sandbox/{name}" + ("/{key}" if verb == "DELETE" else ""), directory.control)
    add_fault_routes(app, directory.faults)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        directory.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        directory.identity = f"{directory.url}/msi/token"
        yield directory
    finally:
        await runner.cleanup()
