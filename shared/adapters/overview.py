"""What operators see of the ledger on Azure Table Storage, and the record of what they do."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from azure.data.tables import TableEntity
from azure.data.tables.aio import TableServiceClient

from shared.adapters.agenda import wake_row
from shared.adapters.budget import spent_in
from shared.adapters.case_rows import HEAD, case_of, read_time, write_time
from shared.adapters.person_rows import PERSON, acquaintance_of, person_row
from shared.adapters.person_rows import Acquaintance as Kept
from shared.adapters.seal import Fingerprints, Seal
from shared.adapters.storage import Conflict, Patience, Table, delete_row, insert
from shared.adapters.tables import BUDGET, CONTROL, PAUSE, TableLedger
from shared.case import Case
from shared.errors import LedgerUnavailable, UnreadableRow
from shared.oversight import Acquaintance, AuditEntry, Pause, Unreadable
from shared.ports import Clock, WakeRow
from shared.states import State

_FIRST: Final = "0"
"""Before every case id."""


class TableOverview:
    """Implements oversight.Overview, beside the `ledger` on the same tables."""

    def __init__(
        self,
        ledger: TableLedger,
        service: TableServiceClient,
        seal: Seal,
        fingerprints: Fingerprints,
        clock: Clock,
    ) -> None:
        patience = Patience()
        self._ledger, self._seal, self._fingerprints, self._clock = ledger, seal, fingerprints, clock
        self._cases = Table(service, "cases", patience)
        self._agenda = Table(service, "agenda", patience)
        self._people = Table(service, "people", patience)
        self._control = Table(service, "control", patience)
        self.heartbeat, self.next_wake = ledger.heartbeat, ledger.next_wake

    async def heads(self, state: State | None, after: str | None, at_most: int) -> list[Case | Unreadable]:
        """See Overview."""
        where = "PartitionKey gt @after and RowKey eq @head" + (" and state eq @state" if state else "")
        values = {"after": after or _FIRST, "head": HEAD} | ({"state": str(state)} if state else {})
        return await self._cases.find(where, values, self._read, at_most=at_most)

    async def wakes(self, case_id: str) -> list[WakeRow]:
        """See Overview."""
        return await self._agenda.find("case_id eq @case", {"case": case_id}, _wake_of)

    async def pause_in_force(self) -> Pause | None:
        """See Overview."""
        pause = _pause(await self._control.get(CONTROL, PAUSE))
        return pause if pause and pause.until > self._clock.now() else None

    async def resume(self) -> None:
        """See Overview. A pause that somebody begins at this very moment stays."""
        row = await self._control.get(CONTROL, PAUSE)
        if row is not None:
            with suppress(Conflict):
                await self._control.write(delete_row(CONTROL, PAUSE, row.metadata["etag"] or ""))
        self._ledger.look_again()

    async def spent(self) -> int:
        """See Overview."""
        return spent_in(await self._control.get(CONTROL, BUDGET), self._clock.now())

    async def person(self, user_id: str) -> Acquaintance | None:
        """See Overview."""
        known = acquaintance_of(await self._people.get(self._fingerprints.person(user_id), PERSON))
        return None if known.is_nobody else Acquaintance(known.open_case, tuple(seen for _, seen in known.numbers))

    async def forget_person(self, user_id: str) -> None:
        """See Overview."""
        key = self._fingerprints.person(user_id)
        row = await self._people.get(key, PERSON)
        if acquaintance_of(row).is_nobody:
            return
        if not await self._people.swap(row, person_row(key, Kept(forgotten_at=self._clock.now()))):
            raise LedgerUnavailable("ledger-contended")

    def _read(self, row: TableEntity) -> Case | Unreadable:
        try:
            return case_of(row, row.metadata["etag"], self._seal)
        except UnreadableRow:
            return Unreadable(row["PartitionKey"])


class TableAudit:
    """Implements oversight.Audit: one row per entry, by day, only ever inserted."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "audit", Patience())

    async def note(self, entry: AuditEntry) -> None:
        """See Audit. The key is new each time, so an answer that was lost makes a second row at worst."""
        at = write_time(entry.at)
        row = {
            "PartitionKey": at[:10],
            "RowKey": f"{at[11:26]}-{uuid4().hex}",
            "who": entry.who,
            "act": entry.act,
            "target": entry.target,
            "allowed": entry.allowed,
        }
        told = {name: text for name, text in (("why", entry.why), ("ended", entry.ended)) if text}
        await self._table.write(insert(row | told))

    async def entries(self, since: datetime, after: str | None, at_most: int) -> list[tuple[str, AuditEntry]]:
        """See Audit."""
        first = write_time(since)
        day, _, key = after.partition("T") if after else (first[:10], "", first[11:26])
        where = "PartitionKey gt @day or PartitionKey eq @day and RowKey gt @key"
        return await self._table.find(where, {"day": day, "key": key}, _entry_of, at_most=at_most)


def _entry_of(row: TableEntity) -> tuple[str, AuditEntry]:
    day, key = row["PartitionKey"], row["RowKey"]
    try:
        return f"{day}T{key}", AuditEntry(
            at=read_time(f"{day}T{key[:15]}+00:00"),
            who=row["who"],
            act=row["act"],
            target=row["target"],
            allowed=row["allowed"],
            why=row.get("why"),
            ended=row.get("ended"),
        )
    except (KeyError, TypeError, ValueError):
        raise UnreadableRow from None


def _wake_of(row: TableEntity) -> WakeRow | None:
    return wake_row(row["PartitionKey"], row["RowKey"], row.metadata["etag"])


def _pause(row: Mapping[str, Any] | None) -> Pause | None:
    if row is None:
        return None
    try:
        why = str(row["why"]) if "why" in row else None
        return Pause(until=read_time(row["until"]), reason=str(row["reason"]), by=str(row["by"]), why=why)
    except (KeyError, TypeError, ValueError):
        raise UnreadableRow from None
