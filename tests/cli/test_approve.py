"""Approving: what exactly is approved is said before it is, and only that is asked of the app."""

import os
import pty
import subprocess
from collections.abc import Callable

import pytest

from cli.exits import Exit
from shared.api_models import CaseStory, Done
from shared.states import State
from tests.cli import made_up
from tests.cli.conftest import Command
from tests.cli.standin import StandIn

ID = made_up.case_id(2)
APPROVE = f"POST cases/{ID}/approve"
WHY = ("--reason", "rehired; seen at the desk")


def refused_as(api: StandIn, reason: str, *registered: str) -> None:
    case = made_up.refused(2, reason).model_copy(update={"registered": list(registered)})
    api.answers[f"GET cases/{ID}"] = CaseStory(case=case, history=[made_up.move(-1, State.REFUSED, "issue")])
    api.answers[APPROVE] = Done(state=State.ANNOUNCED)


@pytest.mark.parametrize("reason", ["mobile-changed", "already-registered"])
def test_what_it_was_refused_for_travels_with_the_yes(api: StandIn, firstpass: Command, reason: str) -> None:
    refused_as(api, reason)
    ran = firstpass("cases", "approve", ID, *WHY, "--yes")
    assert ran.code == Exit.DONE
    assert f"Approved, against {reason}." in ran.err
    assert api.bodies(APPROVE) == [{"reason": WHY[1], "code": reason, "issuance": made_up.refused(2, reason).issuance}]


@pytest.mark.parametrize("reason", ["privileged", "not-a-joiner"])
def test_nothing_else_can_be_approved(api: StandIn, firstpass: Command, reason: str) -> None:
    refused_as(api, reason)
    ran = firstpass("cases", "approve", ID, *WHY, "--yes")
    assert (ran.code, api.bodies(APPROVE)) == (Exit.ERROR, [])
    assert "already-registered" in ran.err


@pytest.mark.parametrize(
    ("reason", "registered", "said"),
    [
        ("mobile-changed", (), f"You vouch that the new number of case {ID} is the joiner's."),
        ("already-registered", ("fido2", "phone"), "methods to sign in: fido2, phone."),
    ],
)
def test_the_question_names_what_is_approved(
    api: StandIn, firstpass: Command, reason: str, registered: tuple[str, ...], said: str
) -> None:
    refused_as(api, reason, *registered)
    ran = firstpass("cases", "approve", ID, *WHY)  # nobody there to be asked
    assert (ran.code, api.bodies(APPROVE)) == (Exit.USAGE, [])
    assert said in ran.err.replace("\n", " ")


def test_only_a_yes_approves(api: StandIn, begin: Callable[..., subprocess.Popen[str]]) -> None:
    refused_as(api, "already-registered", "fido2")
    ours, theirs = pty.openpty()
    try:
        process = begin("cases", "approve", ID, *WHY, stdin=theirs)
        os.write(ours, b"no\n")
        _, err = process.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (process.returncode, api.bodies(APPROVE)) == (Exit.ERROR, []), err


def test_a_case_shows_what_was_there_and_who_vouched(api: StandIn, firstpass: Command) -> None:
    case = made_up.case(2).model_copy(update={"registered": ["fido2"], "approved": ["already-registered"]})
    vouched = made_up.move(-1, State.ANNOUNCED, "operator:second", approved="already-registered")
    api.answers[f"GET cases/{ID}"] = CaseStory(case=case, history=[vouched])
    out = firstpass("cases", "show", ID).out
    assert "registered  fido2" in out
    assert "approved    already-registered" in out
    assert "an approver vouches for it, already-registered: it goes on (second)" in " ".join(out.split())
