"""What the self-check makes of what it sees, and what is worth telling of it."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.access import Circles
from shared.checks import (
    NEEDED_ROLES,
    Expected,
    PassPolicy,
    SmsSender,
    WhatsAppSender,
    on_clock,
    on_countries,
    on_policy,
    on_roles,
    on_sender,
    on_whatsapp,
)
from shared.events import DevicePath
from shared.findings import Code, Verdict, named
from shared.plan import PlanRules, longest_minutes
from tests.fakes.checkup import EXPECTED, GROUP, policy

LEAST = {row[0] for row in NEEDED_ROLES}
CIRCLES = Circles(frozenset({GROUP}))


def told(found: list[tuple[Verdict, Code, str]]) -> list[tuple[str, str]]:
    return [(verdict, code) for verdict, code, _ in found]


@pytest.mark.parametrize("role", sorted(LEAST))
def test_a_role_that_is_missing_is_named(role: str) -> None:
    granted = (LEAST | {"RoleManagement.Read.Directory"}) - {role}
    covered = role == "RoleEligibilitySchedule.Read.Directory"  # RoleManagement.Read.Directory covers it
    if role == "RoleManagement.Read.Directory":
        granted = LEAST - {role}
    expected = [] if covered else [(Verdict.FAILED, Code.ROLES_MISSING, role)]
    assert on_roles(granted) == expected


@pytest.mark.parametrize(
    ("extra", "verdict", "code"),
    [
        ("Mail.Read.All", "warning", "roles-in-excess"),
        ("Mail.Read", "warning", "roles-in-excess"),
        ("User.ReadBasic.All", "warning", "roles-in-excess"),
        ("Member.Read.Hidden", "warning", "roles-in-excess"),
        ("Mail.ReadWrite", "failed", "roles-that-write"),
        ("Sites.FullControl.All", "failed", "roles-that-write"),
        ("Directory.Read.All", "warning", "roles-in-excess"),
        ("Directory.ReadWrite.All", "failed", "roles-that-write"),
        ("UserAuthenticationMethod.ReadWrite.All", "failed", "roles-that-write"),
        ("RoleManagement.ReadWrite.Directory", "failed", "roles-that-write"),
        ("Mail.Send", "failed", "roles-that-write"),
    ],
)
def test_a_role_nothing_needs_is_told(extra: str, verdict: str, code: str) -> None:
    assert on_roles(LEAST | {extra}) == [(verdict, code, extra)]


def test_the_optional_role_is_no_excess() -> None:
    assert on_roles(LEAST | {"Policy.Read.ConditionalAccess"}) == []


def test_a_broad_role_may_stand_in_for_the_least_one() -> None:
    granted = LEAST - {"UserAuthMethod-TAP.ReadWrite.All"} | {"UserAuthenticationMethod.ReadWrite.All"}
    assert told(on_roles(granted)) == [("warning", "roles-broad")]


@pytest.mark.parametrize(
    ("without", "stands_in", "code", "detail"),
    [
        ("User.Read.All", "Directory.Read.All", "roles-stand-in", "Directory.Read.All for User.Read.All"),
        ("Policy.Read.AuthenticationMethod", "Policy.Read.All", "roles-stand-in", None),
        ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All", "roles-broad", None),
    ],
)
def test_a_role_that_does_for_one_that_is_missing_is_none_to_take_away(
    without: str, stands_in: str, code: str, detail: str | None
) -> None:
    assert on_roles(LEAST - {without} | {stands_in}) == [("warning", code, detail or f"{stands_in} for {without}")]


def test_one_role_may_do_for_several() -> None:
    granted = LEAST - {"User.Read.All", "GroupMember.Read.All"} | {"Directory.Read.All"}
    ((_, code, detail),) = on_roles(granted)
    assert (code, detail) == (
        "roles-stand-in",
        "Directory.Read.All for User.Read.All, Directory.Read.All for GroupMember.Read.All",
    )


@pytest.mark.parametrize(
    ("changes", "length", "expected"),
    [
        ({}, 12, []),
        ({"enabled": False, "is_usable_once": True}, 8, [("failed", "policy-disabled")]),
        ({"is_usable_once": True}, 12, [("failed", "policy-one-time-only")]),
        ({"maximum_lifetime_in_minutes": 254}, 12, [("failed", "policy-too-short")]),
        ({"maximum_lifetime_in_minutes": 255}, 12, [("warning", "policy-cuts-plan")]),
        ({"maximum_lifetime_in_minutes": 614}, 12, [("warning", "policy-cuts-plan")]),
        ({"maximum_lifetime_in_minutes": 615}, 12, []),
        ({"include_targets": frozenset({"someone"})}, 12, [("failed", "policy-misses-joiners")]),
        ({"include_targets": frozenset[str]()}, 12, [("failed", "policy-misses-joiners")]),
        ({"exclude_targets": frozenset({GROUP})}, 12, [("failed", "policy-misses-joiners")]),
        ({"include_targets": frozenset({"all_users"})}, 12, [("warning", "policy-for-everybody")]),
        ({}, 14, []),
        ({}, 15, [("warning", "policy-too-long-for-whatsapp")]),
        ({}, 11, [("warning", "policy-short-passes")]),
    ],
)
def test_the_pass_policy(changes: dict[str, Any], length: int, expected: list[tuple[str, str]]) -> None:
    assert told(on_policy(PassPolicy(policy(**changes), length), EXPECTED, CIRCLES)) == expected


def test_a_policy_whose_scope_nobody_named_must_only_have_one() -> None:
    expected, unnamed = replace(EXPECTED, joiners_group=None, whatsapp=False), Circles(are_all=False)
    assert on_policy(PassPolicy(policy(), 20), expected, unnamed) == []
    nobody = policy(include_targets=frozenset())
    assert told(on_policy(PassPolicy(nobody, 20), expected, unnamed)) == [("failed", "policy-misses-joiners")]


@pytest.mark.parametrize(
    ("circles", "changes", "expected"),
    [
        (Circles(frozenset({GROUP, "above"})), {"include_targets": frozenset({"above"})}, []),
        (
            Circles(frozenset({GROUP, "above"})),
            {"exclude_targets": frozenset({"above"})},
            [("failed", "policy-misses-joiners")],
        ),
        (Circles(frozenset({GROUP}), are_all=False), {}, []),
        (
            Circles(frozenset({GROUP}), are_all=False),
            {"include_targets": frozenset({"above"})},
            [("warning", "policy-may-miss-joiners")],
        ),
        (
            Circles(frozenset({GROUP}), are_all=False),
            {"exclude_targets": frozenset({GROUP})},
            [("failed", "policy-misses-joiners")],
        ),
    ],
)
def test_a_group_inside_an_included_one_is_in_scope(
    circles: Circles, changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert told(on_policy(PassPolicy(policy(**changes), 12), EXPECTED, circles)) == expected


def test_the_sender_of_sms() -> None:
    assert on_sender(SmsSender(exists=True)) == []
    assert told(on_sender(SmsSender(exists=False, sms=False))) == [("failed", "sender-missing")]
    assert told(on_sender(SmsSender(exists=True, is_empty=True))) == [("failed", "sender-pool-empty")]
    assert told(on_sender(SmsSender(exists=True, sms=False))) == [("failed", "sender-without-sms")]
    assert told(on_sender(SmsSender(exists=True, smart_encoding=True))) == [("warning", "smart-encoding-on")]


def test_whatsapp_names_every_template_that_waits() -> None:
    seen = WhatsAppSender(online=False, templates={"nl": "approved", "de": "pending", "en": "unknown to Twilio"})
    assert on_whatsapp(seen) == [
        ("failed", "whatsapp-sender-offline", ""),
        ("failed", "template-not-approved", "de: pending, en: unknown to Twilio"),
    ]


def test_countries_are_compared_both_ways() -> None:
    assert on_countries({"DE", "NL"}, EXPECTED) == []
    assert on_countries({"NL", "FR", "BE"}, EXPECTED) == [
        ("failed", "countries-blocked", "DE"),
        ("warning", "countries-open", "BE, FR"),
    ]
    many = {f"{letter}Q" for letter in "ABCDEFGHIJKLM"} | {"DE", "NL"}
    assert on_countries(many, EXPECTED)[0][2].endswith("JQ and 3 more")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, None), (-59, None), (60, "warning"), (-299, "warning"), (300, "failed"), (-9e5, "failed")],
)
def test_clocks_may_differ_by_less_than_a_minute(seconds: float, expected: str | None) -> None:
    assert [verdict for verdict, _, _ in on_clock(timedelta(seconds=seconds))] == ([expected] if expected else [])


def test_the_longest_plan_is_that_of_all_devices_or_of_the_usual_ones_where_these_take_longer() -> None:
    assert longest_minutes([DevicePath.AUTHENTICATOR], PlanRules()) == (255, 615)
    slow = PlanRules(step_minutes={(DevicePath.SECURITY_INFO, "security-info"): 500})
    assert longest_minutes([DevicePath.SECURITY_INFO], slow) == (500, 870)


@pytest.mark.parametrize("word", ["", "x" * 65, "User.Read.All\n", "a b", "\x1b[31m", "é", "+491713920077", None, 7])
def test_a_word_that_has_not_its_form_is_a_mark(word: object) -> None:
    assert named(word, re.compile("[A-Za-z.]+")) == "?"


def test_a_role_without_a_name_is_one_too_many() -> None:
    assert on_roles(LEAST | {named("+491713920077", re.compile("[a-z]+"))}) == [("failed", "roles-that-write", "?")]


def test_risks_are_the_deployers_choices() -> None:
    assert Expected(steps_minutes=1, plan_minutes=2).risky == ()
