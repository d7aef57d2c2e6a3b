"""What Twilio shows of the account, for the self-check: its senders, templates and countries."""

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from typing import Any, Final

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from shared.adapters.twilio import Senders
from shared.adapters.twilio_codes import BUSY, OUTCOMES, Verdict
from shared.adapters.twilio_line import REQUEST_SECONDS, Line, TwilioAccount
from shared.adapters.twilio_records import look_up
from shared.checks import SmsSender, WhatsAppSender
from shared.checkup_ports import NotReadable
from shared.errors import Later, Reason
from shared.findings import named
from shared.ports import Clock

NO_MESSAGE: Final = "SM" + "0" * 32
"""No message has this id, and who may ask for messages is told so."""
ABSENT: Final = "unknown to Twilio"
POOLS: Final = ("phone_numbers", "short_codes", "alpha_senders", "destination_alpha_senders")
"""What can be in the sender pool of a Messaging Service and send SMS."""
_COUNTRY, _WORD = re.compile("[A-Z]{2}"), re.compile("[a-z_]+")
"""How Twilio writes countries, and in small letters states and kinds of templates."""


class _Without(Enum):
    """Why there is no answer."""

    HIDDEN = "hidden"
    ABSENT = "absent"
    ANSWER = "answer"


class TwilioAccountView:
    """Implements checkup_ports.Account."""

    def __init__(self, account: TwilioAccount, senders: Senders, clock: Clock) -> None:
        self._line, self._base = Line(account), account.base_url
        self._senders, self._clock = senders, clock

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()

    async def log_in(self, stop_at: float) -> None:
        """See checkup_ports.Account. A key for messages only may do this; it may not look at the account itself."""
        outcome = await look_up(self._line, NO_MESSAGE, self._seconds(stop_at))
        if isinstance(outcome, Verdict):
            raise OUTCOMES[outcome.kind](outcome)

    async def sms_sender(self, stop_at: float) -> SmsSender | None:
        """See checkup_ports.Account."""
        if service := self._senders.messaging_service_sid:
            return await self._service(service, stop_at)
        number = self._senders.sms_from or ""
        if not number.startswith("+"):
            return None
        ours = await self._ask("api", partial(_numbers, number), stop_at) or []
        carries = {_known(one.phone_number, str): _carries_sms(one.capabilities) for one in ours}
        return SmsSender(exists=number in carries, sms=carries.get(number, False))

    async def whatsapp_sender(self, stop_at: float) -> WhatsAppSender | None:
        """See checkup_ports.Account."""
        number = self._senders.whatsapp_from
        if number is None:
            return None
        ours = await self._ask("messaging", _whatsapp_senders, stop_at) or []
        status = {_known(one.sender_id, str): _known(one.status, str) for one in ours}
        online = status.get(f"whatsapp:{number}", "").startswith("ONLINE")
        states = {tag: await self._approval(sid, stop_at) for tag, sid in self._senders.templates.items()}
        return WhatsAppSender(online, states)

    async def countries(self, stop_at: float) -> frozenset[str]:
        """See checkup_ports.Account."""
        found = await self._ask(
            "accounts", lambda client: client.accounts.v1.messaging_geopermissions.fetch_async(), stop_at
        )
        rows: Any = _known(found.permissions if found else None, list)
        if not all(map(_is_permission, rows)):
            raise Later(Reason.TWILIO_BUSY, BUSY)
        return frozenset(named(row["country_code"], _COUNTRY) for row in rows if row["enabled"])

    async def _service(self, service: str, stop_at: float) -> SmsSender:
        """A Messaging Service, and whether there is anything in its sender pool."""
        found = await self._ask(
            "messaging", lambda client: client.messaging.v1.services(service).fetch_async(), stop_at
        )
        if found is None:
            return SmsSender(exists=False)
        rewrites = _known(found.smart_encoding, bool)
        for pool in POOLS:
            if await self._ask("messaging", partial(_pool, service, pool), stop_at):
                return SmsSender(exists=True, smart_encoding=rewrites)
        return SmsSender(exists=True, smart_encoding=rewrites, is_empty=True)

    async def _approval(self, sid: str, stop_at: float) -> str:
        """`approved`, or what stands in the way of a template (Twilio, "Content Template Approvals")."""
        found = await self._ask(
            "content", lambda client: client.content.v1.contents(sid).approval_fetch().fetch_async(), stop_at
        )
        if found is None:
            return ABSENT
        told: Any = _known(found.whatsapp, dict)
        kind, status = (str(_known(told.get(name, ""), str)).lower() for name in ("category", "status"))
        return named(status, _WORD) if kind == "authentication" else f"{named(kind or 'no', _WORD)} template"

    async def _ask[T](self, domain: str, call: Callable[[Client], Awaitable[T]], stop_at: float) -> T | None:
        """What `call` gives, over this account's own address of `domain`; None when Twilio knows no such thing."""

        async def there(client: Client) -> T | _Without:
            getattr(client, domain).base_url = self._base.replace("//api.", f"//{domain}.", 1)
            return await call(client)

        outcome = await self._line.ask(there, _without, self._seconds(stop_at))
        if outcome is _Without.HIDDEN:
            raise NotReadable
        if outcome is _Without.ANSWER:
            raise Later(Reason.TWILIO_BUSY, BUSY)
        return None if isinstance(outcome, _Without) else outcome

    def _seconds(self, stop_at: float) -> float:
        left = min(REQUEST_SECONDS, stop_at - self._clock.monotonic())
        if left <= 0:
            raise Later(Reason.OUT_OF_TIME, BUSY)
        return left


def _without(error: Exception, status: int) -> _Without:
    """401 or 403: a restricted key may not look there (Twilio, error 403). Of lists the SDK raises the plain kind."""
    refused = isinstance(error, TwilioException)
    return {401: _Without.HIDDEN, 403: _Without.HIDDEN, 404: _Without.ABSENT}.get(status * refused, _Without.ANSWER)


async def _pool(service: str, pool: str, client: Client) -> list[Any]:
    return await getattr(client.messaging.v1.services(service), pool).list_async(limit=1)


async def _numbers(number: str, client: Client) -> list[Any]:
    return await client.incoming_phone_numbers.list_async(phone_number=number, limit=20)


async def _whatsapp_senders(client: Client) -> list[Any]:
    return await client.messaging.v2.channels_senders.list_async(channel="whatsapp", limit=200)


def _is_permission(row: Any) -> bool:  # noqa: ANN401 - whatever Twilio says
    """What is neither on nor off must not pass for off."""
    return isinstance(row, dict) and "country_code" in row and isinstance(row.get("enabled"), bool)


def _carries_sms(capabilities: Any) -> bool:  # noqa: ANN401 - whatever Twilio says
    told = {str(name).lower(): value for name, value in _known(capabilities, dict).items()}
    return _known(told.get("sms"), bool)


def _known[T](value: object, kind: type[T]) -> T:
    """What Twilio says, if it is of its kind: what makes no sense is no answer, neither good nor bad."""
    if not isinstance(value, kind):
        raise Later(Reason.TWILIO_BUSY, BUSY)
    return value
