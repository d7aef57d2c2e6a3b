"""What operators are told of the worker's self-check: JSON of the operators' API."""

from datetime import datetime

from shared.api_fields import Model
from shared.findings import Check, Code, Verdict


class FindingView(Model):
    """One thing a check found; docs/doctor.md says what to do about it."""

    check: Check
    verdict: Verdict
    code: Code
    detail: str = ""


class CheckupView(Model):
    """The newest self-check. `at` is when it began, `askedAt` when somebody last asked for one; null: never.

    `everySeconds` is how often the worker checks itself: 0 is only when asked. `asked` is the newest wish, `answers`
    the newest that this report knew of: the same once it is granted. `lastKnown` is what checks found last that saw
    nothing this time.
    """

    now: datetime
    at: datetime | None = None
    asked_at: datetime | None = None
    every_seconds: int | None = None
    asked: str | None = None
    answers: str | None = None
    findings: tuple[FindingView, ...] = ()
    last_known: tuple[FindingView, ...] = ()
