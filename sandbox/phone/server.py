"""The phone as one server on loopback: Twilio's Messages API, and the sandbox's own routes with the inbox page."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import ClientSession, encode_basic_auth, web

from sandbox.faults import FaultScript, Handler, add_fault_routes, fault_middleware
from sandbox.phone.callbacks import call_back
from sandbox.phone.messages import ROOT, Message, Now, Phones
from sandbox.phone.rules import TWILIO, ApiError, Form, route
from sandbox.phone.wishes import not_understood

KEYS, PAIRS = TWILIO["account"], (("accountSid", "authToken"), ("apiKeySid", "apiKeySecret"))
LOGINS = {encode_basic_auth(KEYS[sid], KEYS[secret]) for sid, secret in PAIRS}
PAGE, PHONE, BUBBLE = map(Template, Path(__file__).with_name("inbox.html").read_text("utf-8").split("<!-- part -->\n"))
ACCOUNT = ROOT.rpartition("/")[0]
LABELS = {"sms": "SMS", "whatsapp": "WhatsApp"}
STEP_SECONDS = 0.03
REAL_TIME = partial(datetime.now, UTC)


@asynccontextmanager
async def running(port: int = 0, now: Now = REAL_TIME, step_seconds: float = STEP_SECONDS) -> AsyncGenerator[str]:
    """Serve on 127.0.0.1 (port 0: a free one) and give the address.

    `now` is the sandbox's clock; `step_seconds` is real time between the states of a message, 0 is instant.
    """
    faults = FaultScript()
    async with ClientSession() as session:
        phones = Phones(now, step_seconds, partial(call_back, session, faults))
        server = Server(phones, faults)
        runner = web.AppRunner(server.app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        timer = asyncio.create_task(_watch(phones))
        try:
            yield site.name
        finally:
            await runner.cleanup()
            for task in (tasks := (timer, *phones.moving, *phones.sending)):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(phones: Phones) -> None:
    while True:
        await asyncio.sleep(0.25)
        phones.expire()


class Server:
    """Every route. Faults go by the names of Twilio's; a `PUT` adds to what is set, and `{}` forgets all of it."""

    def __init__(self, phones: Phones, faults: FaultScript) -> None:
        self._phones, self._creates = phones, list[float]()
        play = fault_middleware(faults, lambda request: request.match_info.route.name)
        self.app = web.Application(middlewares=[play, self._as_twilio])
        routes = self.app.router
        routes.add_post(ROOT + ".json", self._create, name="create_message")
        routes.add_get(ROOT + ".json", self._list, name="list_messages")
        routes.add_get(ROOT + "/{sid}.json", self._fetch, name="fetch_message")
        routes.add_post(ROOT + "/{sid}.json", self._redact, name="redact_message")
        routes.add_delete(ROOT + "/{sid}.json", self._delete, name="delete_message")
        routes.add_get("/v1/Content/{sid}/ApprovalRequests", self._approval, name="fetch_approval")
        routes.add_get("/{_:v[12]/.*}", self._look, name="look_at_account")
        routes.add_get(ACCOUNT + "/IncomingPhoneNumbers.json", self._look, name="list_numbers")
        routes.add_put("/sandbox/{what:phones|templates|account|records}", self._put)
        routes.add_get("/sandbox/inbox", self._inbox)
        routes.add_delete("/sandbox/inbox", self._clear)
        routes.add_get("/sandbox/pending", self._pending)
        routes.add_get("/", self._page)
        add_fault_routes(self.app, faults)

    @web.middleware
    async def _as_twilio(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._phones.expire()
        if not request.path.startswith(("/2010-04-01/", "/v1/", "/v2/")):
            return await handler(request)
        try:
            elsewhere = request.path.startswith("/2010") and not request.path.startswith(ACCOUNT + "/")
            if request.headers.get("Authorization") not in LOGINS or elsewhere:
                raise ApiError(20003)
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            refused = ApiError(20404 if error.status == 404 else 20004, request.path)
        except ApiError as error:
            refused = error
        more = f"https://www.twilio.com/docs/errors/{refused.code}"
        answer = {"code": refused.code, "message": str(refused), "more_info": more, "status": refused.status}
        return web.json_response(answer, status=refused.status, headers=TWILIO["headers"].get(str(refused.status)))

    async def _create(self, request: web.Request) -> web.Response:
        rate, now = self._phones.kept["account"]["rate"], time.monotonic()
        self._creates = [earlier for earlier in self._creates if earlier > now - 1]
        if rate is not None and len(self._creates) >= rate:
            raise ApiError(20429)
        self._creates.append(now)
        return web.json_response(self._phones.accept(await _form(request)).record, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        if strange := set(request.query) - {"To", "PageSize"}:
            raise ApiError(20001, min(strange))
        records = [message.record for message in reversed(self._phones.messages.values())]
        found = [record for record in records if request.query.get("To", record["to"]) == record["to"]]
        return web.json_response({"messages": found, "next_page_uri": None})

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(self._record(request))

    async def _redact(self, request: web.Request) -> web.Response:
        record, form = self._record(request), await _form(request)
        if form != {"Body": ""}:  # nothing is scheduled here, so nothing can be cancelled
            raise ApiError(30409 if form == {"Status": "canceled"} else 30400)
        record["body"] = ""
        return web.json_response(record)

    async def _delete(self, request: web.Request) -> web.Response:
        record = self._record(request)
        if record["status"] not in {"delivered", "read", "undelivered", "failed"}:
            raise ApiError(20009)
        del self._phones.messages[record["sid"]]
        return web.Response(status=204)

    async def _approval(self, request: web.Request) -> web.Response:
        template = self._phones.kept["templates"].get(sid := request.match_info["sid"])
        if template is None:
            raise ApiError(20404, request.path)
        told = {"category": "AUTHENTICATION", "status": template.get("status", "approved")}
        return web.json_response({"sid": sid, "whatsapp": told})

    async def _look(self, request: web.Request) -> web.Response:
        records = self._phones.kept["records"]
        if (found := records.get(request.path.removeprefix(ACCOUNT))) is None:
            raise ApiError(20404, request.path)
        return web.json_response(found)

    def _record(self, request: web.Request) -> dict[str, Any]:
        if message := self._phones.messages.get(request.match_info["sid"]):
            return message.record
        raise ApiError(20404, request.path)

    async def _put(self, request: web.Request) -> web.Response:
        what, asked = request.match_info["what"], await request.json()
        if wrong := not_understood(what, asked):
            return web.json_response({"error": "not understood", "names": wrong}, status=400)
        kept = self._phones.kept[what]
        if not asked and what != "account":
            kept.clear()
        kept.update(asked)
        return web.json_response(kept)

    async def _inbox(self, _: web.Request) -> web.Response:
        return web.json_response([seen(message) for message in self._phones.inbox])

    async def _clear(self, _: web.Request) -> web.Response:
        self._phones.inbox.clear()
        return web.Response(status=204)

    async def _pending(self, _: web.Request) -> web.Response:
        due = self._phones.off[0][0].isoformat() if self._phones.off else None
        counts = {"callbacks": len(self._phones.sending), "messages": len(self._phones.moving)}
        return web.json_response(counts | {"nextExpiry": due})

    async def _page(self, _: web.Request) -> web.Response:
        drawn: dict[str, str] = {}
        for message in map(seen, self._phones.inbox):
            drawn[message["to"]] = drawn.get(message["to"], "") + _bubble(message)
        phones = "".join(PHONE.substitute(number=number, bubbles=bubbles) for number, bubbles in drawn.items())
        page = PAGE.substitute(now=f"{self._phones.now():%A %-d %B %Y, %H:%M}", phones=phones)
        return web.Response(text=page, content_type="text/html")


async def _form(request: web.Request) -> Form:
    is_form = request.content_type == "application/x-www-form-urlencoded"
    return dict(parse_qsl(await request.text(), keep_blank_values=True)) if is_form else {}


def seen(message: Message) -> dict[str, Any]:
    """A message as its phone got it; `deliveredAt` is None unless it did. Redaction at Twilio changes nothing here."""
    record, sender = message.record, route(message.record["from"] or "")[1] or None
    known = {"from": sender, "status": record["status"], "errorCode": record["error_code"]}
    return message.shown | known | {"redacted": not record["body"]}


def _bubble(message: dict[str, Any]) -> str:
    at = message["deliveredAt"] or message["createdAt"]
    words = {"label": LABELS[message["channel"]], "at": at, "when": f"{datetime.fromisoformat(at):%-d %b %H:%M}"}
    words |= {"from": message["from"] or "…", "body": message["body"] if message["deliveredAt"] else ""}
    return BUBBLE.substitute({name: escape(str(word or "")) for name, word in (message | words).items()})
