"""`firstpass doctor`: the worker's self-check."""

import time
from datetime import datetime, timedelta
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

OLD: Final = timedelta(hours=3)
"""The worker checks itself every hour; an older report says nothing about now."""
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

    The worker checks itself every hour, with its own rights: yours play no part.

    Example: ./firstpass doctor --now
    """
    with client_of(context) as client:
        found = _fresh(client) if now else client.get("checkup", CheckupView)
    show_one(found, output, lambda console: _print(found, console))
    if failures(found):
        raise typer.Exit(Exit.FINDINGS)


def failures(found: CheckupView) -> int:
    """How many things fail; that there is no report, or only an old one, is one."""
    if _is_old(found):
        return 1
    return sum(one.verdict is Verdict.FAILED for one in found.findings)


def _fresh(client: Client) -> CheckupView:
    """A report made after it was asked for: the worker looks once a minute."""
    asked = client.post("checkup", CheckupView, Nothing())
    say("Asked. The worker looks once a minute.")
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        found = client.get("checkup", CheckupView)
        if _answers(found, asked.asked_at):
            return found
        time.sleep(LOOK_SECONDS)
    raise CommandError("The worker did not check itself in three minutes: does it run? See status.", Exit.UNAVAILABLE)


def _answers(found: CheckupView, asked_at: datetime | None) -> bool:
    return found.at is not None and asked_at is not None and found.at >= asked_at


def _print(found: CheckupView, console: Console) -> None:
    if found.at is None:
        console.print(Text("The worker has not checked itself yet: does it run? See status.", style="red"))
        return
    console.print(table(found.findings, FINDINGS, wide=True))
    console.print(Text(f"\nChecked {ago(found.at, found.now)}.", style="red" if _is_old(found) else ""))
    for one in sorted(found.findings, key=lambda one: list(STYLES).index(one.verdict)):
        meaning, advice = ADVICE[one.code]
        if advice:
            title = clean(f"{one.verdict} · {one.check} · {one.code}{one.detail and f': {one.detail}'}")
            console.print(Text(f"\n{title}", style=STYLES[one.verdict]))
            console.print(Padding(Text(f"{meaning}\n→ {advice}"), (0, 0, 0, 2)))


def _is_old(found: CheckupView) -> bool:
    return found.at is None or found.now - found.at > OLD
