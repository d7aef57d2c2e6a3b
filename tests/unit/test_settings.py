import json
from datetime import time, timedelta
from itertools import product
from pathlib import Path

import pytest

from shared.events import Channel, DevicePath, EventRules
from shared.forms import Credential
from shared.guard_rails import DisabledAccount, GuardRules, JoinerEvidence, NumberSource
from shared.plan import PlanRules
from shared.settings import REQUIRED, SETTINGS, Cloud, Role, Settings, SettingsError
from shared.states import CaseRules
from tests.settings_examples import GUID, MINIMUM, SID, problem, problems, settings

SAMPLE: dict[str, str] = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())["Values"]
MARKER = "Zx9MARKERx9Z"


# --- as a whole ---


def test_a_minimum_is_enough_and_defaults_fill_the_rules() -> None:
    chosen = settings()
    assert chosen.event_rules() == EventRules(time_zone="Europe/Amsterdam")
    assert chosen.plan_rules() == PlanRules()
    guard = chosen.guard_rules()
    assert guard == GuardRules(number_source=NumberSource.BOTH, allowed_countries=frozenset({"NL", "GB"}))
    assert chosen.case_rules() == CaseRules()
    assert chosen.graph_root() == "https://graph.microsoft.com"
    assert (chosen["FIRSTPASS_ROLE"], chosen["CLOUD"]) == (Role.ALL, Cloud.GLOBAL)


def test_the_sample_for_one_machine_passes() -> None:
    chosen = Settings(SAMPLE)
    assert chosen.guard_rules().number_source is NumberSource.BOTH
    assert chosen["GRAPH_URL"] == SAMPLE["GRAPH_URL"]
    assert chosen.graph_root() == "https://graph.microsoft.com", "tokens are asked for as in Azure"


def test_every_choice_reaches_its_rules() -> None:
    chosen = settings(
        START_TIME="08:30", DEVICE_PATHS="autopilot, authenticator", CHANNEL="whatsapp", MAX_DAYS_AHEAD="90",
        WHATSAPP_FROM="+12025550100", WHATSAPP_TEMPLATES=f"default=HX{SID}",
        WORKING_DAYS="sun,mon,tue,wed,thu", OPENS_BEFORE="2h", DELIVER_BEFORE="2d", DELIVERY_SPREAD="90m",
        DELIVERY_HOURS="07:00-21:30", ARRIVAL_WINDOW="4h", ONE_TIME_WHERE_POSSIBLE="TRUE",
        STEP_MINUTES="autopilot.device-set-up=60, zero-touch.apps=0",
        NUMBER_SOURCE="event", JOINERS_GROUP=GUID, JOINER_EVIDENCE="group", DISABLED_ACCOUNT="issue",
        METHODS_IGNORED="email,phone", BREAK_GLASS_IDS=f"{GUID}, {GUID}", MOBILE_HOLD="0", MAX_EVENT_AGE="14d",
        MESSAGE_VALIDITY="90m", MAX_PASSES="1", KEEP_CONTACT_DAYS="7", KEEP_CASES_DAYS="91",
    )  # fmt: skip
    assert chosen.event_rules() == EventRules(
        start_time=time(8, 30), time_zone="Europe/Amsterdam", channel=Channel.WHATSAPP, max_days_ahead=90,
        device_paths=(DevicePath.AUTOPILOT, DevicePath.AUTHENTICATOR),
    )  # fmt: skip
    assert chosen.plan_rules() == PlanRules(
        working_days=frozenset({6, 0, 1, 2, 3}), opens_before=timedelta(hours=2), deliver_before=timedelta(days=2),
        delivery_spread=timedelta(minutes=90), arrival_window=timedelta(hours=4), quiet_until=time(7),
        quiet_from=time(21, 30), one_time_where_possible=True,
        step_minutes={(DevicePath.AUTOPILOT, "device-set-up"): 60, (DevicePath.ZERO_TOUCH, "apps"): 0},
    )  # fmt: skip
    assert chosen.guard_rules() == GuardRules(
        number_source=NumberSource.EVENT, allowed_countries=frozenset({"NL", "GB"}), joiners_group=GUID.lower(),
        joiner_evidence=JoinerEvidence.GROUP, disabled_account=DisabledAccount.ISSUE,
        methods_ignored=frozenset({"email", "phone"}), break_glass_ids=frozenset({GUID.lower()}),
        mobile_hold=timedelta(0), max_event_age=timedelta(days=14),
    )  # fmt: skip
    assert chosen.case_rules() == CaseRules(
        message_lasts=timedelta(minutes=90), max_passes=1, keep_contact=timedelta(days=7), keep_case=timedelta(days=91),
    )  # fmt: skip


