"""A courier in memory that keeps its letters."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.errors import FirstpassError, Later, Reason
from shared.events import Channel, Delivery, Message, Word
from shared.ports import Clock
from shared.secret import Secret

type Method = Literal["send", "look_up", "redact"]


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
    method: Method
    error: BaseException
    after: bool


class FakeCourier:
    """A courier in memory, with Twilio's rules about what goes by WhatsApp.

    `sent` is what left, in order; `calls` counts every send that was asked for, also those that failed. `refusals`
    says how sends to a number end. `words` says what a look-up of a message finds, by its id: a message nobody gave a
    word is still `queued`, as one never sent. `redacted` are the messages that were emptied, in order, once per call.
    `called` names every method asked for, in order. `fail_next` makes the next call of a method fail, before or after
    it took effect.
    """

    def __init__(self, clock: Clock, templates: Iterable[str] = ("default",)) -> None:
        self._clock = clock
        self._templates = set(templates)
        self._failures: list[_Failure] = []
        self.sent: list[Sent] = []
        self.calls = 0
        self.called: list[Method] = []
        self.refusals: dict[str, FirstpassError] = {}
        self.words: dict[str, Word] = {}
        self.redacted: list[str] = []

    def fail_next(self, error: BaseException, *, after: bool = False, method: Method = "send") -> None:
        """The next call of `method` without a failure of its own ends with `error`; `after`: though it took effect."""
        self._failures.append(_Failure(method, error, after))

    def clear_failures(self) -> None:
        """Everything planned and not met is off."""
        self._failures.clear()

    async def send(
        self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str, stop_at: float
    ) -> Message:
        self.calls += 1
        async with self._as_planned("send", stop_at):
            return self._take(number, channel, locale, secret, ref)

    async def look_up(self, message_id: str, stop_at: float) -> Word:
        async with self._as_planned("look_up", stop_at):
            return self.words.get(message_id, Word(Delivery.QUEUED))

    async def redact(self, message_id: str, stop_at: float) -> None:
        async with self._as_planned("redact", stop_at):
            self.redacted.append(message_id)

    @asynccontextmanager
    async def _as_planned(self, method: Method, stop_at: float) -> AsyncGenerator[None]:
        self.called.append(method)
        await asyncio.sleep(0)  # as over a network, others run meanwhile
        failure = next((planned for planned in self._failures if planned.method == method), None)
        if failure:
            self._failures.remove(failure)
        if failure and not failure.after:
            raise failure.error
        if self._clock.monotonic() >= stop_at:
            raise Later(Reason.OUT_OF_TIME, timedelta(seconds=60))
        yield
        if failure:
            raise failure.error

    def _take(self, number: str, channel: Channel, locale: str | None, secret: Secret, ref: str) -> Message:
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
