"""What a dead letter says, and what a replay makes of it: the same answer when asked and when done. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from shared.case import Case
from shared.contract import parse
from shared.errors import Refused
from shared.events import Cancellation, DevicePath, HireEvent, Nudge
from shared.fields import certain
from shared.guard_rails import guard_event
from shared.letter_models import Judgement
from shared.oversight import Letter
from shared.plan import PlanRules, once_more, when
from shared.ports import Move
from shared.recording import is_of_an_event
from shared.run import Rules
from shared.states import CLOSED, State
from shared.telemetry import scrub
from shared.wishes import Unable, reopened

MAX_REPLAYS: Final = 3
"""More often nothing is replayed unless it is forced: what comes back each time has a cause that replaying keeps."""
RESOLVED: Final = "resolved"
"""Why a replay has nothing to do with the letter of a case that went on since."""
TEXT_LENGTH: Final = 128
"""Characters shown of what an event calls itself."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`case.refused.v1`: this case got no pass, at that issuance."""

    case_id: str
    issuance: int


type Said = Refusal | HireEvent | Cancellation | Nudge | Refused
"""What a letter says; Refused, with why, when it is an event that says nothing we understand."""


@dataclass(frozen=True, slots=True)
class Known:
    """A letter, what it says, how often it was replayed, and the case a refusal is about.

    `trouble` is why that case cannot be read, as a code.
    """

    letter: Letter
    said: Said
    replays: int
    case: Case | None = None
    trouble: str | None = None


def read(letter: Letter, rules: Rules, now: datetime) -> Said:
    """What a letter says, by the very rules of the door for events."""
    refusal = _refusal(_json(letter.body))
    if refusal:
        return refusal
    try:
        return parse(letter.body, rules.event, now)
    except Refused as refused:
        return refused


def judge(known: Known, rules: Rules, now: datetime, *, force: bool = False) -> Judgement:
    """What a replay makes of a letter. `force` goes beyond MAX_REPLAYS."""
    number = known.letter.sequence
    if code := known.trouble or _obstacle(known, rules, now):
        return Judgement(sequence=number, outcome="nothing", why=code)
    if known.replays >= MAX_REPLAYS and not force:
        return Judgement(sequence=number, outcome="capped")
    return Judgement(sequence=number, outcome="reopen" if isinstance(known.said, Refusal) else "send")


def _obstacle(known: Known, rules: Rules, now: datetime) -> str | None:
    """Why a replay would do nothing, as a code."""
    try:
        wanted = _pass_wanted(known, rules, now)
        if wanted:
            guard_event(*wanted, rules.guard, now)  # what would be refused again at once
    except (Unable, Refused) as error:
        return str(error)
    return None


def _pass_wanted(known: Known, rules: Rules, now: datetime) -> tuple[HireEvent, datetime] | None:
    """The event that a replay asks a pass for, and when that opens; None where it asks for none.

    Raises:
        Unable: there is nothing to replay, or the case cannot be brought back.
        Refused: the event says nothing we understand.
    """
    match known.said:
        case Refusal() as refusal:
            after = reopening(known.case, refusal, rules.plan, now)
            return certain(after.event), certain(after.opens_at)
        case HireEvent() as event:
            return event, when(event, rules.plan, now).opens_at
        case Refused() as refused:
            raise Refused(refused.reason)
        case Cancellation() | Nudge():  # what a nudge would have woken, nobody else wakes
            return None


def reopening(case: Case | None, refusal: Refusal, plan: PlanRules, now: datetime) -> Case:
    """The case once more, by whatever it knows now.

    Raises:
        Unable: `case-unknown`, we forgot it; `resolved`, it went on since; `not-refused`, it is under way at that very
            issuance; `contact-wiped`, HR has to announce the hire again.
    """
    if case is None:
        raise Unable("case-unknown")
    if case.issuance > refusal.issuance or case.state in CLOSED or case.state is State.CANCELLED:
        raise Unable(RESOLVED)
    if case.state is not State.REFUSED:
        raise Unable("not-refused")
    if case.event is None or case.opens_at is None:
        raise Unable("contact-wiped")
    return reopened(case, refusal.issuance, once_more(case.event, case.opens_at, plan, now))


def reopenings(history: Iterable[Move]) -> int:
    """How often operators brought a case back from a refusal since HR last had news of it."""
    count = 0
    for move in history:
        if is_of_an_event(move.actor):
            count = 0
        elif move.from_state is State.REFUSED and move.to_state is State.ANNOUNCED:
            count += 1
    return count


def kind(said: Said) -> Literal["case", "event"]:
    """A letter of a case, or an event as it came."""
    return "case" if isinstance(said, Refusal) else "event"


def names_of(letter: Letter) -> tuple[str | None, str | None]:
    """The id and the type an event gives itself, if it does, in as far as they say nothing personal."""
    document = _json(letter.body)
    told = (document.get("id"), document.get("type"))
    shown = (scrub(text[:TEXT_LENGTH]) if isinstance(text, str) and text else None for text in told)
    return next(shown), next(shown)


def paths_of(known: Known) -> list[DevicePath]:
    """The device paths a letter is about, in no order; also of an event that is malformed elsewhere."""
    match known.said:
        case HireEvent() as event:
            return list(event.device_paths)
        case Refused():
            return _named(_json(known.letter.body))
        case _:
            return list(known.case.event.device_paths) if known.case and known.case.event else []


# --- the body ---


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(document: dict[str, Any]) -> Refusal | None:
    match document:
        case {"type": "case.refused.v1", "data": {"caseId": str(case_id), "issuance": int(issuance)}}:
            return Refusal(case_id, issuance) if re.fullmatch("[0-9a-f]{32}", case_id) else None
        case _:
            return None


def _named(document: dict[str, Any]) -> list[DevicePath]:
    match document:
        case {"data": {"devicePaths": list(names)}}:
            return [path for path in DevicePath if path in names]
        case _:
            return []
