"""`firstpass status`, `pause` and `resume`: the whole."""

from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from cli.exits import Exit
from cli.moments import ago, here
from cli.options import Format, Why, client_of
from cli.output import Output, clean, facts, say, show_one
from shared.api_models import Done, PauseWish, Reasoned, StatusView
from shared.states import State

STALE: Final = timedelta(minutes=10)
"""An agenda that was not read for so long does not run."""

SHOWN: Final = 5
"""Cases named below a finding."""

LOOK: Final = {
    "starts_soon_undelivered": "start within 48 hours, and nothing has arrived",
    "undelivered": "messages did not reach the phone",
    "expired_unused": "the pass ran out unused",
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
        client.post("pause", Done, PauseWish(minutes=minutes, reason=reason))
    say(f"Issuing is paused for {minutes} minutes. End it earlier with ./firstpass resume.")


def resume(context: typer.Context, *, reason: Why) -> None:
    """End a pause, also one that began by itself.

    Example: ./firstpass resume --reason "the wrong events are discarded"
    """
    with client_of(context) as client:
        client.post("resume", Done, Reasoned(reason=reason))
    say("Issuing goes on.")


def findings(found: StatusView) -> list[str]:
    """What wants a look, in words."""
    told = [f"paused until {here(found.pause.until)}: {found.pause.reason}"] if found.pause else []
    if found.heartbeat is None or found.now - found.heartbeat > STALE:
        told.append("the agenda is not being read: does the worker run?")
    counts = {words: len(getattr(found.exceptions, name)) for name, words in LOOK.items()}
    return told + [f"{count} {words}" for words, count in counts.items() if count]


def _print(found: StatusView, console: Console) -> None:
    wanted = findings(found)
    pairs = {
        "now": here(found.now),
        "issuing": f"paused by {found.pause.by}" if found.pause else "runs",
        "agenda read": ago(found.heartbeat, found.now) if found.heartbeat else "never",
        "next wake": here(found.next_wake) or "nothing waits",
        "next 24 hours": f"{found.waiting_soon} passes planned, {found.hourly_budget} an hour at most",
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
