"""A file of events in HR's place: read in every form, judged as a whole, sent in pages, the same again as the same."""

import csv
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from tests.acceptance.people import hired
from tests.cli.conftest import Command, Ran
from tests.cli.standin import StandIn

WHY = ("--reason", "HR's link is down")
DO = (*WHY, "--yes")
JUDGE, SEND = "POST events/judge", "POST events/send"
HEAD = "source,subject,userId,hireDate,devicePaths,mobilePhone"
ROW = "/hr/test,W-1,acce0000-0000-4000-8000-000000000001,2026-12-01,autopilot;zero-touch authenticator,+12015550101"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "joiners.csv"


def wrote(file: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file.write_bytes("\n".join(lines).encode(encoding))
    os.utime(file, (1_780_000_000.25, 1_780_000_000.25))
    return file


def sent(api: StandIn) -> list[dict[str, Any]]:
    return [event for body in api.bodies(SEND) for event in body["events"]]


def refused(api: StandIn, ran: Ran) -> str:
    """What was said when nothing was sent."""
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert not api.bodies(SEND)
    return ran.err


# --- what a file says ---


def test_a_row_is_an_event(api: StandIn, firstpass: Command, file: Path) -> None:
    assert firstpass("send", wrote(file, HEAD, ROW, ""), *DO).code == Exit.DONE
    (event,) = sent(api)
    assert len(event.pop("id")) == 64
    assert event == {
        "specversion": "1.0",
        "type": "joiner.hired.v1",
        "time": datetime.fromtimestamp(1_780_000_000.25, UTC).isoformat(timespec="microseconds"),
        "source": "/hr/test",
        "subject": "W-1",
        "data": {
            "hireDate": "2026-12-01",
            "devicePaths": ["autopilot", "zero-touch", "authenticator"],
            "mobilePhone": "+12015550101",
            "user": {"id": "acce0000-0000-4000-8000-000000000001"},
        },
    }
    assert api.bodies(SEND)[0]["reason"] == WHY[1]


def test_the_same_file_says_the_same_and_an_edited_one_something_later(
    api: StandIn, firstpass: Command, file: Path
) -> None:
    for _ in range(2):
        assert firstpass("send", wrote(file, HEAD, ROW), *DO).err == "1 of 1 events are on the queue.\n"
    os.utime(file)
    firstpass("send", file, *DO)
    first, again, edited = sent(api)
    assert first == again
    assert edited["id"] != first["id"]
    assert edited["time"] > first["time"]


def test_a_file_of_the_future_speaks_now(api: StandIn, firstpass: Command, file: Path) -> None:
    os.utime(wrote(file, HEAD, ROW), (9_000_000_000, 9_000_000_000))
    firstpass("send", file, *DO)
    assert datetime.fromisoformat(sent(api)[0]["time"]) <= datetime.now(UTC)


def test_a_row_may_say_everything_itself(api: StandIn, firstpass: Command, file: Path) -> None:
    head = "type,id,time,source,subject,employeeId"
    row = "joiner.cancelled.v1,evt-1,2026-11-20T09:12:00Z,/hr/other,W-1,E1"
    firstpass("send", wrote(file, head, row), "--source", "/hr/test", *DO)
    (event,) = sent(api)
    assert [event[name] for name in head.split(",")[:5]] == row.split(",")[:5]
    assert event["data"] == {"user": {"employeeId": "E1"}}


def test_source_fills_what_is_empty_and_blank_rows_are_none(api: StandIn, firstpass: Command, file: Path) -> None:
    firstpass("send", wrote(file, "subject,source,hireDate", "W-1,,", ",,", "", "W-2,,"), "--source", "/hr/x", *DO)
    assert [(event["source"], event["subject"], event["data"]) for event in sent(api)] == [
        ("/hr/x", "W-1", {}),
        ("/hr/x", "W-2", {}),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_spreadsheets_own_csv_is_one_too(api: StandIn, firstpass: Command, file: Path, encoding: str) -> None:
    lines = ("source;subject;userPrincipalName\r", "/hr/test;W-1;zoë@firstpass.example\r")
    firstpass("send", wrote(file, *lines, encoding=encoding), *DO)
    assert sent(api)[0]["data"]["user"] == {"userPrincipalName": "zoë@firstpass.example"}


def test_what_looks_like_a_formula_is_data(api: StandIn, firstpass: Command, file: Path) -> None:
    firstpass("send", wrote(file, "source,subject,locale", "/hr/test,=1+1,@nl"), *DO)
    assert (sent(api)[0]["subject"], sent(api)[0]["data"]["locale"]) == ("=1+1", "@nl")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([hired(1), hired(2)], indent=2),
        f"{json.dumps(hired(1))}\n\n{json.dumps(hired(2))}\n",
        f"\ufeff{json.dumps(hired(1))}\r\n{json.dumps(hired(2))}",
    ],
    ids=["array", "ndjson", "from Windows"],
)
def test_events_as_json_travel_as_they_are(api: StandIn, firstpass: Command, file: Path, text: str) -> None:
    assert firstpass("send", wrote(file, text), *DO).code == Exit.DONE
    assert sent(api) == [hired(1), hired(2)]


