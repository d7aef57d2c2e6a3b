"""The agenda: turns the rows whose time has come into nudges. It decides nothing about any case."""

from dataclasses import dataclass
from typing import Final

from shared.ports import Bus, Clock, Ledger
from shared.telemetry import Event, emit
from shared.watch import Watch

PAGE: Final = 500
"""Rows read, sent and removed at a time: few enough for one batch of messages."""
SWEEP_SECONDS: Final = 45.0
"""After this a sweep takes no further page; the next one goes on where it left off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """Dying anywhere is harmless: a row goes only after its nudge is on the queue, and a nudge may come twice."""

    ledger: Ledger
    bus: Bus
    clock: Clock
    watch: Watch

    async def sweep(self) -> None:
        """Nudge every case that is due, and note that somebody looked."""
        stop_at, count = self.clock.monotonic() + SWEEP_SECONDS, 0
        await self.ledger.beat()
        while rows := await self.ledger.due(PAGE):
            await self.bus.nudge(rows)
            await self.ledger.done(rows)
            count += len(rows)
            if len(rows) < PAGE or self.clock.monotonic() > stop_at:
                break
        if count:
            emit(Event.SWEPT, count=count)
        await self.watch.look()
