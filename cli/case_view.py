"""How cases look in a terminal."""

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.moments import both, here, on_two_lines, there
from cli.output import Column, Sheet, clean, facts
from cli.story import happenings
from cli.words import why
from shared.api_models import CaseStory, CaseView, Contact
from shared.errors import Reason
from shared.events import Purpose
from shared.states import State

WAITING: Final = (State.ANNOUNCED, State.ISSUING)


class Shown(CaseStory):
    """A case, its history, and what is personal if somebody asked for that."""

    contact: Contact | None = None


def next_step(case: CaseView) -> str:
    """What a case needs next, and when, where the operator is."""
    return f"{case.next_step.act} {here(case.next_step.due)}" if case.next_step else "nothing"


def joiners_time(case: CaseView) -> str:
    """When the next step is for the joiner, where they are."""
    return there(case.next_step.due, case.time_zone) if case.next_step else ""


def message(case: CaseView) -> str:
    """How the pass went out, if it did, and what is known of that."""
    return " ".join(filter(None, (case.channel, case.receipt))) if case.sent_at else ""


def rehearsed(case: CaseView) -> str:
    """What would have been sent, of a case that was only rehearsed."""
    if case.reason != Reason.REHEARSAL or case.pass_starts_at is None:
        return ""
    how = "once" if case.is_usable_once else "as often as wanted"
    starts, ends = (both(when, case.time_zone) for when in (case.pass_starts_at, case.pass_ends_at))
    return f"by {case.channel}: a pass that works {how} from {starts} until {ends}"


CASES: Final = Sheet(
    CaseView,
    (
        Column[CaseView]("case", lambda case: case.case_id, whole=True),
        Column[CaseView]("state, why", lambda case: "\n".join(filter(None, (case.state, case.reason, _for(case))))),
        Column[CaseView]("next", lambda case: next_step(case).replace(" ", "\n", 1), whole=True),
        Column[CaseView]("joiner's time", lambda case: on_two_lines(joiners_time(case)), wide=True),
        Column[CaseView]("message", message, wide=True),
        Column[CaseView]("devices", lambda case: "\n".join(case.device_paths), wide=True),
    ),
)


def print_case(shown: Shown, console: Console) -> None:
    """A case for a person: how it stands, then its story, oldest first."""
    zone = shown.case.time_zone
    console.print(facts(_standing(shown.case, zone) | (_personal(shown.contact) if shown.contact else {})))
    elsewhere = f", here and in {zone}" if zone else ""
    console.print(Text(f"\nWhat happened{elsewhere}", style="bold"))
    console.print(timeline(shown))


def _standing(case: CaseView, zone: str | None) -> dict[str, str]:
    """How a case stands: what is over is not told as if it still were."""
    waits, is_out = case.state in WAITING, case.state == State.SENT
    return {
        "case": case.case_id,
        "for": _for(case),
        "state": case.state,
        "why": _why(case),
        "next": f"{case.next_step.act} {both(case.next_step.due, zone)}" if case.next_step else "nothing",
        "goes out": both(case.deliver_at, zone) if waits else "",
        "opens": both(case.opens_at, zone) if waits or is_out else "",
        "sent": both(case.sent_at, zone),
        "ends": both(case.pass_ends_at, zone) if is_out else "",
        "message": message(case),
        "rehearsed": rehearsed(case),
        "passes": f"{case.issuance} asked for, {case.spent} came to nothing",
        "devices": ", ".join(case.device_paths),
        "registered": ", ".join(case.registered),
        "approved": ", ".join(case.approved),
        "contact": "kept" if case.contact_kept else "wiped",
    }


def _for(case: CaseView) -> str:
    """What somebody who works here asked for; nothing for a joiner."""
    return "" if case.purpose is Purpose.ONBOARDING else str(case.purpose)


def _why(case: CaseView) -> str:
    """Why it stands as it does; of one that only waits for its time, that."""
    if case.reason is None:
        return why(None) if case.state == State.ANNOUNCED else ""
    return f"{why(case.reason)} ({case.reason})"


def timeline(shown: Shown) -> Table:
    """Everything that happened, oldest first; the joiner's time stands beside where it is another."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(no_wrap=True)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for at, what in happenings(shown.history):
        local = there(at, shown.case.time_zone).rpartition(" ")[0]
        made.add_row(here(at), local if local != here(at) else "", Text(clean(what)))
    return made


def _personal(contact: Contact) -> dict[str, str]:
    return {
        "subject": f"{contact.subject} at {contact.source}",
        "person": contact.user,
        "object id": contact.user_id or "",
        "number HR gave": contact.mobile_phone or "",
    }