def test_null_is_not_absent(api: StandIn, firstpass: Command, file: Path) -> None:
    firstpass("send", wrote(file, '[{"data": {"firstDay": null}}]'), *DO)
    assert sent(api) == [{"data": {"firstDay": None}}]


# --- what is wrong with it ---


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([""], "is empty"),
        (["", "  "], "is empty"),
        (["[]"], "holds no event"),
        ([HEAD], "holds no event"),
        (["[{"], "line 1: not JSON"),
        (["[", "{", "}}"], "line 3: not JSON"),
        (["{}", '{"Secret'], "line 2: not a JSON object"),
        (["[{}, 5]"], "event 2: not a JSON object"),
        (['{"a": 1, "a": 2}'], "line 1: not a JSON object with every name once"),
        (['{"a": NaN}'], "line 1: holds what JSON cannot carry"),
        (['{"a": 1e999}'], "line 1: holds what JSON cannot carry"),
        ([r'{"a": "\ud800"}'], "line 1: holds what JSON cannot carry"),
        ([f"{'{"a":' * 500}1{'}' * 500}"], "line 1: holds what JSON cannot carry"),
        (["[" * 200_000], "no array of events"),
        ([json.dumps({"a": "x" * 70_000})], "line 1: larger than 65536 bytes"),
        ([f"{HEAD},Secret", f"{ROW},1"], "line 1: column 7 is none we know"),
        (["source,subject,subject"], "line 1: subject stands there twice"),
        (["source,hireDate"], "line 1: subject is missing"),
        (["subject,hireDate"], "line 1: source is missing"),
        ([HEAD, ROW, f"{ROW},Secret"], "line 3: 7 cells, where the first line names 6 columns"),
        ([HEAD, "", "Secret"], "line 3: 1 cells, where"),
        ([HEAD, ROW, ROW], "line 3: subject: stands in line 2 too"),
        ([HEAD, ROW, '"Secret'], "line 3: no row of a CSV"),
        ([HEAD, "x" * 200_000], "line 2: no row of a CSV"),
    ],
)
def test_a_file_that_cannot_be_meant_is_told_by_line(
    api: StandIn, firstpass: Command, file: Path, lines: list[str], says: str
) -> None:
    said = refused(api, firstpass("send", wrote(file, *lines), *DO))
    assert says in said
    assert "Secret" not in said


def test_a_file_that_cannot_be_read_is_told(api: StandIn, firstpass: Command, file: Path) -> None:
    assert "No such file" in refused(api, firstpass("send", file, *DO))
    assert "directory" in refused(api, firstpass("send", file.parent, *DO))
    wrote(file, HEAD, ROW, "Müller", encoding="latin-1")
    assert "line 3: not UTF-8" in refused(api, firstpass("send", file, *DO))


def test_json_names_its_own_source(api: StandIn, firstpass: Command, file: Path) -> None:
    assert "--source" in refused(api, firstpass("send", wrote(file, "[{}]"), "--source", "/hr/test", *DO))


def test_every_wrong_row_is_told_and_none_is_sent(api: StandIn, firstpass: Command, file: Path) -> None:
    rows = [f"/hr/test,W-{number}" for number in range(250)]
    api.wrong = {"W-3": "data.hireDate: required; data.user: required", "W-240": "data.hireDate: required"}
    said = refused(api, firstpass("send", wrote(file, "source,subject", '/hr/test,"a', 'b"', *rows), *DO))
    assert said.strip().splitlines() == [
        "2 of 251 events are wrong, so none is sent:",
        "  line 7: data.hireDate: required",
        "  line 7: data.user: required",
        "  line 244: data.hireDate: required",
    ]
    assert [len(body["events"]) for body in api.bodies(JUDGE)] == [100, 100, 51]


# --- sending ---


