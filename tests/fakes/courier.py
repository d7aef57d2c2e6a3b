"""Two ways to stand at the other end of a courier: a fake one that keeps its letters, and the sandbox's phone."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from shared.errors import FirstpassError, Later, Reason
from shared.events import Channel
from shared.ports import Clock, Message
from shared.secret import Secret


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that left: `text` is the pass, for assertions."""

    id: str
    number: str
    channel: Channel
    text: str
    ref: str


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException
    after: bool


class FakeCourier:
    """A courier in memory, with Twilio's rules about what goes by WhatsApp.

    `sent` is what left, in order; `calls` counts every send that was asked for, also those that failed. `refusals`
    says how sends to a number end. `fail_next` makes the next send fail, before or after the message has left.
    """

    def __init__(self, clock: Clock, templates: Iterable[str] = ("default",)) -> None:
        self._clock = clock
        self._templates = set(templates)
        self._failures: list[_Failure] = []
        self.sent: list[Sent] = []
        self.calls = 0
        self.refusals: dict[str, FirstpassError] = {}

    def fail_next(self, error: BaseException, *, after: bool = False) -> None:
        """The next send without a failure of its own ends with `error`; `after`: though the message has left."""
        self._failures.append(_Failure(error, after))

    async def send(
        self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str, stop_at: float
    ) -> Message:
        self.calls += 1
        await asyncio.sleep(0)  # as over a network, others run meanwhile
        failure = self._failures.pop(0) if self._failures else None
        if failure and not failure.after:
            raise failure.error
        message = self._take(number, channel, locale, secret, ref, stop_at)
        if failure:
            raise failure.error
        return message

    def _take(
        self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str, stop_at: float
    ) -> Message:
        if self._clock.monotonic() >= stop_at:
            raise Later(Reason.OUT_OF_TIME, timedelta(seconds=60))
        if refusal := self.refusals.get(number):
            raise refusal
        text = secret._value
        if not text:
            raise ValueError("no pass to send")
        if not (self._has_template(locale) and re.fullmatch("[A-Za-z0-9]{1,14}", text)):
            channel = Channel.SMS
        self.sent.append(Sent(f"SM{len(self.sent) + 1:032x}", number, channel, text, ref))
        return Message(self.sent[-1].id, channel)

    def _has_template(self, locale: str | None) -> bool:
        tag = (locale or "").lower()
        return not self._templates.isdisjoint({tag, tag.partition("-")[0], "default"})


class Phone:
    """The sandbox's phone, from outside: arranges what happens and looks at what arrived. `url` is its address."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def reset(self) -> None:
        """Forget scripts, messages and faults; the account as it was at first."""
        await self._call("DELETE", "/sandbox/faults")
        await self._call("DELETE", "/sandbox/inbox")
        await self._call("PUT", "/sandbox/phones", {})
        await self._call("PUT", "/sandbox/templates", {})
        await self.account(redactionEnabled=False, rate=None)

    async def script(self, number: str, fate: str) -> None:
        """What becomes of messages to a number, on both channels: a fate or one of Twilio's codes."""
        await self._call("PUT", "/sandbox/phones", {number: {"sms": fate, "whatsapp": fate}})

    async def account(self, **settings: object) -> None:
        await self._call("PUT", "/sandbox/account", settings)

    async def approve(self, **templates: str) -> None:
        """WhatsApp templates, content SID to language."""
        await self._call("PUT", "/sandbox/templates", {sid: {"language": tag} for sid, tag in templates.items()})

    async def misbehave(self, **fault: object) -> None:
        """The next creates meet this fault (sandbox.faults.Fault)."""
        await self._call("POST", "/sandbox/faults", {"operation": "create_message"} | fault)

    async def fired(self) -> list[int]:
        """How often each fault was met."""
        return [fault["fired"] for fault in await self._call("GET", "/sandbox/faults")]

    async def inbox(self) -> list[dict[str, Any]]:
        return await self._call("GET", "/sandbox/inbox")

    async def pending(self) -> dict[str, Any]:
        return await self._call("GET", "/sandbox/pending")

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            return await answer.json() if answer.status != 204 else None
