"""The queue of dead letters in memory, whose turn it is, and which letter took which id."""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from shared.errors import BusUnavailable
from shared.oversight import Extras, Letter, Replay, Taken
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
    by: str = ""
    extras: Extras = field(default=Extras())


class FakeLetters:
    """Look at `there` (by sequence number), `locked`, `sent` and `calls`; `complete` ends up among the calls too.

    `locked` are those somebody holds, our own walks too; empty it, and their locks have ended. Ids of `sent` are
    detected as duplicates. `fail_next` plans a failure of the next call of a method; `fired` lists those that happened.
    """

    def __init__(self, clock: Clock) -> None:
        self.there: dict[int, Letter] = {}
        self.locked: set[int] = set()
        self.sent: list[Again] = []
        self.calls: list[str] = []
        self.fired: list[tuple[str, When]] = []
        self._clock, self._last, self._at = clock, 0, 0
        self._held: set[int] = set()
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
        extras: Extras = Extras(),  # noqa: B008 - frozen
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
            first_written_at=at or self._clock.now(),
            extras=extras,
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
        if min(sequences, default=0) <= self._at:
            self._give_back()
        for number in sorted(self.there):
            if number > max(sequences, default=0) or self._clock.monotonic() >= stop_at:
                return
            if number in self.locked or number not in self.there:
                continue
            self.locked.add(number)
            self._held.add(number)
            self._at = max(self._at, number)
            if number in sequences:
                yield Taken(self.there[number], partial(self._complete, number))

    async def rest(self) -> None:
        self.calls.append("rest")
        self._give_back()

    def _give_back(self) -> None:
        self.locked -= self._held
        self._held.clear()
        self._at = 0

    async def send_again(self, letter: Letter, replay: Replay) -> None:
        self._begin("send_again")
        known = {again.message_id for again in self.sent}
        if replay.message_id not in known:
            told = letter.content_type, letter.original_id, replay.count, letter.reason, replay.by, letter.extras
            self.sent.append(Again(letter.body, replay.message_id, *told))
        self._fail("send_again", "after")

    async def _complete(self, number: int) -> None:
        self._begin("complete")
        if number not in self.locked:
            raise BusUnavailable("bus-lock-lost")
        del self.there[number]
        self.locked.discard(number)
        self._held.discard(number)
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
    """Look at `row`: run, who, and until when."""

    def __init__(self, clock: Clock) -> None:
        self.row: tuple[str, str, datetime] | None = None
        self._clock = clock

    async def begin(self, run: str, who: str, lasts: timedelta) -> bool:
        now = self._clock.now()
        if self.row and self.row[2] > now and self.row[:2] != (run, who):
            return False
        self.row = run, who, now + lasts
        return True

    async def end(self, run: str, who: str) -> bool:
        if not self.row or self.row[:2] != (run, who):
            return False
        self.row = None
        return True


class FakeReplayIds:
    """Look at `taken`: the mark of a letter by its replay id."""

    def __init__(self) -> None:
        self.taken: dict[str, str] = {}

    async def claim(self, message_id: str, mark: str) -> bool:
        return self.taken.setdefault(message_id, mark) == mark
