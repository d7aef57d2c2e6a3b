"""How dead letters, and what becomes of them, look in a terminal."""

from datetime import datetime
from typing import Final, Literal

from rich.console import Console

from cli.moments import here, on_two_lines
from cli.output import Column, Sheet, facts
from cli.words import OUTCOMES, why
from shared.api_fields import Model
from shared.letter_models import LetterView, ReasonCount

type Outcome = Literal["reopen", "send", "nothing", "capped", "gone", "locked"]


class Planned(Model):
    """A dead letter as it was chosen, and what a replay would have made of it then."""

    sequence: int
    reason: str
    outcome: Outcome
    why: str | None = None


class Settled(Model):
    """What became of a letter in a run: a line of the log."""

    at: datetime
    run: str
    act: Literal["replay", "discard"]
    sequence: int
    outcome: Outcome
    why: str | None = None


LETTERS: Final = Sheet(
    LetterView,
    (
        Column[LetterView]("letter", lambda letter: str(letter.sequence), whole=True, right=True),
        Column[LetterView]("written", lambda letter: on_two_lines(here(letter.written_at)), whole=True),
        Column[LetterView]("reason", lambda letter: letter.reason),
        Column[LetterView]("case, or what is wrong", lambda letter: letter.case_id or letter.description),
        Column[LetterView]("pass", lambda letter: str(letter.issuance or ""), wide=True, right=True),
        Column[LetterView]("replays", lambda letter: str(letter.replays), wide=True, right=True),
        Column[LetterView]("devices", lambda letter: "\n".join(letter.device_paths), wide=True),
    ),
)
COUNTS: Final = Sheet(
    ReasonCount,
    (
        Column[ReasonCount]("letters", lambda row: str(row.count), whole=True, right=True),
        Column[ReasonCount]("reason", lambda row: row.reason, whole=True),
        Column[ReasonCount]("oldest", lambda row: here(row.oldest)),
        Column[ReasonCount]("what it means", lambda row: why(row.reason), wide=True),
    ),
)
PLANNED: Final = Sheet(
    Planned,
    (
        Column[Planned]("letter", lambda row: str(row.sequence), whole=True, right=True),
        Column[Planned]("reason", lambda row: row.reason),
        Column[Planned]("a replay now", lambda row: OUTCOMES[row.outcome]),
        Column[Planned]("because", lambda row: row.why or ""),
    ),
)
SETTLED: Final = Sheet(
    Settled,
    (
        Column[Settled]("letter", lambda row: str(row.sequence), whole=True, right=True),
        Column[Settled]("outcome", lambda row: OUTCOMES[row.outcome]),
        Column[Settled]("because", lambda row: row.why or ""),
    ),
)


def print_letter(letter: LetterView, console: Console) -> None:
    """One dead letter for a person."""
    console.print(
        facts(
            {
                "letter": str(letter.sequence),
                "written": here(letter.written_at),
                "reason": f"{why(letter.reason)} ({letter.reason})",
                "says": letter.description,
                "replays": str(letter.replays),
                "case": letter.case_id or "none: an event as it came",
                "pass": str(letter.issuance or ""),
                "devices": ", ".join(letter.device_paths),
            }
        )
    )
