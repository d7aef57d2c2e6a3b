"""A report of the self-check as it follows from the one before, and what of it is worth telling. Pure.

A check that saw nothing says nothing new: what it found last stands until it sees again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from shared.findings import Check, Code, Finding, Verdict


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody asked for a report: which wish it is, and when they asked (UTC)."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What a self-check found; `at` is when it began (UTC): what was mended since is not in it.

    `carried` is what checks found last that saw nothing this time, `blind` how often in a row each got no answer,
    `every` how often the worker checks itself, `answers` the newest wish it knew of when it began.
    """

    at: datetime
    findings: tuple[Finding, ...]
    carried: tuple[Finding, ...] = ()
    blind: Mapping[Check, int] = field(default_factory=dict[Check, int])
    every: timedelta | None = None
    answers: str | None = None

    @property
    def standing(self) -> tuple[Finding, ...]:
        """Everything that is wrong, as far as anybody knows."""
        return (*(one for one in self.findings if one.verdict in BAD), *self.carried)


BAD: Final = frozenset({Verdict.WARNING, Verdict.FAILED})
PASSING: Final = frozenset({Code.NO_ANSWER, Code.BUG})
"""Why a check saw nothing that should be over by the next; the others last until somebody does something about them."""
BLIND_FOR: Final = 3
"""Reports in a row without an answer, after which that itself is worth a look."""
SETS: Final = frozenset(
    {Code.ROLES_MISSING, Code.ROLES_BROAD, Code.ROLES_STAND_IN, Code.ROLES_IN_EXCESS, Code.ROLES_THAT_WRITE}
    | {Code.ACCESS_TOO_STRONG, Code.ACCESS_MAY_REFUSE, Code.TEMPLATE_NOT_APPROVED}
    | {Code.COUNTRIES_BLOCKED, Code.COUNTRIES_OPEN, Code.COUNTRIES_UNKNOWN}
)
"""Findings whose detail lists what is wrong: one more is news. Figures, as the seconds of a clock, are not."""


def following(before: Report | None, seen: Report) -> Report:
    """What was seen, with what is still to be remembered of the report before."""
    blind = {one.check for one in seen.findings if one.verdict is Verdict.UNKNOWN}
    known = {(one.check, one.code) for one in seen.findings}
    carried = [one for one in (before.standing if before else ()) if one.check in blind and one.code not in PASSING]
    times = {
        one.check: (before.blind.get(one.check, 0) if before else 0) + 1
        for one in seen.findings
        if one.verdict is Verdict.UNKNOWN and one.code in PASSING
    }
    return replace(
        seen,
        findings=tuple(_worn(one, times.get(one.check, 0)) for one in seen.findings),
        carried=tuple(one for one in carried if (one.check, one.code) not in known),
        blind=times,
    )


def changed(before: Report | None, after: Report) -> list[Finding]:
    """What is new or has grown, and what is good again. What could not be seen is no news, and hides none."""
    was, now = _told(before.standing if before else ()), _told(after.standing)
    news = [one for key, one in now.items() if key not in was or _is_worse(was[key], one)]
    return news + [replace(one, verdict=Verdict.GOOD) for key, one in was.items() if key not in now]


def _worn(one: Finding, times: int) -> Finding:
    """Without an answer for so long that it is no bad moment any more."""
    if times < BLIND_FOR or one.verdict is not Verdict.UNKNOWN:
        return one
    return replace(one, verdict=Verdict.WARNING, detail=f"{one.detail}, {times} times in a row".removeprefix(", "))


def _told(findings: Iterable[Finding]) -> dict[tuple[Check, Code], Finding]:
    return {(one.check, one.code): one for one in findings}


def _is_worse(before: Finding, now: Finding) -> bool:
    """Whether it became another verdict, or names more than before."""
    more = now.code in SETS and bool(_names(now) - _names(before))
    return more or now.verdict is not before.verdict


def _names(one: Finding) -> set[str]:
    return set(one.detail.split(", "))
