"""What each answer of Graph leads to: tables from status, code and text to our own errors."""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ValidationError

from shared.errors import FirstpassError, Halted, Later, Reason, Refused, Unconfirmed

NOT_SENT, CUT_OFF, MISSING = 0, 1, 2
"""In place of a status: no connection; sent, but no whole answer came; a batch that leaves this part out."""

COMPLAINT_READ: Final = 4_000
"""Characters of an error that are looked at: far more than Graph writes, and the patterns below must end soon."""

A_MINUTE, A_WHILE, A_DAY = timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1)
SHORT_WAIT: Final = timedelta(seconds=10)
"""A Retry-After up to this is waited for inside the run; a longer one is left to the agenda."""


class _Error(BaseModel):
    code: str
    message: str = ""


class _Problem(BaseModel):
    error: _Error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, alone or a part of a batch: its body is JSON, or what the caller made of it; None when unreadable.

    `date` is Graph's own time (UTC), where it says so.
    """

    status: int
    retry_after: timedelta | None = None
    date: datetime | None = None
    body: object = field(default=None, repr=False)

    @property
    def transient(self) -> bool:
        """Whether the same read may be answered in a moment."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:  # Graph says when, or it will not be soon
            return self.retry_after is not None and self.retry_after <= SHORT_WAIT
        return self.status in (NOT_SENT, CUT_OFF, 502, 503, 504) and (self.retry_after or timedelta(0)) <= SHORT_WAIT

    @property
    def complaint(self) -> str:
        """Graph's error code and text. May hold personal data: for the tables below, never for anybody else."""
        try:
            error = _Problem.model_validate(self.body).error
        except ValidationError:
            return ""
        return f"{error.code} {error.message}"[:COMPLAINT_READ]


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header, in seconds or as an HTTP date (RFC 9110), at most a day; None when there is none."""
    if text is None or re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return None if text is None else min(timedelta(seconds=int(text)), A_DAY)
    moment = http_date(text)
    return min(max(moment - now, timedelta(0)), A_DAY) if moment else None


def http_date(text: str | None) -> datetime | None:
    """A Date header (RFC 9110); None when there is none that can be read."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else None


# --- what a refusal leads to ---


class AlreadyThere(Later):
    """A pass exists and Graph did not replace it: the caller deletes it and tries once more."""


class PolicyChanged(Later):
    """The tenant's policy is not the one that was read: the caller forgets it."""


type Outcome = Callable[[Answer], FirstpassError | Answer]


@dataclass(frozen=True, slots=True)
class Row:
    """Which statuses, what they lead to, and what Graph's code or text must say (a pattern, any case)."""

    statuses: Container[int]
    outcome: Outcome
    says: str = ""


def unavailable(_: Answer | None = None) -> Later:
    """Graph could not be asked, or its answer cannot be used."""
    return Later(Reason.GRAPH_UNAVAILABLE, A_MINUTE)


def _throttled(answer: Answer) -> Later:
    return Later(Reason.GRAPH_THROTTLED, A_MINUTE if answer.retry_after is None else answer.retry_after)


def _denied(_: Answer) -> Halted:
    return Halted(Reason.GRAPH_DENIED)


def _nothing(_: Answer) -> Answer:
    return Answer(status=HTTPStatus.OK, body={"value": []})


_CLIENT_ERRORS = range(400, 500)
_EVERYTHING = range(1000)

READING: Final = (
    Row((200,), lambda answer: answer),
    Row((429,), _throttled),
    Row((401, 403), _denied),
    Row(_EVERYTHING, unavailable),
)

LISTING: Final = (Row((404,), _nothing), *READING)
"""Passes and other methods: nobody of that id has any."""

DELETING: Final = (Row((204, 404), _nothing), *READING)

PARTS: Final[Mapping[str, tuple[Row, ...]]] = {
    # Nobody is eligible for a role in a tenant without the licence for Privileged Identity Management.
    "eligibility": (Row(_CLIENT_ERRORS, _nothing, r"\bAadPremiumLicenseRequired\b"), *READING),
}
"""The parts of a batch that are not read by READING."""

CREATING: Final = (
    Row((201,), lambda made: made),
    Row((429,), _throttled),
    # Texts: Microsoft Learn, Configure Temporary Access Pass (troubleshooting); Microsoft Graph docs, pull request
    # 12187 (lifetime); Microsoft Graph .NET SDK, #2724 (start).
    Row(_CLIENT_ERRORS, lambda _: Refused(Reason.EXTERNAL_GUEST), r"external guest"),
    Row(
        _CLIENT_ERRORS,
        lambda _: Halted(Reason.POLICY_DISABLED),
        r"credential ?policy|policy\b.*\b(disabled|not enabled)|(disabled|not enabled)\b.*\bpolicy",
    ),
    Row((400,), lambda _: PolicyChanged(Reason.GRAPH_UNAVAILABLE, A_MINUTE), r"lifetimeInMinutes"),
    Row((400,), unavailable, r"startDateTime"),
    Row((400, 409), lambda _: AlreadyThere(Reason.GRAPH_UNAVAILABLE, A_MINUTE), r"already|\bexist(s|ing)\b"),
    Row((401, 403), _denied),
    Row((404,), lambda _: Later(Reason.USER_NOT_FOUND, A_WHILE)),
    Row((NOT_SENT, *_CLIENT_ERRORS), unavailable),
    Row(_EVERYTHING, lambda _: Unconfirmed(Reason.PASS_UNCONFIRMED)),
)


def outcome(answer: Answer, table: Sequence[Row]) -> FirstpassError | Answer:
    """What the first row that fits makes of `answer`. Every table ends with a row that always fits."""
    complaint = answer.complaint
    fits = (row for row in table if answer.status in row.statuses and re.search(row.says, complaint, re.IGNORECASE))
    return next(fits).outcome(answer)


def settle(answer: Answer, table: Sequence[Row] = READING) -> Answer:
    """The answer to go on with.

    Raises:
        FirstpassError: the table says that there is none.
    """
    return settle_all({"": answer}, {"": table})[""]


def settle_all(answers: Mapping[str, Answer], tables: Mapping[str, Sequence[Row]] = PARTS) -> dict[str, Answer]:
    """The answers of one batch to go on with, each by its own table or READING.

    Raises:
        FirstpassError: the gravest of several outcomes: a denial, then throttling (the longest), then the rest.
    """
    settled = {name: outcome(answer, tables.get(name, READING)) for name, answer in answers.items()}
    if errors := [one for one in settled.values() if isinstance(one, FirstpassError)]:
        raise max(errors, key=_gravity)
    return {name: one for name, one in settled.items() if isinstance(one, Answer)}


def _gravity(error: FirstpassError) -> tuple[bool, bool, timedelta]:
    after = error.after if isinstance(error, Later) else timedelta(0)
    return isinstance(error, Halted), error.reason is Reason.GRAPH_THROTTLED, after


def understood[T](read: Callable[[], T]) -> T:
    """What `read` makes of an answer; a malformed one (ValueError) is as good as none."""
    try:
        return read()
    except ValueError:
        raise unavailable() from None
