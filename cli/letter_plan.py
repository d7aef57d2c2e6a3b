"""Which letters a run is about: chosen by number or filter, or frozen in a plan file that nobody changes afterwards."""

import fcntl
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import ValidationError

from cli.client import Client
from cli.exits import CommandError, Exit
from cli.letter_view import Chosen, Planned
from cli.people import write_new
from shared.api_fields import Model
from shared.letter_models import (
    AT_ONCE,
    Judgements,
    JudgeWish,
    LetterQuery,
    LetterView,
    Marked,
    RunAct,
    RunId,
)


class Plan(Model):
    """A plan file: the letters, which they were, and what would have happened to each when it was made.

    The run is the plan's: whoever carries it out after a crash goes on with the very same run.
    """

    firstpass_plan: Literal[2] = 2
    run: RunId
    made_at: datetime
    url: str
    letters: list[Planned]


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody said of the letters they mean."""

    query: LetterQuery
    numbers: Sequence[int] | None = None
    plan: Path | None = None
    every: bool = False

    def check(self) -> None:
        """Letters are chosen in one way only, and never all of them by saying nothing.

        Raises:
            CommandError: it is none of these.
        """
        is_filtered = self.query != LetterQuery(limit=self.query.limit)
        ways = [bool(self.numbers), self.plan is not None, self.every, is_filtered]
        if not any(ways):
            raise CommandError("Which letters? Say --plan, --sequence, a filter such as --code, or --all.", Exit.USAGE)
        if sum(ways) > 1:
            raise CommandError("Which letters? One of --plan, --sequence, filters and --all, not several.", Exit.USAGE)

    def run_id(self) -> str:
        """The id all requests of the run carry."""
        return read_plan(self.plan).run if self.plan else uuid4().hex

    def letters(self, client: Client) -> dict[int, Chosen]:
        """The letters by number, in their order."""
        if self.plan:
            return _planned(client, self.plan)
        if self.numbers:
            found = (client.get(f"dead-letters/{number}", LetterView) for number in sorted(set(self.numbers)))
        else:
            found = client.letters(self.query)
        return {letter.sequence: Chosen.of(letter) for letter in found}


def judged(
    client: Client, letters: Mapping[int, Chosen], act: RunAct | None = None, *, force: bool = False
) -> Iterator[Planned]:
    """What would become of these letters now; with `act`, when whoever asks does it."""
    for some in batched(letters, AT_ONCE, strict=False):
        marks = [Marked(sequence=number, mark=letters[number].mark) for number in some]
        wish = JudgeWish(sequences=list(some), marks=marks, act=act, force=force)
        for one in client.post("dead-letters/judge", Judgements, wish).letters:
            told = letters[one.sequence].model_dump()
            yield Planned(**told, outcome=one.outcome, why=one.why)


def write_plan(file: Path, url: str, letters: Iterable[Planned]) -> None:
    """Freeze a choice; a file that exists is never overwritten."""
    plan = Plan(run=uuid4().hex, made_at=datetime.now(UTC), url=url, letters=list(letters))
    write_new(file, plan.model_dump_json(by_alias=True, indent=1) + "\n")


def read_plan(file: Path) -> Plan:
    """A plan from its file.

    Raises:
        CommandError: there is none, or it is not what dlq plan writes.
    """
    try:
        return Plan.model_validate_json(file.read_bytes())
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", Exit.USAGE) from None
    except ValidationError:
        raise CommandError(f"{file} is no plan: make one with ./firstpass dlq plan.", Exit.USAGE) from None


def _planned(client: Client, file: Path) -> dict[int, Chosen]:
    plan = read_plan(file)
    if plan.url != client.url:
        raise CommandError(f"{file} was made for {plan.url}, not for {client.url}.", Exit.USAGE)
    return {letter.sequence: Chosen.of(letter) for letter in sorted(plan.letters, key=lambda letter: letter.sequence)}


@contextmanager
def held(plan: Path | None) -> Generator[None]:
    """The plan is this process's until it ends, however it ends: two of one person would be one run to the app.

    Raises:
        CommandError: another process has it.
    """
    if plan is None:
        yield
        return
    with plan.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"Another process works on {plan} just now.") from None
        yield


def log_beside(plan: Path | None, log: Path | None) -> Path | None:
    """Where a run keeps what became of each letter."""
    return log or (plan.with_name(plan.name + ".log.ndjson") if plan else None)
