"""`firstpass doctor` against a stand-in of the API: what a person reads, and how it ends."""

import json
from datetime import UTC, datetime, timedelta

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
    assert "does it run?" in ran.out
    api.answers["GET checkup"] = seen(GOOD, age=timedelta(hours=4))
    assert firstpass("doctor").code == 6


def test_a_program_gets_the_findings(api: StandIn, firstpass: Command) -> None:
    api.answers["GET checkup"] = seen(FAILED)
    ran = firstpass("doctor", "-o", "json")
    assert ran.code == 6
    assert json.loads(ran.out)["findings"] == [
        {"check": "graph-roles", "verdict": "failed", "code": "roles-missing", "detail": "User.Read.All"}
    ]


def test_now_waits_for_a_report_made_since(api: StandIn, firstpass: Command) -> None:
    api.answers["POST checkup"] = CheckupView(now=NOW, asked_at=NOW)
    api.answers["GET checkup"] = CheckupView(now=NOW, at=NOW + timedelta(seconds=3), asked_at=NOW, findings=(GOOD,))
    ran = firstpass("doctor", "--now")
    assert ran.code == 0
    assert "once a minute" in ran.err
    assert [what for what, _, _ in api.asked] == ["POST checkup", "GET checkup"]
