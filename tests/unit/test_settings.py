import json
from datetime import time, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from shared.events import Channel, DevicePath, EventRules
from shared.forms import Credential
from shared.guard_rails import DisabledAccount, GuardRules, JoinerEvidence, NumberSource
from shared.plan import PlanRules
from shared.settings import REQUIRED, SETTINGS, Cloud, Role, Settings, SettingsError

SAMPLE: dict[str, str] = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())["Values"]
SID = "0" * 32
MINIMUM = {
    "JOINERS_QUEUE": "joiners",
    "ServiceBusConnection": "Endpoint=sb://example/;SharedAccessKey=x",
    "LedgerConnection": "AccountName=example;AccountKey=x",
    "CASE_KEY": "YSBzYW5kYm94IGtleSwgbm90IGZvciBhbnkgdGVuYW50",
    "SEAL_KEYS": "c2FuZGJveCBzZWFsIGtleSwgZm9yIG5vIHRlbmFudCE=",
    "NUMBER_SOURCE": "both",
    "ALLOWED_COUNTRIES": "NL, GB",
    "TIME_ZONE": "Europe/Amsterdam",
    "TWILIO_ACCOUNT_SID": f"AC{SID}",
    "TWILIO_API_KEY_SID": f"SK{SID}",
    "TWILIO_API_KEY_SECRET": "s3cret",
    "TWILIO_FROM": "+12025550100",
}
GUID = "0F8FAD5B-d9cb-469f-a165-70867728950E"
MARKER = "Zx9MARKERx9Z"


def settings(**given: str) -> Settings:
    return Settings({**MINIMUM, **given})


def problems(given: dict[str, str]) -> dict[str, str]:
    """What is wrong, by setting."""
    with pytest.raises(SettingsError) as wrong:
        Settings(given)
    first, *lines = str(wrong.value).splitlines()
    assert first == "settings are missing or wrong:"
    return dict(line.strip().split(": ", 1) for line in lines)


def problem(name: str, value: str) -> str:
    """What is said of one setting that is wrong among good ones."""
    good = {**MINIMUM}
    if name == "TWILIO_MESSAGING_SERVICE_SID":  # one or the other
        del good["TWILIO_FROM"]
    found = problems({**good, name: value})
    assert set(found) == {name}
    return found[name]


# --- as a whole ---


def test_a_minimum_is_enough_and_defaults_fill_the_rules() -> None:
    chosen = settings()
    assert chosen.event_rules() == EventRules(time_zone="Europe/Amsterdam")
    assert chosen.plan_rules() == PlanRules()
    guard = chosen.guard_rules()
    assert guard == GuardRules(number_source=NumberSource.BOTH, allowed_countries=frozenset({"NL", "GB"}))
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


def test_everything_that_is_missing_is_named_at_once() -> None:
    required = {name for name, setting in SETTINGS.items() if setting.default is REQUIRED}
    assert {"NUMBER_SOURCE", "ALLOWED_COUNTRIES", "TIME_ZONE", "CASE_KEY", "SEAL_KEYS"} <= required
    assert set(problems({})) == required | {"ServiceBusConnection", "LedgerConnection", "TWILIO_FROM"}
    assert problems(dict.fromkeys(MINIMUM, "  ")) == problems({}), "blank is missing"


def test_everything_that_is_wrong_is_named_at_once_and_shown_nowhere() -> None:
    found = problems(dict.fromkeys(SETTINGS, f"\n{MARKER}:@/[{MARKER}]"))
    connections = {"ServiceBusConnection", "ServiceBusConnection__fullyQualifiedNamespace", "LedgerConnection"}
    free = connections | {"JOINERS_QUEUE", "TWILIO_API_KEY_SECRET"}
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
    ],
)  # fmt: skip
def test_what_must_go_together(changes: dict[str, str], named: str | None) -> None:
    if named is None:
        settings(**changes)
    else:
        assert set(problems({**MINIMUM, **changes})) == {named}


# --- the forms ---

