"""`firstpass send`: a file of events, sent in HR's place; all of them or, while one is wrong, none."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.client import Client
from cli.event_file import Placed, read_events, refuse
from cli.exits import CommandError, Exit
from cli.letter_run import Interrupt
from cli.moments import on_two_lines
from cli.options import Yes, client_of
from cli.output import Column, Output, Sheet, messages, progress, say, show
from cli.questions import confirm
from shared.api_fields import Model
from shared.sending_models import EventJudgements, JudgeEvents, SendEvents

AT_ONCE: Final = 100
"""Events in a request."""

BYTES_AT_ONCE: Final = 200 * 1024
"""Bytes of events in a request; the app takes 256 KB with what is around them."""


class Planned(Model):
    """An event of a file, and what becomes of it: its case, and when, where the joiner is."""

    place: str
    case_id: str | None = None
    goes_out: str | None = None
    opens: str | None = None


PLANNED: Final = Sheet(
    Planned,
    (
        Column[Planned]("event", lambda row: row.place, whole=True),
        Column[Planned]("goes out", lambda row: on_two_lines(row.goes_out or "called off"), whole=True),
        Column[Planned]("opens", lambda row: on_two_lines(row.opens or "")),
        Column[Planned]("case", lambda row: row.case_id or "", wide=True),
    ),
)


def send(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Events as a JSON array, as ndjson, or a CSV.", metavar="FILE")],
    *,
    reason: Annotated[str | None, typer.Option(help="Why by hand; it is written to the audit first.")] = None,
    source: Annotated[str | None, typer.Option(help="HR's system, for rows of a CSV that do not say.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would become of each.")] = False,
    yes: Yes = False,
    output: Annotated[
        Output | None,
        typer.Option("--output", "-o", help="table, json, ndjson, csv.", show_default="a table with --dry-run"),
    ] = None,
) -> None:
    """Send events in HR's place, from an export say. All are judged first; while one is wrong none is sent.

    Example: ./firstpass send joiners.csv --source /hr/workday --reason "HR's link is down"
    """
    if not reason and not dry_run:
        raise CommandError("Sending needs a --reason; --dry-run needs none.", Exit.USAGE)
    events = read_events(file, source)
    with client_of(context) as client:
        planned = _judged(client, events)
        if dry_run or output:
            show(planned, PLANNED, output or Output.TABLE)
        if dry_run or not reason:
            say(f"Nothing was sent. All {len(events)} events are right.")
            return
        confirm(f"Send {len(events)} events in HR's place.", str(len(events)), yes=yes)
        end = _send(client, events, reason)
    if end is not Exit.DONE:
        raise typer.Exit(end)


def _judged(client: Client, events: Sequence[Placed]) -> list[Planned]:
    """What would become of every event.

    Raises:
        CommandError: one of them is wrong; every place and field is named.
    """
    planned: list[Planned] = []
    wrong: list[str] = []
    with progress(messages()) as bar:
        task = bar.add_task("judging", total=len(events))
        for page in _pages(events):
            answer = client.post("events/judge", EventJudgements, JudgeEvents.model_construct(events=_bare(page)))
            wrong += _wrong(page, answer)
            planned += [
                Planned(place=page[one.at].place, case_id=one.case_id, goes_out=one.goes_out, opens=one.opens)
                for one in answer.events
            ]
            bar.advance(task, len(page))
    refuse(wrong, len(events))
    return planned


def _send(client: Client, events: Sequence[Placed], reason: str) -> Exit:
    """Page by page; Ctrl-C ends after the request under way. What was sent by then is told."""
    sent, ended = 0, None
    with Interrupt() as interrupt, progress(messages()) as bar:
        task = bar.add_task("sending", total=len(events))
        for page in _pages(events):
            if interrupt.asked:
                break
            wish = SendEvents.model_construct(events=_bare(page), reason=reason)
            try:
                answer = client.post("events/send", EventJudgements, wish)
                refuse(_wrong(page, answer), len(page))
            except CommandError as error:
                ended = error
                break
            sent += answer.sent
            bar.advance(task, answer.sent)
    return _close(sent, len(events), ended)


def _close(sent: int, total: int, ended: CommandError | None) -> Exit:
    """Say what came of it, and how the command ends."""
    if ended and not sent:
        raise ended
    say(f"{sent} of {total} events are on the queue. The same file again sends the others, and changes nothing else.")
    if ended:
        say(str(ended), "red")
        return Exit.PARTLY
    return Exit.DONE if sent == total else Exit.INTERRUPTED


def _pages(events: Sequence[Placed]) -> Iterator[list[Placed]]:
    """As many events as go into one request."""
    page: list[Placed] = []
    size = 0
    for one in events:
        length = len(json.dumps(one.event))
        if page and (len(page) == AT_ONCE or size + length > BYTES_AT_ONCE):
            yield page
            page, size = [], 0
        page.append(one)
        size += length
    if page:
        yield page


def _bare(page: Sequence[Placed]) -> list[dict[str, object]]:
    return [one.event for one in page]


def _wrong(page: Sequence[Placed], answer: EventJudgements) -> list[str]:
    """What is wrong, one line for each field, with its place.

    Raises:
        CommandError: the answer is not about these events.
    """
    if [one.at for one in answer.events] != list(range(len(page))):
        raise CommandError("The app's answer is not one this version understands.")
    return [f"{page[one.at].place}: {what}" for one in answer.events if one.wrong for what in one.wrong.split("; ")]
