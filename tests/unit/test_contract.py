import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import pytest
from tzlocal.windows_tz import win_tz

from shared.contract import FIRST_DAY_WITHIN, HIRE_EVENT, parse
from shared.errors import Reason, Refused
from shared.events import Cancellation, Channel, DevicePath, EventRules, HireEvent, Nudge, UserRef, Version
from tests.builders import CASE_ID, USER_ID, body, cancelled, hired, without

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = EventRules(
    start_time=time(8, 30), time_zone="Asia/Tokyo", device_paths=(DevicePath.AUTOPILOT,), channel=Channel.WHATSAPP
)
NUDGE = {"type": "case.nudge.v1", "data": {"caseId": CASE_ID}}
ENVELOPE = ("specversion", "id", "source", "type", "subject", "time")
OPTIONAL = ("firstDay", "startTime", "timeZone", "devicePaths", "mobilePhone", "channel", "locale")


def read(document: object) -> Any:
    return parse(body(document), RULES, NOW)


class Refusal(NamedTuple):
    reason: Reason
    detail: str

    @property
    def fields(self) -> set[str]:
        return {problem.split(": ")[0] for problem in self.detail.split("; ")}


def refusal(raw: bytes | str) -> Refusal:
    with pytest.raises(Refused) as refused:
        parse(raw, RULES, NOW)
    return Refusal(refused.value.reason, refused.value.detail)


def wrong_fields(document: object) -> set[str]:
    refused = refusal(body(document))
    assert refused.reason is Reason.MALFORMED_EVENT
    return refused.fields


# --- what is understood ---


def test_a_full_hire_event_is_read_field_by_field() -> None:
    assert read(hired({"firstDay": "2026-12-03"})) == HireEvent(
        source="/hr/workday",
        subject="W-10427",
        version=Version(datetime(2026, 11, 20, 9, 12, tzinfo=UTC), "evt-1"),
        user=UserRef("id", USER_ID),
        hire_date=date(2026, 12, 1),
        first_day=date(2026, 12, 3),
        start_time=time(9),
        time_zone="Europe/Amsterdam",
        device_paths=(DevicePath.APPLE_BUSINESS_MANAGER, DevicePath.AUTOPILOT),
        mobile_phone="+491713920001",
        channel=Channel.WHATSAPP,
        locale="nl",
    )


def test_what_is_left_out_comes_from_the_rules() -> None:
    document = hired()
    for name in OPTIONAL[1:]:
        document = without(document, "data", name)
    event = read(document)
    assert (event.start_time, event.time_zone, event.device_paths, event.channel) == (
        RULES.start_time, RULES.time_zone, RULES.device_paths, RULES.channel,
    )  # fmt: skip
    assert (event.first_day, event.mobile_phone, event.locale) == (None, None, None)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"id": USER_ID.upper()}, UserRef("id", USER_ID)),
        ({"userPrincipalName": "a.b#EXT#@contoso.com"}, UserRef("userPrincipalName", "a.b#EXT#@contoso.com")),
        ({"employeeId": "000123"}, UserRef("employeeId", "000123")),
        ({"employeeId": "000123", "displayName": "tolerated"}, UserRef("employeeId", "000123")),
    ],
)
def test_a_user_is_named_in_one_of_three_ways(user: dict[str, str], expected: UserRef) -> None:
    assert read(hired({"user": user})).user == expected


def test_a_cancellation_and_a_nudge_are_read() -> None:
    version = Version(datetime(2026, 11, 20, 9, 12, tzinfo=UTC), "evt-1")
    assert read(cancelled()) == Cancellation(source="/hr/workday", subject="W-10427", version=version)
    assert read(cancelled(data={"anything": [1]})) == read(cancelled())
    assert read(NUDGE) == Nudge(CASE_ID)


def test_unknown_fields_are_tolerated_anywhere() -> None:
    document = hired({"costCentre": {"a": [1, None]}}, datacontenttype="application/json", traceparent=None)
    assert read(document) == read(hired())


@pytest.mark.parametrize(
    ("sent", "utc"),
    [
        ("2026-11-20T10:12:00+01:00", (9, 12, 0, 0)),
        ("2026-11-20t09:12:00z", (9, 12, 0, 0)),
        ("2026-11-19T23:42:00-09:30", (9, 12, 0, 0)),
        ("2026-11-20T09:12:00.123456Z", (9, 12, 0, 123456)),
        ("2026-11-20T09:12:00.123456789Z", (9, 12, 0, 123456)),
        ("2026-11-20T09:12:00.5-00:00", (9, 12, 0, 500000)),
    ],
)
def test_times_are_normalised_to_utc(sent: str, utc: tuple[int, int, int, int]) -> None:
    moment = read(hired(time=sent)).version.time
    assert moment == datetime(2026, 11, 20, *utc, tzinfo=UTC)
    assert moment.utcoffset() == timedelta(0)
    assert moment.hour == utc[0]


