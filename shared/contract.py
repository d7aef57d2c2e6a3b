"""The contract with HR systems: CloudEvents 1.0 as structured JSON, parsed or refused with every wrong field named."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel
from tzlocal.windows_tz import win_tz

from shared.errors import Reason, Refused
from shared.events import OPERATORS, Cancellation, Channel, DevicePath, EventRules, HireEvent, Nudge, UserRef, Version

MAX_BYTES: Final = 64 * 1024
MAX_AHEAD: Final = timedelta(minutes=5)
"""How far a sender's clock may run ahead of ours."""
FIRST_DAY_WITHIN: Final = timedelta(days=92)
"""How far the first day at work may lie from the hire date."""

HIRE_EVENT: Final = TypeAdapter(HireEvent)
"""Turns a HireEvent into JSON and back, for the sealed part of a case."""


def parse(body: bytes | str, rules: EventRules, now: datetime) -> HireEvent | Cancellation | Nudge:
    """One message body as what it says.

    Raises:
        Refused: `malformed-event` or `unknown-type`; `detail` names every wrong field and repeats none of their values.
    """
    document = _read(body)
    kind = document.get("type")
    if isinstance(kind, str) and kind not in _TYPES:
        raise Refused(Reason.UNKNOWN_TYPE, "type: must be one of " + ", ".join(_TYPES))
    model, build = _TYPES[kind if isinstance(kind, str) else "joiner.hired.v1"]  # no type: all that a hire would lack
    try:
        checked = model.model_validate(document, context={"now": now, "rules": rules})
    except ValidationError as wrong:
        _malformed(_problems(wrong))
    return build(checked, rules)


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of what HR systems may send."""
    return TypeAdapter[Any](_Hired | _Cancelled).json_schema(by_alias=True)


# --- reading ---


def _malformed(detail: str) -> NoReturn:
    raise Refused(Reason.MALFORMED_EVENT, detail) from None


def _read(body: bytes | str) -> dict[str, Any]:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if len(raw) > MAX_BYTES:
        _malformed(f"body: larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        _malformed("body: not UTF-8")
    except RecursionError:
        _malformed("body: nested too deep")
    except ValueError:  # JSONDecodeError, and the limit on the length of a number
        _malformed("body: not JSON")
    if not isinstance(document, dict):
        _malformed("body: not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        _malformed("body: a key appears twice in one object")
    return found


def _no_constant(_: str) -> NoReturn:
    _malformed("body: NaN and Infinity are not JSON")


# --- the contract ---


def _form(pattern: str, says: str, read: Callable[[str], object] = str) -> BeforeValidator:
    expected = re.compile(pattern, re.ASCII)

    def check(value: object) -> object:
        try:
            if isinstance(value, str) and expected.fullmatch(value):
                return read(value)
        except (ValueError, OverflowError):  # the right form, yet no such day or hour
            pass
        raise ValueError(f"must be {says}")

    published = Annotated[str, Field(pattern=f"^({pattern})$", description=says)]
    return BeforeValidator(check, json_schema_input_type=published)


def _text(limit: int, but: str = "") -> BeforeValidator:
    unless, other = (f"(?!{but}$)", f", other than {but}") if but else ("", "")
    return _form(f"{unless}.{{1,{limit}}}", f"1 to {limit} printable characters{other}", _printable)


def _printable(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


def _zone(value: str) -> str:
    name = win_tz.get(value, value)
    if name not in _zones():
        raise ValueError
    return name


type _Info = ValidationInfo[dict[str, Any]]


def _not_ahead(value: datetime, info: _Info) -> datetime:
    if value > info.context["now"] + MAX_AHEAD:
        raise ValueError("must not lie more than 5 minutes ahead")
    return value


def _not_years_ahead(value: date, info: _Info) -> date:
    limit = info.context["rules"].max_days_ahead
    if value > info.context["now"].date() + timedelta(days=limit):
        raise ValueError(f"must not lie more than {limit} days ahead")
    return value


def _near_hire_date(value: date, info: _Info) -> date:
    hire_date = info.data.get("hire_date", value)  # absent when it is wrong itself
    if abs(value - hire_date) > FIRST_DAY_WITHIN:
        raise ValueError(f"must lie within {FIRST_DAY_WITHIN.days} days of hireDate")
    return value


_Guid = _form(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "an Entra object id (a GUID)", str.lower)
_Language = _form(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", "a language tag such as nl or pt-BR")
_Day = Annotated[date, _form(r"20\d\d-\d\d-\d\d", "a date as YYYY-MM-DD", date.fromisoformat)]
_Moment = Annotated[
    AwareDatetime,
    _form(
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)",
        "a time as 2026-11-20T09:12:00Z",
        lambda text: datetime.fromisoformat(text.upper()).astimezone(UTC),
    ),
]

_OPTIONAL: Any = Field(default_factory=lambda: None)
"""May be left out: `model_fields_set` tells, and EventRules fills it."""


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", strict=True, frozen=True)


class _User(_Part):
    """Exactly one of these."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [name]} for name in ("id", "userPrincipalName", "employeeId")]}
    )

    id: Annotated[str, _Guid] = _OPTIONAL
    user_principal_name: Annotated[str, _text(256)] = _OPTIONAL
    employee_id: Annotated[str, _text(64)] = _OPTIONAL


