"""Runs over dead letters: planned, at a pace, kept in a log, interrupted, gone on with."""

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.exits import Exit
from cli.letter_run import Pace
from tests.cli import made_up
from tests.cli.conftest import Command, Ran
from tests.cli.standin import StandIn, until

WHY = ("--reason", "Graph is back")
DO = (*WHY, "--execute", "--yes", "--rate", "50/s")

type Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def plan(api: StandIn, firstpass: Command, tmp_path: Path) -> Path:
    """A plan of four letters."""
    api.letters = made_up.letters(*(made_up.letter(number) for number in range(1, 4)), made_up.malformed(4))
    file = tmp_path / "plan.json"
    assert firstpass("dlq", "plan", "--all", "--file", file).code == Exit.DONE
    return file


def outcomes(ran: Ran) -> dict[int, str]:
    lines = [json.loads(line) for line in ran.out.splitlines()]
    return {line["sequence"]: line["outcome"] for line in lines}


def log_of(plan: Path) -> Path:
    return plan.with_name("plan.json.log.ndjson")


def test_a_plan_freezes_what_was_chosen(api: StandIn, firstpass: Command, plan: Path) -> None:
    planned = json.loads(plan.read_text())
    assert [letter["sequence"] for letter in planned["letters"]] == [1, 2, 3, 4]
    assert planned["letters"][3] == {
        "sequence": 4,
        "mark": f"{4:016x}",
        "messageId": "hr-4",
        "writtenAt": "2026-11-30T03:00:00Z",
        "reason": "malformed-event",
        "outcome": "send",
        "why": None,
    }
    api.letters |= made_up.letters(made_up.letter(5))  # came later
    before = plan.read_bytes()
    ran = firstpass("dlq", "replay", "--plan", plan, *DO)
    assert ran.code == Exit.DONE
    assert outcomes(ran) == {1: "reopen", 2: "reopen", 3: "reopen", 4: "send"}
    assert set(api.letters) == {5}
    assert plan.read_bytes() == before


def test_a_plan_is_never_overwritten(firstpass: Command, plan: Path) -> None:
    before = plan.read_bytes()
    assert firstpass("dlq", "plan", "--all", "--file", plan).code == Exit.USAGE
    assert plan.read_bytes() == before


def test_a_plan_fits_its_app_and_stands_alone(firstpass: Command, plan: Path) -> None:
    assert firstpass("dlq", "replay", "--plan", plan, "--code", "budget", *WHY).code == Exit.USAGE
    plan.write_text(plan.read_text().replace('"url": "http://', '"url": "http://elsewhere.'))
    assert firstpass("dlq", "replay", "--plan", plan, *DO).code == Exit.USAGE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sequence": 1,', '"sequence": -1,'),
        ('"sequence": 1,', f'"sequence": {10**22},'),
        ('"mark": "0000000000000001"', '"mark": "7"'),
        ('"firstpassPlan": 2', '"firstpassPlan": 1'),
        ("{", "\x00"),
        ("{", ""),
    ],
)
def test_a_plan_that_was_spoiled_is_none(api: StandIn, firstpass: Command, plan: Path, old: str, new: str) -> None:
    spoiled = plan.read_text().replace(old, new, 1)
    assert spoiled != plan.read_text()
    plan.write_text(spoiled)
    ran = firstpass("dlq", "replay", "--plan", plan, *DO)
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert "is no plan" in ran.err
    assert not api.bodies("POST dead-letters/replay")


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_without_execute_nothing_happens(api: StandIn, firstpass: Command, plan: Path, act: str) -> None:
    ran = firstpass("dlq", act, "--plan", plan, *WHY)
    assert ran.code == Exit.DONE
    assert not api.bodies(f"POST dead-letters/{act}")
    assert not log_of(plan).exists()


def test_requests_of_a_run_share_its_id_and_reason(api: StandIn, firstpass: Command, plan: Path) -> None:
    firstpass("dlq", "replay", "--plan", plan, *WHY, "--execute", "--yes", "--rate", "3/s", "--force")
    bodies = api.bodies("POST dead-letters/replay")
    assert [body["sequences"] for body in bodies] == [[1, 2, 3], [4]]
    assert len({body["run"] for body in bodies}) == 1
    assert all(body["reason"] == WHY[1] and body["force"] for body in bodies)


def test_what_was_not_replayed_ends_with_7_and_is_tried_again(api: StandIn, firstpass: Command, plan: Path) -> None:
    api.fates = {1: ("locked", ""), 2: ("capped", "replay-cap"), 3: ("nothing", "resolved")}
    assert firstpass("dlq", "replay", "--plan", plan, *DO).code == Exit.PARTLY
    api.fates = {}
    ran = firstpass("dlq", "replay", "--plan", plan, *DO)
    assert ran.code == Exit.DONE
    assert outcomes(ran) == {1: "reopen", 2: "reopen"}
    assert "2 are settled already" in ran.err


def test_a_run_ends_where_the_app_stops(api: StandIn, firstpass: Command, plan: Path) -> None:
    api.stop_at = 3
    ran = firstpass("dlq", "replay", "--plan", plan, *WHY, "--execute", "--yes", "--rate", "20/s")
    assert ran.code == Exit.PARTLY
    assert outcomes(ran) == {1: "reopen", 2: "reopen", 3: "failed"}
    assert json.loads(ran.out.splitlines()[-1])["why"] == "bus-unavailable"
    assert "The app stopped: bus-unavailable." in ran.err
    assert len(api.bodies("POST dead-letters/replay")) == 1


