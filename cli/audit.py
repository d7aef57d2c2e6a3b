"""`firstpass audit`: what operators did, and were not allowed to do."""

from itertools import islice
from typing import Annotated, Final

import typer

from cli.moments import here, moment, on_two_lines
from cli.options import Format, client_of
from cli.output import Column, Output, Sheet, say, show
from shared.record_models import AuditQuery, AuditView


def outcome(entry: AuditView) -> str:
    """What an entry says came of it: nothing is said of what went well."""
    if not entry.allowed:
        return f"denied\n{entry.ended or ''}"
    return f"did not happen\n{entry.ended}" if entry.ended else "let in"


AUDIT: Final = Sheet(
    AuditView,
    (
        Column[AuditView]("at", lambda entry: on_two_lines(here(entry.at)), whole=True),
        Column[AuditView]("act, about", lambda entry: f"{entry.act}\n{entry.target}"),
        Column[AuditView]("why", lambda entry: entry.why or ""),
        Column[AuditView]("", outcome),
        Column[AuditView]("who", lambda entry: entry.who, wide=True, whole=True),
    ),
)


def audit(
    context: typer.Context,
    *,
    since: Annotated[str, typer.Option(help="From then on: 2h, 3d, 2026-11-30T08:00.")] = "1d",
    about: Annotated[str | None, typer.Option(help="Only what names this: a case, a run, a letter's number.")] = None,
    who: Annotated[str | None, typer.Option(help="Only what this operator asked for (Entra object id).")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """What operators did and were not allowed to do, and why, oldest first.

    Example: ./firstpass audit --since 2d --about CASE-ID
    """
    with client_of(context) as client:
        entries = client.audit(AuditQuery(since=moment(since)))
        found = (entry for entry in entries if _fits(entry, about, who))
        show(found if every else list(islice(found, limit)), AUDIT, output)
        if not every and next(found, None):
            say(f"There are more than {limit}: --limit, or --all.")


def _fits(entry: AuditView, about: str | None, who: str | None) -> bool:
    named = entry.target.replace(",", " ").split()
    return (about is None or about in named) and who in (None, entry.who)
