"""What follows from one report to the next, and what of it is worth telling."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.findings import Check, Code, Finding, Verdict, findings_of
from shared.report import Report, changed, following

AT = datetime(2026, 12, 1, 7, tzinfo=UTC)
FAILED = Finding(Check.POLICY, Verdict.FAILED, Code.POLICY_DISABLED)
WARNED = Finding(Check.CLOCK, Verdict.WARNING, Code.CLOCK_OFF, "61 seconds")
GOOD = Finding(Check.POLICY, Verdict.GOOD, Code.FINE)
BLIND = Finding(Check.POLICY, Verdict.UNKNOWN, Code.NO_ANSWER, "graph-throttled")
HIDDEN = Finding(Check.POLICY, Verdict.UNKNOWN, Code.NOT_READABLE)


def told(*reports: Finding | tuple[Finding, ...]) -> list[list[tuple[str, str, str]]]:
    """What is told after each report."""
    before: Report | None = None
    said: list[list[tuple[str, str, str]]] = []
    for one in reports:
        after = following(before, Report(AT, one if isinstance(one, tuple) else (one,)))
        said.append([(new.verdict, new.code, new.detail) for new in changed(before, after)])
        before = after
    return said


def roles(*missing: str) -> Finding:
    return Finding(Check.ROLES, Verdict.FAILED, Code.ROLES_MISSING, ", ".join(missing))


def test_only_what_changed_is_told() -> None:
    assert told((FAILED, WARNED), (FAILED, replace(WARNED, detail="75 seconds")), ()) == [
        [("failed", "policy-disabled", ""), ("warning", "clock-off", "61 seconds")],
        [],
        [("good", "policy-disabled", ""), ("good", "clock-off", "75 seconds")],
    ]


def test_a_finding_that_becomes_worse_is_told_and_not_called_good() -> None:
    worse = replace(WARNED, verdict=Verdict.FAILED)
    assert told(WARNED, worse, WARNED) == [
        [("warning", "clock-off", "61 seconds")],
        [("failed", "clock-off", "61 seconds")],
        [("warning", "clock-off", "61 seconds")],
    ]


def test_one_more_of_the_same_is_told_with_what_it_is() -> None:
    assert told(roles("A.Read"), roles("A.Read", "B.Read"), roles("B.Read"), roles("B.Read")) == [
        [("failed", "roles-missing", "A.Read")],
        [("failed", "roles-missing", "A.Read, B.Read")],
        [],
        [],
    ]


def test_a_list_longer_than_is_kept_does_not_grow_by_being_kept() -> None:
    (long,) = findings_of(Check.ROLES, [(Verdict.FAILED, Code.ROLES_MISSING, ", ".join(["User.Read.All"] * 60))])
    assert len(long.detail) == 500


@pytest.mark.parametrize("blind", [BLIND, HIDDEN])
def test_what_cannot_be_seen_is_neither_new_nor_healed_and_is_remembered(blind: Finding) -> None:
    assert told(blind)[-1] == []
    assert told(FAILED, blind, FAILED)[1:] == [[], []]
    assert told(FAILED, blind, blind, GOOD)[1:] == [[], [], [("good", "policy-disabled", "")]]


def test_what_was_found_last_stands_beside_what_cannot_be_seen() -> None:
    report = following(Report(AT, (FAILED, WARNED)), Report(AT, (BLIND,)))
    assert report.carried == (FAILED,)
    assert following(report, Report(AT, (BLIND,))).carried == (FAILED,)
    assert following(report, Report(AT, (GOOD,))).carried == ()


def test_no_answer_three_times_in_a_row_is_a_warning_told_once() -> None:
    warning = ("warning", "no-answer", "graph-throttled, 3 times in a row")
    assert told(BLIND, BLIND, BLIND, BLIND, FAILED) == [
        [],
        [],
        [warning],
        [],
        [("failed", "policy-disabled", ""), ("good", "no-answer", "graph-throttled, 4 times in a row")],
    ]
    assert told(BLIND, BLIND, GOOD, BLIND, BLIND) == [[], [], [], [], []]


def test_what_may_not_be_seen_at_all_stays_as_it_is() -> None:
    assert told(HIDDEN, HIDDEN, HIDDEN, HIDDEN) == [[], [], [], []]
