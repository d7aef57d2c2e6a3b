"""Conditional Access: what is told of policies that tenants really have, and of those that shut joiners out."""

from dataclasses import replace
from typing import Any

import pytest

from shared.access import OURS, AccessPolicy, Circles, on_access

GROUP, ABOVE, OTHER = "joiners", "all-staff", "somebody-else"
KNOWN = Circles(frozenset({GROUP, ABOVE}))
UNSEEN = Circles(frozenset({GROUP}), are_all=False)
UNNAMED = Circles(are_all=False)
MFA, PASSWORDLESS, RESISTANT = (f"00000000-0000-0000-0000-00000000000{digit}" for digit in "234")
TRUSTED: dict[str, Any] = {"locations": frozenset({"all"}), "excludes_locations": True}
FAILED, MAY = [("failed", "access-too-strong")], [("warning", "access-may-refuse")]
OPEN, REPORTED = [("warning", "access-open")], [("warning", "access-reported-only")]


def policy(*controls: str, **changes: Any) -> AccessPolicy:
    given: dict[str, Any] = {"id": "p", "controls": frozenset(controls)} | changes
    return AccessPolicy(**given)


def strong(strength: str = "own", *combinations: str, **changes: Any) -> AccessPolicy:
    return policy("strength", strength=strength, combinations=frozenset(combinations), **changes)


GUARD = policy("mfa", id="guard")


def everywhere(*controls: str, **changes: Any) -> AccessPolicy:
    """A policy on all apps."""
    return policy(*controls, on_registering=False, **changes)


def told(*policies: AccessPolicy, circles: Circles = KNOWN) -> list[tuple[str, str]]:
    return [(verdict, code) for verdict, code, _ in on_access(policies, circles)]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (policy("mfa"), []),
        (policy("mfa", **TRUSTED), []),
        (policy("mfa", "compliantdevice"), []),
        (policy("mfa", "termsofuse", all_of=True), []),
        (strong(MFA), []),
        (strong("own", "temporaryaccesspassmultiuse", "fido2"), []),
        (policy("mfa", groups=frozenset({GROUP}), users=frozenset()), []),
        (policy("mfa", groups=frozenset({ABOVE}), users=frozenset()), []),
        (policy("mfa", state="disabled"), OPEN),
        (policy(), OPEN),
        (policy("mfa", state="enabledForReportingButNotEnforced"), REPORTED),
        (policy("block"), FAILED),
        (policy("compliantdevice"), FAILED),
        (policy("mfa", "compliantdevice", all_of=True), FAILED),
        (strong(PASSWORDLESS), FAILED),
        (strong(RESISTANT), FAILED),
        (strong("own", "fido2", "password,sms"), FAILED),
        (strong("own", "fido2", "temporaryaccesspassonetime"), MAY),
        (strong("own"), MAY),
        (policy("block", **TRUSTED), MAY),
        (policy("block", groups=frozenset({GROUP}), users=frozenset()), FAILED),
        (policy("block", groups=frozenset({ABOVE}), users=frozenset()), FAILED),
        (policy("compliantapplication"), MAY),
        (policy("compliantdevice", platforms=frozenset({"ios"})), MAY),
        (policy("compliantdevice", filters_devices=True), MAY),
    ],
)
def test_a_policy_on_registering(one: AccessPolicy, expected: list[tuple[str, str]]) -> None:
    assert told(one) == expected


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (everywhere("mfa"), []),
        (everywhere("block"), FAILED),
        (everywhere("block", excludes_apps=True), MAY),
        (everywhere("compliantdevice"), MAY),
        (strong(RESISTANT, on_registering=False), MAY),
        (everywhere("block", clients=frozenset({"exchangeactivesync", "other"})), []),
        (everywhere("block", platforms=frozenset({"all"}), excluded_platforms=OURS), []),
        (everywhere("block", on_occasion=True), []),
        (everywhere("block", locations=frozenset({"a-country"})), []),
        (everywhere("block", **TRUSTED), MAY),
    ],
)  # fmt: skip
def test_a_policy_on_all_apps(one: AccessPolicy, expected: list[tuple[str, str]]) -> None:
    assert told(GUARD, one) == expected


@pytest.mark.parametrize(
    "scope",
    [
        {"users": frozenset[str]()},
        {"users": frozenset({OTHER})},
        {"users": frozenset({"none"})},
        {"users": frozenset({"guestsorexternalusers"})},
        {"users": frozenset[str](), "groups": frozenset({OTHER})},
        {"excluded_groups": frozenset({GROUP})},
        {"excluded_groups": frozenset({ABOVE})},
    ],
)
@pytest.mark.parametrize("one", [policy("block"), strong(RESISTANT), everywhere("block")])
def test_a_policy_on_others_is_nothing_to_tell_and_guards_nothing(one: AccessPolicy, scope: dict[str, Any]) -> None:
    aimed = replace(one, **scope)
    assert told(GUARD, aimed) == []
    assert told(aimed) == OPEN


def test_where_groups_cannot_be_seen_it_is_no_failure() -> None:
    others = policy("block", users=frozenset(), groups=frozenset({OTHER}))
    spared = policy("block", excluded_groups=frozenset({OTHER}))
    for circles in (UNSEEN, UNNAMED):
        assert told(others, circles=circles) == MAY
        assert told(spared, circles=circles) == MAY
        assert told(policy("block"), circles=circles) == FAILED


def test_what_is_only_reported_is_a_warning_at_most() -> None:
    assert told(GUARD, policy("block", state="enabledForReportingButNotEnforced")) == MAY


def test_every_policy_is_named() -> None:
    seen = [GUARD, policy("block", id="b"), strong(RESISTANT, id="a"), everywhere("compliantdevice", id="c")]
    assert [detail for _, _, detail in on_access(seen, KNOWN)] == ["a, b", "c"]
