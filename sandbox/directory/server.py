"""The directory on HTTP: Graph under /v1.0, the managed identity at /msi/token, control under /sandbox."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox.directory import batch, graph, identity
from sandbox.directory.odata import Call
from sandbox.directory.rules import Refusal, sign_in
from sandbox.directory.state import Json, World
from sandbox.directory.world import check, drop_user, load, put_user
from sandbox.faults import FaultScript, add_fault_routes, fault_middleware


@dataclass(slots=True)
class Directory:
    """A running directory. `url` has no version in it; `counts` are requests by operation."""

    world: World
    url: str = ""
    faults: FaultScript = field(default_factory=FaultScript)
    counts: Counter[str] = field(default_factory=Counter[str])

    @property
    def identity(self) -> str:
        """What the app is told as IDENTITY_ENDPOINT."""
        return f"{self.url}/msi/token"

    async def graph(self, request: web.Request) -> web.Response:
        """Answer any request under /v1.0."""
        call = _call(request)
        try:
            call.roles = identity.roles_of(request.headers.get("Authorization", ""))
            with contextlib.suppress(ValueError):
                call.body = json.loads(await request.read())
            if (call.method, call.path) == ("POST", "$batch"):
                status, body = await batch.run(self.world, call, self.faults, self.counts)
                answer: Json = {"status": status, "headers": {"Content-Type": graph.JSON}, "body": body}
            else:
                answer = graph.judge(self.world, call)
        except Refusal as refusal:
            answer = graph.refused(self.world, call, refusal)
        body = json.dumps(answer["body"]).encode() if "body" in answer else None
        return web.Response(status=answer["status"], headers=graph.ids(call) | answer["headers"], body=body)

    def note(self, request: web.Request) -> str | None:
        """Count a request, whether or not a fault answers it, and give its name; None for control."""
        if not request.path.startswith("/v1.0/"):
            name = "token" if request.path == "/msi/token" else None
        else:
            route = graph.find(call := _call(request))
            name = route.operation if route else "batch" if call.path == "$batch" else "unknown"
        self.counts.update([name] if name else [])
        return name

    async def token(self, request: web.Request) -> web.Response:
        """Answer the managed identity's endpoint."""
        return identity.token(self.world, request)

    async def control(self, request: web.Request) -> web.Response:
        """Answer tests and the demo: 200, or 400 with a sentence that names the field."""
        do = CONTROL[request.method, request.path.split("/")[2]]
        try:
            document = await request.json() if request.can_read_body else {}
            return web.json_response(do(self, document, request.match_info.get("key", "").lower()))
        except ValueError as bad:
            return web.json_response({"error": str(bad)}, status=400)


def _call(request: web.Request) -> Call:
    base = f"{request.scheme}://{request.host}/v1.0"
    return Call(method=request.method, url=request.raw_path.removeprefix("/v1.0/"), base=base, headers=request.headers)


def _put_world(directory: Directory, document: Any, _: str) -> Any:
    directory.world = load(World(now=directory.world.now), document)
    directory.counts.clear()
    return {"users": list(directory.world.users)}


def _patch_world(directory: Directory, document: Any, _: str) -> Any:
    directory.world = load(directory.world, document)
    return {"users": list(directory.world.users)}


def _sign_in(directory: Directory, document: Any, _: str) -> Any:
    check(document, {"user": "text", "pass": "text", "registers": "text or null"}, "sign-in", "user", "pass")
    user = directory.world.user(document["user"])
    reason = sign_in(directory.world, user, document["pass"], document.get("registers"))
    return {"worked": reason == "EnabledByPolicy", "reason": reason}


def _passes(directory: Directory, _: Any, __: str) -> Any:
    users = directory.world.users.items()
    return {key: [graph.pass_json(directory.world, user, user.tap)] for key, user in users if user.tap}


CONTROL: dict[tuple[str, str], Callable[[Directory, Any, str], Any]] = {
    ("PUT", "world"): _put_world,
    ("PATCH", "world"): _patch_world,
    ("POST", "users"): lambda directory, document, _: put_user(directory.world, document).properties,
    ("DELETE", "users"): lambda directory, _, key: {"removed": drop_user(directory.world, key) is not None},
    ("POST", "sign-ins"): _sign_in,
    ("GET", "passes"): _passes,
    ("GET", "requests"): lambda one, _, __: {"operations": one.counts, "passesCreated": one.world.created},
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
        yield directory
    finally:
        await runner.cleanup()