def test_every_windows_zone_name_is_understood() -> None:
    assert len(win_tz) > 100
    for name, iana in win_tz.items():
        assert read(hired({"timeZone": name})).time_zone == iana


def test_repeated_device_paths_count_once_in_their_order() -> None:
    paths = ["autopilot", "authenticator", "autopilot"]
    assert read(hired({"devicePaths": paths})).device_paths == (DevicePath.AUTOPILOT, DevicePath.AUTHENTICATOR)


def test_a_hire_in_the_past_is_well_formed() -> None:
    assert read(hired({"hireDate": "2026-01-05"})).hire_date == date(2026, 1, 5)


def test_events_are_ordered_by_time_and_then_by_id() -> None:
    first = read(hired(time="2026-11-20T10:00:00+02:00", id="z")).version
    second = read(hired(time="2026-11-20T09:00:00Z", id="a")).version
    third = read(hired(time="2026-11-20T09:00:00Z", id="b")).version
    assert first < second < third


def test_a_hire_event_survives_json() -> None:
    event = read(hired({"firstDay": "2026-12-03"}))
    for it in (event, read(without(hired(), "data", "mobilePhone"))):
        assert HIRE_EVENT.validate_json(HIRE_EVENT.dump_json(it)) == it
        assert HIRE_EVENT.validate_python(json.loads(json.dumps(HIRE_EVENT.dump_python(it, mode="json")))) == it


# --- what is wrong is named ---


@pytest.mark.parametrize(
    "path", [*((name,) for name in ENVELOPE if name != "type"), ("data",), ("data", "user"), ("data", "hireDate")]
)
def test_a_missing_field_is_named(path: tuple[str, ...]) -> None:
    refused = refusal(body(without(hired(), *path)))
    assert refused == (Reason.MALFORMED_EVENT, f"{'.'.join(path)}: required")


def test_a_missing_type_is_named_with_everything_else_a_hire_would_lack() -> None:
    assert wrong_fields(without(hired(), "type")) == {"type"}
    assert wrong_fields({"data": {"hireDate": 1}}) == {*ENVELOPE, "data.user", "data.hireDate"}


@pytest.mark.parametrize("name", ENVELOPE)
def test_an_envelope_field_of_another_type_is_named(name: str) -> None:
    for value in (None, 5, 1.5, True, [], {}, ["x"], {"x": 1}):
        assert wrong_fields(hired(**{name: value})) == {name}, value


@pytest.mark.parametrize("name", ["user", "hireDate", *OPTIONAL])
def test_a_data_field_of_another_type_is_named(name: str) -> None:
    for value in (None, 5, 1.5, True, {}, {"x": 1}):
        assert wrong_fields(hired({name: value})) == {f"data.{name}"}, value


def test_data_that_is_no_object_is_named() -> None:
    for value in (None, 5, True, "text", [], [{}]):
        assert wrong_fields(hired(data=value)) == {"data"}, value
        assert wrong_fields({**NUDGE, "data": value}) == {"data"}, value


