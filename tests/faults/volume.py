"""Bad input in great numbers: every case is made by dice from its number, so one that fails can be made again."""

import inspect
import logging
import time
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import pytest

from shared.telemetry import RedactingFormatter
from tests.faults.mutants import CANARIES

SHARE, SHARE_BY_WIRE = 20, 100
"""One case in so many is tried in every run, fewer of those that go over a connection; all are in the long proofs."""
MANY = 5_000
"""Among fewer cases, what comes about seldom may be missing."""
BATCH, MEASURED = 50, 20
"""In one batch in so many, memory is measured: it costs time."""
CPU_SECONDS = 1.0
"""Far more than any case takes (they take well under a millisecond), far less than a pattern that runs wild."""
PEAK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a case: what kind of outcome, and every text that anybody gets to read."""

    kind: str
    text: str = ""


def volume(cases: int, share: int = SHARE) -> pytest.MarkDecorator:
    """So many cases, and a share of them in every run."""
    return pytest.mark.parametrize("cases", [cases // share, pytest.param(cases, marks=pytest.mark.exhaustive)])


async def tried[T](
    name: str, cases: int, make: Callable[[Random], T], outcome: Callable[[T], Told | Awaitable[Told]]
) -> Counter[str]:
    """How often each kind of outcome came. To make one case again: `make(Random("NAME NUMBER"))`.

    No case may raise, take long, need much memory, or tell a canary.
    """
    kinds = Counter[str]()
    for first in range(0, cases, BATCH):
        with _bounded_memory(f"{name} {first}", measured=first // BATCH % MEASURED == 0):
            for number in range(first, min(first + BATCH, cases)):
                given = make(Random(f"{name} {number}"))  # noqa: S311 - the same dice every time
                kinds[await _tried(f"{name} {number}", given, outcome)] += 1
    return kinds


async def _tried[T](seed: str, given: T, outcome: Callable[[T], Told | Awaitable[Told]]) -> str:
    began = time.process_time()
    try:
        told = outcome(given)
        told = await told if inspect.isawaitable(told) else told
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\n{_shown(seed, given)}") from error
    took = time.process_time() - began
    is_first = seed.endswith(" 0")  # it loads the SDK
    assert took < CPU_SECONDS or is_first, f"{took:.1f} s of CPU\n{_shown(seed, given)}"
    leaked = [canary for canary in CANARIES if canary.lower() in told.text.lower()]
    assert not leaked, f"{leaked} in {told.text[:500]}\n{_shown(seed, given)}"
    return told.kind


def _shown(seed: str, given: object) -> str:
    text = repr(given)
    return f"seed {seed!r}: {text if len(text) < 4000 else text[:4000] + '…'}"


@contextmanager
def _bounded_memory(seed: str, *, measured: bool) -> Generator[None]:
    if not measured:
        yield
        return
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < PEAK_BYTES, f"{peak // 1024} KB at most in the batch that begins with seed {seed!r}"


class Lines(logging.Handler):
    """What the app writes to its log while `heard` is open, as it stands there."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(RedactingFormatter())
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))

    def taken(self) -> str:
        """All of it since the last time."""
        said, self.said = "\n".join(self.said), []
        return said


@contextmanager
def heard() -> Generator[Lines]:
    """Listen to our own logger at DEBUG."""
    lines, ours = Lines(), logging.getLogger("firstpass")
    before = ours.level
    ours.addHandler(lines)
    ours.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        ours.removeHandler(lines)
        ours.setLevel(before)


def all_of(kinds: Counter[str], first: str, *others: str) -> None:
    """Each of these outcomes came about: a volume that never gets past the first check proves nothing."""
    wanted = (first, *others) if kinds.total() >= MANY else (first,)
    missing = [kind for kind in wanted if not kinds[kind]]
    assert not missing, f"{missing} never came: {dict(kinds)}"
