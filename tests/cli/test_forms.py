"""What commands show, in every form."""

import csv
import io
import json

import pytest

from shared.api_models import CaseStory
from shared.states import State
from tests.cli import made_up
from tests.cli.conftest import Command
from tests.cli.standin import StandIn

EVERY_CASE = made_up.cases(made_up.case(), made_up.refused(), made_up.forgotten())
SOME_LETTERS = made_up.letters(made_up.letter(1), made_up.letter(2, "policy-excludes-user"), made_up.malformed(3))


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def test_cases_at_80_columns(api: StandIn, firstpass: Command) -> None:
    api.answers["GET cases"] = EVERY_CASE
    assert firstpass("cases", "list").out == plain("""
case                              state, why                   next
───────────────────────────────────────────────────────────────────────────────
01010101010101010101010101010101  sent                         check
                                                               Mon 30 Nov 11:00
02020202020202020202020202020202  refused                      nothing
                                  registered-not-passwordless
03030303030303030303030303030303  onboarded                    forget
                                                               Sun 26 Sep 09:00
""")


def test_cases_where_there_is_room(api: StandIn, firstpass: Command) -> None:
    api.answers["GET cases"] = made_up.cases(made_up.case(), made_up.refused())
    assert firstpass("cases", "list", COLUMNS="150").out == plain("""
case                              state, why                   next              joiner's time     message        devices
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
01010101010101010101010101010101  sent                         check             Mon 30 Nov 05:00  sms delivered  autopilot
                                                               Mon 30 Nov 11:00  America/New_York
02020202020202020202020202020202  refused                      nothing                                            autopilot
                                  registered-not-passwordless
""")  # fmt: skip  # noqa: E501 - as wide as it is


def test_a_case_is_told_here_and_where_the_joiner_is(api: StandIn, firstpass: Command) -> None:
    api.answers[f"GET cases/{made_up.case_id(1)}"] = made_up.story()
    assert firstpass("cases", "show", made_up.case_id(1)).out == plain("""
case     01010101010101010101010101010101
state    sent
next     check Mon 30 Nov 11:00 (Mon 30 Nov 05:00 America/New_York)
opens    Mon 30 Nov 09:00 (Mon 30 Nov 03:00 America/New_York)
sent     Mon 30 Nov 08:00 (Mon 30 Nov 02:00 America/New_York)
ends     Mon 30 Nov 16:00 (Mon 30 Nov 10:00 America/New_York)
message  sms delivered
passes   1 asked for, 0 came to nothing
devices  autopilot
contact  kept

What happened, here and in America/New_York
Sun 29 Nov 08:00  Sun 29 Nov 02:00  HR's event is written down
Mon 30 Nov 06:00  Mon 30 Nov 00:00  waits: user-not-found
Mon 30 Nov 07:00  Mon 30 Nov 01:00  an operator asks for another pass
                                    (acce0000-0000-4000-8000-000000000001)
Mon 30 Nov 08:00  Mon 30 Nov 02:00  pass 1 is made and sent by sms
Mon 30 Nov 08:00  Mon 30 Nov 02:00  Twilio reports: delivered
""")


def test_what_was_rehearsed_is_told_as_what_would_have_been(api: StandIn, firstpass: Command) -> None:
    case_id = made_up.case_id(1)
    rehearsed = made_up.case(state=State.ANNOUNCED, reason="rehearsal", sent_at=None, receipt=None, time_zone=None)
    api.answers[f"GET cases/{case_id}"] = CaseStory(case=rehearsed, history=[])
    out = firstpass("cases", "show", case_id, COLUMNS="160").out
    assert "by sms: a pass that works as often as wanted from Mon 30 Nov 09:00 until Mon 30 Nov 16:00" in out
    assert "only rehearsed: it would have been sent (rehearsal)" in out
    assert "message  " not in out


def test_a_wait_that_goes_on_is_told_once(api: StandIn, firstpass: Command) -> None:
    waits = [made_up.move(hours, State.ANNOUNCED, "issue", reason="rehearsal") for hours in range(-4, 0)]
    api.answers[f"GET cases/{made_up.case_id(1)}"] = CaseStory(case=made_up.case(), history=waits)
    assert firstpass("cases", "show", made_up.case_id(1)).out.count("waits: rehearsal") == 1


def test_how_it_goes(api: StandIn, firstpass: Command) -> None:
    api.answers["GET status"] = made_up.status(paused=True, refused=[made_up.case_id(number) for number in range(6)])
    assert firstpass("status").out == plain("""
now             Mon 30 Nov 08:00
issuing         paused by operator:first
agenda read     40 s ago
next wake       Mon 30 Nov 10:00
due now         1
events waiting  3, the oldest 2 min old
dead letters    0
this hour       40 of 200 passes
next 24 hours   17 passes planned, 9 of them in the hour from Mon 30 Nov 09:00;
                all through by Mon 30 Nov 18:00
cases           30 announced, 12 sent, 2 refused

Wants a look
  paused until Mon 30 Nov 09:00: HR sent wrong events
  6 refused in the last week
    00000000000000000000000000000000
    01010101010101010101010101010101
    02020202020202020202020202020202
    03030303030303030303030303030303
    04040404040404040404040404040404
    … all of them with -o json
""")