EXTENSION = "onPremisesExtensionAttributes/extensionAttribute"
ZERO_KEY, SHORT_KEY = "A" * 43 + "=", "A" * 40 + "=="
GOOD: dict[str, tuple[tuple[str, Any], ...]] = {
    "FIRSTPASS_ROLE": (("door", Role.DOOR), (" worker ", Role.WORKER)),
    "CLOUD": (("us-gov", Cloud.US_GOV), ("us-gov-dod", Cloud.US_GOV_DOD)),
    "GRAPH_URL": (("http://127.0.0.1:8080/", "http://127.0.0.1:8080"), ("http://localhost:1", "http://localhost:1")),
    "DIRECTORY_NUMBER": tuple((it, it) for it in ("businessPhones", f"{EXTENSION}1", f"{EXTENSION}15")),
    "METHODS_IGNORED": tuple((it, frozenset(it.split(","))) for it in ("phone", "email,softwareOath,hardwareOath")),
    "ALLOWED_COUNTRIES": (("NL", frozenset({"NL"})), ("NL,GB,", frozenset({"NL", "GB"}))),
    "MOBILE_HOLD": (("0", timedelta(0)), ("30d", timedelta(days=30)), ("90m", timedelta(minutes=90))),
    "MAX_DAYS_AHEAD": (("1", 1), ("0366", 366)),
    "START_TIME": (("00:00", time(0)), ("23:59", time(23, 59))),
    "TIME_ZONE": (("UTC", "UTC"), ("America/Argentina/Ushuaia", "America/Argentina/Ushuaia")),
    "WORKING_DAYS": (("Sun", frozenset({6})), ("mon, tue", frozenset({0, 1}))),
    "DELIVERY_HOURS": (("00:00-23:59", (time(0), time(23, 59))),),
    "ONE_TIME_WHERE_POSSIBLE": (("False", False), ("true", True)),
    "TWILIO_URL": (("https://api.dublin.ie1.twilio.com/", "https://api.dublin.ie1.twilio.com"),),
    "TWILIO_FROM": (("ACME Corp", "ACME Corp"), ("+491713920001", "+491713920001")),
    "WHATSAPP_TEMPLATES": ((f"nl=HX{SID}, default=HX{SID}", {"nl": f"HX{SID}", "default": f"HX{SID}"}),),
    "MESSAGE_VALIDITY": (("1m", timedelta(minutes=1)), ("10h", timedelta(hours=10))),
    "PUBLIC_URL": (("https://firstpass.example.com", "https://firstpass.example.com"),),
    "STEP_MINUTES": (("authenticator.authenticator=20", {(DevicePath.AUTHENTICATOR, "authenticator"): 20}),),
}
ADDRESSES = (
    "http://x.com", "https://", "x.com", "ftp://localhost", "//localhost", "https://x.com?a=1", "https://x.com#a",
    "https://:pw@x.com", "https://x y.com",
)  # fmt: skip
BAD: dict[str, tuple[str, ...]] = {
    "FIRSTPASS_ROLE": ("Worker", "both"),
    "CLOUD": ("china", "germany", "GLOBAL", "https://graph.microsoft.com"),
    "GRAPH_URL": ("https://graph.microsoft.com", "http://127.0.0.1.example.com", "http://localhost@x.com", "localhost"),
    "NUMBER_SOURCE": ("hr", "Both", "both,event"),
    "DIRECTORY_NUMBER": ("homePhone", f"{EXTENSION}0", f"{EXTENSION}16", "mobilephone"),
    "ALLOWED_COUNTRIES": ("nl", "NLD", "NL GB", ",", "+31"),
    "JOINERS_GROUP": ("joiners", GUID[:-1], f"{{{GUID}}}", GUID.replace("-", "")),
    "BREAK_GLASS_IDS": ("admin@contoso.com", f"{GUID} {GUID}", GUID[:-2] + "_1"),
    "CASE_KEY": ("short", SHORT_KEY, "!" * 44, f"!!!!{ZERO_KEY}", "\u00e9" * 44),
    "SEAL_KEYS": ("short", SHORT_KEY, f"{ZERO_KEY},", f"{ZERO_KEY},short", "\u00e9" * 44),
    "METHODS_IGNORED": ("email,fido2", "microsoftAuthenticator", "external", "password", "Email", "email phone"),
    "MOBILE_HOLD": ("31d", "-1h", "1.5h", "72", "72 h", "1w", "\uff11h"),
    "MAX_EVENT_AGE": ("0", "23h", "91d"),
    "MAX_DAYS_AHEAD": ("0", "-1", "1.0", "1000000", "\u0663", "1_0"),
    "START_TIME": ("9:00", "24:00", "09:60", "0900", "09:00:00", "\uff10\uff19:00"),
    "TIME_ZONE": ("Mars/Olympus", "../UTC", "/etc/localtime", "Europe"),
    "DEVICE_PATHS": (",", "windows", "autopilot;zero-touch"),
    "CHANNEL": ("SMS", "email"),
    "WORKING_DAYS": (",", "mon-fri", "monday", "mon,,tue"),
    "OPENS_BEFORE": ("25h", "-1m"),
    "DELIVER_BEFORE": ("29m", "0", "15d"),
    "DELIVERY_SPREAD": ("25h",),
    "DELIVERY_HOURS": ("20:00-08:00", "08:00-08:00", "08:00", "8-20", "08:00-20:00-21:00"),
    "ARRIVAL_WINDOW": ("8d",),
    "ONE_TIME_WHERE_POSSIBLE": ("yes", "1"),
    "STEP_MINUTES": ("autopilot=60", "autopilot.coffee=5", "autopilot.sign-in=-5", "autopilot.sign-in=1.5", ","),
    "TWILIO_URL": (*ADDRESSES, "https://api.twilio.com.x.com", "https://xtwilio.com", "https://twilio.com@x.com"),
    "TWILIO_ACCOUNT_SID": (f"SK{SID}", "AC1", f"AC{SID}0"),
    "TWILIO_API_KEY_SID": (f"AC{SID}",),
    "TWILIO_FROM": ("12025550100", "+01713920001", "a sender id too long", "12345"),
    "TWILIO_DISCARD_CONTENT": ("no",),
    "WHATSAPP_FROM": ("whatsapp:+12025550100", "ACME"),
    "WHATSAPP_TEMPLATES": ("nl", f"=HX{SID}", "nl=HX1", f"nl=HX{SID},"),
    "MESSAGE_VALIDITY": ("0", "11h"),
    "PUBLIC_URL": ADDRESSES,
    "LedgerConnection__tableServiceUri": ADDRESSES,
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_value_is_read(name: str) -> None:
    for text, value in GOOD[name]:
        assert settings(**{name: text})[name] == value


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_with_what_it_must_be(name: str) -> None:
    for text in BAD[name]:
        said = problem(name, text)
        assert said.startswith("must "), text


def test_what_is_said_of_a_length_of_time_names_its_limits() -> None:
    assert problem("MOBILE_HOLD", "31d") == "must be a duration such as 90m, 16h or 2d, from 0m to 720h"
    assert problem("DELIVER_BEFORE", "29m") == "must be a duration such as 90m, 16h or 2d, from 30m to 336h"
    assert settings(DELIVER_BEFORE="30m").plan_rules().deliver_before == timedelta(minutes=30)
    assert settings(DELIVER_BEFORE="14d").plan_rules().deliver_before == timedelta(days=14)


def test_what_is_said_of_an_address_names_its_hosts() -> None:
    assert problem("PUBLIC_URL", "x.com") == "must be an https address, or loopback"
    assert problem("TWILIO_URL", "https://x.com") == "must be an https address of .twilio.com, or loopback"


def test_a_key_of_32_bytes_is_long_enough() -> None:
    assert settings(CASE_KEY=ZERO_KEY)["CASE_KEY"].open() == ZERO_KEY


def test_an_unsupported_cloud_is_refused_with_the_supported_ones() -> None:
    assert problem("CLOUD", "china") == "must be one of global, us-gov, us-gov-dod"
    assert settings(CLOUD="us-gov").graph_root() == "https://graph.microsoft.us"
    assert settings(CLOUD="us-gov-dod").graph_root() == "https://dod-graph.microsoft.us"


def test_credentials_do_not_show() -> None:
    chosen = settings()
    for name in ("ServiceBusConnection", "LedgerConnection", "CASE_KEY", "SEAL_KEYS", "TWILIO_API_KEY_SECRET"):
        held = chosen[name]
        assert isinstance(held, Credential)
        assert held.open() == MINIMUM[name]
        assert f"{held}{held!r}{held!s}" == "Credential(***)" * 3
    assert "s3cret" not in f"{chosen!r}{vars(chosen)}"
