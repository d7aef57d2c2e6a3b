"""A pass for somebody who lost their means: asked about first, told what to say to them."""

import json
import os
import pty
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from cli.exits import Exit
from shared.api_models import OpenedCase
from shared.states import State
from tests.cli import made_up
from tests.cli.conftest import Command
from tests.cli.standin import StandIn

OPEN = "POST cases/open"
USER = "acce0000-0000-4000-8000-000000000001"
WHY = ("--reason", "lost the phone")
TELL = "One sign-in within the hour."


@pytest.fixture
def ready(api: StandIn) -> StandIn:
    api.answers[OPEN] = OpenedCase(case_id=made_up.ID, state=State.ANNOUNCED, tell=TELL)
    return api


def asking(purpose: str, *more: Any) -> list[Any]:
    return ["cases", "open", "--for", purpose, "--user", USER, *WHY, *more]


@pytest.mark.parametrize("purpose", ["spare-key", "security-info", "authenticator", "single-day"])
def test_a_wish_travels_with_its_purpose_and_reason(ready: StandIn, firstpass: Command, purpose: str) -> None:
    assert firstpass(*asking(purpose, "--yes")).code == Exit.DONE
    assert ready.bodies(OPEN) == [{"purpose": purpose, "user": USER, "devicePaths": [], "reason": WHY[1]}]


def test_a_wish_for_devices_names_them(ready: StandIn, firstpass: Command) -> None:
    paths = ("--device-path", "autopilot", "--device-path", "zero-touch")
    assert firstpass(*asking("devices", *paths, "--yes")).code == Exit.DONE
    assert ready.bodies(OPEN)[0]["devicePaths"] == ["autopilot", "zero-touch"]


@pytest.mark.usefixtures("ready")
def test_the_case_is_shown_with_what_to_tell_the_person(firstpass: Command) -> None:
    ran = firstpass(*asking("spare-key", "--yes"))
    assert ran.out == f"case       {made_up.ID}\nstate      announced\ntell them  {TELL}"
    told = json.loads(firstpass(*asking("spare-key", "--yes", "-o", "json")).out)
    assert told == {"caseId": made_up.ID, "state": "announced", "tell": TELL}


@pytest.mark.parametrize(
    "arguments",
    [
        asking("spare-key"),  # nobody to ask
        asking("onboarding", "--yes"),
        asking("devices", "--yes"),
        asking("spare-key", "--device-path", "autopilot", "--yes"),
        asking("devices", "--device-path", "abacus", "--yes"),
        ["cases", "open", "--for", "spare-key", "--user", USER, "--yes"],
        ["cases", "open", "--user", USER, *WHY, "--yes"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_asks_for_nothing(ready: StandIn, firstpass: Command, arguments: list[str]) -> None:
    assert firstpass(*arguments).code == Exit.USAGE
    assert not ready.asked


@pytest.mark.parametrize(
    ("status", "code", "end", "hint"),
    [
        (409, "single-day-off", Exit.ERROR, "SINGLE_DAY_PASSES is off"),
        (403, "role-missing", Exit.NOT_ALLOWED, "app role"),
        (400, "bad-input", Exit.USAGE, ""),
    ],
)
def test_a_refusal_says_what_to_do(
    api: StandIn, firstpass: Command, status: int, code: str, end: Exit, hint: str
) -> None:
    api.answers[OPEN] = (status, code)
    ran = firstpass(*asking("single-day", "--yes"))
    assert (ran.code, ran.out) == (end, "")
    assert hint in ran.err


@pytest.mark.parametrize(("typed", "end"), [("yes\n", Exit.DONE), ("no\n", Exit.ERROR)])
def test_somebody_there_is_asked(
    ready: StandIn, begin: Callable[..., subprocess.Popen[str]], typed: str, end: Exit
) -> None:
    ours, theirs = pty.openpty()
    try:
        process = begin(*asking("spare-key"), stdin=theirs)
        os.write(ours, typed.encode())
        _, err = process.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == end, err
    assert len(ready.bodies(OPEN)) == (end is Exit.DONE)
