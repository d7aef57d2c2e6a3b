"""The sandbox's own routes: what phones do, what they received, and the page that shows it."""

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from aiohttp import web

from sandbox.phone.callbacks import Callbacks
from sandbox.phone.messages import Message, Phones
from sandbox.phone.rules import TWILIO, channel_of

PAGE, PHONE, BUBBLE = map(Template, Path(__file__).with_name("inbox.html").read_text("utf-8").split("<!-- part -->\n"))
FATE = re.compile("|".join(TWILIO["fates"]) + "|[0-9]{5}")
ALLOWED: dict[str, Callable[[str, Any], object]] = {
    "phones": lambda _, script: set(script) <= {"sms", "whatsapp"} and all(map(FATE.fullmatch, script.values())),
    "templates": lambda _, template: "language" in template,
    "account": lambda name, _: name in TWILIO["settings"],
}


class Control:
    """`PUT` adds to what is set and answers with all of it; `{}` forgets all phones, or all templates."""

    def __init__(self, phones: Phones, callbacks: Callbacks, app: web.Application) -> None:
        self._phones, self._callbacks = phones, callbacks
        self._kept = {"phones": phones.scripts, "templates": phones.account["templates"], "account": phones.account}
        app.router.add_put("/sandbox/{what:phones|templates|account}", self._put)
        app.router.add_get("/sandbox/inbox", self._inbox)
        app.router.add_delete("/sandbox/inbox", self._clear)
        app.router.add_get("/sandbox/pending", self._pending)
        app.router.add_get("/", self._page)

    async def _put(self, request: web.Request) -> web.Response:
        what, asked = request.match_info["what"], await request.json()
        if wrong := sorted(name for name, value in asked.items() if not ALLOWED[what](name, value)):
            return web.json_response({"error": "not understood", "names": wrong}, status=400)
        if not asked and what != "account":
            self._kept[what].clear()
        self._kept[what].update(asked)
        return web.json_response(self._kept[what])

    async def _inbox(self, _: web.Request) -> web.Response:
        return web.json_response([seen(message) for message in self._phones.inbox])

    async def _clear(self, _: web.Request) -> web.Response:
        self._phones.inbox.clear()
        return web.Response(status=204)

    async def _pending(self, _: web.Request) -> web.Response:
        callbacks = len(self._callbacks.sending) + sum(map(len, self._callbacks.held.values()))
        due = self._phones.off[0][0].isoformat() if self._phones.off else None
        return web.json_response({"callbacks": callbacks, "messages": len(self._phones.moving), "nextExpiry": due})

    async def _page(self, _: web.Request) -> web.Response:
        drawn: dict[str, str] = {}
        for message in self._phones.inbox:
            number = escape(message.form["To"].removeprefix("whatsapp:"))
            drawn[number] = drawn.get(number, "") + BUBBLE.substitute(_bubble(message))
        phones = "".join(PHONE.substitute(number=number, bubbles=bubbles) for number, bubbles in drawn.items())
        now = f"{self._phones.now():%A %-d %B %Y, %H:%M}"
        return web.Response(text=PAGE.substitute(now=now, phones=phones), content_type="text/html")


def seen(message: Message) -> dict[str, Any]:
    """A message as its phone got it; `deliveredAt` is None unless it did. Redaction at Twilio changes nothing here."""
    return {
        "sid": message.sid,
        "to": message.form["To"].removeprefix("whatsapp:"),
        "channel": channel_of(message.form["To"]),
        "from": message.sender and message.sender.removeprefix("whatsapp:"),
        "body": message.shown,
        "code": message.code,
        "status": message.status,
        "errorCode": message.error,
        "createdAt": message.created.isoformat(),
        "deliveredAt": message.delivered and message.delivered.isoformat(),
        "redacted": message.redacted,
    }


def _bubble(message: Message) -> dict[str, str]:
    at, words = message.delivered or message.created, seen(message)
    words |= {"at": at.isoformat(), "when": f"{at:%-d %b %H:%M}", "from": words["from"] or "…", "kind": "arrived"}
    words["label"] = {"sms": "SMS", "whatsapp": "WhatsApp"}[words["channel"]]
    if not message.delivered:
        words |= {"kind": "missing", "body": "Has not reached this phone"}
    return {name: escape(str(word or "")) for name, word in words.items()}
