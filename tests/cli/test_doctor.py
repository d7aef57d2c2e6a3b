"""`firstpass doctor` against a stand-in of the API: what a person reads, and how it ends."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from shared.checkup_models import CheckupView, FindingView
from shared.findings import Check, Code, Verdict
from tests.cli.conftest import Command
from tests.cli.standin import StandIn

NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)
GOOD = FindingView(check=Check.CLOCK, verdict=Verdict.GOOD, code=Code.FINE)
UNKNOWN = FindingView(check=Check.ACCESS, verdict=Verdict.UNKNOWN, code=Code.NOT_READABLE)
WARNING = FindingView(check=Check.POLICY, verdict=Verdict.WARNING, code=Code.POLICY_FOR_EVERYBODY)
FAILED = FindingView(check=Check.ROLES, verdict=Verdict.FAILED, code=Code.ROLES_MISSING, detail="User.Read.All")


def seen(*findings: FindingView, age: timedelta = timedelta(minutes=5)) -> CheckupView:
    return CheckupView(now=NOW, at=NOW - age, findings=findings)


def test_failures_come_first_with_what_to_do_and_end_with_6(api: StandIn, firstpass: Command) -> None:
    api.answers["GET checkup"] = seen(GOOD, WARNING, FAILED)
    ran = firstpass("doctor")
    assert ran.code == 6
    assert ran.err == ""
    failed, warned = ran.out.index("failed · graph-roles"), ran.out.index("warning · pass-policy")
    assert failed < warned
    assert "roles-missing: User.Read.All" in ran.out
    assert "→ Grant them" in ran.out
    assert "Checked 5 min ago." in ran.out


def test_warnings_and_what_could_not_be_seen_are_no_failure(api: StandIn, firstpass: Command) -> None:
    api.answers["GET checkup"] = seen(GOOD, WARNING, UNKNOWN)
    ran = firstpass("doctor")
    assert ran.code == 0
    assert "→ Scope it to the joiners' group" in ran.out


def test_no_report_and_an_old_one_are_failures(api: StandIn, firstpass: Command) -> None:
    api.answers["GET checkup"] = CheckupView(now=NOW)
    ran = firstpass("doctor")
    assert ran.code == 6
    assert "Ends with 6: the worker has not checked itself yet: does it run?" in ran.out
    api.answers["GET checkup"] = seen(GOOD, age=timedelta(hours=4))
    ran = firstpass("doctor")
    assert ran.code == 6
    assert "Ends with 6: the worker checks itself every 60 min and has not for longer" in ran.out


@pytest.mark.parametrize(("hours", "age", "code"), [(6, 7, 0), (6, 9, 6), (24, 25, 0), (0, 900, 0), (1, 2, 0)])
def test_how_old_a_report_may_be_is_for_checkup_every_to_say(
    api: StandIn, firstpass: Command, hours: int, age: int, code: int
) -> None:
    found = seen(GOOD, age=timedelta(hours=age)).model_copy(update={"every_seconds": hours * 3600})
    api.answers["GET checkup"] = found
    ran = firstpass("doctor")
    assert ran.code == code
    assert ("Ends with 6" in ran.out) == (code == 6)


def test_what_failed_when_it_was_seen_last_still_fails(api: StandIn, firstpass: Command) -> None:
    blind = FindingView(check=Check.ROLES, verdict=Verdict.UNKNOWN, code=Code.NO_ANSWER)
    api.answers["GET checkup"] = seen(GOOD, blind).model_copy(update={"last_known": (FAILED,)})
    ran = firstpass("doctor")
    assert ran.code == 6
    assert "last known: failed · graph-roles · roles-missing: User.Read.All" in ran.out
    assert "Ends with 6: graph-roles fails (roles-missing)." in ran.out


def test_a_program_gets_the_findings(api: StandIn, firstpass: Command) -> None:
    api.answers["GET checkup"] = seen(FAILED)
    ran = firstpass("doctor", "-o", "json")
    assert ran.code == 6
    assert json.loads(ran.out)["findings"] == [
        {"check": "graph-roles", "verdict": "failed", "code": "roles-missing", "detail": "User.Read.All"}
    ]


def test_now_waits_for_a_report_that_knew_of_the_wish(api: StandIn, firstpass: Command) -> None:
    """One that was under way when somebody asked says nothing about what was mended, whatever the clocks say."""
    wish, later = "a" * 32, NOW + timedelta(minutes=3)
    under_way = CheckupView(now=NOW, at=later, asked=wish, asked_at=NOW, answers="b" * 32, findings=(FAILED,))
    api.answers["POST checkup"] = under_way
    api.answers["GET checkup"] = under_way
    changing = threading.Timer(3, lambda: api.answers.update({"GET checkup": granted}))
    granted = CheckupView(
        now=NOW, at=NOW - timedelta(minutes=3), asked=wish, asked_at=NOW, answers=wish, findings=(GOOD,)
    )
    changing.start()
    ran = firstpass("doctor", "--now")
    changing.join()
    assert ran.code == 0
    assert "once a minute" in ran.err
    assert [what for what, _, _ in api.asked][:2] == ["POST checkup", "GET checkup"]
    assert len(api.asked) > 2
