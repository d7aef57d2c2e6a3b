"""`firstpass send`: a file of events, sent in HR's place; all of them or, while one is wrong, none."""

import json
from collections import Counter
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
from shared.sending_models import EventJudgement, EventJudgements, JudgeEvents, SendEvents

AT_ONCE: Final = 100
"""Events in a request."""

BYTES_AT_ONCE: Final = 200 * 1024
"""Bytes of events in a request; the app takes 256 KB with what is around them."""


EFFECTS: Final = {
    "new": "a new case",
    "news": "changes its case",
    "again": "tries again what was refused or called off",
    "nothing": "changes nothing",
}


COUNTED: Final = {
    "new": "new",
    "news": "that change their cases",
    "again": "that try again what was refused or called off",
    "nothing": "that change nothing",
}


class Planned(EventJudgement):
    """An event of a file, whom HR knows it by, and what becomes of it."""

    place: str
    subject: str


def effect(row: Planned) -> str:
    """In words; what is no hire calls one off."""
    is_off = row.goes_out is None and row.effect != "nothing"
    return "calls it off" if is_off else EFFECTS.get(row.effect or "", "")


PLANNED: Final = Sheet(
    Planned,
    (
        Column[Planned]("event", lambda row: f"{row.place}\n{row.subject}", whole=True),
        Column[Planned]("what it does", effect),
        Column[Planned]("goes out", lambda row: on_two_lines(row.goes_out or ""), whole=True),
        Column[Planned]("opens", lambda row: on_two_lines(row.opens or "")),
        Column[Planned]("lasts", lambda row: _hours(row.lasts_minutes), wide=True),
        Column[Planned]("devices", lambda row: "\n".join(row.device_paths), wide=True),
        Column[Planned]("by", lambda row: row.channel or "", wide=True),
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
    events, wrong = read_events(file, source)
    with client_of(context) as client:
        planned = _judged(client, events, wrong)
        if dry_run or output:
            show(planned, PLANNED, output or Output.TABLE)
        if dry_run or not reason:
            say(f"Nothing was sent. All {len(events)} events are right: {_told(planned)}.")
            return
        confirm(f"Send {len(events)} events in HR's place: {_told(planned)}.", str(len(events)), yes=yes)
        end = _send(client, events, reason)
    if end is not Exit.DONE:
        raise typer.Exit(end)


def _told(planned: Sequence[Planned]) -> str:
    """What the events do, counted."""
    counts = Counter(one.effect for one in planned)
    return ", ".join(f"{counts[effect]} {words}" for effect, words in COUNTED.items() if counts[effect])


def _hours(minutes: int | None) -> str:
    return f"{minutes // 60} h {minutes % 60:02}" if minutes else ""


def _judged(client: Client, events: Sequence[Placed], wrong: Sequence[str]) -> list[Planned]:
    """What would become of every event.

    Raises:
        CommandError: one of them is wrong; every place and field is named, also those that were `wrong` already.
    """
    planned: list[Planned] = []
    found = list(wrong)
    with progress(messages()) as bar:
        task = bar.add_task("judging", total=len(events))
        for page in _pages(events):
            answer = client.post("events/judge", EventJudgements, JudgeEvents.model_construct(events=_bare(page)))
            found += _wrong(page, answer)
            planned += [_planned(page[one.at], one) for one in answer.events]
            bar.advance(task, len(page))
    refuse(sorted(found, key=_line), len(events) + len(wrong))
    return planned


def _planned(one: Placed, judged: EventJudgement) -> Planned:
    subject = one.event.get("subject")
    return Planned(place=one.place, subject=subject if isinstance(subject, str) else "", **judged.model_dump())


def _line(wrong: str) -> int:
    """The number of its place: `line 4: …`."""
    return int(wrong.partition(":")[0].rpartition(" ")[2])


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
    others = "" if sent == total else " The same file again sends the others, and changes nothing else."
    say(f"{sent} of {total} events are on the queue.{others}")
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
