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
MOST = 1_000_000
"""Replays nobody reaches."""
type Mark = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
type RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class LetterQuery(Model):
    """Which dead letters, from the sequence number after `after` on; times bound when they were written."""

    after: Figure = Field(default=0, ge=0, le=LAST_SEQUENCE)
    limit: Figure = Field(default=100, ge=1, le=250)
    reason: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    device_path: DevicePath | None = None
    min_replays: Figure = Field(default=0, ge=0, le=MOST)
    max_replays: Figure = Field(default=MOST, ge=0, le=MOST)


class OneLetter(Model):
    """A dead letter by its sequence number."""

    sequence: Figure = Field(ge=1, le=LAST_SEQUENCE)


class LetterView(Model):
    """A dead letter without anything personal: of a case, or an event as it came.

    `mark` is what no other letter has; `message_id` is the queue's, `original_id` that of the message first replayed,
    `event_id` and `event_type` are what an event says of itself.
    """

    sequence: int
    mark: str
    message_id: str
    original_id: str
    event_id: str | None
    event_type: str | None
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


class Marked(Model):
    """Which letter is meant at a number: the `mark` it was shown with."""

    sequence: Sequence
    mark: Mark


class SomeLetters(Model):
    """Dead letters by their sequence numbers; with a mark beside it only while it is the very letter that has it."""

    sequences: Sequences
    marks: Annotated[list[Marked], Field(max_length=AT_ONCE)] = Field(default_factory=list[Marked])

    def is_meant(self, sequence: int, mark: str) -> bool:
        """Whether the letter at this number is the one that was chosen."""
        return all(one.mark == mark for one in self.marks if one.sequence == sequence)


type RunAct = Literal["replay", "discard"]
type Outcome = Literal["reopen", "send", "discard", "nothing", "capped", "changed", "gone", "locked", "failed"]


class JudgeWish(SomeLetters):
    """What would become of these now. With `act`, by whoever asks: who may not do it is told so."""

    act: RunAct | None = None
    force: Yes = False


class Judgement(Model):
    """What a run would do with a letter now, or did: and why not, as a code. `removed`: it is not there any more."""

    sequence: int
    outcome: Outcome
    why: str | None = None
    removed: bool = False


class Judgements(Model):
    """One for each letter that was named, in the same order."""

    letters: list[Judgement]
    stopped: str | None = None
    """The code of the error that ended a run, at the letter that says so; letters after it were not touched."""


class ReplayWish(SomeLetters, Reasoned):
    """Replay these. All requests of one run carry the same `run`; `force` (approver) goes beyond the replay cap."""

    run: RunId
    force: Yes = False


class DiscardWish(SomeLetters, Reasoned):
    """Remove these for good."""

    run: RunId


class EndOfRun(Model):
    """This run is over: whatever it holds is free, and another may begin."""

    run: RunId