def test_what_the_app_did_not_get_to_is_asked_again(api: StandIn, firstpass: Command, plan: Path) -> None:
    api.reach = 3
    ran = firstpass("dlq", "replay", "--plan", plan, *DO, "--rate", "90/s")
    assert (ran.code, set(outcomes(ran))) == (Exit.DONE, {1, 2, 3, 4})
    assert [body["sequences"] for body in api.bodies("POST dead-letters/replay")] == [[1, 2, 3, 4], [4]]


def test_an_app_that_gets_nowhere_ends_the_run(api: StandIn, firstpass: Command, plan: Path) -> None:
    api.reach = 0
    ran = firstpass("dlq", "replay", "--plan", plan, *DO)
    assert ran.code == Exit.UNAVAILABLE
    assert "out of time" in ran.err


def test_a_run_that_cannot_begin_says_why(api: StandIn, firstpass: Command, plan: Path) -> None:
    api.answers["POST dead-letters/replay"] = (403, "role-missing")
    assert firstpass("dlq", "replay", "--plan", plan, *DO).code == Exit.NOT_ALLOWED


def test_no_log_no_run(api: StandIn, firstpass: Command, plan: Path, tmp_path: Path) -> None:
    for log, code in ((tmp_path / "missing" / "log", Exit.ERROR), (tmp_path, Exit.USAGE)):
        ran = firstpass("dlq", "replay", "--plan", plan, *DO, "--log", log)
        assert (ran.code, ran.out) == (code, "")
        assert str(log) in ran.err
    assert not api.bodies("POST dead-letters/replay")


def test_a_line_that_a_crash_cut_short_counts_as_not_written(firstpass: Command, plan: Path) -> None:
    log = log_of(plan)
    firstpass("dlq", "replay", "--plan", plan, *DO)
    log.write_bytes(log.read_bytes()[:-20])
    assert outcomes(firstpass("dlq", "replay", "--plan", plan, *DO)) == {4: "gone"}
    assert len(log.read_text().splitlines()) == 5


def test_a_discard_by_filter_needs_no_plan(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    api.letters = made_up.letters(made_up.letter(1), made_up.malformed(2))
    log = tmp_path / "log.ndjson"
    api.fates[2] = ("nothing", "malformed-event")
    ran = firstpass("dlq", "discard", "--code", "malformed-event", *DO, "--log", log, "-o", "table")
    assert ran.code == Exit.DONE
    assert set(api.letters) == {1}
    assert ran.out.startswith("letter  outcome")
    assert [json.loads(line)["act"] for line in log.read_text().splitlines()] == ["discard"]


def test_ctrl_c_finishes_the_request_under_way_and_the_next_run_goes_on(
    api: StandIn, begin: Begin, firstpass: Command, plan: Path
) -> None:
    api.slow = 0.5
    process = begin("dlq", "replay", "--plan", plan, *WHY, "--execute", "--yes", "--rate", "2/s")
    until(api.begun)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == Exit.INTERRUPTED, err
    assert outcomes(Ran(130, out, err)) == {1: "reopen", 2: "reopen"}
    assert "2 of 4 done" in err
    assert log_of(plan).read_text() == out
    api.slow = 0
    assert outcomes(firstpass("dlq", "replay", "--plan", plan, *DO)) == {3: "reopen", 4: "send"}


def test_a_second_ctrl_c_ends_at_once(api: StandIn, begin: Begin, plan: Path) -> None:
    api.slow = 5
    process = begin("dlq", "replay", "--plan", plan, *DO)
    until(api.begun)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    process.communicate(timeout=3)
    assert process.returncode == Exit.INTERRUPTED


@pytest.mark.parametrize(("typed", "end"), [("4\n", Exit.DONE), ("yes\n", Exit.ERROR), ("3\n", Exit.ERROR)])
def test_somebody_there_types_how_many(api: StandIn, begin: Begin, plan: Path, typed: str, end: Exit) -> None:
    ours, theirs = pty.openpty()
    try:
        process = begin("dlq", "replay", "--plan", plan, *WHY, "--execute", "--rate", "50/s", stdin=theirs)
        os.write(ours, typed.encode())
        _, err = process.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == end, err
    assert f"replay 4 dead letters at {api.url}: 3 reopen, 1 send." in err
    assert "Type 4 to go on" in err
    assert bool(api.bodies("POST dead-letters/replay")) is (end is Exit.DONE)
    assert log_of(plan).exists() is (end is Exit.DONE)


@pytest.mark.parametrize(
    ("text", "at_once", "seconds"),
    [
        ("1/s", 1, 1),
        ("20/s", 20, 1),
        ("5", 5, 1),
        ("30/m", 1, 2),
        ("500/s", 100, 0.2),
        ("0.5/s", 1, 2),
        ("2.5", 2, 0.8),
    ],
)
def test_a_pace_is_a_page_and_the_time_until_the_next(text: str, at_once: int, seconds: float) -> None:
    pace = Pace.of(text)
    assert (pace.at_once, pytest.approx(pace.seconds)) == (at_once, seconds)


def test_a_run_keeps_its_pace(api: StandIn, firstpass: Command, plan: Path) -> None:
    begun = time.monotonic()
    firstpass("dlq", "replay", "--plan", plan, *WHY, "--execute", "--yes", "--rate", "2/s")
    assert time.monotonic() - begun >= 1
    assert len(api.bodies("POST dead-letters/replay")) == 2
