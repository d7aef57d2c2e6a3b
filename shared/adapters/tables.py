"""The ledger on Azure Table Storage: four tables, and every promise about the order of their writes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Any, Final
from uuid import uuid4

from azure.data.tables.aio import TableServiceClient

from shared.adapters.agenda import FAR_AHEAD
from shared.adapters.agenda_table import Agenda
from shared.adapters.budget import Budget
from shared.adapters.case_rows import (
    HEAD,
    HISTORY,
    UnreadableRow,
    case_of,
    head_row,
    history_row,
    move_of,
    read_time,
    write_time,
)
from shared.adapters.person_rows import PERSON, acquaintance_of, person_row
from shared.adapters.seal import Fingerprints, Seal
from shared.adapters.storage import (
    TRANSACTION,
    Conflict,
    Operation,
    Patience,
    Table,
    delete_row,
    insert,
    replace_row,
)
from shared.case import Case
from shared.errors import Later, LedgerUnavailable, Moved, Reason
from shared.guard_rails import Person
from shared.ports import Clock, Move, WakeRow
from shared.states import FREE

PAUSE_KNOWN_FOR: Final = 5.0
"""Seconds for which a look at the pause holds."""
ROUNDS: Final = 8
"""How often a row that others write at the same time is read again before we give up."""

CONTROL, PAUSE, BUDGET, _HEARTBEAT = "control", "pause", "budget", "heartbeat"
_KEYS: Final = ("PartitionKey", "RowKey")


class TableLedger:
    """Implements ports.Ledger. Closing it closes `service`.

    Every method raises LedgerUnavailable when the storage gives no answer within about ten seconds, and UnreadableRow
    for a row nobody can read; both are RuntimeErrors whose text is only a code.
    """

    def __init__(
        self,
        service: TableServiceClient,
        seal: Seal,
        fingerprints: Fingerprints,
        clock: Clock,
        *,
        hourly_budget: int = 0,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._service, self._seal, self._fingerprints, self._clock = service, seal, fingerprints, clock
        self._cases = Table(service, "cases", patience)
        self._agenda = Agenda(Table(service, "agenda", patience), clock)
        self._people = Table(service, "people", patience)
        self._control = Table(service, "control", patience)
        self._budget = Budget(self._control, (CONTROL, BUDGET), clock, hourly_budget)
        self._pause_seen: tuple[float, datetime | None] | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def load(self, case_id: str) -> Case | None:
        """See ports.Ledger."""
        row = await self._cases.get(case_id, HEAD)
        return None if row is None else case_of(row, row.metadata["etag"], self._seal)

    async def save(self, before: Case | None, after: Case, actor: str) -> Case:
        """See ports.Ledger. The wake row comes first: die in between, and a harmless nudge is all that is left.

        When the head took so long that the timer has passed its row, there is another one.
        """
        after = await self._agenda.woken(after)
        ours = uuid4().hex
        head = head_row(after, self._seal) | {"write": ours}
        change = replace_row(head, before.etag) if before and before.etag else insert(head)
        try:
            etag, _ = await self._cases.write(change, insert(history_row(before, after, actor, self._clock.now())))
        except Conflict:
            etag = None
        saved = replace(after, etag=etag or await self._etag_if_landed(after.id, ours))
        return await self._agenda.woken(saved)

    async def history(self, case_id: str) -> list[Move]:
        """See ports.Ledger."""
        return [move_of(row) for row in await self._cases.rows(case_id, *HISTORY)]

    async def wake(self, case: Case) -> None:
        """See ports.Ledger."""
        await self._agenda.woken(case, FAR_AHEAD)

    async def meet(self, user_id: str, number: str, case_id: str) -> Person:
        """See ports.Ledger. Taking a person always writes the row: two cases that take them at once cannot both win."""
        key, shown = self._fingerprints.person(user_id), self._fingerprints.number(number)
        for _ in range(ROUNDS):
            row = await self._people.get(key, PERSON)
            before = acquaintance_of(row)
            known = before.shown(shown, self._clock.now())
            holder = await self._holder(before.open_case) if before.open_case not in (None, case_id) else None
            if holder and holder.state not in FREE:
                return known.as_person(shown, other_case_open=True)
            if holder and holder.deletions_left:
                return known.as_person(shown, other_case_ending=True)
            if await self._people.swap(row, person_row(key, replace(known, open_case=case_id))):
                return known.as_person(shown)
        raise Moved

    async def admit(self) -> None:
        """See ports.Ledger. A pause made elsewhere is noticed within PAUSE_KNOWN_FOR."""
        until = await self._paused_until()
        if until is not None and (left := until - self._clock.now()) > timedelta(0):
            raise Later(Reason.PAUSED, left)

    async def pause(self, reason: Reason, by: str, lasts: timedelta, why: str | None = None) -> bool:
        """See ports.Ledger. A longer pause extends a shorter one in force; a shorter one changes nothing."""
        row = {"PartitionKey": CONTROL, "RowKey": PAUSE, "reason": str(reason), "by": by, "began": uuid4().hex}
        row |= {"why": why} if why else {}
        try:
            return await self._began(row, self._clock.now(), lasts)
        finally:
            self._pause_seen = None

    def look_again(self) -> None:
        """Forget what was seen of the pause: this process has just ended it."""
        self._pause_seen = None

    async def spend(self) -> None:
        """See ports.Ledger. One write reserves a block of passes for this process; what it does not use is wasted."""
        await self._budget.spend()

    async def forget(self, case: Case) -> None:
        """See ports.Ledger. With less than a hundred moves all go at once; else older ones first. Free to repeat."""
        for _ in range(ROUNDS):
            moves = await self._cases.rows(case.id, *HISTORY)
            rows = [delete_row(case.id, move["RowKey"]) for move in moves]
            if await self._removed(*rows, delete_row(case.id, HEAD, _version(case))):
                return
            head = await self._cases.get(case.id, HEAD, select=_KEYS)
            if head is not None and head.metadata["etag"] != case.etag:
                raise Moved
        raise LedgerUnavailable("ledger-contended")

    async def due(self, at_most: int) -> list[WakeRow]:
        """See ports.Ledger."""
        return await self._agenda.due(at_most)

    async def done(self, rows: Sequence[WakeRow]) -> None:
        """See ports.Ledger."""
        await self._agenda.done(rows)

    async def next_wake(self) -> datetime | None:
        """The minute of the earliest row of the agenda, due or not."""
        return await self._agenda.earliest()

    async def beat(self) -> None:
        """See ports.Ledger."""
        await self._control.put({"PartitionKey": CONTROL, "RowKey": _HEARTBEAT, "at": write_time(self._clock.now())})

    async def heartbeat(self) -> datetime | None:
        """When the agenda was last read."""
        row = await self._control.get(CONTROL, _HEARTBEAT)
        return None if row is None else _beat_of(row)

    async def _removed(self, *rows: Operation) -> bool:
        try:
            for some in batched(rows, TRANSACTION, strict=False):
                await self._cases.write(*some)
        except Conflict:
            return False
        return True

    async def _etag_if_landed(self, case_id: str, ours: str) -> str:
        row = await self._cases.get(case_id, HEAD, select=["write"])
        etag = row.metadata["etag"] if row is not None and row.get("write") == ours else None
        if etag is None:
            raise Moved
        return etag

    async def _holder(self, case_id: str | None) -> Case | None:
        return await self.load(case_id) if case_id else None

    async def _paused_until(self) -> datetime | None:
        moment = self._clock.monotonic()
        if self._pause_seen is None or moment - self._pause_seen[0] >= PAUSE_KNOWN_FOR:
            until, _ = _pause_of(await self._control.get(CONTROL, PAUSE))
            self._pause_seen = (moment, until)
        return self._pause_seen[1]

    async def _began(self, row: Mapping[str, str], now: datetime, lasts: timedelta) -> bool:
        row = {**row, "until": write_time(now + lasts)}
        for _ in range(ROUNDS):
            found = await self._control.get(CONTROL, PAUSE)
            until, began = _pause_of(found)
            if began == row["began"]:  # we wrote it, and only the answer was lost
                return True
            in_force = until is not None and until > now
            if until is not None and until >= now + lasts:
                return False
            if await self._control.swap(found, {**row, "began": began} if in_force else row):
                return not in_force
        raise LedgerUnavailable("ledger-contended")


def _pause_of(row: Mapping[str, Any] | None) -> tuple[datetime | None, str | None]:
    if row is None:
        return None, None
    try:
        return read_time(row["until"]), str(row["began"])
    except (KeyError, TypeError, ValueError):
        raise UnreadableRow from None


def _beat_of(row: Mapping[str, Any]) -> datetime:
    try:
        return read_time(row["at"])
    except (KeyError, TypeError, ValueError):
        raise UnreadableRow from None


def _version(case: Case) -> str:
    if case.etag is None:  # never read: whatever is there is another
        raise Moved
    return case.etag
