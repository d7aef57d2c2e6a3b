"""`firstpass doctor`: the worker's self-check."""

import time
from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cli.advice import ADVICE
from cli.client import Client
from cli.exits import CommandError, Exit
from cli.moments import ago
from cli.options import Format, client_of
from cli.output import Column, Output, clean, say, show_one, table
from shared.api_fields import Nothing
from shared.checkup_models import CheckupView, FindingView
from shared.findings import Verdict

LATE: Final = timedelta(hours=2)
"""A report is made as often as CHECKUP_EVERY says; one that is so much older says nothing about now."""
USUAL: Final = timedelta(hours=1)
WAIT_SECONDS: Final = 180
LOOK_SECONDS: Final = 2
STYLES: Final = {Verdict.FAILED: "red", Verdict.WARNING: "yellow", Verdict.UNKNOWN: "dim", Verdict.GOOD: "green"}
FINDINGS: Final = (
    Column[FindingView]("check", lambda one: one.check, whole=True),
    Column[FindingView]("verdict", lambda one: one.verdict, whole=True),
    Column[FindingView]("code", lambda one: one.code, whole=True),
    Column[FindingView]("detail", lambda one: one.detail),
)


def doctor(
    context: typer.Context,
    *,
    now: Annotated[bool, typer.Option("--now", help="Have the worker check itself now, and wait for it.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """What is wrong with settings, rights, tenant and Twilio, and what to do; ends with 6 when something fails.

    The worker checks itself, every hour unless CHECKUP_EVERY says otherwise, with its own rights: yours play no part.

    Example: ./firstpass doctor --now
    """
    with client_of(context) as client:
        found = _fresh(client) if now else client.get("checkup", CheckupView)
    show_one(found, output, lambda console: _print(found, console))
    if failures(found):
        raise typer.Exit(Exit.FINDINGS)


def failures(found: CheckupView) -> list[str]:
    """Why it ends with 6, in words: what fails, or failed when it was seen last; no report, or one too old."""
    if found.at is None:
        return ["the worker has not checked itself yet: does it run? See status"]
    if _is_old(found):
        every = ago(found.now - _every(found), found.now).removesuffix(" ago")
        return [f"the worker checks itself every {every} and has not for longer: does it run? See status"]
    failed = [one for one in (*found.findings, *found.last_known) if one.verdict is Verdict.FAILED]
    return [f"{one.check} fails ({one.code})" for one in failed]


def _fresh(client: Client) -> CheckupView:
    """A report begun after it was asked for, and so after whatever was mended: the worker looks once a minute.

    Whoever asks after us is answered for us, too.
    """
    client.post("checkup", CheckupView, Nothing())
    say("Asked. The worker looks once a minute.")
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        found = client.get("checkup", CheckupView)
        if found.asked is not None and found.answers == found.asked:
            return found
        time.sleep(LOOK_SECONDS)
    raise CommandError("The worker did not check itself in three minutes: does it run? See status.", Exit.UNAVAILABLE)


def _print(found: CheckupView, console: Console) -> None:
    if found.at is not None:
        console.print(table(found.findings, FINDINGS, wide=True))
        console.print(Text(f"\nChecked {ago(found.at, found.now)}.", style="red" if _is_old(found) else ""))
        _advise(found, console)
    for line in failures(found):
        console.print(Text(clean(f"\nEnds with 6: {line}."), style="red"))


def _advise(found: CheckupView, console: Console) -> None:
    """What to do about each finding, the worst first; of a check that saw nothing also what it found last."""
    seen_last = [(one, "last known: ") for one in found.last_known]
    every = [*((one, "") for one in found.findings), *seen_last]
    for one, when in sorted(every, key=lambda pair: list(STYLES).index(pair[0].verdict)):
        meaning, advice = ADVICE[one.code]
        if advice:
            title = clean(f"{when}{one.verdict} · {one.check} · {one.code}{one.detail and f': {one.detail}'}")
            console.print(Text(f"\n{title}", style=STYLES[one.verdict]))
            console.print(Padding(Text(f"{meaning}\n→ {advice}"), (0, 0, 0, 2)))


def _every(found: CheckupView) -> timedelta:
    return USUAL if found.every_seconds is None else timedelta(seconds=found.every_seconds)


def _is_old(found: CheckupView) -> bool:
    """Where it only looks when asked, no report is too old: its age is told."""
    every = _every(found)
    return found.at is not None and every > timedelta(0) and found.now - found.at > every + LATE
