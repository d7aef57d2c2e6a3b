"""The Messages API on the wire: routes, logins, JSON and dates as Twilio writes them."""

import operator
import time
from collections import deque
from datetime import date, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import encode_basic_auth, web

from sandbox.faults import Handler
from sandbox.phone.messages import FINAL, Message, Phones
from sandbox.phone.rules import TWILIO, ApiError

ACCOUNT = TWILIO["account"]
SECRETS = (("accountSid", "authToken"), ("apiKeySid", "apiKeySecret"))
LOGINS = {encode_basic_auth(ACCOUNT[sid], ACCOUNT[key]) for sid, key in SECRETS}
ROOT = f"/2010-04-01/Accounts/{ACCOUNT['accountSid']}/Messages"
DATES = {"DateSent": operator.eq, "DateSent<": operator.le, "DateSent>": operator.ge}
HEADERS = {401: {"WWW-Authenticate": 'Basic realm="Twilio API"'}, 429: {"Twilio-Concurrent-Requests": "100"}}


class Api:
    """The five operations; their routes carry the names that faults go by."""

    def __init__(self, phones: Phones, app: web.Application) -> None:
        self._phones, self._creates = phones, deque[float]()
        app.router.add_post(ROOT + ".json", self._create, name="create_message")
        app.router.add_get(ROOT + ".json", self._list, name="list_messages")
        app.router.add_get(ROOT + "/{sid}.json", self._fetch, name="fetch_message")
        app.router.add_post(ROOT + "/{sid}.json", self._redact, name="redact_message")
        app.router.add_delete(ROOT + "/{sid}.json", self._delete, name="delete_message")

    @web.middleware
    async def as_twilio(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Look at the clock; then, for Twilio's paths, ask for a login and put every refusal in Twilio's words."""
        self._phones.expire()
        if not request.path.startswith("/2010-04-01/"):
            return await handler(request)
        try:
            if request.headers.get("Authorization") not in LOGINS or not request.path.startswith(ROOT):
                raise ApiError(20003)
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            refused = ApiError(20404 if error.status == 404 else 20004, request.path)
        except ApiError as error:
            refused = error
        more = f"https://www.twilio.com/docs/errors/{refused.code}"
        answer = {"code": refused.code, "message": str(refused), "more_info": more, "status": refused.status}
        return web.json_response(answer, status=refused.status, headers=HEADERS.get(refused.status))

    async def _create(self, request: web.Request) -> web.Response:
        rate, now = self._phones.account["rate"], time.monotonic()
        while self._creates and self._creates[0] <= now - 1:
            self._creates.popleft()
        if rate is not None and len(self._creates) >= rate:
            raise ApiError(20429)
        self._creates.append(now)
        return web.json_response(as_json(self._phones.accept(await _form(request))), status=201)

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(as_json(self._find(request)))

    async def _redact(self, request: web.Request) -> web.Response:
        message, form = self._find(request), await _form(request)
        if form != {"Body": ""}:  # nothing is scheduled here, so nothing can be cancelled
            raise ApiError(30409 if form == {"Status": "canceled"} else 30400)
        if self._phones.account["strictRedaction"] and message.status not in FINAL:
            raise ApiError(20009)
        message.body, message.redacted = "", True
        return web.json_response(as_json(message))

    async def _delete(self, request: web.Request) -> web.Response:
        message = self._find(request)
        if message.status not in FINAL:
            raise ApiError(20009)
        del self._phones.messages[message.sid]
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        if strange := set(query) - {"To", "From", "Page", "PageSize", "PageToken", *DATES}:
            raise ApiError(20001, min(strange))
        try:
            page, size = int(query.pop("Page", 0)), min(int(query.pop("PageSize", 50)), 1000)
            found = [message for message in reversed(self._phones.messages.values()) if _matches(message, query)]
        except ValueError as error:
            raise ApiError(20001, error) from error
        more = urlencode(query | {"PageSize": size, "Page": page + 1}) if found[(page + 1) * size :] else None
        messages = [as_json(message) for message in found[page * size :][:size]]
        answer = {"messages": messages, "page": page, "page_size": size, "uri": request.path_qs}
        return web.json_response(answer | {"next_page_uri": more and f"{ROOT}.json?{more}"})

    def _find(self, request: web.Request) -> Message:
        if message := self._phones.messages.get(request.match_info["sid"]):
            return message
        raise ApiError(20404, request.path)


async def _form(request: web.Request) -> dict[str, str]:
    is_form = request.content_type == "application/x-www-form-urlencoded"
    return {name: str(text) for name, text in (await request.post()).items()} if is_form else {}


def _matches(message: Message, query: dict[str, str]) -> bool:
    moment = (message.sent or message.created).replace(microsecond=0)
    for name in DATES.keys() & query:
        whole_day = len(query[name]) == len("2026-12-01")
        asked = (date if whole_day else datetime).fromisoformat(query[name])
        if not DATES[name](moment.date() if whole_day else moment, asked):
            return False
    return query.get("To") in {None, message.form["To"]} and query.get("From") in {None, message.sender}


def as_json(message: Message) -> dict[str, Any]:
    """A message as Twilio writes it: dates by RFC 2822, figures as strings."""
    to, uri = message.form["To"], f"{ROOT}/{message.sid}"
    hidden = message.sent and message.form.get("AddressRetention") == "obfuscate"
    return TWILIO["message"] | {
        "sid": message.sid,
        "account_sid": ACCOUNT["accountSid"],
        "messaging_service_sid": message.form.get("MessagingServiceSid"),
        "to": to[:-4] + "XXXX" if hidden else to,
        "from": message.sender,
        "body": message.body,
        "num_segments": "0" if message.status == "accepted" else str(segments(message.shown)),
        "status": message.status,
        "error_code": message.error,
        "error_message": message.error and TWILIO["errors"].get(str(message.error), "Unknown error"),
        "date_created": format_datetime(message.created),
        "date_updated": format_datetime(message.updated),
        "date_sent": message.sent and format_datetime(message.sent),
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def segments(text: str) -> int:
    """How many SMS a text takes (Twilio, "What is the SMS character limit?")."""
    single, double = TWILIO["gsm7"]["single"], TWILIO["gsm7"]["double"]
    if set(text) <= {*single, *double}:
        size, alone, part = len(text) + sum(character in double for character in text), 160, 153
    else:
        size, alone, part = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= alone else -(-size // part)
