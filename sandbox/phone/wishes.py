"""The shapes of what tests and the demo may ask of the phones; what does not fit is named."""

from typing import Annotated, Any, NotRequired, TypedDict

from pydantic import Field, TypeAdapter, ValidationError

type _Fate = Annotated[str, Field(pattern="^(delivered|read|undelivered|failed|sent|silent|off|[0-9]{5})$")]
type _Words = Annotated[str, Field(min_length=1)]


class _Fates(TypedDict, total=False):
    sms: _Fate
    whatsapp: _Fate


class _Template(TypedDict):
    language: _Words
    sample: NotRequired[_Words]
    status: NotRequired[_Words]


class _Account(TypedDict, total=False):
    redactionEnabled: bool
    doubleCallbacks: bool
    reorderCallbacks: bool
    rate: Annotated[float, Field(ge=0)] | None


SHAPES: dict[str, TypeAdapter[Any]] = {
    "phones": TypeAdapter(dict[_Words, _Fates]),
    "templates": TypeAdapter(dict[_Words, _Template]),
    "account": TypeAdapter(_Account),
    "records": TypeAdapter(dict[_Words, dict[_Words, Any]]),
}
"""By the last part of the control route `PUT /sandbox/…`."""


def not_understood(what: str, asked: Any) -> list[str]:
    """The names at the top of the document whose wishes do not fit; empty when all do."""
    try:
        SHAPES[what].validate_python(asked, strict=True, extra="forbid")
    except ValidationError as wrong:
        return sorted({str(error["loc"][0]) if error["loc"] else what for error in wrong.errors()})
    return []
