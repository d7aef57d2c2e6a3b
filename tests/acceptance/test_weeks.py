"""Weeks of simulated time through the real processes: what happens after, and instead of, the message."""

from datetime import datetime
from typing import Any

import pytest

from tests.acceptance.conftest import RunCohort
from tests.acceptance.people import NOW, POLICY, SETTINGS, hired, mobile, user, user_id

pytestmark = pytest.mark.slow

HELLO = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod"
AUTHENTICATOR = "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod"
PHONE = "#microsoft.graph.phoneAuthenticationMethod"
NEXT_MONDAY = {"hireDate": "2026-12-07"}
"""A week ahead: the message goes out on Sunday the 6th at 16:00 in Amsterdam, the pass opens on Monday at 08:00."""


def joiner(number: int, hire_date: str = "2026-12-07", **changes: Any) -> dict[str, Any]:
    return user(number, employeeHireDate=f"{hire_date}T00:00:00Z", **changes)


def sign_in(number: int, at: str, registers: str | None = None) -> dict[str, Any]:
    return {"user": user_id(number), "at": at} | ({"registers": registers} if registers else {})


def changed(number: int, at: str, data: dict[str, Any]) -> dict[str, Any]:
    """A later event about the same hire, sent at its time."""
    sent = datetime.fromisoformat(at)
    return {"at": at, "event": hired(number, data, id=f"evt-{number}-{sent:%d%H%M}", time=at)}


def called_off(number: int, at: str, time: str | None = None) -> dict[str, Any]:
    event = {name: value for name, value in hired(number).items() if name != "data"}
    return {"at": at, "event": event | {"type": "joiner.cancelled.v1", "id": f"off-{number}", "time": time or at}}


def by_subject(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["subject"]: case for case in outcome["cases"]}


def story(case: dict[str, Any]) -> list[tuple[str, str]]:
    """Who moved the case where, without what interests nobody here."""
    return [(move["actor"], move["to"]) for move in case["history"] if move["actor"] not in {"redact", "wipe"}]


def test_three_weeks_of_joiners(run_cohort: RunCohort) -> None:
    outcome = run_cohort(
        now=NOW,
        until="2026-12-21T12:00:00Z",
        settings=SETTINGS,
        policy=POLICY,
        users=[joiner(number) for number in range(1, 10)],
        phones={
            mobile(2): {"whatsapp": "silent"},
            mobile(3): {"whatsapp": "63003"},
            mobile(4): {"sms": "off"},
            mobile(5): {"sms": "30005"},
            mobile(6): {"sms": "sent"},
        },
        events=[
            hired(1, NEXT_MONDAY),
            hired(2, {**NEXT_MONDAY, "channel": "whatsapp"}),
            hired(3, {**NEXT_MONDAY, "channel": "whatsapp"}),
            hired(4, NEXT_MONDAY),
            hired(5, NEXT_MONDAY),
            hired(6, NEXT_MONDAY),
            hired(7, NEXT_MONDAY),
            hired(8, NEXT_MONDAY),
            hired(9, NEXT_MONDAY),
        ],
        signIns=[
            sign_in(1, "2026-12-06T20:00:00Z"),
            sign_in(1, "2026-12-07T08:00:00Z", HELLO),
            sign_in(2, "2026-12-07T08:00:00Z", AUTHENTICATOR),
            sign_in(3, "2026-12-07T08:00:00Z", AUTHENTICATOR),
            sign_in(6, "2026-12-07T08:00:00Z", HELLO),
            sign_in(8, "2026-12-08T08:00:00Z", HELLO),
            sign_in(9, "2026-12-07T09:00:00Z", PHONE),
        ],
    )
    cases = by_subject(outcome)
    ends = {subject: (case["state"], case["reason"], case["issuances"]) for subject, case in cases.items()}
    assert ends == {
        "W-1": ("onboarded", None, 1),
        "W-2": ("onboarded", None, 2),
        "W-3": ("onboarded", None, 2),
        "W-4": ("refused", "undeliverable", 3),
        "W-5": ("refused", "undeliverable", 1),
        "W-6": ("onboarded", None, 1),
        "W-7": ("gave_up", "passes-exhausted", 3),
        "W-8": ("onboarded", None, 2),
        "W-9": ("refused", "registered-not-passwordless", 1),
    }
    tried = [(one["user"], one["worked"]) for one in outcome["signIns"]]
    assert tried[0] == (user_id(1), False), "the pass is on the phone, and not open yet"
    assert [worked for _, worked in tried[1:]] == [True] * 6
    assert [message["channel"] for message in cases["W-2"]["messages"]] == ["whatsapp", "sms"]
    assert [message["channel"] for message in cases["W-3"]["messages"]] == ["whatsapp", "sms"]
    assert len(cases["W-4"]["messages"]) == len(cases["W-7"]["messages"]) == 3
    assert cases["W-6"]["receipt"] == "sent", "a carrier that never confirms"
    live = [held for passes in outcome["passes"].values() for held in passes if held["isUsable"]]
    assert live == [], "whoever made it, was refused or given up has no pass any more"
    reasons = sorted(letter["reason"] for letter in outcome["deadLetters"])
    assert reasons == ["passes-exhausted", "registered-not-passwordless", "undeliverable", "undeliverable"]
    assert story(cases["W-1"]) == [
        ("event", "announced"),
        *[("issue", "issuing")] * 2,
        ("issue", "sent"),
        *[("receipt", "sent")] * 2,
        ("look", "sent"),
        ("guard", "sent"),
        ("check", "sent"),  # the method is not an hour old: nobody is cut off half-way
        ("check", "onboarded"),
        ("revoke", "onboarded"),
    ]


