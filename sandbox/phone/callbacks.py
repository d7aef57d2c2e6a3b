"""Status callbacks on the wire: signed, form-encoded, and sent again as the URL's fragment asks."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, ConnectionTimeoutError
from yarl import URL

from sandbox.faults import FaultScript
from sandbox.phone.rules import TWILIO


async def call_back(
    session: ClientSession, faults: FaultScript, url: str, fields: Mapping[str, str], turn: asyncio.Lock
) -> None:
    """Send one callback, when it is its turn, until it is taken or the fragment asks for no further try."""
    url, _, fragment = url.partition("#")
    asked = dict(parse_qsl(fragment))
    again = set(asked.get("rp", "ct").split(","))
    limits = {
        name: min(max(int(text), low), high) if (text := asked.get(name, "")).isdecimal() else usual
        for name, (low, high, usual) in TWILIO["overrides"].items()
    }
    proof = {"X-Twilio-Signature": signature(url, fields), "I-Twilio-Idempotency-Token": secrets.token_hex(16)}
    patience = ClientTimeout(limits["tt"] / 1000, sock_connect=limits["ct"] / 1000, sock_read=limits["rt"] / 1000)
    post = {"data": urlencode(fields), "headers": TWILIO["headers"]["callback"] | proof, "timeout": patience}
    async with turn:
        for _ in range(1 + limits["rc"]):
            outcome = await _attempt(session, faults, URL(url, encoded=True), post)
            if outcome in {"2xx", "lost"} or not {outcome, "all"} & again:
                break


async def _attempt(session: ClientSession, faults: FaultScript, url: URL, post: Mapping[str, Any]) -> str:
    """How it went, in the retry policy's words; `lost` when a fault takes it away and nobody notices."""
    fault, pretended = faults.take("callback"), None
    if fault and fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
    elif fault:
        lost = "lost" if fault.when == "before" else "rt"
        pretended = lost if fault.kind == "drop" else f"{fault.status // 100}xx"
        if fault.when == "before":
            return pretended
    try:
        async with session.post(url, **post, allow_redirects=False) as answer:
            return pretended or f"{answer.status // 100}xx"
    except (ClientError, TimeoutError) as error:
        return pretended or ("ct" if isinstance(error, (ClientConnectorError, ConnectionTimeoutError)) else "rt")


def signature(url: str, fields: Mapping[str, str]) -> str:
    """Twilio, "Webhooks Security": HMAC-SHA1, by the auth token, of the URL and the fields in order of their names."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.digest(TWILIO["account"]["authToken"].encode(), text.encode(), "sha1")).decode()
