"""What a run came to, for a person: what each phone shows beside what Entra holds, what waits, what was refused."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.outcome import WAITING, CaseOutcome, Outcome
from cli.story import tell
from cli.words import WHY
from shared.recording import is_of_an_event
from shared.states import State

STYLE: Final = {"sms": "cyan", "whatsapp": "green"}
ENDED: Final = {State.ONBOARDED: "made it", State.GAVE_UP: "given up", State.CANCELLED: "called off"}


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables that apply, and one line that adds them up."""
    sent = [case for case in outcome.cases if case.state is State.SENT]
    waiting = [case for case in outcome.cases if case.state in WAITING]
    console.print(f"\n[bold]Now[/] {outcome.now:%A %d %B %Y %H:%M} UTC in the sandbox\n")
    if sent:
        console.print(_sent(sent, outcome))
    if waiting:
        console.print(_waiting(waiting))
    if ended := [case for case in outcome.cases if case.state in ENDED]:
        console.print(_ended(ended))
    if outcome.dead_letters:
        console.print(_refused(outcome))
    if outcome.sign_ins:
        console.print(_sign_ins(outcome))
    for case in outcome.cases:
        if case.issuances > 1 or sum(is_of_an_event(move.actor) for move in case.history) > 1:
            console.print(_story(case))
    console.print(_sum(outcome, sent, waiting))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _sent(cases: Iterable[CaseOutcome], outcome: Outcome) -> Table:
    """The left half is what the phones got; the right half is what Entra says about the same people."""
    title = "On the phones, and beside it what Entra holds"
    table = _table(title, "joiner", "devices", "the phone shows", "opens", "lasts", "uses", "Entra says")
    for case in cases:
        held = outcome.passes.get(case.user_id or "", [])
        table.add_row(case.subject, "\n".join(case.device_paths), _messages(case), *_held(held, case))
    return table


def _messages(case: CaseOutcome) -> Text:
    shown = Text()
    for message in case.messages:
        shown.append(f"{message['channel']} to {message['to']}\n", style="dim")
        shown.append(f"{message['body']}\n", style=STYLE[message["channel"]])
    shown.rstrip()
    return shown


def _held(passes: list[dict[str, Any]], case: CaseOutcome) -> tuple[str, str, str, Text]:
    if not passes:
        return "", "", "", Text("no pass", style="red")
    held = passes[0]  # Entra keeps one per person
    opens, says = datetime.fromisoformat(held["startDateTime"]), str(held["methodUsabilityReason"])
    style = "green" if says in {"NotYetValid", "EnabledByPolicy"} else "red"
    uses = "once" if held["isUsableOnce"] else "many"
    return _local(opens, case), _length(held["lifetimeInMinutes"]), uses, Text(says, style=style)


def _waiting(cases: Iterable[CaseOutcome]) -> Table:
    table = _table("Waiting", "joiner", "devices", "why", "until", "opens")
    for case in cases:
        why = WHY.get(case.reason, case.reason)
        table.add_row(
            case.subject,
            "\n".join(case.device_paths),
            why,
            _local(case.waiting_until, case),
            _local(case.start_date_time, case),
        )
    return table


def _refused(outcome: Outcome) -> Table:
    table = _table("Refused: dead letters an operator sees", "reason", "whose, or what is wrong")
    subjects = {case.case_id: case.subject for case in outcome.cases}
    for letter in outcome.dead_letters:
        table.add_row(Text(letter.reason or "", style="yellow"), _named(letter.description or "", subjects))
    return table


def _ended(cases: Iterable[CaseOutcome]) -> Table:
    table = _table("Over", "joiner", "how", "passes", "messages")
    for case in cases:
        style = "green" if case.state is State.ONBOARDED else "yellow"
        how = Text(ENDED[case.state], style=style)
        table.add_row(case.subject, how, str(case.issuances), str(len(case.messages)))
    return table


def _sign_ins(outcome: Outcome) -> Table:
    """Whoever tried the newest pass on their phone."""
    table = _table("Tried at a sign-in", "who", "when", "worked")
    for tried in outcome.sign_ins:
        says = Text("yes", style="green") if tried.worked else Text("no", style="red")
        table.add_row(tried.user, f"{tried.at:%a %d %b %H:%M} UTC", says)
    return table


def _story(case: CaseOutcome) -> Table:
    table = _table(f"{case.subject}, day by day", f"when ({case.time_zone})", "what")
    for when, what in tell(case.history, case.time_zone):
        table.add_row(when, what)
    return table


def _named(description: str, subjects: dict[str, str]) -> str:
    """The description with HR's own key in place of the case id."""
    for case_id, subject in subjects.items():
        description = description.replace(f"case {case_id}", f"{subject}")
    return description


def _sum(outcome: Outcome, sent: list[CaseOutcome], waiting: list[CaseOutcome]) -> str:
    made_it = sum(case.state is State.ONBOARDED for case in outcome.cases)
    other = len(outcome.cases) - len(sent) - len(waiting) - made_it
    messages = sum(len(case.messages) for case in outcome.cases)
    return (
        f"[bold]{len(outcome.cases)}[/] joiners: "
        f"{made_it} made it, {len(sent)} sent, {len(waiting)} waiting, {other} refused, called off or given up. "
        f"{messages} messages on phones, {len(outcome.dead_letters)} dead letters."
    )


def _local(moment: datetime | None, case: CaseOutcome) -> str:
    if moment is None:
        return ""
    zone = ZoneInfo(case.time_zone)
    return f"{moment.astimezone(zone):%a %d %b %H:%M}\n{zone.key}"


def _length(minutes: int) -> str:
    return str(timedelta(minutes=minutes)).removesuffix(":00") + " h"
