"""How the command ends, and what it sends: exit codes as a table."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from shared.api_models import Done, Exceptions, PersonExport
from shared.states import State
from tests.cli import made_up
from tests.cli.conftest import ROOT, Command
from tests.cli.standin import StandIn

ID = made_up.ID
USER = "acce0000-0000-4000-8000-000000000001"
WHY = ("--reason", "because of a test")


@pytest.mark.parametrize(
    ("status", "code", "end"),
    [
        (400, "bad-input", Exit.USAGE),
        (401, "no-principal", Exit.NOT_ALLOWED),
        (403, "role-missing", Exit.NOT_ALLOWED),
        (404, "case-unknown", Exit.NOT_FOUND),
        (409, "issuing-now", Exit.ERROR),
        (429, "slower", Exit.UNAVAILABLE),
        (500, "bug", Exit.ERROR),
        (503, "ledger-unavailable", Exit.UNAVAILABLE),
    ],
)
def test_a_problem_is_told_with_its_code(api: StandIn, firstpass: Command, status: int, code: str, end: Exit) -> None:
    api.answers[f"GET cases/{ID}"] = (status, code)
    ran = firstpass("cases", "show", ID)
    assert (ran.code, ran.out) == (end, "")
    assert f"It is so. ({code})" in ran.err
    assert "limit: must be less" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing-like-it"],
        ["cases", "show"],
        ["cases", "show", ID, "--user", USER],
        ["cases", "show", "--source", "/hr/test"],
        ["cases", "show", "../status"],
        ["cases", "show", ID, "--reveal-contact"],
        ["cases", "list", "--state", "lost"],
        ["cases", "reissue", ID],
        ["cases", "reissue", ID, *WHY],  # nobody to ask
        ["people", "forget", "--user", USER, *WHY],
        ["pause", "--minutes", "0", *WHY],
        ["dlq", "list", "--since", "yesterday"],
        ["dlq", "replay", *WHY, "--rate", "fast"],
        ["dlq", "replay", *WHY, "--rate", "0/s"],
        ["dlq", "replay", *WHY, "--plan", "missing.json"],
        ["--url", "http://app.example.com", "status"],
        ["--url", "https://app.example.com", "status"],  # no scope
        ["--url", "https://app.example.com", "--as", "colleague", "status"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_ends_with_2_and_asks_nothing(
    api: StandIn, firstpass: Command, arguments: list[str]
) -> None:
    ran = firstpass(*arguments)
    assert ran.code == Exit.USAGE
    assert ran.err
    assert not [what for what, _, _ in api.asked if what.startswith("POST")]


def test_nobody_answers(firstpass: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ran = firstpass("--url", f"http://127.0.0.1:{port}", "status")
    assert (ran.code, ran.err) == (Exit.UNAVAILABLE, f"Nothing answers at http://127.0.0.1:{port}.\n")


SIGN_IN = "Nobody is signed in here, or not for that app: az login, or look at FIRSTPASS_SCOPE.\n"


def test_nobody_is_signed_in(firstpass: Command) -> None:
    settings = {"FIRSTPASS_SCOPE": "api://firstpass/.default", "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    ran = firstpass("--url", "https://app.invalid", "status", **settings)
    assert (ran.code, ran.err) == (Exit.NOT_ALLOWED, SIGN_IN)


def test_a_connection_that_breaks_after_the_request_is_not_nothing(firstpass: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def hang_up() -> None:
            caller, _ = door.accept()
            with caller:
                caller.recv(65536)

        at_work = threading.Thread(target=hang_up)
        at_work.start()
        ran = firstpass("--url", f"http://127.0.0.1:{door.getsockname()[1]}", "resume", *WHY)
        at_work.join()
    assert ran.code == Exit.UNAVAILABLE
    assert "may have happened: look before you ask again" in ran.err


def test_what_is_no_api_is_told_from_a_case_that_is_not_there(api: StandIn, firstpass: Command) -> None:
    ran = firstpass("--url", f"{api.url}/somewhere-else", "status")
    assert (ran.code, "is it the right address?" in ran.err) == (Exit.USAGE, True)


@pytest.mark.parametrize("url", ["http://[::1", "https://[", "localhost:7071", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_told(firstpass: Command, url: str) -> None:
    ran = firstpass("--url", url, "status")
    assert ran.code in (Exit.USAGE, Exit.UNAVAILABLE)
    assert "Traceback" not in ran.err
    assert ran.err.count("\n") == 1


CLOSED = {
    "stdin": ("0<&-", Exit.USAGE, "Nobody is there to be asked"),
    "stdout": ("1>&-", Exit.ERROR, "stdout is closed"),
    "a full disk": (">/dev/full", Exit.ERROR, "cannot be written: No space left on device"),
}


@pytest.mark.parametrize(("how", "end", "says"), CLOSED.values(), ids=CLOSED)
def test_closed_and_full_streams_are_told_without_a_traceback(api: StandIn, how: str, end: Exit, says: str) -> None:
    api.answers["GET status"] = made_up.status()
    what = f"cases cancel {ID} --reason 'because of a test'" if "<" in how else "status -o json"
    ran = subprocess.run(  # noqa: S602 - a shell closes the streams
        f"{sys.executable} -m cli {what} {how}", shell=True, cwd=ROOT, env={**os.environ, "FIRSTPASS_URL": api.url},
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, says in ran.stderr, "Traceback" in ran.stderr) == (end, True, False), ran.stderr


def test_a_terminal_of_few_letters_gets_marks_for_the_others(api: StandIn) -> None:
    api.answers["GET status"] = made_up.status(refused=[f"{number:032x}" for number in range(9)])
    settings = {**os.environ, "FIRSTPASS_URL": api.url, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "status"], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "? all of them with -o json" in ran.stdout) == (Exit.DONE, True), ran.stderr


def test_a_platform_that_sends_to_its_sign_in_page_is_not_followed(api: StandIn, firstpass: Command) -> None:
    api.answers["GET status"] = "https://login.example.com/"
    api.redirects = True
    ran = firstpass("status")
    assert ran.code == Exit.NOT_ALLOWED
    assert len(api.asked) == 1


@pytest.mark.parametrize("answer", ["not json", '{"now": 1}'])
def test_an_answer_that_is_not_ours_is_an_error(api: StandIn, firstpass: Command, answer: str) -> None:
    api.answers["GET status"] = answer
    assert firstpass("status").code == Exit.ERROR


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (made_up.status(), Exit.DONE),
        (made_up.status(paused=True), Exit.FINDINGS),
        *((made_up.status(paused=False, **{name: [ID]}), Exit.FINDINGS) for name in Exceptions.model_fields),
        (made_up.status().model_copy(update={"heartbeat": None}), Exit.FINDINGS),
    ],
)
def test_a_gate_ends_with_6_when_something_wants_a_look(
    api: StandIn, firstpass: Command, found: Any, end: Exit
) -> None:
    api.answers["GET status"] = found
    assert firstpass("status").code == Exit.DONE
    assert firstpass("status", "--gate").code == end


@pytest.mark.parametrize(
    ("arguments", "what", "body"),
    [
        (["cases", "reissue", ID, *WHY, "--yes"], f"POST cases/{ID}/reissue", {}),
        (["cases", "cancel", ID, *WHY, "--yes"], f"POST cases/{ID}/cancel", {}),
        (["people", "forget", "--user", USER, *WHY, "--yes"], "POST people/forget", {"user": USER}),
        (["pause", "--minutes", 60, *WHY], "POST pause", {"minutes": 60}),
        (["resume", *WHY], "POST resume", {}),
    ],
)
def test_a_change_says_why(
    api: StandIn, firstpass: Command, arguments: list[Any], what: str, body: dict[str, Any]
) -> None:
    api.answers[what] = Done(state=State.ANNOUNCED)
    assert firstpass(*arguments).code == Exit.DONE
    assert api.bodies(what) == [{"reason": WHY[1], **body}]


def test_a_case_is_found_by_hrs_key_or_by_the_person(api: StandIn, firstpass: Command) -> None:
    api.answers["POST cases/find"] = made_up.story()
    assert firstpass("cases", "show", "--source", "/hr/test", "--subject", "W-1").code == Exit.DONE
    assert firstpass("cases", "show", "--user", USER).code == Exit.DONE
    assert api.bodies("POST cases/find") == [{"source": "/hr/test", "subject": "W-1"}, {"user": USER}]


def test_contact_is_shown_only_when_asked_for_with_a_reason(api: StandIn, firstpass: Command) -> None:
    case = made_up.case_id(1)
    api.answers |= {f"GET cases/{case}": made_up.story(), f"POST cases/{case}/reveal": made_up.CONTACT}
    assert "555" not in firstpass("cases", "show", case).out
    assert "+12015550100" in firstpass("cases", "show", case, "--reveal-contact", *WHY).out
    assert api.bodies(f"POST cases/{case}/reveal") == [{"reason": WHY[1]}]


def test_an_export_goes_to_a_new_file_for_its_owner_alone(api: StandIn, firstpass: Command, tmp_path: Path) -> None:
    api.answers["POST people/export"] = PersonExport(user=USER, numbers_first_seen=[], cases=[])
    file = tmp_path / "export.json"
    assert json.loads(firstpass("people", "export", "--user", USER, *WHY).out)["user"] == USER
    assert firstpass("people", "export", "--user", USER, *WHY, "--file", file).out == ""
    assert json.loads(file.read_text())["user"] == USER
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert firstpass("people", "export", "--user", USER, *WHY, "--file", file).code == Exit.USAGE


def test_in_a_sandbox_you_are_one_person_with_every_role_unless_told(api: StandIn, firstpass: Command) -> None:
    api.answers["GET status"] = made_up.status()
    firstpass("status")
    firstpass("--as", "colleague", "status")
    firstpass("--as", USER, "status", FIRSTPASS_SANDBOX_ROLES="reader")
    you, colleague, given = (who for _, _, who in api.asked)
    assert you["roles"] == ["reader", "operator", "approver"]
    assert colleague["oid"] != you["oid"]
    assert given == {"oid": USER, "roles": ["reader"]}
