"""The ledger in memory: what adapters/tables.py promises, without a service."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.adapters.agenda import FAR_AHEAD, STILL_AHEAD, row_keys, row_to_write, wake_row
from shared.adapters.person_rows import Acquaintance
from shared.case import Case
from shared.errors import Halted, Later, LedgerUnavailable, Moved, Reason
from shared.guard_rails import Person
from shared.ports import Clock, Move, WakeRow
from shared.states import FREE, State
from shared.wishes import vouched

type When = Literal["before", "between", "after"]
"""`between` is for save only: the wake row is written, the head is not."""


@dataclass(frozen=True, slots=True)
class Pause:
    until: datetime
    reason: Reason
    by: str
    why: str | None = None


class FakeLedger:
    """Look at `cases`, `moves`, `agenda` ((PartitionKey, RowKey) -> ETag), `people`, `paused`, `beats` and `calls`.

    `fail_next` plans a failure of the next call of a method; `fired` lists those that happened.
    """

    def __init__(self, clock: Clock, budget: int = 0) -> None:
        self.budget = budget
        """Passes an hour; 0 is no limit."""
        self.cases: dict[str, Case] = {}
        self.moves: dict[str, list[Move]] = {}
        self.agenda: dict[tuple[str, str], str] = {}
        self.people: dict[str, Acquaintance] = {}
        self.paused: Pause | None = None
        self.beats: list[datetime] = []
        self.calls: list[str] = []
        self.fired: list[tuple[str, When]] = []
        self._clock = clock
        self._planned: dict[str, tuple[When, Exception]] = {}
        self._writes = 0
        self._spent: tuple[datetime, int] | None = None

    def fail_next(self, method: str, when: When = "before", error: Exception | None = None) -> None:
        self._planned[method] = (when, error or LedgerUnavailable("ledger-unavailable"))

    async def load(self, case_id: str) -> Case | None:
        with self._call("load"):
            return self.cases.get(case_id)

    async def save(self, before: Case | None, after: Case, actor: str) -> Case:
        with self._call("save"):
            after = self.write_row(after)
            self._fail("save", "between")
            return self.write_row(self.write_head(before, after, actor))

    def write_row(self, case: Case, still_ahead: timedelta = STILL_AHEAD) -> Case:
        """The first half of a save, for who has the two apart."""
        moment = row_to_write(case, self._clock.now(), still_ahead)
        if moment is None:
            return case
        self.agenda[row_keys(moment, case.id)] = self._etag()
        return replace(case, woken_at=moment)

    def write_head(self, before: Case | None, after: Case, actor: str) -> Case:
        """The second half."""
        held = self.cases.get(after.id)
        if (held.etag if held else None) != (before.etag if before else None):
            raise Moved
        if held and after.moves <= held.moves:  # its history row is there already
            raise Moved
        self.cases[after.id] = after = replace(after, etag=self._etag())
        self.moves.setdefault(after.id, []).append(self._move(before, after, actor))
        return after

    async def history(self, case_id: str) -> list[Move]:
        return list(self.moves.get(case_id, []))

    async def wake(self, case: Case) -> None:
        with self._call("wake"):
            self.write_row(case, FAR_AHEAD)

    async def meet(self, user_id: str, number: str, case_id: str) -> Person:
        with self._call("meet"):
            before = self.people.get(user_id, Acquaintance())
            known = before.shown(number, self._clock.now())
            holder = self.cases.get(before.open_case or "") if before.open_case != case_id else None
            if holder and holder.state not in FREE:
                return known.as_person(number, other_case_open=True)
            if holder and holder.deletions_left:
                return known.as_person(number, other_case_ending=True)
            self.people[user_id] = replace(known, open_case=case_id)
            return known.as_person(number)

    async def admit(self) -> None:
        with self._call("admit"):
            if self.paused and self.paused.until > self._clock.now():
                raise Later(Reason.PAUSED, self.paused.until - self._clock.now())

    async def pause(self, reason: Reason, by: str, lasts: timedelta, why: str | None = None) -> bool:
        with self._call("pause"):
            now, in_force = self._clock.now(), self.paused
            if in_force and in_force.until >= now + lasts:
                return False
            self.paused = Pause(now + lasts, reason, by, why)
            return in_force is None or in_force.until <= now

    async def spend(self) -> None:
        with self._call("spend"):
            if self.budget:
                hour, spent = self.hour_spent()
                if spent >= self.budget:
                    left = hour + timedelta(hours=1) - self._clock.now()
                    raise Halted(Reason.BUDGET, max(left, timedelta(minutes=1)))
                self._spent = hour, spent + 1

    def hour_spent(self) -> tuple[datetime, int]:
        """This hour, and how many passes were taken from its budget."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        return hour, self._spent[1] if self._spent and self._spent[0] == hour else 0

    async def forget(self, case: Case) -> None:
        with self._call("forget"):
            held = self.cases.get(case.id)
            if case.etag is None or (held and held.etag != case.etag):
                raise Moved
            self.moves.pop(case.id, None)
            self.cases.pop(case.id, None)

    async def due(self, at_most: int) -> list[WakeRow]:
        with self._call("due"):
            read = (wake_row(*keys, etag) for keys, etag in sorted(self.agenda.items()))
            return [row for row in read if row and row.due <= self._clock.now()][:at_most]

    async def done(self, rows: Sequence[WakeRow]) -> None:
        with self._call("done"):
            for row in rows:
                keys = row_keys(row.due, row.case_id)
                if self.agenda.get(keys) == row.etag:
                    del self.agenda[keys]

    async def beat(self) -> None:
        with self._call("beat"):
            self.beats.append(self._clock.now())

    async def close(self) -> None:
        pass

    def _etag(self) -> str:
        self._writes += 1
        return f"etag-{self._writes}"

    def _move(self, before: Case | None, after: Case, actor: str) -> Move:
        return Move(
            at=self._clock.now(),
            from_state=before.state if before else None,
            to_state=after.state,
            reason=after.reason,
            actor=actor,
            issuance=after.issuance,
            attempt=after.attempt,
            message_id=after.message_id if after.state is State.SENT else None,
            channel=after.channel if after.state is State.SENT else None,
            receipt=after.receipt if before is None or after.receipt is not before.receipt else None,
            approved=vouched(before, after),
        )

    @contextmanager
    def _call(self, method: str) -> Generator[None]:
        self.calls.append(method)
        self._fail(method, "before")
        yield
        self._fail(method, "after")

    def _fail(self, method: str, when: When) -> None:
        planned, error = self._planned.get(method, (None, None))
        if error and planned == when:
            del self._planned[method]
            self.fired.append((method, when))
            raise error
