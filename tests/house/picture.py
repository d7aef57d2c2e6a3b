"""The picture of the operators' page, made by the command's own tables: `python -m tests.house.picture` writes it."""

import hashlib
import io
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from cli.letter_view import COUNTS, LETTERS, PLANNED, SETTLED, Chosen, Planned, Settled
from cli.output import Sheet, table
from shared.letter_models import LetterView, ReasonCount
from tests.cli.made_up import HOUR, NOW, letter

FILE = Path(__file__).parent.parent.parent / "docs" / "operators.svg"
RUN = "5f1e" * 8


def svg() -> str:
    """Somebody looks, plans and replays after a night of missing hire dates."""
    console = Console(width=92, record=True, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    with _in("Europe/Amsterdam"):
        _ask(console, "dlq list --group --since 12h")
        counts = (("not-a-joiner", 3), ("malformed-event", 1))
        oldest = NOW - 9 * HOUR
        _show(console, COUNTS, [ReasonCount(reason=reason, count=count, oldest=oldest) for reason, count in counts])
        _ask(console, "dlq list --code not-a-joiner")
        _show(console, LETTERS, [_letter(1040, 9), _letter(1042, 3), _letter(1043, 3)])
        _ask(console, "dlq plan --since 12h --file night.json")
        _show(console, PLANNED, _planned())
        _say(console, "4 letters are in night.json. Next: ./firstpass dlq replay --plan night.json --reason …")
        _ask(console, 'dlq replay --plan night.json --reason "hire dates are back" --execute -o table')
        _say(
            console,
            "replay 4 dead letters at https://your-door.azurewebsites.net: 2 reopen, 2 nothing.\nType 4 to go on: 4",
        )
        _show(console, SETTLED, _settled())
        _say(console, f"3 of 4 done (2 reopen, 2 nothing). Run {RUN}.")
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="Firstpass", unique_id="firstpass", code_format=without_fonts) + "\n"


def _letter(sequence: int, hours_ago: int) -> LetterView:
    case_id = hashlib.md5(b"%d" % sequence).hexdigest()  # noqa: S324
    return letter(sequence, "not-a-joiner", written_at=NOW - hours_ago * HOUR, case_id=case_id)


def _planned() -> list[Planned]:
    return [
        _plan(1040, outcome="reopen"),
        _plan(1041, "malformed-event", outcome="nothing", why="malformed-event"),
        _plan(1042, outcome="reopen"),
        _plan(1043, outcome="nothing", why="resolved"),
    ]


def _plan(sequence: int, reason: str = "not-a-joiner", **judged: Any) -> Planned:
    return Planned(**Chosen.of(letter(sequence, reason)).model_dump(), **judged)


def _settled() -> list[Settled]:
    return [
        Settled(
            at=NOW,
            run=RUN,
            act="replay",
            sequence=one.sequence,
            mark=one.mark,
            outcome=one.outcome,
            why=one.why,
            removed=True,
        )
        for one in _planned()
    ]


def _ask(console: Console, command: str) -> None:
    console.print(Text("$ ", style="bold green").append(f"./firstpass {command}", style="bold"))


def _show(console: Console, sheet: Sheet[Any], rows: list[BaseModel] | list[Any]) -> None:
    console.print(table(rows, sheet.columns, wide=False))
    console.print()


def _say(console: Console, text: str) -> None:
    console.print(Text(text, style="dim"))
    console.print()


@contextmanager
def _in(zone: str) -> Generator[None]:
    """Local time is that of `zone`."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        os.environ |= {"TZ": before} if before is not None else {}
        time.tzset()


if __name__ == "__main__":
    FILE.write_text(svg())
