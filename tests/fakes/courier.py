"""A courier in memory that keeps its letters."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from shared.errors import FirstpassError, Later, Reason
from shared.events import Channel, Message
from shared.ports import Clock
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

    def clear_failures(self) -> None:
        """Everything planned and not met is off."""
        self._failures.clear()

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
