"""`firstpass status`, `pause` and `resume`: the whole."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from cli.exits import Exit
from cli.moments import ago, here
from cli.options import Format, Why, client_of
from cli.output import Output, clean, facts, say, show_one
from shared.api_fields import Reasoned
from shared.api_models import Done, PauseWish, QueueView, StatusView
from shared.states import State

STALE: Final = timedelta(minutes=10)
"""An agenda that was not read for so long does not run."""
DRAINED_WITHIN: Final = timedelta(minutes=15)
"""An event that waits longer on its queue is not being taken."""
LETTERS_WAIT: Final = timedelta(days=7)
"""A dead letter that lies longer was forgotten."""

SHOWN: Final = 5
"""Cases named below a finding."""

LOOK: Final = {
    "starts_soon_undelivered": "have begun or start within 48 hours, and nothing has arrived",
    "undelivered": "messages did not reach the phone",
    "expired_unused": "the pass before ran out unused",
    "gave_up": "given up in the last week",
    "refused": "refused in the last week",
    "single_day": "passes for a whole day, open or of the last week",
    "unreadable": "cases cannot be read: is a key missing in SEAL_KEYS?",
}
"""The words of every finding; the first that fits a line names its cases."""


def status(
    context: typer.Context,
    *,
    gate: Annotated[bool, typer.Option("--gate", help="End with 6 when something wants a look.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """How it goes, and what wants a look today.

    Example: ./firstpass status --gate || page-somebody
    """
    with client_of(context) as client:
        found = client.get("status", StatusView)
    show_one(found, output, lambda console: _print(found, console))
    if gate and findings(found):
        raise typer.Exit(Exit.FINDINGS)


def pause(
    context: typer.Context,
    *,
    minutes: Annotated[int, typer.Option(help="For how long; it ends by itself.", min=1, max=7 * 24 * 60)],
    reason: Why,
) -> None:
    """Stop issuing for everybody, at once. Nothing is lost: whoever is due waits.

    Example: ./firstpass pause --minutes 60 --reason "HR sent 5,000 wrong events"
    """
    with client_of(context) as client:
        now = client.post("pause", Done, PauseWish(minutes=minutes, reason=reason))
    say(f"Issuing is paused until {here(now.until)}; a longer pause in force stays. End it with ./firstpass resume.")


def resume(context: typer.Context, *, reason: Why) -> None:
    """End a pause, also one that began by itself.

    Example: ./firstpass resume --reason "the wrong events are discarded"
    """
    with client_of(context) as client:
        client.post("resume", Done, Reasoned(reason=reason))
    say("Issuing goes on.")


def findings(found: StatusView) -> list[str]:
    """What wants a look, in words."""
    told = [*_of_the_whole(found), *_of_queues(found), *_of_the_budget(found)]
    counts = {words: len(getattr(found.exceptions, name)) for name, words in LOOK.items()}
    return told + [f"{count} {words}" for words, count in counts.items() if count]


def _of_the_whole(found: StatusView) -> Iterator[str]:
    """Whether it is meant to send, whether it runs, and whether it can."""
    if found.rehearsal:
        yield "rehearsal: nothing is sent (REHEARSAL, as the worker said last)"
    if found.pause:
        yield f"paused until {here(found.pause.until)}: {found.pause.why or found.pause.reason}"
    if found.heartbeat is None or found.now - found.heartbeat > STALE:
        yield "the agenda is not being read: does the worker run?"
    elif found.next_wake and found.now - found.next_wake > STALE:
        yield f"the agenda is behind: who was due at {here(found.next_wake)} was not woken (run-failed in the log)"
    if found.due.overdue:
        yield f"{found.due.overdue} cases are overdue, since {here(found.due.overdue_since)}"
    if found.self_check and found.self_check.failing:
        yield f"the self-check fails: {', '.join(found.self_check.failing)}: ./firstpass doctor"


def _of_queues(found: StatusView) -> Iterator[str]:
    events, letters = found.joiners_queue, found.dead_letters
    if events is None or found.now - events.as_of > STALE:
        yield "the queue of events is not being looked at: the worker's log says why (queue-not-seen)"
    elif events.oldest and events.as_of - events.oldest > DRAINED_WITHIN:
        yield f"events wait on their queue since {here(events.oldest)}: does the worker take them?"
    if letters is None:
        yield "the dead letters cannot be looked at"
    elif letters.count:
        yield f"{_count(letters)} dead letters wait: ./firstpass dlq list --group"
        if letters.oldest and found.now - letters.oldest > LETTERS_WAIT:
            yield f"the oldest dead letter lies there since {here(letters.oldest)}"


def _of_the_budget(found: StatusView) -> Iterator[str]:
    expected = found.forecast
    if expected.late:
        yield (
            f"{expected.late} passes of the next 24 hours are more than HOURLY_BUDGET allows:"
            f" they go out late, the last {_through(found)}"
        )
    if expected.after_opening:
        yield f"{expected.after_opening} passes of the next 24 hours go out when they should have opened already"


def _count(queue: QueueView) -> str:
    return f"{queue.count:,}{'+' if queue.is_more else ''}"


def _queue(queue: QueueView | None, now: datetime) -> str:
    """How deep, since when, and as of when, where that is not now."""
    if queue is None:
        return "not known"
    oldest = f", the oldest {ago(queue.oldest, queue.as_of).removesuffix(' ago')} old" if queue.oldest else ""
    return f"{_count(queue)}{oldest}" + (f" ({ago(queue.as_of, now)})" if queue.as_of < now else "")


def _through(found: StatusView) -> str:
    by = found.forecast.through_by
    return f"by {here(by)}" if by else "not within two weeks"


def _passes(found: StatusView) -> dict[str, str]:
    """The budget, and what is expected of it."""
    expected, budget = found.forecast, found.hourly_budget
    busiest = f", {expected.busiest_planned} of them in the hour from {here(expected.busiest_hour)}"
    through = f"; all through {_through(found)}"
    return {
        "this hour": f"{found.spent_this_hour:,} of {budget:,} passes" if budget else "no limit (HOURLY_BUDGET is 0)",
        "next 24 hours": f"{expected.planned:,} passes planned" + (busiest + through if expected.planned else ""),
    }


def _issuing(found: StatusView) -> str:
    if found.pause:
        return f"paused by {found.pause.by}"
    return "rehearsed only" if found.rehearsal else "runs"


def _print(found: StatusView, console: Console) -> None:
    wanted = findings(found)
    pairs = {
        "now": here(found.now),
        "issuing": _issuing(found),
        "agenda read": ago(found.heartbeat, found.now) if found.heartbeat else "never",
        "next wake": here(found.next_wake) or "nothing waits",
        "due now": f"{found.due.count:,}",
        "events waiting": _queue(found.joiners_queue, found.now),
        "dead letters": _queue(found.dead_letters, found.now),
        **_passes(found),
        "cases": ", ".join(f"{found.cases[state]} {state}" for state in State if found.cases.get(state)) or "none",
    }
    console.print(facts(pairs))
    console.print(Text("\nWants a look" if wanted else "\nNothing wants a look.", style="bold"))
    for line in wanted:
        console.print(Text(clean(f"  {line}"), style="yellow"))
        for case_id in _cases_of(found, line)[:SHOWN]:
            console.print(f"    {case_id}")
        if len(_cases_of(found, line)) > SHOWN:
            console.print("    … all of them with -o json")


def _cases_of(found: StatusView, line: str) -> list[str]:
    """The cases a line of findings is about."""
    return next((getattr(found.exceptions, name) for name, words in LOOK.items() if line.endswith(words)), [])
