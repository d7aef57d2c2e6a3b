"""The courier: Twilio's Messages API. The pass is revealed here, once, and nothing here keeps it.

A create is repeated only when Twilio surely did not take it: messages have no idempotency key, so a second POST may be
a second message. What Twilio may have taken is `Unconfirmed`, and the case's lease decides.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from tenacity import AsyncRetrying, retry_if_result, wait_exponential_jitter
from tenacity.wait import wait_base
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from shared.adapters.twilio_codes import (
    NOT_TAKEN,
    OUT_OF_TIME,
    OUTCOMES,
    UNKNOWN,
    Kind,
    Verdict,
    judge,
    verdict_on,
)
from shared.events import Channel, Message
from shared.ports import Clock
from shared.secret import Secret

REQUEST_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
TRIES: Final = 3
CARRIED_BY_TEMPLATE: Final = re.compile(r"[A-Za-z0-9]{1,14}")  # Twilio, "whatsapp/authentication"
RETRY_CALLBACKS: Final = "#rc=3&rp=all"  # Twilio, "Webhooks: Connection Overrides": thrice more, whatever went wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccount:
    """Whose account, and its API key. `discard_content` needs Message Redaction to be enabled on it (page 30029)."""

    account_sid: str
    api_key_sid: str
    api_key_secret: str = field(repr=False)
    base_url: str = "https://api.twilio.com"
    discard_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """What messages are sent from, and how.

    `sms_from` is E.164 or alphanumeric, `whatsapp_from` E.164; `templates` gives content SIDs by language tag or
    "default"; `callback_url`, without a query, is where receipts go; `validity` is how long Twilio may hold one back.
    """

    sms_from: str | None = None
    messaging_service_sid: str | None = None
    whatsapp_from: str | None = None
    templates: Mapping[str, str] = field(default_factory=dict[str, str])
    callback_url: str | None = None
    validity: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if bool(self.sms_from) == bool(self.messaging_service_sid):
            raise ValueError("give sms_from or messaging_service_sid, not both")
        if not timedelta(seconds=1) <= self.validity <= timedelta(hours=10):  # Twilio, "Messages resource"
            raise ValueError("validity must be from 1 second to 10 hours")

    def template(self, locale: str | None) -> str | None:
        """The content SID for a language tag: its own, that of its language part, the default one, or none."""
        # Tags compare without case (RFC 5646); WhatsApp writes them with an underscore.
        by_tag = {tag.lower().replace("_", "-"): sid for tag, sid in self.templates.items()}
        tag = (locale or "").lower().replace("_", "-")
        return by_tag.get(tag) or by_tag.get(tag.partition("-")[0]) or by_tag.get("default")


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message without its pass."""

    number: str = field(repr=False)
    template: str | None
    ref: str


