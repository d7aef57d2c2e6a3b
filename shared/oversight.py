"""What operators need of the outside, as protocols: the ledger as a whole, dead letters, the audit."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from shared.case import Case
from shared.ports import WakeRow
from shared.states import CASE_ID, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause in force: until when (UTC), its code, by whom, and an operator's words."""

    until: datetime
    reason: str
    by: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What is kept of a person across cases: the case that holds them, and when each number was first seen (UTC)."""

    open_case: str | None
    numbers_first_seen: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The head of a case that nobody can read. `id` is its key, whatever that says."""

    id: str

    @property
    def has_case_id(self) -> bool:
        """Whether a case could be found under that key at all."""
        return CASE_ID.fullmatch(self.id) is not None


class Overview(Protocol):
    """What operators see of the ledger, and what they do to all of it. Raises LedgerUnavailable."""

    async def heads(self, state: State | None, after: str | None, at_most: int) -> list[Case | Unreadable]:
        """Cases in the order of their ids, from the one after `after` on. One nobody can read hides no other."""
        ...

    async def wakes(self, case_id: str) -> list[WakeRow]:
        """Every row of the agenda that names this case, due or not: looks at all of them."""
        ...

    async def pause_in_force(self) -> Pause | None:
        """The pause, if there is one now."""
        ...

    async def resume(self) -> None:
        """End the pause, whoever began it."""
        ...

    async def heartbeat(self) -> datetime | None:
        """When the agenda was read last."""
        ...

    async def next_wake(self) -> datetime | None:
        """The minute of the earliest row of the agenda."""
        ...

    async def spent(self) -> int:
        """Passes taken from this hour's budget, also those a process only holds ready; 0 where there is no budget."""
        ...

    async def person(self, user_id: str) -> Acquaintance | None:
        """What is kept of a person (Entra object id), if anything."""
        ...

    async def forget_person(self, user_id: str) -> None:
        """Drop what is kept of a person, but for the fact and its time: the next number must not pass as the first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing an operator asked for: before it happens, and once more when it did not come about.

    `who` is their Entra object id, `target` what it is about (nothing personal), `why` their words, and `ended` the
    code of what kept it from happening.
    """

    at: datetime
    who: str
    act: str
    target: str
    allowed: bool
    why: str | None
    ended: str | None = None


class Audit(Protocol):
    """The append-only record of what operators do."""

    async def note(self, entry: AuditEntry) -> None:
        """Write an entry.

        Raises:
            LedgerUnavailable: it is not known to be written: whatever was to be done must not be.
        """
        ...

    async def entries(self, since: datetime, after: str | None, at_most: int) -> list[tuple[str, AuditEntry]]:
        """Entries in the order they were written, each with its key: from `since` on, or behind the key `after`.

        Raises:
            LedgerUnavailable, UnreadableRow.
        """
        ...


# --- queues ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages a queue holds, locked ones too, scheduled ones not; `is_more` when nobody looked further.

    `oldest` is since when the first of them is there (UTC).
    """

    count: int
    is_more: bool
    oldest: datetime | None


class Gauge(Protocol):
    """Tells how deep a queue is."""

    async def read(self) -> Depth:
        """Look at the queue, and lock nothing.

        Raises:
            BusUnavailable: it could not be seen.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedDepth:
    """How deep a queue was, and when (UTC)."""

    at: datetime
    depth: Depth


class DepthNotes(Protocol):
    """What was noted last of the queue of events. Raises LedgerUnavailable."""

    async def note(self, noted: NotedDepth) -> None:
        """Note it, in the place of what was noted before."""
        ...

    async def noted(self) -> NotedDepth | None:
        """What was noted last; None when nothing ever was."""
        ...


# --- dead letters ---

ID_LENGTH: Final = 128
"""Characters of a message id, as many as Service Bus takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What else its sender wrote on a message: it goes along when the message is sent again."""

    subject: str | None = None
    correlation_id: str | None = None
    session_id: str | None = None
    partition_key: str | None = None
    to: str | None = None
    reply_to: str | None = None
    properties: Mapping[str | bytes, Any] = field(default_factory=dict[str | bytes, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter: a message on the queue of dead letters, by its sequence number there.

    `replays`, `original_id` and `first_written_at` are what earlier replays noted on it; a letter never replayed is
    its own original.
    """

    sequence: int
    message_id: str
    written_at: datetime
    reason: str
    description: str = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str | None
    replays: int
    original_id: str
    first_written_at: datetime
    extras: Extras = field(default=Extras(), repr=False)

    @property
    def mark(self) -> str:
        """What no other letter has, also not at this number once the queue is another; it says nothing of anybody."""
        return _digest(f"{self.sequence} {self.written_at.isoformat()} {self.message_id}")[:16]

    def replay_id(self, replays: int, *, marked: bool = False) -> str:
        """The message id of the n-th replay: the same whoever sends it, and however often.

        An id the queue has seen would be taken and dropped by its duplicate detection, and the letter lost; an id made
        up each time would double the event when a run dies between sending it and completing the letter. `marked` tells
        it from another letter whose original had the same id.
        """
        ending = f":replay:{replays}" + (f"-{self.mark}" if marked else "")
        if len(self.original_id) + len(ending) <= ID_LENGTH:
            return self.original_id + ending
        digest = _digest(self.original_id)[:32]
        return self.original_id[: ID_LENGTH - len(digest) - len(ending) - 1] + f"-{digest}{ending}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How a letter is sent again: as its n-th replay, under which id, by whom (Entra object id), and when."""

    count: int
    message_id: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that is locked: `complete` removes it for good, and raises BusUnavailable when that is not known."""

    letter: Letter
    complete: Callable[[], Awaitable[None]]


class Letters(Protocol):
    """The queue of dead letters. Everything raises BusUnavailable. Close the generators (contextlib.aclosing)."""

    def walk(self, after: int) -> AsyncGenerator[Letter]:
        """Every letter behind that sequence number, in their order, locked ones too; nothing is locked by looking."""
        ...

    def find(self, sequences: Collection[int]) -> AsyncGenerator[Letter]:
        """Those of these letters that are there, in their order, locked ones too; nothing is locked by looking."""
        ...

    def take(self, sequences: Collection[int], stop_at: float) -> AsyncGenerator[Taken]:
        """Those of these letters that nobody else holds, locked one at a time, in the queue's order.

        No particular message can be received: the queue is walked up to the largest of these numbers, or until
        `stop_at` (a moment of Clock.monotonic()). What is passed by, or wanted and not completed, stays locked, or it
        would come again at once: until `rest`, or until a walk begins anew because it wants one of these.
        """
        ...

    async def rest(self) -> None:
        """Give back what walks hold; it counts as no delivery. Left alone they rest by themselves, soon."""
        ...

    async def send_again(self, letter: Letter, replay: Replay) -> None:
        """Put what the letter holds among the events, as a new message."""
        ...


class Turns(Protocol):
    """Whose turn it is to work on dead letters: one run at a time. Raises LedgerUnavailable."""

    async def begin(self, run: str, who: str, lasts: timedelta) -> bool:
        """Take the turn, or keep it, for that long; False while another run has it, or this one is somebody else's."""
        ...

    async def end(self, run: str, who: str) -> bool:
        """This run of this person is over, and anybody's turn comes; False when the turn was not theirs."""
        ...


class ReplayIds(Protocol):
    """Which letter went out under which replay id, for ever. Raises LedgerUnavailable."""

    async def claim(self, message_id: str, mark: str) -> bool:
        """Whether the letter with this mark may go out under this id: it is the first that asks, or has been."""
        ...
