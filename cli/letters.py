"""`firstpass dlq …`: dead letters, looked at, and returned or removed in runs that can be planned first."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from cli.client import Client
from cli.exits import Exit
from cli.letter_plan import chosen, judged, log_beside, write_plan
from cli.letter_run import Interrupt, Log, Pace, Run
from cli.letter_view import COUNTS, LETTERS, PLANNED, SETTLED, Settled, print_letter
from cli.moments import moment
from cli.options import (
    Code,
    CodeOrReason,
    Execute,
    Format,
    FormatOfRun,
    LogFile,
    MinReplays,
    OfPath,
    PlanFile,
    Rate,
    Since,
    Until,
    Why,
    Yes,
    client_of,
)
from cli.output import STREAMED, Output, messages, progress, say, show, show_one
from cli.questions import confirm
from shared.events import DevicePath
from shared.letter_models import (
    DiscardWish,
    Judgements,
    LetterQuery,
    LetterStats,
    LetterView,
    ReasonCount,
    ReplayWish,
)

dlq = typer.Typer(no_args_is_help=True, help="Dead letters: look, plan, replay, discard.")


@dlq.command("list")
def list_letters(
    context: typer.Context,
    *,
    code: CodeOrReason = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    group: Annotated[bool, typer.Option("--group", help="Only count them, by reason.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Dead letters, oldest first, without anything personal.

    Example: ./firstpass dlq list --code not-a-joiner --since 12h
    """
    query = _query(code, since, until, device_path, min_replays)
    with client_of(context) as client:
        letters = client.letters(query)
        if group:
            show(_grouped(letters), COUNTS, output)
            return
        shown = letters if every else list(islice(letters, limit))
        show(shown, LETTERS, output)
        if not every and next(letters, None):
            say(f"There are more than {limit}: --limit, or --all.")


@dlq.command("show")
def show_letter(
    context: typer.Context,
    letter: Annotated[int, typer.Argument(help="Its number in dlq list.", metavar="LETTER", min=1)],
    *,
    output: Format = Output.TABLE,
) -> None:
    """One dead letter.

    Example: ./firstpass dlq show 1042
    """
    with client_of(context) as client:
        found = client.get(f"dead-letters/{letter}", LetterView)
    show_one(found, output, lambda console: print_letter(found, console))


@dlq.command("stats")
def stats(context: typer.Context, *, output: Format = Output.TABLE) -> None:
    """How many there are, by reason, and since when.

    Example: ./firstpass dlq stats -o csv
    """
    with client_of(context) as client:
        found = client.get("dead-letters/stats", LetterStats)
    show(found.reasons, COUNTS, output)
    say(f"{found.total} dead letters.")


@dlq.command("plan")
def plan(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Option(help="Where the plan is written; a file that exists is not overwritten.")],
    code: CodeOrReason = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    output: Format = Output.TABLE,
) -> None:
    """Freeze a choice of letters, with what a replay would make of each now. Changes nothing.

    Example: ./firstpass dlq plan --code not-a-joiner --since 12h --file plan.json
    """
    query = _query(code, since, until, device_path, min_replays)
    with client_of(context) as client:
        letters = list(judged(client, chosen(client, query, None)))
        write_plan(file, client.url, letters)
    show(letters, PLANNED, output)
    say(f"{len(letters)} letters are in {file}. Next: ./firstpass dlq replay --plan {file} --reason …")


@dlq.command("replay")
def replay(
    context: typer.Context,
    *,
    reason: Why,
    plan: PlanFile = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    rate: Rate = "1/s",
    log: LogFile = None,
    force: Annotated[bool, typer.Option("--force", help="Also those replayed too often (approver).")] = False,
    execute: Execute = False,
    yes: Yes = False,
    output: FormatOfRun = None,
) -> None:
    """Return dead letters to where they came from; all guard rails run again. A dry run unless --execute.

    Example: ./firstpass dlq replay --plan plan.json --reason "hire dates are back" --rate 5/s --execute
    """
    query = _query(code, since, until, device_path, min_replays)
    with client_of(context) as client:
        run_id = uuid4().hex

        def send(sequences: list[int]) -> Judgements:
            wish = ReplayWish.model_construct(sequences=sequences, reason=reason, run=run_id, force=force)
            return client.post("dead-letters/replay", Judgements, wish)

        run = Run(act="replay", id=run_id, send=send, pace=Pace.of(rate), log=Log(log_beside(plan, log)))
        letters = chosen(client, query, plan)
        _go(client, run, letters, output, execute=execute, yes=yes)


