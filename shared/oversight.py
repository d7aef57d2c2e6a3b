"""What operators need of the outside, as protocols: an overview of the ledger, and the record of what they do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.case import Case
from shared.ports import WakeRow
from shared.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause in force: until when (UTC), why, and by whom."""

    until: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What is kept of a person across cases: the case that holds them, and when each number was first seen (UTC)."""

    open_case: str | None
    numbers_first_seen: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The head of a case that nobody can read."""

    id: str


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

    async def person(self, user_id: str) -> Acquaintance | None:
        """What is kept of a person (Entra object id), if anything."""
        ...

    async def forget_person(self, user_id: str) -> None:
        """Drop what is kept of a person: their next number counts as their first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing an operator did, or was not allowed to do."""

    at: datetime
    who: str
    act: str
    target: str
    allowed: bool
    why: str | None


class Audit(Protocol):
    """The append-only record of what operators do."""

    async def note(self, entry: AuditEntry) -> None:
        """Write an entry.

        Raises:
            LedgerUnavailable: it is not known to be written: whatever was to be done must not be.
        """
        ...
