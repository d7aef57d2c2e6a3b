"""Which letters a run is about: nothing is chosen by saying nothing, and nothing but what was chosen is touched."""

import fcntl
import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli import made_up
from tests.cli.conftest import Command
from tests.cli.standin import StandIn

WHY = ("--reason", "Graph is back")
DO = (*WHY, "--execute", "--yes", "--rate", "50/s")

type Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def letters(api: StandIn) -> None:
    api.letters = made_up.letters(*(made_up.letter(number) for number in range(1, 4)), made_up.malformed(4))


def changed(api: StandIn) -> list[int]:
    """The letters some run asked to be changed."""
    asked = api.bodies("POST dead-letters/replay") + api.bodies("POST dead-letters/discard")
    return [number for body in asked for number in body["sequences"]]


# --- choosing ---


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_without_a_choice_nothing_is_chosen(api: StandIn, firstpass: Command, act: str) -> None:
    ran = firstpass("dlq", act, *DO)
    assert ran.code == Exit.USAGE
    assert "--all" in ran.err
    assert not api.asked


def test_a_plan_needs_a_choice_too(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    assert firstpass("dlq", "plan", "--file", tmp_path / "plan.json").code == Exit.USAGE
    assert not api.asked


def test_a_reason_that_is_only_a_code_is_none(api: StandIn, firstpass: Command) -> None:
    ran = firstpass("dlq", "discard", "--all", "--reason", "malformed-event", "--execute", "--yes")
    assert ran.code == Exit.USAGE
    assert "--code malformed-event" in ran.err
    assert firstpass("dlq", "list", "--reason", "malformed-event").code == Exit.USAGE
    assert not api.asked


def test_a_reason_is_long_enough_before_anybody_is_asked(api: StandIn, firstpass: Command) -> None:
    ran = firstpass("dlq", "discard", "--all", "--reason", "no", "--execute")
    assert ran.code == Exit.USAGE
    assert "--reason" in ran.err
    assert not api.asked


def test_all_is_all(api: StandIn, firstpass: Command) -> None:
    assert firstpass("dlq", "discard", "--all", *DO).code == Exit.DONE
    assert changed(api) == [1, 2, 3, 4]


@pytest.mark.parametrize("more", [("--code", "budget"), ("--sequence", "2"), ("--max-replays", "0")])
def test_letters_are_chosen_in_one_way(api: StandIn, firstpass: Command, more: tuple[str, str]) -> None:
    assert firstpass("dlq", "discard", "--all", *more, *DO).code == Exit.USAGE
    assert changed(api) == []


def test_single_letters_are_chosen_by_number(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    assert firstpass("dlq", "plan", "--sequence", "4", "--sequence", "2", "--file", file).code == Exit.DONE
    assert [letter["sequence"] for letter in json.loads(file.read_text())["letters"]] == [2, 4]
    assert firstpass("dlq", "discard", "--sequence", "3", *DO).code == Exit.DONE
    assert firstpass("dlq", "replay", "--plan", file, *DO).code == Exit.DONE
    assert changed(api) == [2, 4, 3] or changed(api) == [3, 2, 4]
    assert firstpass("dlq", "replay", "--sequence", "9", *DO).code == Exit.NOT_FOUND


@pytest.mark.parametrize("wrong", [("--since", "1h", "--until", "2h"), ("--min-replays", "2", "--max-replays", "1")])
def test_a_filter_that_nothing_can_fit_is_a_mistake(api: StandIn, firstpass: Command, wrong: tuple[str, ...]) -> None:
    for command in (("list",), ("replay", *WHY)):
        assert firstpass("dlq", *command, *wrong).code == Exit.USAGE
    assert not api.asked


def test_a_list_goes_on_where_the_one_before_ended(api: StandIn, firstpass: Command) -> None:
    first = firstpass("dlq", "list", "--limit", "2", "-o", "ndjson")
    assert "--after 2" in first.err
    rest = firstpass("dlq", "list", "--after", "2", "-o", "ndjson")
    shown = [json.loads(line)["sequence"] for line in (first.out + "\n" + rest.out).splitlines()]
    assert shown == [1, 2, 3, 4]
    assert firstpass("dlq", "list", "--max-replays", "0").code == Exit.DONE
    assert api.bodies("GET dead-letters")[-1]["maxReplays"] == "0"


# --- which letter it is ---


def test_a_run_says_which_letters_it_means(api: StandIn, firstpass: Command) -> None:
    firstpass("dlq", "replay", "--sequence", "3", *WHY)
    firstpass("dlq", "replay", "--sequence", "3", *DO)
    for path in ("judge", "replay"):
        assert [body["marks"] for body in api.bodies(f"POST dead-letters/{path}")] == [
            [{"sequence": 3, "mark": f"{3:016x}"}]
        ]


def test_a_log_of_other_letters_skips_none(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    assert firstpass("dlq", "discard", "--sequence", "2", *DO, "--log", log).code == Exit.DONE
    api.letters |= made_up.letters(made_up.letter(2, mark="f" * 16))  # another app, or another queue
    assert firstpass("dlq", "discard", "--sequence", "2", *DO, "--log", log).code == Exit.DONE
    assert changed(api) == [2, 2]


# --- what a dry run asks ---


def test_a_dry_run_asks_for_what_would_be_done(api: StandIn, firstpass: Command) -> None:
    firstpass("dlq", "replay", "--all", *WHY, "--force")
    firstpass("dlq", "discard", "--all", *WHY)
    asked = [(body["act"], body["force"]) for body in api.bodies("POST dead-letters/judge")]
    assert asked == [("replay", True), ("discard", False)]
    api.answers["POST dead-letters/judge"] = (403, "role-missing")
    assert firstpass("dlq", "replay", "--all", *WHY).code == Exit.NOT_ALLOWED


# --- a run, from its beginning to its end ---


def test_a_run_says_when_it_is_over(api: StandIn, firstpass: Command) -> None:
    assert firstpass("dlq", "replay", "--all", *DO).code == Exit.DONE
    (begun,) = {body["run"] for body in api.bodies("POST dead-letters/replay")}
    assert api.bodies("POST dead-letters/end") == [{"run": begun}]


def test_a_run_that_is_stopped_or_interrupted_says_so_too(api: StandIn, firstpass: Command, begin: Begin) -> None:
    api.stop_at = 2
    assert firstpass("dlq", "replay", "--all", *DO).code == Exit.PARTLY
    assert len(api.bodies("POST dead-letters/end")) == 1
    api.stop_at, api.slow = 0, 0.3
    api.begun.clear()
    process = begin("dlq", "discard", "--all", *WHY, "--execute", "--yes", "--rate", "1/s")
    assert api.begun.wait(20)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == Exit.INTERRUPTED
    assert len(api.bodies("POST dead-letters/end")) == 2


def test_a_plan_is_one_run_however_often_it_is_begun(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    firstpass("dlq", "plan", "--all", "--file", plan)
    api.stop_at = 3
    firstpass("dlq", "replay", "--plan", plan, *DO)
    api.stop_at = 0
    firstpass("dlq", "replay", "--plan", plan, *DO)
    assert {body["run"] for body in api.bodies("POST dead-letters/replay")} == {json.loads(plan.read_text())["run"]}


def test_two_processes_never_work_on_one_plan(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    firstpass("dlq", "plan", "--all", "--file", plan)
    with plan.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = firstpass("dlq", "replay", "--plan", plan, *DO)
    assert ran.code == Exit.ERROR
    assert "Another process" in ran.err
    assert changed(api) == []


def test_what_was_done_and_is_still_there_is_tried_again(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    firstpass("dlq", "plan", "--all", "--file", plan)
    api.fates = {2: ("send", "not-completed")}
    assert firstpass("dlq", "replay", "--plan", plan, *DO).code == Exit.PARTLY
    api.fates = {}
    ran = firstpass("dlq", "replay", "--plan", plan, *DO)
    assert (ran.code, [json.loads(line)["sequence"] for line in ran.out.splitlines()]) == (Exit.DONE, [2])


def test_an_app_that_gives_no_answer_is_told_of_at_the_letter(api: StandIn, firstpass: Command) -> None:
    api.answers["POST dead-letters/replay"] = (503, "bus-unavailable")
    ran = firstpass("dlq", "replay", "--sequence", "2", "--sequence", "3", *DO)
    assert ran.code == Exit.UNAVAILABLE
    (line,) = map(json.loads, ran.out.splitlines())
    assert (line["sequence"], line["outcome"], line["removed"]) == (2, "failed", False)


def test_whoever_stops_reading_ends_a_run_in_order(api: StandIn, begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    process = begin("dlq", "replay", "--all", *WHY, "--execute", "--yes", "--rate", "2/s", "--log", log)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    with process.stderr:
        err = process.stderr.read()
    assert process.wait(20) == Exit.INTERRUPTED, err
    assert "Traceback" not in err
    assert "2 of 4 done" in err
    assert len(log.read_text().splitlines()) == 2
    assert len(api.bodies("POST dead-letters/end")) == 1


# --- in a terminal ---


def test_lines_of_data_are_whole_in_a_terminal(api: StandIn, begin: Begin) -> None:
    api.letters = made_up.letters(made_up.letter(1))
    ours, theirs = pty.openpty()
    try:
        process = begin("dlq", "discard", "--all", *DO, stdin=theirs, stdout=theirs, stderr=theirs)
        assert process.wait(20) == Exit.DONE
        shown = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    lines = [line for line in shown.splitlines() if '"sequence"' in line]
    assert len(lines) == 1
    assert json.loads(lines[0][lines[0].index("{") : lines[0].rindex("}") + 1])["outcome"] == "gone"


@pytest.mark.parametrize("form", ["csv", "ndjson", "json", "table"])
def test_no_text_of_a_letter_commands_a_terminal(api: StandIn, firstpass: Command, form: str) -> None:
    evil = "a\x1b[2Jb\x9b31mc\u202ed\x07"
    api.letters = made_up.letters(made_up.letter(1, evil, description=evil))
    ran = firstpass("dlq", "list", "-o", form)
    assert not set(evil) & set("\x1b\x9b\u202e\x07") & set(ran.out)
    if form == "ndjson":
        assert json.loads(ran.out)["description"] == evil
