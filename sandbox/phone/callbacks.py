"""Status callbacks: signed, form-encoded, and sent again as the URL's fragment asks."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, ConnectionTimeoutError
from yarl import URL

from sandbox.faults import FaultScript
from sandbox.phone.messages import Message, Phones
from sandbox.phone.rules import TWILIO, channel_of

ACCOUNT = TWILIO["account"]


class Callbacks:
    """Sends what `phones` reports: in order, one at a time per message, unless the account is told to misbehave."""

    def __init__(self, phones: Phones, faults: FaultScript, session: ClientSession) -> None:
        self._phones, self._faults, self._session = phones, faults, session
        self.sending: set[asyncio.Task[None]] = set()
        self.held: dict[str, list[dict[str, str]]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}

    def report(self, message: Message, resting: bool) -> None:  # noqa: FBT001 - the shape Phones.report asks for
        """Send word of the message's state; a re-ordering account waits for the last one and begins with it."""
        url, sid = message.form.get("StatusCallback", ""), message.sid
        host = urlsplit(url).hostname or ""
        if not (host in {"localhost", "::1"} or host.startswith("127.")):  # nothing leaves this machine
            return
        self.held.setdefault(sid, []).append(receipt(message))
        if self._phones.account["reorderCallbacks"] and not resting:
            return
        for fields in reversed(self.held.pop(sid)):
            for _ in range(2 if self._phones.account["doubleCallbacks"] else 1):
                task = self._last[sid] = asyncio.create_task(self._deliver(self._last.get(sid), url, fields))
                self.sending.add(task)
                task.add_done_callback(self.sending.discard)

    async def _deliver(self, earlier: asyncio.Task[None] | None, url: str, fields: Mapping[str, str]) -> None:
        if earlier:
            await asyncio.wait([earlier])
        address, _, fragment = url.partition("#")
        asked = dict(parse_qsl(fragment))
        limits = {name: _within(asked.get(name, ""), *bounds) for name, bounds in TWILIO["overrides"].items()}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature(address, fields),
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),  # the same on every retry
        }
        patience = ClientTimeout(limits["tt"] / 1000, sock_connect=limits["ct"] / 1000, sock_read=limits["rt"] / 1000)
        for _ in range(1 + limits["rc"]):
            outcome = await self._attempt(address, urlencode(fields).encode(), headers, patience)
            if outcome in {"2xx", "lost"} or not {outcome, "all"} & set(asked.get("rp", "ct").split(",")):
                break

    async def _attempt(self, url: str, body: bytes, headers: Mapping[str, str], patience: ClientTimeout) -> str:
        """How it went, in the retry policy's words; `lost` when a fault takes it away and nobody notices."""
        fault = self._faults.take("callback")
        if fault and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        pretended = fault and {"status": f"{fault.status // 100}xx", "drop": "lost", "empty": "2xx"}.get(fault.kind)
        if fault and pretended and fault.when == "before":
            return pretended
        exact = URL(url, encoded=True)
        try:
            async with self._session.post(
                exact, data=body, headers=headers, timeout=patience, allow_redirects=False
            ) as r:
                outcome = f"{r.status // 100}xx"
        except (ClientConnectorError, ConnectionTimeoutError):
            outcome = "ct"
        except (ClientError, TimeoutError):
            outcome = "rt"
        return "rt" if pretended == "lost" else pretended or outcome


def receipt(message: Message) -> dict[str, str]:
    """A callback's fields. Twilio leaves some blank, and signs those too."""
    to, sid, status = message.form["To"], message.sid, message.status
    fields = {"AccountSid": ACCOUNT["accountSid"], "ApiVersion": "2010-04-01", "From": message.sender or "", "To": to}
    fields |= {"MessageSid": sid, "MessageStatus": status, "SmsSid": sid, "SmsStatus": status}
    if channel_of(to) == "whatsapp":
        fields |= {"ChannelPrefix": "whatsapp", "ChannelToAddress": to[9:], "ChannelStatusMessage": ""}
    else:
        fields["RawDlrDoneDate"] = message.delivered.strftime("%y%m%d%H%M") if message.delivered else ""
    if service := message.form.get("MessagingServiceSid"):
        fields["MessagingServiceSid"] = service
    if message.error:
        fields |= {"ErrorCode": str(message.error), "ErrorMessage": TWILIO["errors"].get(str(message.error), "")}
    return fields


def signature(url: str, fields: Mapping[str, str]) -> str:
    """Twilio, "Webhooks Security": HMAC-SHA1, by the auth token, of the URL and the fields in order of their names."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.digest(ACCOUNT["authToken"].encode(), text.encode(), "sha1")).decode()


def _within(asked: str, low: int, high: int, default: int) -> int:
    return min(max(int(asked), low), high) if asked.isdecimal() else default
