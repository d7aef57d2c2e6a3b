"""What each setting takes for a value, and what it does not."""

from datetime import time, timedelta
from typing import Any

import pytest

from shared.events import DevicePath
from shared.settings import Cloud, Role, Settings
from tests.settings_examples import GUID, SID, beside, problem, settings

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
    "AGENDA_SCHEDULE": (
        *((it, it) for it in ("0 * * * * *", "*/15 0 0 1 1 0", "0 5-10/2 8,20 1-31 */3 1-5", "59 59 23 31 12 6")),
        (" 0  */5\t* * * * ", "0 */5 * * * *"),
    ),
    "HOURLY_BUDGET": (("0", 0), ("999999", 999_999)),
    "MAX_PASSES": (("1", 1),),
    "KEEP_CONTACT_DAYS": (("1", 1),),
    "KEEP_CASES_DAYS": (("91", 91),),
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
    "AGENDA_SCHEDULE": (
        "* * * * *",
        "0 * * * * * *",
        "60 * * * * *",
        "0 60 * * * *",
        "0 0 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 32 * *",
        "0 0 0 * 0 *",
        "0 0 0 * 13 *",
        "0 0 0 * * 7",
        "*/0 * * * * *",
        "0 10-5 * * * *",
        "0 5-60 * * * *",
        "0 1,,2 * * * *",
        "0 1, * * * *",
        "0 -5 * * * *",
        "0 * * * jan *",
        "0 * * * * mon",
        "0 ? * * * *",
        "0 \u0663 * * * *",
        "00:01:00",
        "every minute",
        "@hourly",
    ),
    "HOURLY_BUDGET": ("-1", "1.5", "1000000", "none"),
    "MAX_PASSES": ("0", "-1", "three"),
    "KEEP_CONTACT_DAYS": ("0", "30d"),
    "KEEP_CASES_DAYS": ("0", "90", "400d"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_value_is_read(name: str) -> None:
    for text, value in GOOD[name]:
        assert Settings({**beside(name), name: text})[name] == value


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
