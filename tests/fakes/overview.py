"""What operators see of the fake ledger, and the record of what they do, in memory."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from shared.adapters.agenda import wake_row
from shared.adapters.person_rows import Acquaintance as Kept
from shared.case import Case
from shared.errors import LedgerUnavailable
from shared.oversight import Acquaintance, AuditEntry, Pause, Unreadable
from shared.ports import Clock, WakeRow
from shared.states import State
from tests.fakes.ledger import FakeLedger

type When = Literal["before", "after"]


class FakeOverview:
    """Over a FakeLedger. `unreadable` are ids of heads nobody can read, beside the ledger's own.

    `fail_next` plans a failure of the next call of a method; `fired` lists those that happened.
    """

    def __init__(self, ledger: FakeLedger, clock: Clock) -> None:
        self.unreadable: set[str] = set()
        self.fired: list[tuple[str, When]] = []
        self._ledger, self._clock = ledger, clock
        self._planned: dict[str, tuple[When, Exception]] = {}

    def fail_next(self, method: str, when: When = "before", error: Exception | None = None) -> None:
        self._planned[method] = (when, error or LedgerUnavailable("ledger-unavailable"))

    async def heads(self, state: State | None, after: str | None, at_most: int) -> list[Case | Unreadable]:
        with self._call("heads"):
            fitting = [case for case in self._ledger.cases.values() if state in (None, case.state)]
            lost = [Unreadable(case_id) for case_id in self.unreadable]
            found: list[Case | Unreadable] = [*fitting, *lost]
            return sorted((one for one in found if one.id > (after or "")), key=lambda one: one.id)[:at_most]

    async def wakes(self, case_id: str) -> list[WakeRow]:
        with self._call("wakes"):
            rows = (wake_row(*keys, etag) for keys, etag in sorted(self._ledger.agenda.items()))
            return [row for row in rows if row and row.case_id == case_id]

    async def pause_in_force(self) -> Pause | None:
        with self._call("pause_in_force"):
            pause = self._ledger.paused
            in_force = pause is not None and pause.until > self._clock.now()
            if pause is None or not in_force:
                return None
            return Pause(until=pause.until, reason=str(pause.reason), by=pause.by, why=pause.why)

    async def resume(self) -> None:
        with self._call("resume"):
            self._ledger.paused = None

    async def heartbeat(self) -> datetime | None:
        with self._call("heartbeat"):
            return self._ledger.beats[-1] if self._ledger.beats else None

    async def next_wake(self) -> datetime | None:
        with self._call("next_wake"):
            rows = (wake_row(*keys, etag) for keys, etag in sorted(self._ledger.agenda.items()))
            return next((row.due for row in rows if row), None)

    async def spent(self) -> int:
        with self._call("spent"):
            return self._ledger.hour_spent()[1]

    async def person(self, user_id: str) -> Acquaintance | None:
        with self._call("person"):
            known = self._ledger.people.get(user_id)
            if known is None or known.is_nobody:
                return None
            return Acquaintance(known.open_case, tuple(seen for _, seen in known.numbers))

    async def forget_person(self, user_id: str) -> None:
        with self._call("forget_person"):
            if user_id in self._ledger.people:
                self._ledger.people[user_id] = Kept(forgotten_at=self._clock.now())

    @contextmanager
    def _call(self, method: str) -> Generator[None]:
        self._fail(method, "before")
        yield
        self._fail(method, "after")

    def _fail(self, method: str, when: When) -> None:
        planned, error = self._planned.get(method, (None, None))
        if error and planned == when:
            del self._planned[method]
            self.fired.append((method, when))
            raise error


class FakeAudit:
    """Look at `written`. `fail_next` makes the next note fail, before or after it is written."""

    def __init__(self) -> None:
        self.written: list[AuditEntry] = []
        self.fired = 0
        self._planned: When | None = None

    def fail_next(self, when: When = "before") -> None:
        self._planned = when

    async def note(self, entry: AuditEntry) -> None:
        planned, self._planned = self._planned, None
        if planned != "before":
            self.written.append(entry)
        if planned:
            self.fired += 1
            raise LedgerUnavailable("ledger-unavailable")

    async def entries(self, since: datetime, after: str | None, at_most: int) -> list[tuple[str, AuditEntry]]:
        keyed = [
            (f"{entry.at:%Y-%m-%d}T{number:015}-{number:032x}", entry) for number, entry in enumerate(self.written)
        ]
        return [(key, entry) for key, entry in keyed if (key > after if after else entry.at >= since)][:at_most]
