"""The courier: Twilio's Messages API. The pass is revealed here, once, and nothing here keeps it.

A create is repeated only when Twilio surely did not take it: messages have no idempotency key, so a second POST may be
a second message. What Twilio may have taken is `Unconfirmed`, and the case's lease decides.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from tenacity import AsyncRetrying, retry_if_result, wait_exponential_jitter
from tenacity.wait import wait_base
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from shared.adapters.twilio_codes import (
    MESSAGE_SID,
    NOT_TAKEN,
    OUT_OF_TIME,
    OUTCOMES,
    UNKNOWN,
    Kind,
    Verdict,
    judge,
    verdict_on,
)
from shared.adapters.twilio_line import REQUEST_SECONDS, Line, TwilioAccount
from shared.adapters.twilio_records import look_up, redact
from shared.events import Channel, Message, Word
from shared.ports import Clock
from shared.secret import Secret

TRIES: Final = 3
CARRIED_BY_TEMPLATE: Final = re.compile(r"[A-Za-z0-9]{1,14}")  # Twilio, "whatsapp/authentication"
RETRY_CALLBACKS: Final = "#rc=3&rp=all"  # Twilio, "Webhooks: Connection Overrides": thrice more, whatever went wrong


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
        self._line = Line(account)

    async def close(self) -> None:
        """Close the connections to Twilio."""
        await self._line.close()

    async def send(
        self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str, stop_at: float
    ) -> Message:
        """See ports.Courier."""
        by_template = channel is Channel.WHATSAPP and self._senders.whatsapp_from
        letter = _Letter(number, self._senders.template(locale) if by_template else None, ref)
        return await self._settled(partial(self._create, letter, secret), stop_at)

    async def look_up(self, message_id: str, stop_at: float) -> Word:
        """See ports.Courier."""
        return await self._settled(partial(look_up, self._line, message_id), stop_at)

    async def redact(self, message_id: str, stop_at: float) -> None:
        """See ports.Courier."""
        await self._settled(partial(redact, self._line, message_id), stop_at)

    async def _settled[T](self, ask: Callable[[float], Awaitable[T | Verdict]], stop_at: float) -> T:
        """What `ask`, given seconds, comes to: asked again while its verdict and the time allow that.

        Errors are raised where nothing is being handled, so no SDK exception hangs on them.
        """
        tries = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, Verdict) and outcome.kind is Kind.RETRY),
            stop=lambda state: state.attempt_number >= TRIES or self._left(stop_at) <= state.upcoming_sleep,
            wait=self._wait,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        outcome: T | Verdict = await tries(self._try, ask, stop_at)
        if isinstance(outcome, Verdict):
            raise OUTCOMES[outcome.kind](outcome)
        return outcome

    async def _try[T](self, ask: Callable[[float], Awaitable[T | Verdict]], stop_at: float) -> T | Verdict:
        seconds = min(REQUEST_SECONDS, self._left(stop_at))
        return await ask(seconds) if seconds > 0 else OUT_OF_TIME

    def _left(self, stop_at: float) -> float:
        return stop_at - self._clock.monotonic()

    async def _create(self, letter: _Letter, secret: Secret, seconds: float) -> Message | Verdict:
        """One POST."""
        form = self._form(letter, secret.reveal())
        try:
            return await self._line.ask(partial(_post, form), _verdict_of, seconds)
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


async def _post(form: Mapping[str, Any], client: Client) -> Message | Verdict:
    channel = Channel.WHATSAPP if "content_sid" in form else Channel.SMS
    made = await client.messages.create_async(**form)
    return _taken(made.sid, made.status, made.error_code, channel)


def _verdict_of(error: Exception, status: int) -> Verdict:
    """Refused, surely not reached; else (a time-out, a disconnect, an answer that is none) it may have been sent."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NOT_TAKEN
    return judge(status, error.code) if isinstance(error, TwilioRestException | TwilioServiceException) else UNKNOWN


def _taken(sid: object, status: object, code: object, channel: Channel) -> Message | Verdict:
    """What a 2xx says: the message, unless it ended at once or has no id to ask for it by."""
    if status in {"failed", "undelivered", "canceled"}:
        return verdict_on(code) or UNKNOWN
    usable = isinstance(sid, str) and MESSAGE_SID.fullmatch(sid)
    return Message(str(sid), channel) if usable else UNKNOWN
