"""The hourly budget of passes: one row of table storage that all processes share, and the block this one has of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_random_exponential

from shared.adapters.agenda import hour_key
from shared.adapters.case_rows import UnreadableRow
from shared.adapters.storage import Table
from shared.errors import Halted, LedgerUnavailable, Reason
from shared.ports import Clock

BLOCKS: Final = 50
"""A process reserves this part of the budget at once: one write serves many passes, and a crash wastes few."""
_PATIENCE: Final = 5.0
"""Seconds for which a process that is never the first to write tries again."""
_HOUR: Final = timedelta(hours=1)
_SHORTEST_HALT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Block:
    """Passes of an hour (its key). As a row's: how many are reserved; as a process's: how many it has left."""

    hour: str
    passes: int


class Budget:
    """At most `hourly` passes an hour, over all processes; 0 is no limit, and nothing is written.

    There is one row, and its hour only ever moves forward. To a process whose clock is behind, the later hour counts as
    the present one: what clocks disagree on is never spent twice.
    """

    def __init__(self, control: Table, keys: tuple[str, str], clock: Clock, hourly: int) -> None:
        self._control, self._keys, self._clock, self._hourly = control, keys, clock, hourly
        self._left = _Block("", 0)
        self._turn = asyncio.Lock()
        self._failures = 0

    async def spend(self) -> None:
        """Take one pass.

        Raises:
            Halted: `budget`, until the hour is over.
        """
        if not self._hourly:
            return
        failures = self._failures
        async with self._turn:  # one reserves, the others wait for what it brings
            if self._left.passes == 0 or self._left.hour < hour_key(self._clock.now()):
                if self._failures > failures:  # while we stood in line: to fail one by one would outlast our leases
                    raise LedgerUnavailable("ledger-unavailable")
                self._left = await self._reserved()
            self._left = _Block(self._left.hour, self._left.passes - 1)

    async def _reserved(self) -> _Block:
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda block: block is None),
            stop=stop_after_delay(_PATIENCE),
            wait=wait_random_exponential(multiplier=0.02, max=0.5),
        )
        try:
            return await retrying(self._reserve)
        except RetryError:
            self._failures += 1
            raise LedgerUnavailable("ledger-contended") from None
        except LedgerUnavailable:
            self._failures += 1
            raise

    async def _reserve(self) -> _Block | None:
        """A block; None when another process wrote first (or this one, in a try whose answer was lost: wasted)."""
        now = self._clock.now()
        row = await self._control.get(*self._keys)
        spent = _spent(row, hour_key(now))
        block = min(max(1, self._hourly // BLOCKS), self._hourly - spent.passes)
        if block <= 0:
            raise Halted(Reason.BUDGET, _until_next_hour(now))
        after = _Block(spent.hour, spent.passes + block)
        return _Block(spent.hour, block) if await self._control.swap(row, self._row(after)) else None

    def _row(self, spent: _Block) -> Mapping[str, Any]:
        partition_key, row_key = self._keys
        return {"PartitionKey": partition_key, "RowKey": row_key, "hour": spent.hour, "reserved": spent.passes}


def spent_in(row: Mapping[str, Any] | None, now: datetime) -> int:
    """Passes reserved in the hour of `now`, by the row of the budget."""
    return _spent(row, hour_key(now)).passes


def _spent(row: Mapping[str, Any] | None, hour: str) -> _Block:
    if row is None:
        return _Block(hour, 0)
    match row.get("hour"), row.get("reserved"):
        case str(written), int(reserved) if reserved >= 0:  # less would be more to spend
            return _Block(written, reserved) if written >= hour else _Block(hour, 0)
        case _:
            raise UnreadableRow


def _until_next_hour(now: datetime) -> timedelta:
    full = now.replace(minute=0, second=0, microsecond=0) + _HOUR
    return max(full - now, _SHORTEST_HALT)
