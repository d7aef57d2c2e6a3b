"""A look at the queue of events with every sweep of the agenda: is it being drained?"""

from dataclasses import dataclass
from logging import WARNING

from shared.errors import Unavailable
from shared.oversight import DepthNotes, Gauge, NotedDepth
from shared.ports import Clock
from shared.telemetry import Event, emit


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Notes how deep the queue of events is, for those who may not look at it themselves.

    Service Bus tells a queue's counts only to whoever may manage it, and whoever may look into a queue may also take
    from it. The door, which faces the outside, may do neither with the queue of events: it only sends to it. The worker
    takes from that queue anyway. So the worker looks, at a bounded number of messages and without locking any, and the
    door reads what was noted: nobody gets a right for the sake of a number, and the number is a minute old at most.
    """

    gauge: Gauge
    notes: DepthNotes
    clock: Clock

    async def look(self) -> None:
        """Look and note it. A look that fails is told and forgotten: waking people matters more."""
        try:
            await self.notes.note(NotedDepth(at=self.clock.now(), depth=await self.gauge.read()))
        except Unavailable as error:
            emit(Event.QUEUE_NOT_SEEN, WARNING, reason=str(error))
