"""Fires timer functions at their times on the sandbox's clock, however far it leaps (TimerListener.cs)."""

import asyncio
import fcntl
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sandbox.clock import SandboxClock

from .runtime import Function, Proto, call
from .schedule import next_occurrence

LOOK = 0.02  # real seconds between two looks at the clock
FORGIVEN = timedelta(minutes=1)  # later than this is past due
NEVER = "0001-01-01T00:00:00+00:00"  # .NET's default moment: the timer has not fired yet


class Timer:
    """Runs one function at its times, after every leap of the clock once.

    Its status lies in a file beside the clock's, for all hosts of that clock and for the next start. Whoever has the
    lock beside it runs the timer; the others wait for it (the real hosts hold a blob lease: SingletonMode.Listener).
    """

    def __init__(
        self, function: Function, limits: Mapping[str, Any], end: asyncio.Future[float], clock: SandboxClock
    ) -> None:
        self._function, self._limit, self._end, self._clock = function, limits["functionTimeout"], end, clock
        self._file = clock.path.with_name(f"timer-{function.name}.json")
        self._lock = self._file.with_suffix(".lock").open("w")
        self._ours = self._at_once = False
        self._known = dict[str, Any]()  # the status when it is ours: nobody else writes it
        self._try_to_lead()

    @property
    def status(self) -> dict[str, Any]:
        """`next` and `last` (start) as ISO 8601 in UTC, `running`, and `runs` that have ended."""
        return json.loads(self._file.read_text())

    async def run(self) -> None:
        """Fire until the end; what runs then has the grace time, and is as good as killed after it."""
        while not self._end.done():
            self._try_to_lead()
            now = self._clock.now()
            if self._ours and (self._at_once or self._due(now) <= now):
                await self._fire(now)
            else:
                await asyncio.wait([self._end], timeout=LOOK)

    def _try_to_lead(self) -> None:
        if self._ours:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self._ours, self._at_once = True, self._function.trigger.get("runOnStartup", False)
        new = {"next": self._following(self._clock.now()), "last": None, "runs": 0}
        self._write(**{**new, **(self.status if self._file.exists() else {}), "running": self._at_once})

    def _following(self, moment: datetime) -> str:
        return next_occurrence(self._function.trigger["schedule"], moment).isoformat()

    def _due(self, now: datetime) -> datetime:
        """When it fires next: as written down, or sooner when the clock was set back since."""
        written, following = self._known["next"], self._following(now)
        if following < written:
            self._write(next=following)
        return datetime.fromisoformat(min(written, following))

    async def _fire(self, now: datetime) -> None:
        """The next time follows from this start, not from its end: what was missed meanwhile comes at once, once."""
        before, self._at_once = {**self._known}, False
        last, late = before["last"] or NEVER, now - datetime.fromisoformat(before["next"])
        info = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {"Last": last, "Next": before["next"], "LastUpdated": last},
            "IsPastDue": late > FORGIVEN,
        }
        self._write(running=True, last=now.isoformat())
        title = f"{self._function.name} [timer, {'past due' if late > FORGIVEN else 'on time'}]"
        await call(self._function, title, Proto(json=json.dumps(info)), self._limit)
        self._write(running=False, next=self._following(now), runs=before["runs"] + 1)

    def _write(self, **changes: Any) -> None:
        """All at once: the other hosts read it at any moment."""
        self._known |= changes
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(self._known))
        draft.replace(self._file)
