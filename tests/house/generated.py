"""The pages that are made from the code: `python -m tests.house.generated` writes them, a test compares them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.advice import ABOUT, ADVICE
from cli.story import tell
from shared.api_document import document
from shared.case import STEPS
from shared.checks import NEEDED_ROLES, OPTIONAL_ROLES
from shared.events import Channel
from shared.onboarding import STEPS as FUNCTIONS
from shared.states import CLOSED, LEGAL, Act, State
from tests.builders import NUMBER
from tests.fakes.door import Door
from tests.fakes.house import DUE, House
from tests.house import reliability

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE, API, DOCTOR = DOCS / "lifecycle.md", DOCS / "operators-api.json", DOCS / "doctor.md"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

WHEN = {
    Act.ISSUE: "announced: the planned delivery, or when it was put off to, and never while a lease runs; issuing: when the lease ends",
    Act.REVOKE: "now, after a lease; where it happens twice, again 15 minutes later",
    Act.GUARD: "15 minutes before the pass opens, when it was sent, or may have been, before that",
    Act.LOOK: "15 minutes after sending, once",
    Act.ASK: "at once when Twilio reports that it did not arrive; without a report 15 minutes (WhatsApp) or `MESSAGE_VALIDITY` (SMS) after sending, then hourly three times",
    Act.CHECK: "opening + the minutes of all steps, then hourly, and a minute after the pass ran out",
    Act.REDACT: "when the message is final, at the latest `MESSAGE_VALIDITY` after sending; a failure is tried again after 1, 4, 16 … minutes, a day at most",
    Act.WIPE: "onboarded, gave up: now; refused, cancelled: after `KEEP_CONTACT_DAYS`; never before the passes are gone",
    Act.FORGET: "`KEEP_CASES_DAYS` after it came to rest",
}

EDGES: dict[tuple[State | None, State], str] = {
    (None, State.ANNOUNCED): "hired",
    (None, State.CANCELLED): "called off before it came",
    (State.ANNOUNCED, State.ISSUING): "claimed",
    (State.ANNOUNCED, State.ONBOARDED): "made it with an earlier pass",
    (State.ANNOUNCED, State.GAVE_UP): "opened again, no pass left",
    (State.ISSUING, State.ONBOARDED): "made it before our record came",
    (State.ISSUING, State.GAVE_UP): "no pass left",
    (State.ANNOUNCED, State.REFUSED): "a guard rail says no",
    (State.ISSUING, State.ANNOUNCED): "put off, or news",
    (State.ISSUING, State.SENT): "Twilio has it",
    (State.ISSUING, State.REFUSED): "a number that will not do",
    (State.SENT, State.ANNOUNCED): "the next pass, or news",
    (State.SENT, State.ONBOARDED): "passwordless",
    (State.SENT, State.REFUSED): "second look, or undeliverable",
    (State.SENT, State.GAVE_UP): "no pass left",
    (State.REFUSED, State.ANNOUNCED): "a later event, or a replay",
    (State.CANCELLED, State.ANNOUNCED): "hired after all",
    (State.ONBOARDED, State.ANNOUNCED): "a later hire date",
    (State.GAVE_UP, State.ANNOUNCED): "a later hire date",
}
"""What leads from one state to another; calling off leads from everywhere to `cancelled`."""


def edges() -> set[tuple[State | None, State]]:
    """The legal moves worth drawing: no state to itself, no calling off."""
    pairs = {(origin, target) for origin, targets in LEGAL.items() for target in targets}
    return {pair for pair in pairs if pair[0] is not pair[1] and (pair[1] is not State.CANCELLED or pair[0] is None)}


def diagram() -> str:
    order = sorted(edges(), key=lambda pair: (list(LEGAL).index(pair[0]), list(State).index(pair[1])))
    lines = [f"    {origin or '[*]'} --> {target}: {EDGES[origin, target]}" for origin, target in order]
    ends = [f"    {state} --> [*]" for state in State if state in CLOSED]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, *ends, "```"])


def table() -> str:
    """The step table: which states need it, what it does (the function's own words), and when."""
    rows = ["| step | in | what it does | when |", "|---|---|---|---|"]
    for act in Act:
        states = " · ".join(f"`{state}`" for state, row in STEPS.items() if act in row)
        what = (FUNCTIONS[act].__doc__ or "").split("\n")[0].rstrip(".")
        rows.append(f"| `{act}` | {states} | {what} | {WHEN[act]} |")
    return "\n".join(rows)


# --- three joiners ---


async def _smooth(house: House) -> None:
    await house.hire()
    await house.live(OPENS + 2 * HOUR)
    house.register("windowsHelloForBusiness")


async def _silent_whatsapp(house: House) -> None:
    house.phones[NUMBER, Channel.WHATSAPP] = None
    await house.hire()
    await house.live(OPENS + 2 * HOUR)
    house.register("microsoftAuthenticator")


async def _second_morning(house: House) -> None:
    await house.hire()
    await house.live(OPENS + DAY + 2 * HOUR)
    house.register("windowsHelloForBusiness")


OPENS = datetime(2026, 12, 1, 7, tzinfo=UTC)
JOINERS: dict[str, Callable[[House], Awaitable[None]]] = {
    "Everything works": _smooth,
    "WhatsApp stays silent": _silent_whatsapp,
    "The first day goes wrong": _second_morning,
}


async def _told(live: Callable[[House], Awaitable[None]]) -> str:
    house = House(DUE - 5 * DAY)
    await live(house)
    await house.live(OPENS + 2 * DAY)
    story = tell(await house.ledger.history(house.case_id), "Europe/Amsterdam")
    return "\n".join(["| when | what |", "|---|---|", *(f"| {when} | {what} |" for when, what in story)])


def page() -> str:
    """The whole page."""
    timelines = "\n\n".join(f"### {title}\n\n{asyncio.run(_told(live))}" for title, live in JOINERS.items())
    return TEXT.format(diagram=diagram(), table=table(), timelines=timelines)


def api() -> str:
    """The operators' API as an OpenAPI document."""
    return json.dumps(document(Door().acts), indent=2, ensure_ascii=False) + "\n"


def doctor() -> str:
    """The page about the self-check."""
    checks = "\n".join(f"| `{check}` | {what} |" for check, what in ABOUT.items())
    codes = "\n".join(f"| `{code}` | {what} | {todo or 'Nothing.'} |" for code, (what, todo) in ADVICE.items())
    roles = "\n".join(f"- {' or '.join(f'`{role}`' for role in row)}" for row in NEEDED_ROLES)
    extra = ", ".join(f"`{role}`" for role in sorted(OPTIONAL_ROLES))
    return DOCTOR_TEXT.format(checks=checks, codes=codes, roles=roles, extra=extra)


DOCTOR_TEXT = """# The self-check

This page is made from the code (`python -m tests.house.generated`), and a test keeps it true.

The worker checks itself with the agenda's timer: once an hour (`CHECKUP_EVERY`) and whenever somebody asks (`./firstpass doctor --now`), above all when the agenda cannot be read. It looks with its own identity, changes nothing but one row of the table `control`, and keeps the newest report there. `./firstpass doctor` shows that report and what to do. It ends with 6, and says why, when something **failed**, when there is no report yet, or when the newest is two hours older than `CHECKUP_EVERY` (with `CHECKUP_EVERY=0`, made only when asked, none is too old). A **warning** works, but not as it should. **Unknown** could not be seen, which is no failure: what was found last stands beside it as last known, and counts. Without an answer three times in a row it is a warning. Queues and tables that give no answer have failed.

What changes from one report to the next is told as `checkup-changed` in the log (`check`, `state`: its verdict, `reason`: the code, `detail`: which roles, policies, countries or templates), failures at level ERROR: alert on these. So is a list that grows; `state` is `good` when it is over. Nothing else is repeated every hour. While the ledger gives no answer the check goes on and tells; only the report cannot be shown.

## What is looked at

| check | what |
|---|---|
{checks}

App roles the worker needs, of each line one, the least first:

{roles}

{extra} is good for this check alone; without it `security-info-access` is `not-readable`. A later one of a line stands in for the first while that is missing (`roles-stand-in`); everything else is in excess.

## What it finds, and what to do

| code | what it means | what to do |
|---|---|---|
{codes}

## What it cannot see

How the queues are set up (locks, forwarding of dead letters, memory of duplicates): only who may manage a namespace sees that, and neither app may. Whether Message Redaction is on at Twilio. Conditional Access policies on single apps, on device registration, and on groups that only some joiners are in. Terms of Conditional Access that Graph does not show. A directory role in place of an app role. Nothing here was run against a real tenant or a real Twilio account.
"""

TEXT = """# The life of a case

This page is made from the code (`python -m tests.house.generated`), and a test keeps it true.

## States

{diagram}

Calling off (`joiner.cancelled.v1`) leads from every state to `cancelled`.

## Steps

A case needs at most one thing at a time: the step that is due first. Each step has a field on the head that says when; a wake row makes somebody look; a step that cannot be done now is put off by moving that field. Nothing else makes a case move but news: an HR event, or Twilio's word on a message.

{table}

Twilio's word moves a case only forward (`queued`, `sent`, `undelivered`, `delivered`, `read`), and only the word on the current attempt does; any other makes the text of its message go. A pass that ran out unused, was never delivered, or is gone counts against `MAX_PASSES`; one that a late create of ours replaced does not, nor does the one fall-back from WhatsApp to SMS.

## Three joiners

Each is hired five days ahead to begin on Tuesday 1 December at 09:00 in Amsterdam, with an iPhone and a Windows laptop; told by the real flow over stand-ins in memory.

{timelines}
"""

if __name__ == "__main__":
    PAGE.write_text(page())
    API.write_text(api())
    DOCTOR.write_text(doctor())
    reliability.PAGE.write_text(reliability.page())
