"""A run over dead letters: at its pace, each outcome kept as soon as it is known, ended early without losing any."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, Self

from pydantic import ValidationError

from cli.exits import CommandError, Exit
from cli.letter_view import Chosen, Settled
from cli.output import say
from shared.letter_models import AT_ONCE, Judgement, Judgements, RunAct

PATIENCE: Final = 0.05
"""How often somebody's Ctrl-C is looked for, in seconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many letters go in a request, and how long until the next."""

    at_once: int
    seconds: float

    @classmethod
    def of(cls, text: str) -> Self:
        """`20/s`, `30/m`, or a number of letters a second.

        Raises:
            CommandError: it is no such thing.
        """
        found = re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?)(?:/(s|m))?", text)
        rate = float(found[1]) / (60 if found[2] == "m" else 1) if found else 0
        if rate <= 0:
            raise CommandError(f"{text} is no rate: say 1/s, 20/s, 30/m.", Exit.USAGE)
        at_once = max(1, min(AT_ONCE, int(rate)))
        return cls(at_once, at_once / rate)


class Interrupt:
    """While it is entered, the first Ctrl-C only sets `asked`; the second ends the process as usual."""

    def __enter__(self) -> Self:
        self.asked = False
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, _: int, __: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def wait(self, until: float) -> None:
        """Sleep until a monotonic time, or until somebody asks."""
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PATIENCE))


@dataclass(frozen=True, slots=True)
class Log:
    """A file with one line for each letter that a run has settled; without a file nothing is kept."""

    file: Path | None

    def settled(self, act: str) -> set[tuple[int, str]]:
        """Letters that need no second try, by number and mark. A line cut short by a crash counts as not written.

        Raises:
            CommandError: the file cannot be read.
        """
        if self.file is None or not self.file.exists():
            return set()
        try:
            lines = filter(None, map(_read, self.file.read_bytes().splitlines()))
        except OSError as error:
            raise CommandError(f"{self.file}: {error.strerror}", Exit.USAGE) from None
        return {(line.sequence, line.mark) for line in lines if line.act == act and line.removed}

    def keep(self, lines: Sequence[Settled]) -> None:
        """Write, and do not come back before it is on the disk.

        Raises:
            CommandError: that cannot be done.
        """
        if self.file is None:
            return
        try:
            with self.file.open("a+b") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    file.write(b"" if file.read() == b"\n" else b"\n")
                file.write("".join(line.model_dump_json(by_alias=True) + "\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CommandError(f"{self.file}: {error.strerror}") from None


@dataclass(slots=True, kw_only=True)
class Run:
    """One run over `letters`: `send` asks the app about some of them. `ended` says why it ended early, when it did."""

    act: RunAct
    id: str
    letters: Mapping[int, Chosen]
    send: Callable[[list[int]], Judgements]
    pace: Pace
    log: Log
    done: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    ended: CommandError | None = None

    def settle(self, interrupt: Interrupt) -> Iterator[Settled]:
        """Every letter once, each outcome in the log before it is told; what the app did not get to is asked again."""
        left = list(self.letters)
        while left:
            next_at = time.monotonic() + self.pace.seconds
            lines = self._ask(left[: self.pace.at_once])
            yield from lines
            told = {line.sequence for line in lines}
            left = [sequence for sequence in left if sequence not in told]
            if self.ended or not left:
                return
            interrupt.wait(next_at)
            if interrupt.asked:
                return

    def _ask(self, sequences: list[int]) -> list[Settled]:
        """One request. An error ends the run, not the command: what is known by then still has to be told."""
        lines: list[Settled] = []
        try:
            answer = self.send(sequences)
            lines = self._lines(answer.letters)
            self.log.keep(lines)
            if answer.stopped or not lines:
                raise CommandError(f"The app stopped: {answer.stopped or 'out of time'}.", Exit.UNAVAILABLE)
        except CommandError as error:
            self.ended = error
            if not lines and error.code is Exit.UNAVAILABLE:
                lines = self._lines([Judgement(sequence=sequences[0], outcome="failed", why="no-answer")])
        return lines

    def _lines(self, told: Sequence[Judgement]) -> list[Settled]:
        at = datetime.now(UTC)
        self.counts.update(one.outcome for one in told if one.outcome != "failed")
        self.done += sum(one.removed for one in told)
        return [
            Settled(at=at, run=self.id, act=self.act, mark=self.letters[one.sequence].mark, **one.model_dump())
            for one in told
        ]

    def close(self, *, interrupted: bool) -> Exit:
        """Say what came of it, and how the command ends."""
        total = len(self.letters)
        told = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.most_common())
        say(f"{self.done} of {total} done{told and f' ({told})'}. Run {self.id}.")
        if self.ended:
            say(str(self.ended), "red")
        if self.done == total:
            return Exit.DONE
        if interrupted and self.counts.total() < total:
            say("Interrupted. The same command goes on where this one ended." if self.log.file else "Interrupted.")
            return Exit.INTERRUPTED
        return self.ended.code if self.ended and not self.counts else Exit.PARTLY


def _read(line: bytes) -> Settled | None:
    try:
        return Settled.model_validate_json(line)
    except ValidationError:
        return None
