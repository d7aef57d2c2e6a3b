"""Which letters a run is about: chosen by a filter, or frozen in a plan file that nobody changes afterwards."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from cli.client import Client
from cli.exits import CommandError, Exit
from cli.letter_view import Planned
from cli.people import write_new
from shared.api_fields import Model
from shared.letter_models import AT_ONCE, Judgements, LetterQuery, SomeLetters


class Plan(Model):
    """A plan file: the letters, and what would have happened to each when it was made."""

    firstpass_plan: Literal[1] = 1
    made_at: datetime
    url: str
    letters: list[Planned]


def judged(client: Client, reasons: dict[int, str]) -> Iterator[Planned]:
    """What a replay would make of these letters now (reason by sequence number)."""
    for some in batched(reasons, AT_ONCE, strict=False):
        answer = client.post("dead-letters/judge", Judgements, SomeLetters(sequences=list(some)))
        for one in answer.letters:
            reason = reasons.get(one.sequence, "")
            yield Planned(sequence=one.sequence, reason=reason, outcome=one.outcome, why=one.why)


def chosen(client: Client, query: LetterQuery, plan: Path | None) -> dict[int, str]:
    """The letters a run is about, in the order of their sequence numbers, each with its reason."""
    if plan is None:
        return {letter.sequence: letter.reason for letter in client.letters(query)}
    if query != LetterQuery(limit=query.limit):
        raise CommandError("A plan says which letters: no filter beside --plan.", Exit.USAGE)
    read = read_plan(plan)
    if read.url != client.url:
        raise CommandError(f"{plan} was made for {read.url}, not for {client.url}.", Exit.USAGE)
    return {letter.sequence: letter.reason for letter in read.letters}


def write_plan(file: Path, url: str, letters: Iterable[Planned]) -> None:
    """Freeze a choice; a file that exists is never overwritten."""
    plan = Plan(made_at=datetime.now(UTC), url=url, letters=list(letters))
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


def log_beside(plan: Path | None, log: Path | None) -> Path | None:
    """Where a run keeps what became of each letter."""
    return log or (plan.with_name(plan.name + ".log.ndjson") if plan else None)
