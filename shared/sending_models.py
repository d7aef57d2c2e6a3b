"""What operators send and get when they send events in HR's place, as JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.api_fields import Model, Reasoned

type Effect = Literal["new", "news", "again", "nothing"]
type Events = Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)]


class JudgeEvents(Model):
    """Events as HR systems send them (docs/events.md)."""

    events: Events


class SendEvents(Reasoned):
    """Events to be sent, and why by hand."""

    events: Events


class EventJudgement(Model):
    """What becomes of the event at a place in the list, or what is wrong with it: `field: what`, joined by `; `.

    `effect` is what it makes of its case as that is now: a `new` one, `news` for one, one that was refused or called
    off tried `again`, or `nothing`. Times are UTC, and once more in the joiner's words. How long the pass lasts, in
    minutes, is before the tenant's policy has a say.
    """

    at: int
    wrong: str | None = None
    case_id: str | None = None
    effect: Effect | None = None
    goes_out_at: datetime | None = None
    goes_out: str | None = None
    opens_at: datetime | None = None
    opens: str | None = None
    lasts_minutes: int | None = None
    device_paths: list[str] = Field(default=[])
    channel: str | None = None


class EventJudgements(Model):
    """One for each event, in order; `sent` is 0 when any is wrong."""

    events: list[EventJudgement]
    sent: int
