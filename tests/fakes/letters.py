"""The queue of dead letters in memory, and whose turn it is."""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from shared.errors import BusUnavailable
from shared.oversight import Letter, Taken
from shared.ports import Clock

type Method = Literal["walk", "find", "take", "complete", "send_again"]
type When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Again:
    """What was sent again: the body under a new id, and what is noted on it."""

    body: bytes
    message_id: str
    content_type: str | None
    original_id: str
    replays: int
    reason: str


class FakeLetters:
    """Look at `there` (by sequence number), `locked`, `sent` and `calls`; `complete` ends up among the calls too.

    `locked` are those somebody else holds; empty it, and their locks have ended. Ids of `sent` are detected as
    duplicates. `fail_next` plans a failure of the next call of a method; `fired` lists those that happened.
    """

    def __init__(self, clock: Clock) -> None:
        self.there: dict[int, Letter] = {}
        self.locked: set[int] = set()
        self.sent: list[Again] = []
        self.calls: list[str] = []
        self.fired: list[tuple[str, When]] = []
        self._clock, self._last = clock, 0
        self._planned: dict[Method, tuple[When, Exception]] = {}

    def fail_next(self, method: Method, when: When = "before", error: Exception | None = None) -> None:
        self._planned[method] = (when, error or BusUnavailable("bus-unavailable"))

    def put(
        self,
        body: bytes = b"{}",
        reason: str = "malformed-event",
        *,
        message_id: str | None = None,
        description: str = "",
        content_type: str | None = "application/json",
        replays: int = 0,
        original_id: str | None = None,
        at: datetime | None = None,
    ) -> int:
        """A new letter; gives its sequence number."""
        self._last += 1
        known_as = message_id or f"letter-{self._last}"
        self.there[self._last] = Letter(
            sequence=self._last,
            message_id=known_as,
            written_at=at or self._clock.now(),
            reason=reason,
            description=description,
            body=body,
            content_type=content_type,
            replays=replays,
            original_id=original_id or known_as,
        )
        return self._last

    async def walk(self, after: int) -> AsyncGenerator[Letter]:
        self._begin("walk")
        for number in sorted(self.there):
            if number > after and number in self.there:
                yield self.there[number]

    async def find(self, sequences: Collection[int]) -> AsyncGenerator[Letter]:
        self._begin("find")
        for number in sorted(set(sequences) & self.there.keys()):
            yield self.there[number]

    async def take(self, sequences: Collection[int], stop_at: float) -> AsyncGenerator[Taken]:
        self._begin("take")
        given_back: set[int] = set()
        try:
            for number in sorted(self.there):
                if number > max(sequences, default=0) or self._clock.monotonic() >= stop_at:
                    return
                if number in self.locked or number not in self.there:
                    continue
                self.locked.add(number)
                if number in sequences:
                    given_back.add(number)
                    yield Taken(self.there[number], partial(self._complete, number))
        finally:
            self.locked -= given_back

    async def send_again(self, letter: Letter, replays: int) -> None:
        self._begin("send_again")
        known = {again.message_id for again in self.sent}
        if (message_id := letter.replay_id(replays)) not in known:
            told = letter.content_type, letter.original_id, replays, letter.reason
            self.sent.append(Again(letter.body, message_id, *told))
        self._fail("send_again", "after")

    async def _complete(self, number: int) -> None:
        self._begin("complete")
        if number not in self.locked:
            raise BusUnavailable("bus-lock-lost")
        del self.there[number]
        self.locked.discard(number)
        self._fail("complete", "after")

    def _begin(self, method: Method) -> None:
        self.calls.append(method)
        self._fail(method, "before")

    def _fail(self, method: Method, when: When) -> None:
        planned, error = self._planned.get(method, (None, None))
        if error and planned == when:
            del self._planned[method]
            self.fired.append((method, when))
            raise error


class FakeTurns:
    """Look at `row`: run, who, until when, and whether a request is under way."""

    def __init__(self, clock: Clock) -> None:
        self.row: tuple[str, str, datetime, bool] | None = None
        self._clock = clock

    async def begin(self, run: str, who: str, lasts: timedelta) -> bool:
        now = self._clock.now()
        if self.row:
            has_it, person, until, busy = self.row
            if until > now and run != has_it and (who != person or busy):
                return False
        self.row = run, who, now + lasts, True
        return True

    async def end(self, run: str) -> None:
        if self.row and self.row[0] == run:
            self.row = (*self.row[:3], False)