class TwilioCourier:
    """ports.Courier. `wait` is the pause between tries. Close it when done."""

    def __init__(self, account: TwilioAccount, senders: Senders, clock: Clock, wait: wait_base | None = None) -> None:
        self._account, self._senders, self._clock = account, senders, clock
        self._wait = wait or wait_exponential_jitter(multiplier=0.5, max=4, jitter=0.5)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to Twilio."""
        if self._session:
            await self._session.close()
            self._session = None

    async def send(
        self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str, stop_at: float
    ) -> Message:
        """See ports.Courier. Errors are raised where nothing is being handled, so no SDK exception hangs on them."""
        by_template = channel is Channel.WHATSAPP and self._senders.whatsapp_from
        letter = _Letter(number, self._senders.template(locale) if by_template else None, ref)
        tries = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, Verdict) and outcome.kind is Kind.RETRY),
            stop=lambda state: state.attempt_number >= TRIES or self._left(stop_at) <= state.upcoming_sleep,
            wait=self._wait,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        outcome: Message | Verdict = await tries(self._try, letter, secret, stop_at)
        if isinstance(outcome, Verdict):
            raise OUTCOMES[outcome.kind](outcome)
        return outcome

    async def _try(self, letter: _Letter, secret: Secret, stop_at: float) -> Message | Verdict:
        seconds = min(REQUEST_SECONDS, self._left(stop_at))
        return await self._create(letter, secret, seconds) if seconds > 0 else OUT_OF_TIME

    def _left(self, stop_at: float) -> float:
        return stop_at - self._clock.monotonic()

    async def _create(self, letter: _Letter, secret: Secret, seconds: float) -> Message | Verdict:
        """One POST. Whatever is raised under it holds the request in its frames: it ends here, as a verdict."""
        form = self._form(letter, secret.reveal())
        channel = Channel.WHATSAPP if "content_sid" in form else Channel.SMS
        self._session = self._session or aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        wire = _Wire(self._session, seconds)
        try:
            made = await self._client(wire).messages.create_async(**form)
            return _taken(made.sid, made.status, made.error_code, channel)
        except asyncio.CancelledError as cancelled:
            _cut_loose(cancelled)
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the message may have been sent
            _cut_loose(error)
            return _verdict_of(error, wire.status)
        finally:
            form.clear()

    def _form(self, letter: _Letter, code: str) -> dict[str, Any]:
        """The parameters of a create. For an empty variable a template shows its sample: a bug ends here, unsent."""
        if not code:
            raise ValueError("no pass to send")
        templated = letter.template and CARRIED_BY_TEMPLATE.fullmatch(code)
        form = self._by_whatsapp(letter, code) if templated else self._by_sms(letter, code)
        form["validity_period"] = int(self._senders.validity.total_seconds())
        if self._senders.callback_url:
            form["status_callback"] = f"{self._senders.callback_url}?ref={quote(letter.ref, safe='')}{RETRY_CALLBACKS}"
        if self._account.discard_content:
            form["content_retention"] = "discard"
        return form

    def _by_sms(self, letter: _Letter, code: str) -> dict[str, Any]:
        """The pass and nothing else, as it is: smart encoding would turn a backtick into an apostrophe."""
        service = self._senders.messaging_service_sid
        sender = {"messaging_service_sid": service} if service else {"from_": self._senders.sms_from}
        return sender | {"to": letter.number, "body": code, "smart_encoded": False}

    def _by_whatsapp(self, letter: _Letter, code: str) -> dict[str, Any]:
        return {
            "to": f"whatsapp:{letter.number}",
            "from_": f"whatsapp:{self._senders.whatsapp_from}",
            "content_sid": letter.template,
            "content_variables": json.dumps({"1": code}),
        }

    def _client(self, wire: "_Wire") -> Client:
        """The SDK's client. The environment given stands in for the process's: an empty one would not."""
        who, none = self._account, {"TWILIO_REGION": "", "TWILIO_EDGE": ""}
        client = Client(who.api_key_sid, who.api_key_secret, who.account_sid, http_client=wire, environment=none)
        client.api.base_url = who.base_url
        return client


def _cut_loose(error: BaseException | None) -> None:
    """Part an exception from the frames it came through: aiohttp keeps some errors, and the frames hold the request."""
    while error:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _verdict_of(error: Exception, status: int) -> Verdict:
    """Refused, surely not reached; else (a time-out, a disconnect, an answer that is none) it may have been sent."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NOT_TAKEN
    return judge(status, error.code) if isinstance(error, TwilioRestException | TwilioServiceException) else UNKNOWN


def _taken(sid: object, status: object, code: object, channel: Channel) -> Message | Verdict:
    """What a 2xx says: the message, unless it ended at once or has no id to ask for it by."""
    if status in {"failed", "undelivered", "canceled"}:
        return verdict_on(code) or UNKNOWN
    usable = isinstance(sid, str) and re.fullmatch("(SM|MM)[0-9a-fA-F]{32}", sid)
    return Message(str(sid), channel) if usable else UNKNOWN


class _Wire(AsyncHttpClient):
    """The SDK's requests on our session: with a time-out (the SDK's own client has none) and without keeping a copy."""

    def __init__(self, session: aiohttp.ClientSession, seconds: float) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True)
        # A connect ends sooner, for it proves that nothing was sent; no rounding up to whole seconds, past stop_at.
        connect = min(CONNECT_SECONDS, seconds / 2)
        self._limits = aiohttp.ClientTimeout(seconds, connect=connect, ceil_threshold=REQUEST_SECONDS + 1)
        self._session = session
        self.status = 0

    async def request(self, method: str, uri: str, *_: Any, **asked: Any) -> Response:  # noqa: ANN401 - the SDK's words
        """One request, never redirected: that would repeat a POST."""
        headers = asked["headers"] | {"Authorization": aiohttp.encode_basic_auth(*asked["auth"])}
        async with self._session.request(
            method, uri, data=asked["data"], headers=headers, timeout=self._limits, allow_redirects=False
        ) as answer:
            self.status = answer.status
            return Response(answer.status, await answer.text(), answer.headers)
