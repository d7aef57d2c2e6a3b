from datetime import timedelta
from typing import Any

import pytest

from shared.case import LEASE
from shared.errors import FirstpassError, Later, Reason, Refused
from shared.guard_rails import (
    CLAIM_LASTS,
    CLOCKS_DIFFER,
    Facts,
    GuardRules,
    Known,
    NumberSource,
    guard_person,
    is_ours,
)
from tests.builders import NOW, facts, guard_rules, known, live_pass, person

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


def person_outcome(
    of: Facts | None = None, has: Known | None = None, rules: GuardRules | None = None, **changes: Any
) -> FirstpassError | None:
    """How guard_person ends; None when it lets through. Keywords change what the ledger remembers of the person."""
    try:
        guard_person(person(**changes), of or facts(), has or known(), rules or guard_rules(), NOW)
    except FirstpassError as stopped:
        return stopped
    return None


def person_reason(
    of: Facts | None = None, has: Known | None = None, rules: GuardRules | None = None, **changes: Any
) -> Reason | None:
    stopped = person_outcome(of, has, rules, **changes)
    return stopped.reason if stopped else None


# --- passes of others ---


def test_a_live_pass_is_ours_by_its_id() -> None:
    mine = facts(live_pass=live_pass(id="tap-7", created_at=None))
    assert person_reason(mine, known(pass_id="tap-7")) is None
    assert person_reason(mine, known(pass_id="tap-8")) is Reason.FOREIGN_PASS
    assert person_reason(mine) is Reason.FOREIGN_PASS


@pytest.mark.parametrize(
    ("made", "ours"),
    [
        (-CLOCKS_DIFFER - SECOND, False),
        (-CLOCKS_DIFFER, True),
        (0 * SECOND, True),
        (LEASE, True),
        (LEASE + CLOCKS_DIFFER, True),
        (LEASE + CLOCKS_DIFFER + SECOND, False),
    ],
)
def test_a_live_pass_is_ours_when_made_during_one_of_our_claims(made: timedelta, ours: bool) -> None:
    claims = known(claims=(NOW - DAY, NOW, NOW + DAY), pass_id="another")
    assert is_ours(live_pass(created_at=NOW + made), claims) == ours
    held = facts(live_pass=live_pass(created_at=NOW + made))
    assert person_reason(held, claims) is (None if ours else Reason.FOREIGN_PASS)
    assert is_ours(live_pass(created_at=None), claims) is False


def test_a_claim_lasts_as_long_as_a_lease() -> None:
    assert CLAIM_LASTS == LEASE


# --- the person and the number ---


def test_a_person_has_one_open_case() -> None:
    assert person_outcome() is None
    stopped = person_outcome(other_case_open=True)
    assert isinstance(stopped, Refused)
    assert stopped.reason is Reason.ANOTHER_CASE_OPEN


def test_a_case_waits_until_another_has_deleted_its_passes() -> None:
    stopped = person_outcome(other_case_ending=True)
    assert isinstance(stopped, Later)
    assert stopped.reason is Reason.ANOTHER_CASE_OPEN
    assert timedelta(minutes=1) <= stopped.after <= HOUR


def test_a_pass_of_another_case_is_that_cases_business_first() -> None:
    held = facts(live_pass=live_pass())
    assert person_reason(held, other_case_open=True) is Reason.ANOTHER_CASE_OPEN
    assert person_reason(held, other_case_ending=True) is Reason.ANOTHER_CASE_OPEN
    assert person_reason(held, is_first_number=False) is Reason.FOREIGN_PASS


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (-HOUR, Reason.MOBILE_CHANGED),
        (0 * HOUR, Reason.MOBILE_CHANGED),
        (72 * HOUR - SECOND, Reason.MOBILE_CHANGED),
        (72 * HOUR, None),
    ],
)
def test_a_changed_number_is_held_for_72_hours(age: timedelta, expected: Reason | None) -> None:
    assert person_reason(is_first_number=False, number_first_seen=NOW - age) is expected
    assert person_reason(is_first_number=True, number_first_seen=NOW - age) is None


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0 * HOUR, Reason.MOBILE_CHANGED),
        (72 * HOUR - SECOND, Reason.MOBILE_CHANGED),
        (72 * HOUR, None),
    ],
)
@pytest.mark.parametrize("source", NumberSource)
def test_a_number_hr_changed_is_held_for_72_hours_where_hrs_number_counts(
    source: NumberSource, age: timedelta, expected: Reason | None
) -> None:
    """Also when the ledger never saw the number before: it was changed while the case waited."""
    changed, rules = known(number_changed_at=NOW - age), guard_rules(number_source=source)
    counts = source is not NumberSource.DIRECTORY
    assert person_reason(has=changed, rules=rules) is (expected if counts else None)
    assert person_reason(has=changed, rules=guard_rules(number_source=source, mobile_hold=timedelta(0))) is None


def test_the_later_of_two_changes_counts() -> None:
    long_ago, just_now = NOW - 100 * HOUR, NOW - HOUR
    for seen, changed in ((long_ago, just_now), (just_now, long_ago)):
        of_case = known(number_changed_at=changed)
        assert person_reason(has=of_case, is_first_number=False, number_first_seen=seen) is Reason.MOBILE_CHANGED
    of_case = known(number_changed_at=long_ago)
    assert person_reason(has=of_case, is_first_number=False, number_first_seen=long_ago) is None


APPROVALS = {
    "approved": ({"number_approved_at": NOW, "number_approved": "n-1"}, None),
    "another number": ({"number_approved_at": NOW, "number_approved": "n-2"}, Reason.MOBILE_CHANGED),
    "no number": ({"number_approved_at": NOW}, Reason.MOBILE_CHANGED),
    "no time": ({"number_approved": "n-1"}, Reason.MOBILE_CHANGED),
    "first seen after that": ({"number_approved_at": NOW - 2 * HOUR, "number_approved": "n-1"}, Reason.MOBILE_CHANGED),
    "changed after that": (
        {"number_approved_at": NOW - SECOND, "number_approved": "n-1", "number_changed_at": NOW}, Reason.MOBILE_CHANGED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), APPROVALS.values(), ids=APPROVALS)
def test_a_number_somebody_vouched_for_is_not_held(case: dict[str, Any], expected: Reason | None) -> None:
    assert person_reason(has=known(**case), is_first_number=False, number_first_seen=NOW - HOUR) is expected


def test_an_approval_opens_no_other_rail() -> None:
    approved = known(number_approved_at=NOW, number_approved="n-1")
    assert person_reason(has=approved, other_case_open=True, is_first_number=False) is Reason.ANOTHER_CASE_OPEN
    assert person_reason(facts(live_pass=live_pass(id="x", created_at=None)), approved) is Reason.FOREIGN_PASS
