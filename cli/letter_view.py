"""How dead letters, and what becomes of them, look in a terminal."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field
from rich.console import Console

from cli.moments import here, on_two_lines
from cli.output import Column, Sheet, facts
from cli.words import OUTCOMES, why
from shared.api_fields import Model
from shared.letter_models import LAST_SEQUENCE, LetterView, Mark, Outcome, ReasonCount, RunAct


class Chosen(Model):
    """A dead letter as it was chosen: at which number, and which it is."""

    sequence: Annotated[int, Field(ge=1, le=LAST_SEQUENCE)]
    mark: Mark
    message_id: str
    written_at: datetime
    reason: str

    @classmethod
    def of(cls, letter: "LetterView | Planned") -> Self:
        """A letter that was looked at, or planned."""
        return cls(**{name: getattr(letter, name) for name in cls.model_fields})


class Planned(Chosen):
    """The same, and what would have become of it then."""

    outcome: Outcome
    why: str | None = None


class Settled(Model):
    """What became of a letter in a run: a line of the log. `removed`: it is not there any more."""

    at: datetime
    run: str
    act: RunAct
    sequence: int
    mark: str
    outcome: Outcome
    why: str | None = None
    removed: bool


LETTERS: Final = Sheet(
    LetterView,
    (
        Column[LetterView]("letter", lambda letter: str(letter.sequence), whole=True, right=True),
        Column[LetterView]("written", lambda letter: on_two_lines(here(letter.written_at)), whole=True),
        Column[LetterView]("reason", lambda letter: letter.reason),
        Column[LetterView]("case, or what it says", lambda letter: letter.case_id or _names(letter)),
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
        Column[Planned]("what would happen now", lambda row: OUTCOMES[row.outcome]),
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
                "message": letter.message_id,
                "original": letter.original_id if letter.original_id != letter.message_id else "",
                "event": " ".join(filter(None, (letter.event_type, letter.event_id))) if letter.kind == "event" else "",
                "case": letter.case_id or "none: an event as it came",
                "pass": str(letter.issuance or ""),
                "devices": ", ".join(letter.device_paths),
            }
        )
    )


def _names(letter: LetterView) -> str:
    """What tells an event as it came from others, and what is wrong with it."""
    return "\n".join(filter(None, (letter.event_id or letter.message_id, letter.description)))