def test_everything_that_is_missing_is_named_at_once() -> None:
    required = {name for name, setting in SETTINGS.items() if setting.default is REQUIRED}
    assert {"NUMBER_SOURCE", "ALLOWED_COUNTRIES", "TIME_ZONE", "CASE_KEY", "SEAL_KEYS"} <= required
    assert set(problems({})) == required | {"ServiceBusConnection", "LedgerConnection", "TWILIO_FROM"}
    assert problems(dict.fromkeys(MINIMUM, "  ")) == problems({}), "blank is missing"


def test_everything_that_is_wrong_is_named_at_once_and_shown_nowhere() -> None:
    found = problems(dict.fromkeys(SETTINGS, f"\n{MARKER}:@/[{MARKER}]"))
    connections = {"ServiceBusConnection", "ServiceBusConnection__fullyQualifiedNamespace", "LedgerConnection"}
    free = connections | {"JOINERS_QUEUE", "TWILIO_API_KEY_SECRET", "TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN_NEXT"}
    assert set(found) == set(SETTINGS) - free
    assert MARKER not in str(found)


HOSTILE = [
    MARKER, f"https://{MARKER}\u2100.com", f"https://[{MARKER}]/", f"https://user:{MARKER}@x.com/", f"{MARKER}\u00e9",
    f"http://{MARKER}:99999999", f"+{MARKER}", f"{MARKER}=5", f"00:00-{MARKER}", f"{MARKER}m", f"mon,{MARKER}",
    f"@Microsoft.KeyVault(SecretUri=https://{MARKER})", f"../{MARKER}", f"{MARKER}," * 40, f"\x00{MARKER}",
]  # fmt: skip


def test_no_value_is_ever_shown() -> None:
    for name, value in product(SETTINGS, HOSTILE):
        try:
            said = repr(settings(**{name: value}))
        except SettingsError as wrong:
            said = f"{wrong} {wrong!r} {wrong.__context__!r} {wrong.__cause__!r}"
        assert MARKER not in said


def test_an_unresolved_key_vault_reference_is_said_to_be_one() -> None:
    for name in SETTINGS:
        said = problem(name, "@Microsoft.KeyVault(VaultName=v;SecretName=s)")
        assert said == "its Key Vault reference was not resolved", name


def test_a_default_is_a_value_its_own_row_accepts() -> None:
    defaults = {name: it.default for name, it in SETTINGS.items() if it.default not in (None, REQUIRED)}
    assert len(defaults) > 15
    chosen, said = settings(), settings(**defaults)
    for name, default in defaults.items():
        assert chosen[name] == said[name] == SETTINGS[name].read(default), name


def test_a_setting_nobody_knows_is_nobodys_business() -> None:
    assert settings(WEBSITE_SITE_NAME="x")["JOINERS_QUEUE"] == "joiners"
    with pytest.raises(KeyError):
        settings()["WEBSITE_SITE_NAME"]


