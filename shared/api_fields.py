"""How fields of the operators' API are read and written: as JSON knows them, no more kindly than documented."""

import re
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """How every model of the API is written and read."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True, extra="forbid")


MIN_REASON: Final = 5
MAX_REASON: Final = 500


def one_line(text: object) -> object:
    """A text without line breaks, control and invisible characters; anything else as it is."""
    if not isinstance(text, str):
        return text
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _short(reason: object) -> object:
    """A reason on one line; one that is too long as it was sent stays so."""
    return reason if isinstance(reason, str) and len(reason) > MAX_REASON else one_line(reason)


def whole(number: object) -> object:
    """To JSON, 5.0 is a whole number too; anything else as it is."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _figure(text: object) -> object:
    """A number as a query or a path writes it; anything else as it is."""
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,19}", text) else text


def _timestamp(text: object) -> object:
    """A moment as RFC 3339 writes it, not as seconds or a day alone; anything else as it is."""
    if isinstance(text, datetime) or (isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d", text)):
        return text
    raise ValueError("must be a time, as 2026-11-30T08:00:00Z")


Whole = Annotated[int, Strict(), BeforeValidator(whole)]
"""A whole number as JSON knows it, and nothing else that Python takes for one."""
Figure = Annotated[int, Strict(), BeforeValidator(_figure)]
"""The same where it stands in a query or a path, as text."""
Yes = Annotated[bool, Strict()]
Moment = Annotated[datetime, BeforeValidator(_timestamp)]
"""UTC where it names no zone."""
type CaseId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
type UserId = Annotated[str, Field(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class Nothing(Model):
    """No input."""


class Reasoned(Model):
    """Whoever changes something says why; it is written to the audit before anything happens."""

    reason: Annotated[str, BeforeValidator(_short), Field(min_length=MIN_REASON, max_length=MAX_REASON)]
