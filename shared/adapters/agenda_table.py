"""The agenda on table storage: its rows are written, found when they are due, and removed."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from azure.data.tables import TableEntity

from shared import telemetry
from shared.adapters.agenda import STILL_AHEAD, hour_key, minute_after, row_keys, row_to_write, wake_row
from shared.adapters.storage import Conflict, Table, delete_row
from shared.case import Case
from shared.ports import Clock, WakeRow

AT_ONCE: Final = 16
"""How many rows are removed at the same time."""


class Agenda:
    """The rows that wake cases. Every method raises LedgerUnavailable."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table, self._clock = table, clock

    async def woken(self, case: Case, still_ahead: timedelta = STILL_AHEAD) -> Case:
        """The case, with a row at or before its next step; one nearer than `still_ahead` is not counted on."""
        moment = row_to_write(case, self._clock.now(), still_ahead)
        if moment is None:
            return case
        partition_key, row_key = row_keys(moment, case.id)
        await self._table.put({"PartitionKey": partition_key, "RowKey": row_key, "case_id": case.id})
        return replace(case, woken_at=moment)

    async def due(self, at_most: int) -> list[WakeRow]:
        """See ports.Ledger. Two ranges of keys, never joined by `or`: that would read the whole table."""
        now = self._clock.now()
        hour, minute = hour_key(now), minute_after(now)
        earlier = await self._rows("PartitionKey lt @hour", {"hour": hour}, at_most)
        present = "PartitionKey eq @hour and RowKey lt @minute"
        return earlier + await self._rows(present, {"hour": hour, "minute": minute}, at_most - len(earlier))

    async def earliest(self) -> datetime | None:
        """The minute of the first row, due or not."""
        rows = await self._rows("PartitionKey ge @first", {"first": "0"}, 1)
        return rows[0].due if rows else None

    async def done(self, rows: Sequence[WakeRow]) -> None:
        """See ports.Ledger. A row that cannot be removed now keeps no other: it comes again, and is harmless."""
        left, at_once = iter(rows), min(AT_ONCE, len(rows))
        ends = await asyncio.gather(*(self._remove_from(left) for _ in range(at_once)), return_exceptions=True)
        for error in filter(None, ends):
            raise error from None

    async def _rows(self, where: str, parameters: Mapping[str, str], at_most: int) -> list[WakeRow]:
        if at_most <= 0:
            return []
        unreadable = set[tuple[str, str]]()

        def read(row: TableEntity) -> WakeRow | None:
            keys = (row["PartitionKey"], row["RowKey"])
            found = wake_row(*keys, row.metadata["etag"])
            if found is None:
                unreadable.add(keys)
            return found

        rows = await self._table.find(where, parameters, read, at_most=at_most)
        if unreadable:  # such keys may say anything: they are counted, not told
            telemetry.emit(telemetry.Event.AGENDA_ROW_UNREADABLE, logging.WARNING, detail=len(unreadable))
        return rows

    async def _remove_from(self, left: Iterator[WakeRow]) -> None:
        """Remove rows until none is left; a failure ends it, and leaves the rest to those who share `left`.

        So an outage costs no more than one row's patience, however many rows there are.
        """
        for row in left:
            with suppress(Conflict):  # written again since: another wake-up
                await self._table.write(delete_row(*row_keys(row.due, row.case_id), row.etag))
