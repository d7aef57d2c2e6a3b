"""What HR, joiners and operators would see of a run, through the command."""

import json
from typing import Any

import pytest

from tests.acceptance.conftest import ROOT, RunCohort, firstpass, run_in
from tests.acceptance.people import NOW, POLICY, SETTINGS, hired, mobile, user, user_id


def by_subject(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["subject"]: case for case in outcome["cases"]}


@pytest.mark.slow
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


NAME = "o'brien+x@firstpass.example"
FOUND = {
    101: (user(101, userPrincipalName=NAME), {"user": {"userPrincipalName": NAME}}, ("sent", None)),
    102: (user(102), {"user": {"employeeId": "E102"}}, ("sent", None)),
    103: (user(103, employeeId="E-dup"), {"user": {"employeeId": "E-dup"}}, ("refused", "user-ambiguous")),
}
"""Who is asked for by another name than their id, and what becomes of it."""

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
NO_EVENTS = (
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
)
NUMBERS = {
    "+493023125000": "mobile-not-mobile",
    "+19005550199": "mobile-not-mobile",
    "+61491570006": "mobile-country-blocked",
    "0611111111": "mobile-invalid",
    "+1201555CALL": "mobile-invalid",
    "\u202e+12015550142": "mobile-invalid",
    "+１２０１５５５０１４２": "mobile-invalid",  # noqa: RUF001 - full-width digits are the point
}
GROUP = {"id": "aaaa0000-0000-4000-8000-00000000000a", "isAssignableToRole": True, "roles": []}
PRIVILEGED: dict[int, dict[str, Any]] = {
    201: {"roles": ["Global Administrator"]},
    202: {"eligibleRoles": ["User Administrator"]},
    203: {"groups": [GROUP | {"owner": False}]},
    204: {"groups": [GROUP | {"owner": True}]},
}


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run with everybody and everything doubtful in it."""
    numbers = dict(enumerate(NUMBERS, 301))
    return run_in(
        tmp_path_factory.mktemp("cohort"),
        now=NOW,
        settings=SETTINGS,
        users=[
            *(person for person, _, _ in FOUND.values()),
            user(104, employeeId="E-dup"),
            *(user(number, **what) for number, what in PRIVILEGED.items()),
            *(user(number, mobilePhone=None) for number in numbers),
        ],
        events=[
            *(hired(number, asked) for number, (_, asked, _) in FOUND.items()),
            *(hired(number, change) for number, change in enumerate(BAD.values(), 401)),
            *NO_EVENTS,
            *(hired(number, {"mobilePhone": mobile}) for number, mobile in numbers.items()),
            *(hired(number) for number in PRIVILEGED),
        ],
    )


def letters(outcome: dict[str, Any], *reasons: str) -> list[dict[str, Any]]:
    return [letter for letter in outcome["deadLetters"] if letter["reason"] in reasons]


def test_people_are_found_by_name_and_by_employee_id(doubtful: dict[str, Any]) -> None:
    cases = by_subject(doubtful)
    for number, (_, _, expected) in FOUND.items():
        assert (cases[f"W-{number}"]["state"], cases[f"W-{number}"]["reason"]) == expected


def test_every_wrong_field_is_named_and_no_value_repeated(doubtful: dict[str, Any]) -> None:
    for field, letter in zip(BAD, letters(doubtful, "malformed-event"), strict=False):
        assert f"{field}:" in letter["description"] + ":"
        assert not {"Mars", "fax", "pigeon", "noon", "02-30"} & set(letter["description"].replace("/", " ").split())
    assert not {f"W-{number}" for number in range(401, 411)} & by_subject(doubtful).keys()


def test_what_is_not_an_event_is_refused_not_crashed_on(doubtful: dict[str, Any]) -> None:
    reasons = [letter["reason"] for letter in letters(doubtful, "malformed-event", "unknown-type")]
    assert reasons == ["malformed-event"] * (len(BAD) + 9) + ["unknown-type"] * 2


def test_numbers_that_will_not_do_are_refused_each_with_its_reason(doubtful: dict[str, Any]) -> None:
    cases = by_subject(doubtful)
    assert [cases[f"W-{number}"]["reason"] for number in range(301, 301 + len(NUMBERS))] == list(NUMBERS.values())


def test_nobody_privileged_gets_a_pass(doubtful: dict[str, Any]) -> None:
    cases = by_subject(doubtful)
    assert {cases[f"W-{number}"]["reason"] for number in PRIVILEGED} == {"privileged"}
    assert set(doubtful["passes"]) == {user_id(101), user_id(102)}


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
