"""How deep queues are, and what was noted of it, in memory."""

from datetime import datetime

from shared.errors import BusUnavailable, LedgerUnavailable
from shared.oversight import Depth, NotedDepth
from shared.ports import Clock

LOOKED_AT = 1_000


class FakeGauge:
    """Look at and change `since`: when each message came. While `gone` the queue cannot be seen; `readings` counts."""

    def __init__(self, clock: Clock) -> None:
        self.since: list[datetime] = []
        self.gone = False
        self.readings = 0
        self._clock = clock

    def put(self, count: int = 1) -> None:
        self.since += [self._clock.now()] * count

    async def read(self) -> Depth:
        self.readings += 1
        if self.gone:
            raise BusUnavailable("bus-unavailable")
        seen = self.since[:LOOKED_AT]
        return Depth(count=len(seen), is_more=len(self.since) >= LOOKED_AT, oldest=min(seen, default=None))


class FakeDepthNotes:
    """Look at `last`. While `gone` nothing can be noted."""

    def __init__(self) -> None:
        self.last: NotedDepth | None = None
        self.gone = False

    async def note(self, noted: NotedDepth) -> None:
        if self.gone:
            raise LedgerUnavailable("ledger-unavailable")
        self.last = noted

    async def noted(self) -> NotedDepth | None:
        return self.last
