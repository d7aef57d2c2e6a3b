"""What runs over dead letters note on Azure Table Storage: whose turn it is, and which letter took which id."""

import hashlib
from datetime import timedelta
from typing import Final

from azure.data.tables import TableEntity
from azure.data.tables.aio import TableServiceClient

from shared.adapters.case_rows import read_time, write_time
from shared.adapters.storage import Patience, Table
from shared.adapters.tables import CONTROL, ROUNDS
from shared.errors import LedgerUnavailable, UnreadableRow
from shared.ports import Clock

_TURN: Final = "letters-run"
_TURN_KEYS: Final = {"PartitionKey": CONTROL, "RowKey": _TURN}
_IDS: Final = "replay-ids"


class TableTurns:
    """Implements oversight.Turns: one row, rewritten only as it was read."""

    def __init__(self, service: TableServiceClient, clock: Clock) -> None:
        self._control, self._clock = Table(service, "control", Patience()), clock

    async def begin(self, run: str, who: str, lasts: timedelta) -> bool:
        """See Turns."""
        until = write_time(self._clock.now() + lasts)
        for _ in range(ROUNDS):
            row = await self._control.get(CONTROL, _TURN)
            if row is not None and not self._is_free(row, run, who):
                return False
            if await self._control.swap(row, {**_TURN_KEYS, "run": run, "who": who, "until": until}):
                return True
        raise LedgerUnavailable("ledger-contended")

    async def end(self, run: str, who: str) -> bool:
        """See Turns. A request of the run that begins at this very moment keeps the turn."""
        row = await self._control.get(CONTROL, _TURN)
        if row is None or (row.get("run"), row.get("who")) != (run, who):
            return False
        return await self._control.swap(row, {**row, "until": write_time(self._clock.now())})

    def _is_free(self, row: TableEntity, run: str, who: str) -> bool:
        try:
            return read_time(row["until"]) <= self._clock.now() or (row["run"], row["who"]) == (run, who)
        except (KeyError, TypeError, ValueError):
            raise UnreadableRow from None


class TableReplayIds:
    """Implements oversight.ReplayIds: a row for each id, written once. Nothing on it says what was sent, or of whom."""

    def __init__(self, service: TableServiceClient) -> None:
        self._control = Table(service, "control", Patience())

    async def claim(self, message_id: str, mark: str) -> bool:
        """See ReplayIds."""
        key = hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()
        if await self._control.swap(None, {"PartitionKey": _IDS, "RowKey": key, "mark": mark}):
            return True
        row = await self._control.get(_IDS, key)
        return row is not None and row.get("mark") == mark
