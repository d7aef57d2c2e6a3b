"""Bad events in great numbers: each is understood or refused with its wrong fields named, and nothing of it is told."""

from datetime import UTC, datetime
from random import Random
from typing import Any

from shared.contract import parse
from shared.errors import Reason, Refused
from shared.events import EventRules
from tests.builders import CASE_ID, body, cancelled, hired
from tests.fakes.house import House
from tests.faults.mutants import NAME, PHONE, UPN, mutated, spoiled, written
from tests.faults.volume import Told, all_of, heard, tried, volume

NOW, RULES = datetime(2026, 11, 20, 12, tzinfo=UTC), EventRules()
NUDGE: dict[str, Any] = {"type": "case.nudge.v1", "data": {"caseId": CASE_ID}}
LONGEST = 4000
"""Characters that the longest refusal may have: it becomes a property of a message."""


def events() -> list[dict[str, Any]]:
    """Valid ones that name somebody, with everything that may be in one."""
    people = (
        {"userPrincipalName": UPN},
        {"employeeId": "E-10427", "displayName": NAME},
        {"id": CASE_ID[:8] + "-0" * 3},
    )
    full = [hired({"user": user, "mobilePhone": PHONE, "firstDay": "2026-12-02"}, subject=NAME) for user in people]
    return [*full, hired(), cancelled(subject=UPN), cancelled(data={"why": PHONE}), NUDGE]


def event(dice: Random) -> bytes:
    return written(mutated(dice.choice(events()), dice), dice)


def noise(dice: Random) -> bytes:
    """Bytes that were an event once, or never."""
    raw = body(dice.choice(events()))
    for _ in range(dice.randint(1, 3)):
        raw = spoiled(raw, dice)
    return raw[:200_000]


def read(raw: bytes) -> Told:
    told: Refused | None = None
    try:
        understood = parse(raw, RULES, NOW)
    except Refused as refused:
        told = refused
    else:
        return Told(type(understood).__name__)
    assert told.reason in {Reason.MALFORMED_EVENT, Reason.UNKNOWN_TYPE}
    assert told.detail.isprintable()
    assert 0 < len(told.detail) < LONGEST
    return Told(told.reason, told.detail)


@volume(40_000)
async def test_an_event_with_something_wrong_in_it(cases: int) -> None:
    kinds = await tried("event", cases, event, read)
    all_of(kinds, "malformed-event", "unknown-type", "HireEvent", "Cancellation", "Nudge")


@volume(10_000)
async def test_bytes_that_are_hardly_an_event(cases: int) -> None:
    kinds = await tried("noise", cases, noise, read)
    all_of(kinds, "malformed-event", "HireEvent")


@volume(6_000)
async def test_what_the_flow_makes_of_them(cases: int) -> None:
    """Taken or a dead letter with the raw body; neither its description nor the log tells who it is about."""
    house = House()

    async def handled(raw: bytes) -> Told:
        nonlocal house
        house = House() if len(house.ledger.cases) > 50 else house
        before = len(house.bus.letters)
        await house.onboarding.handle(raw)
        letters = house.bus.letters[before:]
        assert all(letter.body == raw or b"case.refused.v1" in letter.body for letter in letters)
        told = "\n".join(letter.description + letter.reason for letter in letters)
        return Told(letters[0].reason if letters else "taken", told + lines.taken())

    with heard() as lines:
        kinds = await tried("handled", cases, event, handled)
    all_of(kinds, "malformed-event", "unknown-type", "taken")


def test_a_number_makes_the_same_case_again() -> None:
    assert [event(Random("event 7")) for _ in range(2)] == [event(Random("event 7"))] * 2  # noqa: S311
