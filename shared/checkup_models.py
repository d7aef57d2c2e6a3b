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
    """The newest self-check. `at` is when it was made, `askedAt` when somebody last asked for one; null: never."""

    now: datetime
    at: datetime | None = None
    asked_at: datetime | None = None
    findings: tuple[FindingView, ...] = ()