def test_dead_letters_at_80_columns(api: StandIn, firstpass: Command) -> None:
    api.letters = SOME_LETTERS.copy()
    assert firstpass("dlq", "list").out == plain("""
letter  written     reason                case, or what it says
────────────────────────────────────────────────────────────────────────────────
     1  Mon 30 Nov  graph-unavailable     01010101010101010101010101010101
        07:00
     2  Mon 30 Nov  policy-excludes-user  02020202020202020202020202020202
        06:00
     3  Mon 30 Nov  malformed-event       hr-3
        05:00                             data.hireDate: must be a date;
                                          data.devicePaths.0: unknown
""")


def test_what_a_replay_would_do(api: StandIn, firstpass: Command) -> None:
    api.letters = SOME_LETTERS.copy()
    api.fates[2] = ("capped", "replay-cap")
    ran = firstpass("dlq", "replay", "--all", "--reason", "Graph is back")
    assert ran.out == plain("""
letter  reason                what would happen now        because
─────────────────────────────────────────────────────────────────────
     1  graph-unavailable     the case goes on
     2  policy-excludes-user  replayed too often: --force  replay-cap
     3  malformed-event       the event is sent again
""")
    assert "Nothing was done" in ran.err
    assert not api.bodies("POST dead-letters/replay")


def test_letters_are_counted_by_reason(api: StandIn, firstpass: Command) -> None:
    api.letters = made_up.letters(made_up.malformed(1), made_up.letter(2), made_up.letter(3))
    expected = plain("""
letters  reason             oldest
────────────────────────────────────────────
      2  graph-unavailable  Mon 30 Nov 05:00
      1  malformed-event    Mon 30 Nov 07:00
""")
    assert firstpass("dlq", "list", "--group").out == expected
    assert firstpass("dlq", "stats", "-o", "csv").out.splitlines()[0] == "reason,count,oldest"


def test_one_letter(api: StandIn, firstpass: Command) -> None:
    api.letters = SOME_LETTERS.copy()
    assert "HR's event has wrong fields (malformed-event)" in firstpass("dlq", "show", 3).out
    assert json.loads(firstpass("dlq", "show", 1, "-o", "json").out)["caseId"] == made_up.case_id(1)


def test_json_and_ndjson_say_what_the_app_said(api: StandIn, firstpass: Command) -> None:
    api.answers["GET cases"] = EVERY_CASE
    expected = json.loads(EVERY_CASE.model_dump_json(by_alias=True))["cases"]
    assert json.loads(firstpass("cases", "list", "-o", "json").out) == expected
    assert [json.loads(line) for line in firstpass("cases", "list", "-o", "ndjson").out.splitlines()] == expected


def test_csv_has_the_same_columns_whatever_a_row_lacks(api: StandIn, firstpass: Command) -> None:
    api.answers["GET cases"] = EVERY_CASE
    rows = list(csv.DictReader(io.StringIO(firstpass("cases", "list", "-o", "csv").out)))
    assert [row["nextStep.act"] for row in rows] == ["check", "", "forget"]
    assert [row["contactKept"] for row in rows] == ["true", "true", "false"]
    assert rows[0]["sentAt"] == "2026-11-30T07:00:00Z"
    api.answers["GET cases"] = made_up.cases()
    assert firstpass("cases", "list", "-o", "csv").out.startswith("caseId,state,")


def test_data_goes_to_stdout_and_messages_to_stderr(api: StandIn, firstpass: Command) -> None:
    api.answers["GET cases"] = EVERY_CASE
    ran = firstpass("cases", "list", "-o", "ndjson", "--limit", 2)
    assert len(ran.out.splitlines()) == 2
    assert ran.err == "There are more than 2: --limit, or --all.\n"


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_no_colour_where_nobody_looks(api: StandIn, firstpass: Command, environment: dict[str, str]) -> None:
    api.answers["GET status"] = made_up.status(paused=True)
    assert "\x1b[3" not in firstpass("status", **environment).out


def test_pages_are_followed_to_the_end(api: StandIn, firstpass: Command) -> None:
    api.letters = made_up.letters(*(made_up.malformed(number) for number in range(1, 5)), made_up.letter(5))
    lines = firstpass("dlq", "list", "--all", "--code", "graph-unavailable", "-o", "ndjson").out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [5]
    assert [body.get("after") for body in api.bodies("GET dead-letters")] == ["0", "2", "4"]


def test_filters_travel_to_the_app(api: StandIn, firstpass: Command) -> None:
    firstpass(
        "dlq", "list", "--code", "a", "--since", "2026-11-30T08:00", "--until", "2026-11-30T09:00:00Z",
        "--device-path", "autopilot", "--min-replays", 2, "--max-replays", 3,
    )  # fmt: skip
    assert api.bodies("GET dead-letters") == [
        {
            "after": "0",
            "limit": "250",
            "reason": "a",
            "since": "2026-11-30T07:00:00Z",
            "until": "2026-11-30T09:00:00Z",
            "devicePath": "autopilot",
            "minReplays": "2",
            "maxReplays": "3",
        }
    ]


def test_what_a_stranger_wrote_commands_neither_terminal_nor_spreadsheet(api: StandIn, firstpass: Command) -> None:
    wrote = {"case_id": None, "kind": "event"}
    api.letters = made_up.letters(
        made_up.letter(1, "\x1b[2J\u202etxt", description="=HYPERLINK(0)", **wrote),
        made_up.letter(2, "-1+1", description="+12015550100", **wrote),
    )
    assert not {"\x1b", "\u202e"} & set(firstpass("dlq", "list").out)
    rows = list(csv.DictReader(io.StringIO(firstpass("dlq", "list", "-o", "csv").out)))
    assert [row["description"] for row in rows] == ["'=HYPERLINK(0)", "+12015550100"]
    assert rows[1]["reason"] == "'-1+1"
