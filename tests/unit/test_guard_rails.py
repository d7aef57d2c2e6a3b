from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.errors import FirstpassError, Halted, Later, Reason, Refused
from shared.events import HireEvent
from shared.guard_rails import RAILS, DisabledAccount, Facts, GuardRules, JoinerEvidence, guard, guard_event
from shared.plan import PlanRules, when
from tests.builders import GROUP_ID, NOW, USER_ID, facts, guard_rules, hire_event, known, policy

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
HIRED = datetime(2026, 12, 1, tzinfo=UTC)


def outcome(of: Facts | None = None, **changes: Any) -> FirstpassError | None:
    """How guard ends for the joiner every rail lets through, changed; None when it lets them through."""
    given: dict[str, Any] = {
        "facts": of or facts(), "policy": policy(), "event": hire_event(), "known": known(), "rules": guard_rules(),
        "now": NOW, **changes,
    }  # fmt: skip
    try:
        passed = guard(**given)
    except FirstpassError as stopped:
        return stopped
    assert passed is given["facts"]
    return None


def reason(of: Facts | None = None, **changes: Any) -> Reason | None:
    stopped = outcome(of, **changes)
    return stopped.reason if stopped else None


def test_an_ordinary_joiner_passes() -> None:
    assert outcome() is None


# --- each reason, by the smallest change to a joiner who passes ---

STOPS: list[tuple[Reason, type[FirstpassError], dict[str, Any]]] = [
    (Reason.POLICY_DISABLED, Halted, {"policy": policy(enabled=False)}),
    (Reason.POLICY_ONE_TIME_ONLY, Halted, {"policy": policy(is_usable_once=True)}),
    (Reason.PRIVILEGED, Refused, {"of": facts(has_role=True)}),
    (Reason.PRIVILEGED, Refused, {"rules": guard_rules(break_glass_ids=frozenset({USER_ID}))}),
    (
        Reason.PRIVILEGED,
        Refused,
        {"of": facts(user_id=USER_ID.upper()), "rules": guard_rules(break_glass_ids=frozenset({USER_ID}))},
    ),
    (Reason.EXTERNAL_GUEST, Refused, {"of": facts(is_external_guest=True)}),
    (Reason.USER_CHANGED, Refused, {"known": known(pinned_user_id=GROUP_ID)}),
    (Reason.NOT_A_JOINER, Refused, {"of": facts(employee_hire_date=None)}),
    (Reason.HIRE_DATE_MISMATCH, Refused, {"of": facts(employee_hire_date=HIRED + 2 * DAY)}),
    (Reason.HIRE_DATE_MISMATCH, Refused, {"of": facts(employee_hire_date=HIRED - 2 * DAY)}),
    (Reason.ALREADY_REGISTERED, Refused, {"of": facts(methods=("password", "fido2"))}),
    (Reason.POLICY_EXCLUDES_USER, Refused, {"policy": policy(include_targets=frozenset())}),
    (Reason.ACCOUNT_DISABLED, Later, {"of": facts(account_enabled=False), "now": HIRED}),
]


@pytest.mark.parametrize(("expected", "kind", "changes"), STOPS)
def test_each_rail_stops_its_case(expected: Reason, kind: type[FirstpassError], changes: dict[str, Any]) -> None:
    stopped = outcome(**changes)
    assert stopped is not None
    assert (stopped.reason, type(stopped)) == (expected, kind)
    assert str(stopped) == expected.value


def test_every_rail_is_among_those_stops_in_the_order_of_the_runbook() -> None:
    assert [rail.reason for rail in RAILS] == list(dict.fromkeys(stop[0] for stop in STOPS))


ELSEWHERE = {
    "guard_event": {Reason.EVENT_TOO_OLD},
    "guard, before the rails": {Reason.USER_NOT_FOUND},
    "guard_person": {Reason.ANOTHER_CASE_OPEN, Reason.FOREIGN_PASS, Reason.MOBILE_CHANGED},
    "trusted_number": {
        Reason.MOBILE_MISSING, Reason.MOBILE_INVALID, Reason.MOBILE_NOT_MOBILE, Reason.MOBILE_COUNTRY_BLOCKED,
        Reason.MOBILE_MISMATCH,
    },
    "parse": {Reason.MALFORMED_EVENT, Reason.UNKNOWN_TYPE},
    "fit": {Reason.POLICY_TOO_SHORT},
    "the flow": {
        Reason.SEND_UNCONFIRMED, Reason.PASSES_EXHAUSTED, Reason.REGISTERED_NOT_PASSWORDLESS, Reason.REHEARSAL,
        Reason.QUIET_HOURS,
    },
    "the steps": {Reason.PHONE_UNREACHABLE, Reason.PASS_GONE, Reason.EXPIRED_UNUSED},
    "the ledger": {Reason.PAUSED, Reason.BUDGET},
    "the directory": {
        Reason.GRAPH_THROTTLED, Reason.GRAPH_UNAVAILABLE, Reason.GRAPH_DENIED, Reason.USER_AMBIGUOUS,
        Reason.PASS_UNUSABLE, Reason.PASS_UNCONFIRMED, Reason.OUT_OF_TIME,
    },
    "the courier": {
        Reason.TWILIO_BUSY, Reason.TWILIO_DENIED, Reason.MESSAGE_UNCONFIRMED, Reason.OPTED_OUT, Reason.UNDELIVERABLE,
    },
}  # fmt: skip


