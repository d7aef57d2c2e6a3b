"""What operators send and get when they send events in HR's place, as JSON."""

from typing import Annotated, Any

from pydantic import Field

from shared.api_fields import Model, Reasoned

type Events = Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)]


class JudgeEvents(Model):
    """Events as HR systems send them (docs/events.md)."""

    events: Events


class SendEvents(Reasoned):
    """Events to be sent, and why by hand."""

    events: Events


class EventJudgement(Model):
    """What becomes of the event at a place in the list: its case, and when, in the joiner's words; or what is wrong."""

    at: int
    wrong: str | None = None
    case_id: str | None = None
    opens: str | None = None
    goes_out: str | None = None


class EventJudgements(Model):
    """One for each event, in order; `sent` is 0 when any is wrong."""

    events: list[EventJudgement]
    sent: int
