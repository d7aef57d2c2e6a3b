"""The host's front on loopback: HTTP functions under their routes, and what the timers are at."""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from .runtime import Function, Outcome, Proto, call
from .timers import Timer

BODY_LIMIT = 2**20
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"


class Front:
    """Serves until it is closed; several hosts may share a port, as instances behind one address."""

    def __init__(
        self, functions: Sequence[Function], timers: Mapping[str, Timer], limits: Mapping[str, Any], grace: float
    ) -> None:
        self._timers, self._limit = timers, limits["functionTimeout"]
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_get("/sandbox/timers", self._list_timers, allow_head=False)
        for function in functions:
            path = f"/{limits['routePrefix']}/{function.trigger['route']}".replace("//", "/")
            for method in function.trigger.get("methods") or ["*"]:
                app.router.add_route(method, path, partial(self._serve, function))
        app.router.add_route("*", "/{any:.*}", _not_found)  # for a wrong method too (azure-functions-host #10098)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace)

    async def open(self, port: int) -> str:
        """Listen on `port`, or on a free one for 0; the address."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_port=True).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Take no more requests; those under way have the grace time."""
        await self._runner.cleanup()

    async def _list_timers(self, _: web.Request) -> web.Response:
        return web.json_response({name: timer.status for name, timer in self._timers.items()})

    async def _serve(self, function: Function, request: web.Request) -> web.Response:
        return _answer(await call(function, f"{function.name} [{request.method}]", await _typed(request), self._limit))


async def _not_found(_: web.Request) -> web.Response:
    return web.Response(status=404)


async def _typed(request: web.Request) -> Proto:
    """What the host tells the Python worker (GrpcMessageConversionExtensions.cs).

    The query as it came is in `url` only: empty values are left out of `query`. Values of one name are joined by
    commas. A body without Content-Length is not passed on.
    """
    query = {name: text for name, text in _joined(request.query).items() if text}
    headers = {name.lower(): text for name, text in _joined(request.headers).items()}
    headers = {name: text for name, text in headers.items() if not name.startswith("x-ms-")} | _vouched(headers)
    content = await request.read()
    body = Proto(bytes=content) if request.content_length else Proto()
    url = f"http://{request.host}{request.raw_path}"
    params = dict(request.match_info)
    return Proto(http=Proto(method=request.method, url=url, headers=headers, query=query, params=params, body=body))


def _vouched(headers: Mapping[str, str]) -> dict[str, str]:
    """What App Service authentication tells of who asks (Learn, "Work with user identities in App Service").

    Its headers never pass from outside. In place of Entra's tokens it takes `Bearer sandbox.` and {oid, roles} in
    URL-safe base64, and turns away one it cannot read; nobody without one: the app must see to that.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.startswith("sandbox."):
        return {}
    try:
        who = json.loads(base64.urlsafe_b64decode(token.removeprefix("sandbox.") + "=="))
        claims = [{"typ": OID, "val": who["oid"]}, *({"typ": "roles", "val": role} for role in who["roles"])]
    except (ValueError, TypeError, KeyError):
        raise web.HTTPUnauthorized from None
    principal = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": ROLE}
    return {"x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode()}


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    return {name: ",".join(values.getall(name)) for name in values}


def _answer(outcome: Outcome) -> web.Response:
    """An error tells the caller nothing."""
    if outcome.error:
        return web.Response(status=500)
    if outcome.returned.WhichOneof("data") == "string":
        return web.Response(text=outcome.returned.string)
    http = outcome.returned.http
    return web.Response(status=int(http.status_code), headers=http.headers, body=http.body.bytes)
