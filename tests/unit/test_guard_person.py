from datetime import timedelta
from typing import Any

import pytest

from shared.case import LEASE
from shared.errors import FirstpassError, Reason
from shared.guard_rails import CLAIM_LASTS, CLOCKS_DIFFER, Facts, Known, guard_person, is_ours
from tests.builders import NOW, facts, guard_rules, known, live_pass, person

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


def person_outcome(of: Facts | None = None, has: Known | None = None, **changes: Any) -> FirstpassError | None:
    """How guard_person ends; None when it lets through. Keywords change what the ledger remembers of the person."""
    try:
        guard_person(person(**changes), of or facts(), has or known(), guard_rules(), NOW)
    except FirstpassError as stopped:
        return stopped
    return None


def person_reason(of: Facts | None = None, has: Known | None = None, **changes: Any) -> Reason | None:
    stopped = person_outcome(of, has, **changes)
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
    assert person_reason() is None
    assert person_reason(other_case_open=True) is Reason.ANOTHER_CASE_OPEN


def test_a_pass_of_another_case_is_that_cases_business_first() -> None:
    held = facts(live_pass=live_pass())
    assert person_reason(held, other_case_open=True) is Reason.ANOTHER_CASE_OPEN
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