def _exactly_one(value: _User) -> _User:
    if len(value.model_fields_set) != 1:
        raise ValueError("must hold exactly one of id, userPrincipalName, employeeId")
    return value


class _HiredData(_Part):
    user: Annotated[_User, AfterValidator(_exactly_one)]
    hire_date: Annotated[_Day, AfterValidator(_not_years_ahead)]
    first_day: Annotated[_Day, AfterValidator(_near_hire_date)] = _OPTIONAL
    start_time: Annotated[time, _form(r"\d\d:\d\d(:\d\d)?", "a local time as HH:MM", time.fromisoformat)] = _OPTIONAL
    time_zone: Annotated[str, _form(".+", "an IANA or Windows time zone name", _zone)] = _OPTIONAL
    device_paths: Annotated[list[Annotated[DevicePath, Field(strict=False)]], Field(min_length=1, max_length=16)] = (
        _OPTIONAL
    )
    mobile_phone: Annotated[str, Field(max_length=64)] = _OPTIONAL
    channel: Annotated[Channel, Field(strict=False)] = _OPTIONAL
    locale: Annotated[str, _Language] = _OPTIONAL


class _Envelope(_Part):
    specversion: Literal["1.0"]
    id: Annotated[str, _text(256)]
    source: Annotated[str, _text(256, but=OPERATORS)]
    subject: Annotated[str, _text(256)] = Field(description="HR's own key of this hire")
    time: Annotated[_Moment, AfterValidator(_not_ahead)]
    sentby: Annotated[str, _Guid, Field(description="set by Firstpass, never by HR")] = _OPTIONAL


class _Hired(_Envelope):
    type: Literal["joiner.hired.v1"]
    data: _HiredData


class _Cancelled(_Envelope):
    type: Literal["joiner.cancelled.v1"]


class _NudgeData(_Part):
    case_id: Annotated[str, _form(r"[0-9a-f]{32}", "a case id")]


class _Nudged(_Part):
    type: Literal["case.nudge.v1"]
    data: _NudgeData


# --- from the contract to our own words ---


def _hired(sent: _Hired, rules: EventRules) -> HireEvent:
    data, given = sent.data, sent.data.model_fields_set
    (named,) = data.user.model_fields_set
    return HireEvent(
        source=sent.source,
        subject=sent.subject,
        version=Version(sent.time, sent.id),
        user=UserRef(to_camel(named), getattr(data.user, named)),  # pyright: ignore[reportArgumentType] - Graph's names
        hire_date=data.hire_date,
        first_day=data.first_day if "first_day" in given else None,
        start_time=data.start_time if "start_time" in given else rules.start_time,
        time_zone=data.time_zone if "time_zone" in given else rules.time_zone,
        device_paths=tuple(dict.fromkeys(data.device_paths)) if "device_paths" in given else rules.device_paths,
        mobile_phone=data.mobile_phone if "mobile_phone" in given else None,
        channel=data.channel if "channel" in given else rules.channel,
        locale=data.locale if "locale" in given else None,
        sent_by=sent.sentby,
    )


def _cancelled(sent: _Cancelled, _: EventRules) -> Cancellation:
    version = Version(sent.time, sent.id)
    return Cancellation(source=sent.source, subject=sent.subject, version=version, sent_by=sent.sentby)


def _nudged(sent: _Nudged, _: EventRules) -> Nudge:
    return Nudge(sent.data.case_id)


type _Kind = tuple[type[_Part], Callable[[Any, EventRules], HireEvent | Cancellation | Nudge]]

_TYPES: Final[dict[str, _Kind]] = {
    "joiner.hired.v1": (_Hired, _hired),
    "joiner.cancelled.v1": (_Cancelled, _cancelled),
    "case.nudge.v1": (_Nudged, _nudged),
}

_SAYS: Final = {
    "missing": "required",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "string_too_long": "is too long",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "too_long": "has too many entries",
}
"""pydantic's error types in our words; every other text of pydantic's names limits and choices, never the input."""


def _problems(wrong: ValidationError) -> str:
    found: list[str] = []
    for error in wrong.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in error["loc"]) or "body"
        theirs = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        found.append(f"{place}: {_SAYS.get(error['type'], theirs)}")
    return "; ".join(dict.fromkeys(found))