def test_a_dry_run_shows_the_plan_in_the_joiners_time(api: StandIn, firstpass: Command, file: Path) -> None:
    ran = firstpass("send", wrote(file, HEAD, ROW), "--dry-run")
    assert ran.code == Exit.DONE
    assert [line.rstrip() for line in ran.out.splitlines()[2:]] == [
        "line 2  a new case    Mon 30 Nov 16:00  Tue 01 Dec 09:00",
        "W-1                   Europe/Amsterdam  Europe/Amsterdam",
    ]
    assert ran.err == "Nothing was sent. All 1 events are right: 1 new.\n"
    assert not api.bodies(SEND)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_a_plan_has_every_form(firstpass: Command, file: Path, form: str) -> None:
    out = firstpass("send", wrote(file, HEAD, ROW), "--dry-run", "-o", form).out
    (row,) = csv.DictReader(io.StringIO(out)) if form == "csv" else [json.loads(out)]
    (row,) = row if isinstance(row, list) else [row]
    assert (row["place"], row["opens"]) == ("line 2", "Tue 01 Dec 09:00 Europe/Amsterdam")
    assert (row["subject"], row["goesOutAt"], row["effect"]) == ("W-1", "2026-11-30T15:00:00Z", "new")


def test_what_would_be_tried_again_is_said_before_the_question(api: StandIn, firstpass: Command, file: Path) -> None:
    api.effects = {"W-1": "again", "W-3": "nothing"}
    rows = [f"/hr/test,W-{number}" for number in range(1, 5)]
    ran = firstpass("send", wrote(file, "source,subject", *rows), *WHY)  # nobody there to be asked
    assert ran.code == Exit.USAGE
    assert (
        "Send 4 events in HR's place: 2 new, 1 that try again what was refused or called off, 1 that change nothing."
        in ran.err.replace("\n", " ")
    )


def test_what_is_wrong_with_the_file_and_with_its_events_is_told_together_in_order(
    api: StandIn, firstpass: Command, file: Path
) -> None:
    api.wrong = {"W-3": "data.hireDate: required"}
    rows = ["/hr/test,W-1,Secret", "/hr/test,W-2", "/hr/test,W-3", "/hr/test,W-2"]
    assert refused(api, firstpass("send", wrote(file, "source,subject", *rows), *DO)).splitlines() == [
        "3 of 4 events are wrong, so none is sent:",
        "  line 2: 3 cells, where the first line names 2 columns",
        "  line 4: data.hireDate: required",
        "  line 5: subject: stands in line 3 too; only with a time does one replace the other",
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('["Secret +31612345678", ""]', ["event 1: not a JSON object with every name once",
                                         "event 2: not a JSON object with every name once"]),
        ('[{"a": {"b": 1, "b": 2}}, {"id": "1", "source": "s"}, {"id": "1", "source": "s"}]',
         ["event 1: not a JSON object with every name once", "event 3: id: stands in event 2 too"]),
    ],
)  # fmt: skip
def test_in_an_array_each_is_told_by_its_number(
    api: StandIn, firstpass: Command, file: Path, text: str, wrong: list[str]
) -> None:
    said = refused(api, firstpass("send", wrote(file, text), *DO))
    assert [line.strip() for line in said.splitlines()[1:]] == wrong


def test_one_event_alone_may_stand_on_many_lines(api: StandIn, firstpass: Command, file: Path) -> None:
    event = hired(1)
    assert firstpass("send", wrote(file, json.dumps(event, indent=2)), *DO).code == Exit.DONE
    assert sent(api) == [event]


def test_without_a_reason_or_somebody_to_ask_nothing_is_sent(api: StandIn, firstpass: Command, file: Path) -> None:
    wrote(file, HEAD, ROW)
    assert "--reason" in refused(api, firstpass("send", file, "--yes"))
    assert "Nobody is there to be asked" in refused(api, firstpass("send", file, *WHY))


def test_pages_hold_what_a_request_can(api: StandIn, firstpass: Command, file: Path) -> None:
    large = [{**hired(number), "more": "x" * 60_000} for number in range(7)]
    assert firstpass("send", wrote(file, json.dumps(large)), *DO).code == Exit.DONE
    assert [len(body["events"]) for body in api.bodies(SEND)] == [3, 3, 1]


def test_what_was_sent_before_the_app_went_away_is_told(api: StandIn, firstpass: Command, file: Path) -> None:
    api.sends = 1
    rows = [f"/hr/test,W-{number}" for number in range(150)]
    ran = firstpass("send", wrote(file, "source,subject", *rows), *DO)
    assert ran.code == Exit.PARTLY
    assert "100 of 150 events are on the queue" in ran.err
    api.sends = 0
    assert firstpass("send", file, *DO).code == Exit.UNAVAILABLE


def test_an_answer_about_other_events_is_none(api: StandIn, firstpass: Command, file: Path) -> None:
    api.answers[JUDGE] = api.judged([])
    ran = firstpass("send", wrote(file, HEAD, ROW), *DO)
    assert (ran.code, api.bodies(SEND)) == (Exit.ERROR, [])
