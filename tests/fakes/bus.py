"""The queues of dead letters and of events in memory."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from shared.errors import BusUnavailable, Reason
from shared.ports import WakeRow


@dataclass(frozen=True, slots=True)
class DeadLetter:
    body: bytes
    reason: str
    description: str
    message_id: str


type Method = Literal["dead_letter", "nudge", "publish"]
type When = Literal["before", "after"]


class FakeBus:
    """Look at `letters`, `nudges` ((message id, case id)), `events` (message id -> body) and `calls`.

    `fail_next` plans a failure of the next call of a method; `fired` lists those that happened.
    """

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.nudges: list[tuple[str, str]] = []
        self.events: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.fired: list[tuple[str, str]] = []
        self._planned: dict[Method, tuple[When, Exception]] = {}

    def fail_next(self, method: Method = "dead_letter", when: When = "before", error: Exception | None = None) -> None:
        self._planned[method] = (when, error or BusUnavailable("bus-unavailable"))

    async def dead_letter(self, body: bytes, reason: Reason, description: str) -> None:
        with self._call("dead_letter"):
            told = description[:1000].encode("utf-8", "replace").decode()
            self.letters.append(DeadLetter(body, str(reason), told, str(uuid4())))

    async def nudge(self, rows: Sequence[WakeRow]) -> None:
        """A queue that detects duplicates: an id it has is taken and dropped."""
        with self._call("nudge"):
            there = dict(self.nudges)
            self.nudges += [(row.id, row.case_id) for row in rows if row.id not in there]

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """As above."""
        with self._call("publish"):
            self.events = dict(messages) | self.events

    async def close(self) -> None:
        pass

    @contextmanager
    def _call(self, method: Method) -> Generator[None]:
        self.calls.append(method)
        self._fail(method, "before")
        yield
        self._fail(method, "after")

    def _fail(self, method: Method, when: When) -> None:
        planned, error = self._planned.get(method, (None, None))
        if error and planned == when:
            del self._planned[method]
            self.fired.append((method, when))
            raise error
