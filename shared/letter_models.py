"""What operators send and get about dead letters, as JSON: names in camelCase, times in UTC."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict

from shared.api_fields import Figure, Model, Moment, Reasoned, Yes, whole
from shared.events import DevicePath

AT_ONCE = 100
"""Letters one request may name."""

LAST_SEQUENCE = 2**63 - 1
"""The largest sequence number Service Bus can give: 64 bits, signed."""

Sequence = Annotated[int, Strict(), Field(ge=1, le=LAST_SEQUENCE), BeforeValidator(whole)]
type Sequences = Annotated[list[Sequence], Field(min_length=1, max_length=AT_ONCE)]
type RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class LetterQuery(Model):
    """Which dead letters, from the sequence number after `after` on; times bound when they were written."""

    after: Figure = Field(default=0, ge=0, le=LAST_SEQUENCE)
    limit: Figure = Field(default=100, ge=1, le=250)
    reason: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    device_path: DevicePath | None = None
    min_replays: Figure = Field(default=0, ge=0, le=1_000_000)


class OneLetter(Model):
    """A dead letter by its sequence number."""

    sequence: Figure = Field(ge=1, le=LAST_SEQUENCE)


class LetterView(Model):
    """A dead letter without anything personal: of a case, or an event as it came."""

    sequence: int
    written_at: datetime
    reason: str
    description: str
    replays: int
    kind: Literal["case", "event"]
    case_id: str | None
    issuance: int | None
    device_paths: list[str]


class LetterPage(Model):
    """Some dead letters; `next_after` goes into the next query, None at the end (a page may be empty before it)."""

    letters: list[LetterView]
    next_after: int | None


class ReasonCount(Model):
    """How many there are of one reason, and since when."""

    reason: str
    count: int
    oldest: datetime


class LetterStats(Model):
    """All dead letters, by reason, most frequent first."""

    total: int
    reasons: list[ReasonCount]


class SomeLetters(Model):
    """Dead letters by their sequence numbers."""

    sequences: Sequences


class Judgement(Model):
    """What a replay would do with a letter now, or did: and why not, as a code."""

    sequence: int
    outcome: Literal["reopen", "send", "nothing", "capped", "gone", "locked"]
    why: str | None = None


class Judgements(Model):
    """One for each letter that was named, in the same order."""

    letters: list[Judgement]
    stopped: str | None = None
    """The code of the error that ended a run; letters after it were not touched."""


class ReplayWish(SomeLetters, Reasoned):
    """Replay these. All requests of one run carry the same `run`; `force` (approver) goes beyond the replay cap."""

    run: RunId
    force: Yes = False


class DiscardWish(SomeLetters, Reasoned):
    """Remove these for good."""

    run: RunId
