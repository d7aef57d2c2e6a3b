"""What HR, joiners and operators would see of a run, through the command."""

import json
from typing import Any

from tests.acceptance.conftest import ROOT, RunCohort, firstpass
from tests.acceptance.people import NOW, POLICY, SETTINGS, hired, mobile, user, user_id


def by_subject(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["subject"]: case for case in outcome["cases"]}


def test_the_built_in_cohort_ends_as_its_people_deserve() -> None:
    done = firstpass("demo", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    cases = by_subject(outcome)
    ends = {subject: (case["state"], case["reason"], case["issuances"]) for subject, case in cases.items()}
    assert ends == {
        **dict.fromkeys(("W-1001", "W-1004", "W-1005", "W-1006", "W-1009"), ("onboarded", None, 1)),
        **dict.fromkeys(("W-1002", "W-1003"), ("onboarded", None, 2)),
        "W-1007": ("gave_up", "passes-exhausted", 3),
        "W-1008": ("refused", "undeliverable", 3),
        "W-1011": ("refused", "privileged", 1),
        "W-1012": ("refused", "external-guest", 1),
        "W-1013": ("refused", "mobile-not-mobile", 1),
        "W-1014": ("refused", "already-registered", 1),
        "W-1015": ("refused", "user-not-found", 1),
        "W-1016": ("cancelled", None, 1),
        "W-1019": ("cancelled", None, 1),
        "W-1020": ("sent", None, 1),
        "W-1021": ("sent", None, 1),
        "W-1022": ("announced", None, 1),
    }
    assert [tried["worked"] for tried in outcome["signIns"]] == [True] * 6 + [False, True]
    assert [letter["reason"] for letter in outcome["deadLetters"]] == [
        *("privileged", "external-guest", "mobile-not-mobile", "already-registered"),
        *("malformed-event", "malformed-event", "user-not-found", "undeliverable", "passes-exhausted"),
    ]
    assert cases["W-1020"]["startDateTime"] == "2026-11-13T13:00:00Z"
    assert cases["W-1022"]["waitingUntil"] == "2026-11-22T08:00:00Z"
    opened = {case["subject"]: _sent_at(case) for case in outcome["cases"] if case["history"]}
    # Europe's clocks go back on the night to Sunday 25 October: four in the afternoon in Amsterdam is 15:00 UTC
    assert opened["W-1004"] == "2026-10-25T15:00:00Z"
    # moved on by HR; New York's clocks go back on 1 November
    assert opened["W-1009"] == "2026-11-01T21:00:00Z"


def _sent_at(case: dict[str, Any]) -> str | None:
    """When the first message of a case went out, to the minute."""
    sent = [move["at"] for move in case["history"] if (move["actor"], move["to"]) == ("issue", "sent")]
    return sent[0][:17] + "00Z" if sent else None


def test_a_phone_shows_the_pass_entra_holds_and_nothing_else(run_cohort: RunCohort) -> None:
    outcome = run_cohort(
        now=NOW,
        settings=SETTINGS,
        policy=POLICY,
        users=[user(1), user(2)],
        events=[hired(1), hired(2, {"channel": "whatsapp", "devicePaths": ["apple-business-manager", "autopilot"]})],
    )
    first, second = outcome["cases"]
    assert first["messages"] == [{"to": mobile(1), "channel": "sms", "body": first["messages"][0]["body"]}]
    assert len(first["messages"][0]["body"]) == 12
    assert second["messages"][0]["channel"] == "whatsapp"
    assert second["messages"][0]["body"].endswith(" is your verification code.")
    assert second["devicePaths"] == ["apple-business-manager", "autopilot"]
    assert (first["lifetimeInMinutes"], second["lifetimeInMinutes"]) == (465, 555)
    for number, case in ((1, first), (2, second)):
        (held,) = outcome["passes"][user_id(number)]
        assert held["lifetimeInMinutes"] == case["lifetimeInMinutes"]
        assert held["isUsableOnce"] is case["isUsableOnce"] is False
        assert held["methodUsabilityReason"] == "EnabledByPolicy"
    assert outcome["deadLetters"] == []


def test_people_are_found_by_name_and_by_employee_id(run_cohort: RunCohort) -> None:
    outcome = run_cohort(
        now=NOW,
        settings=SETTINGS,
        users=[
            user(1, userPrincipalName="o'brien+x@firstpass.example"),
            user(2),
            user(3, employeeId="E-dup"),
            user(4, employeeId="E-dup"),
        ],
        events=[
            hired(1, {"user": {"userPrincipalName": "o'brien+x@firstpass.example"}}),
            hired(2, {"user": {"employeeId": "E2"}}),
            hired(3, {"user": {"employeeId": "E-dup"}}),
        ],
    )
    assert [(case["state"], case["reason"]) for case in outcome["cases"]] == [
        ("sent", None),
        ("sent", None),
        ("refused", "user-ambiguous"),
    ]


BAD = {
    "data.user": {"user": {}},
    "data.user.id": {"user": {"id": "me"}},
    "data.hireDate": {"hireDate": "2026-02-30"},
    "data.startTime": {"startTime": "noon"},
    "data.timeZone": {"timeZone": "Mars/Olympus"},
    "data.devicePaths.0": {"devicePaths": ["fax"]},
    "data.devicePaths": {"devicePaths": []},
    "data.mobilePhone": {"mobilePhone": None},
    "data.channel": {"channel": "pigeon"},
    "data.locale": {"locale": "!!"},
}


def test_every_wrong_field_is_named_and_no_value_repeated(run_cohort: RunCohort) -> None:
    events: list[Any] = [hired(number, change) for number, change in enumerate(BAD.values(), 1)]
    outcome = run_cohort(now=NOW, settings=SETTINGS, events=events)
    assert outcome["cases"] == []
    for field, letter in zip(BAD, outcome["deadLetters"], strict=True):
        assert letter["reason"] == "malformed-event"
        assert f"{field}:" in letter["description"] + ":"
        assert not {"Mars", "fax", "pigeon", "noon", "02-30"} & set(letter["description"].replace("/", " ").split())


def test_what_is_not_an_event_is_refused_not_crashed_on(run_cohort: RunCohort) -> None:
    raw: list[Any] = [
        "",
        "null",
        "[]",
        '"text"',
        "[" * 5000 + "]" * 5000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        '{"type": "joiner.hired.v1", "type": "joiner.hired.v1"}',
        '{"time": NaN}',
        "x" * 66_000,
        '{"type": "joiner.promoted.v1"}',
        '{"type": "joiner.hired.v2"}',
    ]
    outcome = run_cohort(now=NOW, settings=SETTINGS, events=raw)
    reasons = [letter["reason"] for letter in outcome["deadLetters"]]
    assert reasons == ["malformed-event"] * 9 + ["unknown-type"] * 2


NUMBERS = {
    "+493023125000": "mobile-not-mobile",
    "+19005550199": "mobile-not-mobile",
    "+61491570006": "mobile-country-blocked",
    "0611111111": "mobile-invalid",
    "+1201555CALL": "mobile-invalid",
    "\u202e+12015550142": "mobile-invalid",
    "+１２０１５５５０１４２": "mobile-invalid",  # noqa: RUF001 - full-width digits are the point
}


def test_numbers_that_will_not_do_are_refused_each_with_its_reason(run_cohort: RunCohort) -> None:
    people = [user(index, mobilePhone=None) for index in range(1, len(NUMBERS) + 1)]
    events = [hired(index, {"mobilePhone": number}) for index, number in enumerate(NUMBERS, 1)]
    outcome = run_cohort(now=NOW, settings=SETTINGS, users=people, events=events)
    assert [case["reason"] for case in outcome["cases"]] == list(NUMBERS.values())
    assert outcome["passes"] == {}


def test_nobody_privileged_gets_a_pass(run_cohort: RunCohort) -> None:
    group = "aaaa0000-0000-4000-8000-00000000000a"
    people = [
        user(1, roles=["Global Administrator"]),
        user(2, eligibleRoles=["User Administrator"]),
        user(3, groups=[{"id": group, "isAssignableToRole": True, "roles": [], "owner": False}]),
        user(4, groups=[{"id": group, "isAssignableToRole": True, "roles": [], "owner": True}]),
    ]
    outcome = run_cohort(now=NOW, settings=SETTINGS, users=people, events=[hired(number) for number in range(1, 5)])
    assert [case["reason"] for case in outcome["cases"]] == ["privileged"] * 4
    assert outcome["passes"] == {}


def test_wrong_settings_are_all_named_and_never_shown() -> None:
    file = ROOT / "tests" / "acceptance" / "wrong_settings.json"
    done = firstpass("demo", "--cohort", str(file), "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    for name in ("CLOUD", "NUMBER_SOURCE", "ALLOWED_COUNTRIES", "OPENS_BEFORE"):
        assert f"{name}:" in done.stderr
    for value in ("china", "hearsay", "Narnia", "soonish"):
        assert value not in done.stderr


def test_a_file_that_is_not_a_cohort_says_where_it_is_wrong(tmp_path: Any) -> None:
    file = tmp_path / "cohort.json"
    file.write_text('{"now": "yesterday", "wishes": []}')
    done = firstpass("demo", "--cohort", str(file))
    assert done.returncode == 2
    for word in ("now", "wishes", "events"):
        assert word in done.stderr
