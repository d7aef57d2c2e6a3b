"""Options that several commands share, and the client they ask with."""

from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.output import Output
from shared.api_fields import MAX_REASON, MIN_REASON, one_line
from shared.events import DevicePath
from shared.letter_models import LAST_SEQUENCE

Format = Annotated[Output, typer.Option("--output", "-o", help="table, json, ndjson or csv, on stdout.")]
FormatOfRun = Annotated[
    Output | None,
    typer.Option("--output", "-o", help="table, json, ndjson, csv.", show_default="a table; with --execute ndjson"),
]


def _reason(text: str) -> str:
    """As the app takes it: what it would refuse is said before anything is asked."""
    if len(str(one_line(text))) < MIN_REASON or len(text) > MAX_REASON:
        raise typer.BadParameter(f"a reason has between {MIN_REASON} and {MAX_REASON} characters")
    return text


Why = Annotated[
    str, typer.Option("--reason", help="Why you do this; it is written to the audit first.", callback=_reason)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
User = Annotated[str, typer.Option("--user", help="The person's Entra object id.")]

Code = Annotated[str | None, typer.Option("--code", help="Only those with this reason (a code).")]
Since = Annotated[str | None, typer.Option("--since", help="Only letters written since: 2h, 3d, 2026-11-30T08:00.")]
Until = Annotated[str | None, typer.Option("--until", help="Only letters written until: 2h, 3d, 2026-11-30T08:00.")]
OfPath = Annotated[DevicePath | None, typer.Option("--device-path", help="Only joiners with this device path.")]
MinReplays = Annotated[
    int | None, typer.Option("--min-replays", min=0, help="Only letters replayed so often, or more.")
]
MaxReplays = Annotated[
    int | None, typer.Option("--max-replays", min=0, help="Only letters replayed so often, or less: 0 is never.")
]
Numbers = Annotated[
    list[int] | None,
    typer.Option("--sequence", min=1, max=LAST_SEQUENCE, help="This letter, by its number; once for each."),
]
Every = Annotated[bool, typer.Option("--all", help="Every letter there is.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="A file made by dlq plan: exactly these letters.")]
Rate = Annotated[str, typer.Option("--rate", help="How fast: 1/s, 20/s, 30/m.")]
LogFile = Annotated[Path | None, typer.Option("--log", help="Where each letter's outcome is kept.")]
Execute = Annotated[bool, typer.Option("--execute", help="Do it. Without this you only see what would happen.")]


def client_of(context: typer.Context) -> Client:
    """The client, as the options before the command say."""
    url, known_as = context.find_root().obj
    return Client(url, known_as)