EMPTY = ("", " ", "\t")
BAD_DATES = (
    "2026-02-30",
    "2026-13-01",
    "2026-00-10",
    "20261201",
    "2026-12-1",
    "01.12.2026",
    "1999-12-31",
    "2026-W49-2",
)
BAD_IDS = (
    None, 5, *EMPTY, "me", USER_ID[:-1], f"{{{USER_ID}}}", f"urn:uuid:{USER_ID}", USER_ID.replace("-", ""),
    "\uff11" + USER_ID[1:], USER_ID[:-2] + "_1",
)  # fmt: skip
BAD_CLOCKS = ("9:00", "24:00", "09:60", "09:00Z", "09:00+01:00", "0900", "09:00:60", "09:00:00.5", "9am")
BAD_MOMENTS = (
    "2026-11-20", "2026-11-20T09:12:00", "2026-11-20 09:12:00Z", "2026-11-20T09:12Z", "2026-02-30T09:12:00Z",
    "2026-11-20T24:00:00Z", "2026-11-20T09:12:00+25:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "0000-01-01T00:00:00Z", "1795169520", "2026-11-20T09:12:00z[UTC]",
)  # fmt: skip
WRONG: list[tuple[str, object]] = [
    *(("specversion", it) for it in ("0.3", "1", "1.0.0", "")),
    *((name, it) for name in ("id", "source", "subject") for it in (*EMPTY, "a\u0000b", "a\nb", "x" * 257)),
    *((name, it) for name in ("id", "source", "subject") for it in ("\u202ea", "a\u200f", "\ud800", "\ufeffa")),
    ("source", "/operators"),
    *(("sentby", it) for it in (None, *EMPTY, "Ann [bold]", "+49 171 3920001", USER_ID + "x")),
    *(("time", it) for it in (*EMPTY, *BAD_MOMENTS, "2026-11-20T12:05:01Z", "2028-11-20T09:12:00Z", "x" * 10_000)),
    ("data.user", {}),
    ("data.user", {"mail": "a@contoso.com"}),
    ("data.user", {"id": USER_ID, "employeeId": "1"}),
    ("data.user", [USER_ID]),
    *(("data.user.id", {"id": it}) for it in BAD_IDS),
    *(("data.user.userPrincipalName", {"userPrincipalName": it}) for it in (None, *EMPTY, "a\u202e@x.com", "x" * 257)),
    *(("data.user.employeeId", {"employeeId": it}) for it in (None, 123, *EMPTY, "x" * 65, "1\n2")),
    *(("data.hireDate", it) for it in (*EMPTY, *BAD_DATES, "2028-12-01", "2027-11-22", "x" * 10_000)),
    *(("data.firstDay", it) for it in (*EMPTY, *BAD_DATES, "2028-12-01", "2027-03-04", "2026-08-30")),
    *(("data.startTime", it) for it in (*EMPTY, *BAD_CLOCKS, "x" * 10_000)),
    *(("data.timeZone", it) for it in (*EMPTY, "Mars/Olympus", "europe/amsterdam", "+01:00", "../utc")),
    *(("data.devicePaths", it) for it in ([], "autopilot", ["autopilot"] * 17)),
    *(("data.devicePaths.1", ["autopilot", it]) for it in ("", "Autopilot", "phone", None, 5, [], {}, ["autopilot"])),
    *(("data.mobilePhone", it) for it in ("+" + "1" * 64, "x" * 10_000)),
    ("data.mobilePhone", "+49171\udfff"),
    *(("data.channel", it) for it in (*EMPTY, "SMS", "carrier-pigeon", [])),
    *(("data.locale", it) for it in (*EMPTY, "n", "nl\u200f", "nl-", "x" * 10_000, "nl NL")),
]  # fmt: skip


@pytest.mark.parametrize("field", dict.fromkeys(field for field, _ in WRONG))
def test_a_wrong_value_is_named(field: str) -> None:
    top, _, inner = field.partition(".")
    for value in (value for name, value in WRONG if name == field):
        document = hired({inner.split(".")[0]: value}) if inner else hired(**{top: value})
        assert wrong_fields(document) == {field}, ascii(value)[:60]


def test_all_wrong_fields_are_named_at_once() -> None:
    document = {
        "specversion": "2", "id": "", "source": 5, "type": "joiner.hired.v1", "time": "yesterday",
        "data": {
            "user": {}, "hireDate": "2026-02-30", "firstDay": "soon", "startTime": "9am", "timeZone": "Mars",
            "devicePaths": ["x", "autopilot", "y"], "mobilePhone": 31, "channel": "fax", "locale": "?",
        },
    }  # fmt: skip
    assert wrong_fields(document) == {
        "specversion", "id", "source", "subject", "time", "data.user", "data.hireDate", "data.firstDay",
        "data.startTime", "data.timeZone", "data.devicePaths.0", "data.devicePaths.2", "data.mobilePhone",
        "data.channel", "data.locale",
    }  # fmt: skip


def test_a_far_first_day_is_named_beside_other_wrong_fields() -> None:
    assert wrong_fields(hired({"firstDay": "2027-06-01", "channel": "fax"})) == {"data.firstDay", "data.channel"}


def test_limits_are_inclusive() -> None:
    near = FIRST_DAY_WITHIN.days
    for data in (
        {"hireDate": "2027-11-21"},
        {"firstDay": (date(2026, 12, 1) + timedelta(days=near)).isoformat()},
        {"firstDay": (date(2026, 12, 1) - timedelta(days=near)).isoformat()},
        {"devicePaths": ["autopilot"] * 16},
        {"devicePaths": ["autopilot"]},
        {"mobilePhone": "+" + "1" * 63},
    ):
        assert isinstance(read(hired(data)), HireEvent)
    assert isinstance(read(hired(time="2026-11-20T12:05:00Z", id="x" * 256)), HireEvent)


@pytest.mark.parametrize("value", [None, "", "x" * 32, CASE_ID.upper(), CASE_ID[:-1], CASE_ID + "0", 7])
def test_a_nudge_without_a_case_id_is_malformed(value: object) -> None:
    assert wrong_fields({"type": "case.nudge.v1", "data": {"caseId": value}}) == {"data.caseId"}


@pytest.mark.parametrize("kind", ["", "joiner.hired", "joiner.hired.v2", "joiner.HIRED.v1", "x" * 10_000, "\ud800"])
def test_an_unknown_type_is_refused_with_the_known_ones(kind: str) -> None:
    refused = refusal(body(hired(type=kind)))
    assert refused.reason is Reason.UNKNOWN_TYPE
    assert "joiner.hired.v1" in refused.detail
    assert "joiner.cancelled.v1" in refused.detail