def test_every_reason_comes_from_a_rail_or_a_known_place_elsewhere() -> None:
    rails = {rail.reason for rail in RAILS}
    places = [rails, *ELSEWHERE.values()]
    assert set().union(*places) == set(Reason)
    assert sum(map(len, places)) == len(Reason), "no reason has two homes"


# --- order: what an operator must hear first ---


def test_privileged_is_heard_before_everything_personal() -> None:
    worst = facts(
        has_role=True, is_external_guest=True, account_enabled=False, employee_hire_date=None, methods=("fido2", "new"),
    )  # fmt: skip
    everything = {
        "known": known(pinned_user_id=GROUP_ID),
        "now": HIRED + 30 * DAY,
        "policy": policy(include_targets=frozenset()),
    }
    assert reason(worst, **everything) is Reason.PRIVILEGED
    assert reason(replace(worst, has_role=False), **everything) is Reason.EXTERNAL_GUEST


def test_a_tenant_at_fault_halts_whoever_it_is() -> None:
    off = policy(enabled=False, is_usable_once=True, include_targets=frozenset())
    assert reason(facts(has_role=True), policy=off) is Reason.POLICY_DISABLED


def test_reasons_for_good_are_heard_before_reasons_to_wait() -> None:
    waiting = facts(account_enabled=False, methods=("fido2",))
    assert reason(waiting, now=HIRED) is Reason.ALREADY_REGISTERED


# --- not found ---


@pytest.mark.parametrize(
    ("after", "kind"),
    [(-30 * DAY, Later), (0 * DAY, Later), (48 * HOUR - SECOND, Later), (48 * HOUR, Refused), (60 * HOUR, Refused)],
)
def test_a_missing_user_is_waited_for_48_hours_from_delivery(after: timedelta, kind: type[FirstpassError]) -> None:
    with pytest.raises(FirstpassError) as stopped:
        guard(None, policy(), hire_event(), known(deliver_at=NOW), guard_rules(), NOW + after)
    assert (stopped.value.reason, type(stopped.value)) == (Reason.USER_NOT_FOUND, kind)


def test_a_wait_says_how_long() -> None:
    stopped = outcome(facts(account_enabled=False), now=HIRED)
    assert isinstance(stopped, Later)
    assert MINUTE < stopped.after <= HOUR


# --- joiner: positive evidence ---

IN_GROUP, BY_DATE = facts(groups=frozenset({GROUP_ID}), employee_hire_date=None), facts()


@pytest.mark.parametrize(
    ("evidence", "in_group", "by_date"),
    [
        (JoinerEvidence.EITHER, True, True),
        (JoinerEvidence.GROUP, True, False),
        (JoinerEvidence.HIRE_DATE, False, True),
    ],
)
def test_what_counts_as_evidence(evidence: JoinerEvidence, in_group: bool, by_date: bool) -> None:
    rules = guard_rules(joiner_evidence=evidence, joiners_group=GROUP_ID)
    assert (reason(IN_GROUP, rules=rules) is None) == in_group
    assert (reason(BY_DATE, rules=rules) is None) == by_date
    assert reason(facts(employee_hire_date=None, groups=frozenset({"other"})), rules=rules) is Reason.NOT_A_JOINER


def test_without_a_joiners_group_no_group_is_evidence() -> None:
    for evidence in (JoinerEvidence.EITHER, JoinerEvidence.GROUP):
        rules = guard_rules(joiner_evidence=evidence, joiners_group=None)
        assert reason(IN_GROUP, rules=rules) is Reason.NOT_A_JOINER


@pytest.mark.parametrize(
    ("days", "joiner"), [(-40, False), (-31, False), (-30, True), (0, True), (7, True), (8, False), (400, False)]
)
def test_a_hire_date_is_evidence_from_30_days_before_to_7_days_after(days: int, joiner: bool) -> None:
    event = hire_event(time_zone="UTC")
    for hours in (0, 12, 23):
        now = HIRED + days * DAY + hours * HOUR
        assert reason(now=now, event=event) is (None if joiner else Reason.NOT_A_JOINER)


def test_no_hire_date_is_no_evidence_but_not_a_mismatch() -> None:
    assert reason(IN_GROUP, rules=guard_rules(joiners_group=GROUP_ID)) is None


@pytest.mark.parametrize("listed", ["2026-11-30T00:00Z", "2026-11-30T11:00Z", "2026-12-01T23:59Z", "2026-12-02T12:00Z"])
def test_a_hire_date_may_differ_by_a_day(listed: str) -> None:
    assert reason(facts(employee_hire_date=datetime.fromisoformat(listed))) is None