@dlq.command("discard")
def discard(
    context: typer.Context,
    *,
    reason: Why,
    plan: PlanFile = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    rate: Rate = "1/s",
    log: LogFile = None,
    execute: Execute = False,
    yes: Yes = False,
    output: FormatOfRun = None,
) -> None:
    """Remove dead letters for good. A dry run unless --execute.

    Example: ./firstpass dlq discard --code malformed-event --since 3h --reason "HR sends them again" --execute
    """
    query = _query(code, since, until, device_path, min_replays)
    with client_of(context) as client:
        run_id = uuid4().hex

        def send(sequences: list[int]) -> Judgements:
            wish = DiscardWish.model_construct(sequences=sequences, reason=reason, run=run_id)
            return client.post("dead-letters/discard", Judgements, wish)

        run = Run(act="discard", id=run_id, send=send, pace=Pace.of(rate), log=Log(log_beside(plan, log)))
        letters = chosen(client, query, plan)
        _go(client, run, letters, output, execute=execute, yes=yes)


def _go(client: Client, run: Run, letters: dict[int, str], output: Output | None, *, execute: bool, yes: bool) -> None:
    """What a run has not settled yet: shown, or done."""
    settled = run.log.settled(run.act)
    left = {sequence: reason for sequence, reason in letters.items() if sequence not in settled}
    if len(left) < len(letters):
        say(f"{len(letters) - len(left)} are settled already, says {run.log.file}.")
    if not left:
        say(f"Nothing to {run.act}.")
    elif execute:
        _execute(run, list(left), output, yes=yes)
    else:
        _rehearse(client, run, left, output)


def _rehearse(client: Client, run: Run, left: dict[int, str], output: Output | None) -> None:
    """The dry run: what would happen now."""
    show(judged(client, left), PLANNED, output or Output.TABLE)
    say(f"Nothing was done. To {run.act} these {len(left)}: the same with --execute.")


def _execute(run: Run, left: list[int], output: Output | None, *, yes: bool) -> None:
    run.log.keep([])
    confirm(f"{run.act} {len(left)} dead letters.", str(len(left)), yes=yes)
    form, kept = output or Output.NDJSON, list[Settled]()
    with Interrupt() as interrupt:
        with progress(messages()) as bar:
            task = bar.add_task(run.act, total=len(left))
            rows = (row for row in run.settle(left, interrupt) if bar.advance(task) is None)
            if form in STREAMED:
                show(rows, SETTLED, form)
            else:
                kept += rows
        if form not in STREAMED:  # below the bar, not in it
            show(kept, SETTLED, form)
        end = run.close(len(left), interrupted=interrupt.asked)
    if end is not Exit.DONE:
        raise typer.Exit(end)


def _query(
    code: str | None, since: str | None, until: str | None, device_path: DevicePath | None, min_replays: int | None
) -> LetterQuery:
    return LetterQuery(
        limit=250,
        reason=code,
        since=moment(since),
        until=moment(until),
        device_path=device_path,
        min_replays=min_replays or 0,
    )


def _grouped(letters: Iterable[LetterView]) -> list[ReasonCount]:
    """Letters counted by reason, most frequent first."""
    groups: dict[str, ReasonCount] = {}
    for letter in letters:
        before = groups.get(letter.reason)
        count, oldest = (before.count, before.oldest) if before else (0, letter.written_at)
        groups[letter.reason] = ReasonCount(
            reason=letter.reason, count=count + 1, oldest=min(oldest, letter.written_at)
        )
    return sorted(groups.values(), key=lambda group: -group.count)
