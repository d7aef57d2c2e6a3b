"""The queue of dead letters in memory."""

from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from shared.errors import BusUnavailable, Reason


@dataclass(frozen=True, slots=True)
class DeadLetter:
    body: bytes
    reason: str
    description: str
    message_id: str


class FakeBus:
    """Look at `letters` and `calls`; `fail_next` plans a failure, `fired` lists those that happened."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.calls: list[str] = []
        self.fired: list[tuple[str, str]] = []
        self._planned: tuple[str, Exception] | None = None

    def fail_next(
        self, method: str = "dead_letter", when: Literal["before", "after"] = "before", error: Exception | None = None
    ) -> None:
        assert method == "dead_letter"
        self._planned = (when, error or BusUnavailable("bus-unavailable"))

    async def dead_letter(self, body: bytes, reason: Reason, description: str) -> None:
        self.calls.append("dead_letter")
        self._fail("before")
        told = description[:1000].encode("utf-8", "replace").decode()
        self.letters.append(DeadLetter(body, str(reason), told, str(uuid4())))
        self._fail("after")

    async def close(self) -> None:
        pass

    def _fail(self, when: str) -> None:
        if self._planned and self._planned[0] == when:
            error, self._planned = self._planned[1], None
            self.fired.append(("dead_letter", when))
            raise error