def test_a_moved_hire_date_in_the_group_is_still_a_mismatch() -> None:
    member = facts(groups=frozenset({GROUP_ID}), employee_hire_date=HIRED + 90 * DAY)
    assert reason(member, rules=guard_rules(joiners_group=GROUP_ID)) is Reason.HIRE_DATE_MISMATCH


# --- the event alone ---


def too_old(event: HireEvent, now: datetime, rules: GuardRules) -> bool:
    try:
        planned = when(event, PlanRules(opens_before=timedelta(0)), now - timedelta(days=99))
        guard_event(event, planned.opens_at, rules, now)
    except Refused as refused:
        return refused.reason is Reason.EVENT_TOO_OLD
    return False


@pytest.mark.parametrize(
    ("zone", "days", "last"),
    [
        ("UTC", 7, datetime(2026, 12, 8, 23, 59, tzinfo=UTC)),
        ("UTC", 1, datetime(2026, 12, 2, 23, 59, tzinfo=UTC)),
        ("Europe/Amsterdam", 7, datetime(2026, 12, 8, 22, 59, tzinfo=UTC)),
        ("Pacific/Auckland", 7, datetime(2026, 12, 8, 10, 59, tzinfo=UTC)),
        ("America/Los_Angeles", 7, datetime(2026, 12, 9, 7, 59, tzinfo=UTC)),
    ],
)
def test_an_event_is_too_old_by_its_first_day_in_the_joiners_zone(zone: str, days: int, last: datetime) -> None:
    by_hire_date = hire_event(time_zone=zone)
    by_first_day = hire_event(time_zone=zone, hire_date=date(2026, 10, 1), first_day=date(2026, 12, 1))
    rules = guard_rules(max_event_age=days * DAY)
    for event in (by_hire_date, by_first_day):
        assert not too_old(event, HIRED - 90 * DAY, rules)
        assert not too_old(event, last, rules)
        assert too_old(event, last + MINUTE, rules)


# --- methods ---


@pytest.mark.parametrize(
    "method",
    [
        "phone", "fido2", "windowsHelloForBusiness", "microsoftAuthenticator", "platformCredential", "softwareOath",
        "hardwareOath", "qrCodePin", "external", "somethingNew", "", "Password", "#microsoft.graph.password",
    ],
)  # fmt: skip
def test_any_other_method_blocks_known_or_not(method: str) -> None:
    assert reason(facts(methods=("password", method))) is Reason.ALREADY_REGISTERED


def test_a_password_a_pass_and_ignored_methods_do_not_block() -> None:
    assert reason(facts(methods=())) is None
    assert reason(facts(methods=("password", "temporaryAccessPass", "email"))) is None
    assert (
        reason(facts(methods=("email",)), rules=guard_rules(methods_ignored=frozenset())) is Reason.ALREADY_REGISTERED
    )
    assert reason(facts(methods=("phone",)), rules=guard_rules(methods_ignored=frozenset({"phone"}))) is None


# --- policy scope ---


@pytest.mark.parametrize(
    ("include", "exclude", "may"),
    [
        ({"all_users"}, set(), True),
        ({GROUP_ID}, set(), True),
        ({USER_ID}, set(), True),
        ({"other"}, set(), False),
        (set(), set(), False),
        ({"all_users"}, {GROUP_ID}, False),
        ({"all_users", USER_ID}, {USER_ID}, False),
        ({GROUP_ID}, {GROUP_ID}, False),
        ({"all_users"}, {"other"}, True),
        ({"all_users"}, {"all_users"}, False),
    ],
)
def test_exclude_beats_include(include: set[str], exclude: set[str], may: bool) -> None:
    scoped = policy(include_targets=frozenset(include), exclude_targets=frozenset(exclude))
    stopped = reason(facts(groups=frozenset({GROUP_ID})), policy=scoped)
    assert stopped is (None if may else Reason.POLICY_EXCLUDES_USER)


# --- disabled accounts ---


@pytest.mark.parametrize(
    ("zone", "now", "waits"),
    [
        ("Europe/Amsterdam", datetime(2026, 11, 30, 22, 59, tzinfo=UTC), False),
        ("Europe/Amsterdam", datetime(2026, 11, 30, 23, 0, tzinfo=UTC), True),
        ("Pacific/Auckland", datetime(2026, 11, 30, 10, 59, tzinfo=UTC), False),
        ("Pacific/Auckland", datetime(2026, 11, 30, 11, 0, tzinfo=UTC), True),
        ("America/Los_Angeles", datetime(2026, 12, 1, 7, 59, tzinfo=UTC), False),
    ],
)
def test_a_disabled_account_waits_once_the_local_hire_date_has_come(zone: str, now: datetime, waits: bool) -> None:
    disabled, event = facts(account_enabled=False), hire_event(time_zone=zone)
    assert reason(disabled, event=event, now=now) is (Reason.ACCOUNT_DISABLED if waits else None)
    anyway = guard_rules(disabled_account=DisabledAccount.ISSUE)
    assert reason(disabled, event=event, now=now, rules=anyway) is None