def test_changes_of_mind(run_cohort: RunCohort) -> None:
    other_day = {"hireDate": "2026-12-08"}
    outcome = run_cohort(
        now=NOW,
        until="2026-12-08T12:00:00Z",
        settings={**SETTINGS, "MOBILE_HOLD": "0"},
        policy=POLICY,
        users=[
            joiner(1, "2026-12-08"),
            *(joiner(number, mobilePhone=None) for number in range(2, 8)),
            joiner(8, "2026-11-30"),
        ],
        events=[
            hired(1, NEXT_MONDAY),
            changed(1, "2026-12-02T10:00:00Z", other_day),
            hired(2, NEXT_MONDAY),
            changed(2, "2026-12-06T18:00:00Z", {**NEXT_MONDAY, "devicePaths": ["apple-business-manager"]}),
            hired(3, NEXT_MONDAY),
            changed(3, "2026-12-06T18:00:00Z", {**NEXT_MONDAY, "mobilePhone": mobile(33)}),
            hired(4, NEXT_MONDAY),
            called_off(4, "2026-12-06T18:00:00Z"),
            called_off(5, "2026-12-01T08:00:00Z"),
            changed(5, "2026-12-01T09:00:00Z", NEXT_MONDAY) | {"event": hired(5, NEXT_MONDAY)},
            hired(6, NEXT_MONDAY),
            changed(6, "2026-12-07T01:00:00Z", NEXT_MONDAY),
            hired(7, NEXT_MONDAY),
            called_off(7, "2026-12-07T14:00:00Z"),
            hired(8),
            called_off(8, "2026-11-30T07:30:00Z"),
            called_off(8, "2026-11-30T07:31:00Z", time="2026-11-30T07:30:00Z"),
        ],
        signIns=[
            sign_in(2, "2026-12-07T08:00:00Z", HELLO),
            sign_in(3, "2026-12-07T08:00:00Z", HELLO),
            sign_in(4, "2026-12-07T08:00:00Z", HELLO),
            sign_in(6, "2026-12-07T08:00:00Z", HELLO),
            sign_in(7, "2026-12-07T08:00:00Z", HELLO),
            sign_in(8, "2026-11-30T08:00:00Z"),
            sign_in(1, "2026-12-08T08:00:00Z"),
        ],
    )
    cases = by_subject(outcome)
    ends = {subject: (case["state"], case["issuances"], len(case["messages"])) for subject, case in cases.items()}
    assert ends["W-1"] == ("sent", 1, 1), "a waiting case is planned anew"
    assert cases["W-1"]["startDateTime"] == "2026-12-08T07:00:00Z"
    assert ends["W-2"][1:] == (2, 2), "other devices need another pass"
    assert ends["W-3"][1:] == (2, 2)
    assert [message["to"] for message in cases["W-3"]["messages"]] == [mobile(3), mobile(33)]
    assert ends["W-4"] == ("cancelled", 1, 1)
    assert ends["W-5"] == ("cancelled", 0, 0), "called off before it was announced"
    assert ends["W-6"][1:] == (1, 1), "a nightly resync changes nothing"
    assert ends["W-7"] == ("cancelled", 1, 1)
    assert ends["W-8"] == ("cancelled", 1, 1)
    worked = {one["user"]: one["worked"] for one in outcome["signIns"]}
    expected = {1: True, 2: True, 3: True, 4: False, 6: True, 7: True, 8: False}
    assert worked == {user_id(number): so for number, so in expected.items()}
    live = {user for user, passes in outcome["passes"].items() for held in passes if held["isUsable"]}
    assert live == {user_id(1)}
    assert outcome["deadLetters"] == []


@pytest.mark.parametrize("wrong", [{"at": "soon", "event": {}}, {"at": "2026-12-01T08:00:00", "event": {}}])
def test_an_event_with_a_time_that_is_none_says_so(wrong: dict[str, Any], run_cohort: RunCohort) -> None:
    with pytest.raises(AssertionError, match=r"events\.0"):
        run_cohort(events=[wrong])
