"""`firstpass dlq …`: dead letters, looked at, and returned or removed in runs that can be planned first."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.exits import CommandError, Exit
from cli.letter_plan import Choice, held, judged, log_beside, write_plan
from cli.letter_run import Interrupt, Log, Pace, Run
from cli.letter_task import Task
from cli.letter_view import COUNTS, LETTERS, PLANNED, SETTLED, Settled, print_letter
from cli.moments import moment
from cli.options import (
    Code,
    Every,
    Execute,
    Format,
    FormatOfRun,
    LogFile,
    MaxReplays,
    MinReplays,
    Numbers,
    OfPath,
    PlanFile,
    Rate,
    Since,
    Until,
    Why,
    Yes,
    client_of,
)
from cli.output import STREAMED, Output, hush, messages, progress, say, show, show_one
from cli.questions import confirm, reason_of
from shared.events import DevicePath
from shared.letter_models import (
    LAST_SEQUENCE,
    MOST,
    DiscardWish,
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
    code: Code = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    max_replays: MaxReplays = None,
    after: Annotated[int, typer.Option(help="Only those behind this number.", min=0, max=LAST_SEQUENCE)] = 0,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    group: Annotated[bool, typer.Option("--group", help="Only count them, by reason.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Dead letters, oldest first, without anything personal.

    Example: ./firstpass dlq list --code not-a-joiner --since 12h
    """
    query = _query(code, since, until, device_path, min_replays, max_replays)
    with client_of(context) as client:
        letters = client.letters(query.model_copy(update={"after": after}))
        if group:
            show(_grouped(letters), COUNTS, output)
            return
        if every:
            show(letters, LETTERS, output)
            return
        shown = list(islice(letters, limit))
        show(shown, LETTERS, output)
        if next(letters, None):
            say(f"There are more than {limit}: --after {shown[-1].sequence}, --limit, or --all.")


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
    numbers: Numbers = None,
    every: Every = False,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    max_replays: MaxReplays = None,
    output: Format = Output.TABLE,
) -> None:
    """Freeze a choice of letters, with what a replay would make of each now. Changes nothing.

    Example: ./firstpass dlq plan --code not-a-joiner --since 12h --file plan.json
    """
    query = _query(code, since, until, device_path, min_replays, max_replays)
    choice = Choice(query, numbers, every=every)
    choice.check()
    with client_of(context) as client:
        letters = list(judged(client, choice.letters(client)))
        write_plan(file, client.url, letters)
    show(letters, PLANNED, output)
    say(f"{len(letters)} letters are in {file}. Next: ./firstpass dlq replay --plan {file} --reason …")


@dlq.command("replay")
def replay(
    context: typer.Context,
    *,
    reason: Why,
    plan: PlanFile = None,
    numbers: Numbers = None,
    every: Every = False,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    max_replays: MaxReplays = None,
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
    wish = ReplayWish.model_construct(reason=reason_of(reason), force=force)
    choice = Choice(_query(code, since, until, device_path, min_replays, max_replays), numbers, plan, every)
    pace, kept = Pace.of(rate), Log(log_beside(plan, log))
    _go(context, choice, wish, pace, kept, output, execute=execute, yes=yes)


@dlq.command("discard")
def discard(
    context: typer.Context,
    *,
    reason: Why,
    plan: PlanFile = None,
    numbers: Numbers = None,
    every: Every = False,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    device_path: OfPath = None,
    min_replays: MinReplays = None,
    max_replays: MaxReplays = None,
    rate: Rate = "1/s",
    log: LogFile = None,
    execute: Execute = False,
    yes: Yes = False,
    output: FormatOfRun = None,
) -> None:
    """Remove dead letters for good. A dry run unless --execute.

    Example: ./firstpass dlq discard --code malformed-event --since 3h --reason "HR sends them again" --execute
    """
    wish = DiscardWish.model_construct(reason=reason_of(reason))
    choice = Choice(_query(code, since, until, device_path, min_replays, max_replays), numbers, plan, every)
    pace, kept = Pace.of(rate), Log(log_beside(plan, log))
    _go(context, choice, wish, pace, kept, output, execute=execute, yes=yes)


def _go(
    context: typer.Context,
    choice: Choice,
    wish: ReplayWish | DiscardWish,
    pace: Pace,
    log: Log,
    output: Output | None,
    *,
    execute: bool,
    yes: bool,
) -> None:
    """What a run has not settled yet: shown, or done."""
    choice.check()
    with client_of(context) as client:
        letters, task = choice.letters(client), Task(client, wish)
        settled = log.settled(task.act)
        left = {number: letter for number, letter in letters.items() if (number, letter.mark) not in settled}
        if len(left) < len(letters):
            say(f"{len(letters) - len(left)} are settled already, says {log.file}.")
        if not left:
            say(f"Nothing to {task.act}.")
        elif execute:
            with held(choice.plan):
                _execute(task.run(choice.run_id(), left, pace, log), task, output, yes=yes)
        else:
            show(task.judged(left), PLANNED, output or Output.TABLE)
            say(f"Nothing was done. To {task.act} these {len(left)}: the same with --execute.")


def _execute(run: Run, task: Task, output: Output | None, *, yes: bool) -> None:
    if not yes:
        confirm(task.question(run.letters), str(len(run.letters)), yes=yes)
    run.log.keep([])
    form, kept = output or Output.NDJSON, list[Settled]()
    with Interrupt() as interrupt:
        with progress(messages()) as bar:
            told = bar.add_task(run.act, total=len(run.letters))
            rows = (row for row in run.settle(interrupt) if bar.advance(told) is None)
            if form in STREAMED:
                _stream(rows, form, interrupt)
            else:
                kept += rows
        if form not in STREAMED:  # below the bar, not in it
            show(kept, SETTLED, form)
        task.end(run.id)
        end = run.close(interrupted=interrupt.asked)
    if end is not Exit.DONE:
        raise typer.Exit(end)


def _stream(rows: Iterable[Settled], form: Output, interrupt: Interrupt) -> None:
    """Row by row; whoever stops reading interrupts the run."""
    try:
        show(rows, SETTLED, form)
    except BrokenPipeError:
        interrupt.asked = True
        hush()


def _query(
    code: str | None,
    since: str | None,
    until: str | None,
    device_path: DevicePath | None,
    min_replays: int | None,
    max_replays: int | None,
) -> LetterQuery:
    first, last = moment(since), moment(until)
    least, most = min_replays or 0, MOST if max_replays is None else max_replays
    if (first and last and first > last) or least > most:
        raise CommandError("--since after --until, or --min-replays over --max-replays: that is no letter.", Exit.USAGE)
    return LetterQuery(
        limit=250,
        reason=code,
        since=first,
        until=last,
        device_path=device_path,
        min_replays=least,
        max_replays=most,
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