# --- what goes together ---


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ServiceBusConnection": ""}, "ServiceBusConnection"),
        ({"ServiceBusConnection": "", "ServiceBusConnection__fullyQualifiedNamespace": "x.example.com"}, None),
        ({"LedgerConnection": ""}, "LedgerConnection"),
        ({"LedgerConnection": "", "LedgerConnection__tableServiceUri": "https://x.table.core.windows.net/"}, None),
        ({"TWILIO_FROM": ""}, "TWILIO_FROM"),
        ({"TWILIO_MESSAGING_SERVICE_SID": f"MG{SID}"}, "TWILIO_FROM"),
        ({"TWILIO_FROM": "", "TWILIO_MESSAGING_SERVICE_SID": f"MG{SID}"}, None),
        ({"DEAD_LETTERS_QUEUE": "joiners"}, "DEAD_LETTERS_QUEUE"),
        ({"JOINERS_QUEUE": "joiners-dead-letters"}, "DEAD_LETTERS_QUEUE"),
        ({"JOINERS_QUEUE": "joiners-dead-letters", "DEAD_LETTERS_QUEUE": "joiners"}, None),
        ({"JOINER_EVIDENCE": "group"}, "JOINERS_GROUP"),
        ({"JOINER_EVIDENCE": "group", "JOINERS_GROUP": GUID}, None),
        ({"CHANNEL": "whatsapp"}, "WHATSAPP_TEMPLATES"),
        ({"CHANNEL": "whatsapp", "WHATSAPP_FROM": "+12025550100"}, "WHATSAPP_TEMPLATES"),
        ({"CHANNEL": "whatsapp", "WHATSAPP_TEMPLATES": f"default=HX{SID}"}, "WHATSAPP_TEMPLATES"),
        ({"PUBLIC_URL": "https://x.com"}, "TWILIO_AUTH_TOKEN"),
        ({"PUBLIC_URL": "https://x.com", "FIRSTPASS_ROLE": "door"}, "TWILIO_AUTH_TOKEN"),
        ({"PUBLIC_URL": "https://x.com", "TWILIO_AUTH_TOKEN_NEXT": "x"}, "TWILIO_AUTH_TOKEN"),
        ({"PUBLIC_URL": "https://x.com", "TWILIO_AUTH_TOKEN": "x"}, None),
        ({"PUBLIC_URL": "https://x.com", "FIRSTPASS_ROLE": "worker"}, None),
        ({"TWILIO_AUTH_TOKEN": "x"}, None),
    ],
)  # fmt: skip
def test_what_must_go_together(changes: dict[str, str], named: str | None) -> None:
    if named is None:
        settings(**changes)
    else:
        assert set(problems({**MINIMUM, **changes})) == {named}


def test_credentials_do_not_show() -> None:
    given = {**MINIMUM, "TWILIO_AUTH_TOKEN": "t0ken", "TWILIO_AUTH_TOKEN_NEXT": "t0ken-2"}
    chosen = Settings(given)
    kept = {"ServiceBusConnection", "LedgerConnection", "CASE_KEY", "SEAL_KEYS", "TWILIO_API_KEY_SECRET"}
    for name in kept | {"TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN_NEXT"}:
        held = chosen[name]
        assert isinstance(held, Credential)
        assert held.open() == given[name]
        assert f"{held}{held!r}{held!s}" == "Credential(***)" * 3
    assert "t0ken" not in f"{chosen!r}{vars(chosen)}"
    assert "s3cret" not in f"{chosen!r}{vars(chosen)}"


# --- what the self-check reminds of ---

CAREFUL = {
    "PUBLIC_URL": "https://door.example", "TWILIO_AUTH_TOKEN": "t0ken", "BREAK_GLASS_IDS": GUID, "JOINERS_GROUP": GUID,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"REHEARSAL": "true"}, "rehearsal-on"),
        ({"PUBLIC_URL": ""}, "no-receipts"),
        ({"NUMBER_SOURCE": "event"}, "number-from-event"),
        ({"MOBILE_HOLD": "0"}, "no-number-hold"),
        ({"BREAK_GLASS_IDS": ""}, "no-break-glass"),
        ({"SINGLE_DAY_PASSES": "true"}, "single-day-on"),
        ({"HOURLY_BUDGET": "0"}, "no-budget"),
        ({"JOINERS_GROUP": ""}, "no-joiners-group"),
        ({"METHODS_IGNORED": "email,softwareOath"}, "methods-passed-over"),
        ({"METHODS_IGNORED": ""}, None),
        ({}, None),
    ],
)
def test_a_risky_choice_is_reminded_of(given: dict[str, str], code: str | None) -> None:
    assert settings(**CAREFUL | given).expected().risky == ((code,) if code else ())
