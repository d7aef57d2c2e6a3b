"""The fewest settings that are enough, and what is said of others."""

import pytest

from shared.settings import Settings, SettingsError

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


def settings(**given: str) -> Settings:
    return Settings({**MINIMUM, **given})


def problems(given: dict[str, str]) -> dict[str, str]:
    """What is wrong, by setting."""
    with pytest.raises(SettingsError) as wrong:
        Settings(given)
    first, *lines = str(wrong.value).splitlines()
    assert first == "settings are missing or wrong:"
    return dict(line.strip().split(": ", 1) for line in lines)


def beside(name: str) -> dict[str, str]:
    """Good settings that this one can be added to."""
    if name == "TWILIO_MESSAGING_SERVICE_SID":  # one or the other
        return {own: value for own, value in MINIMUM.items() if own != "TWILIO_FROM"}
    return {**MINIMUM, "TWILIO_AUTH_TOKEN": "t0ken"} if name == "PUBLIC_URL" else MINIMUM


def problem(name: str, value: str) -> str:
    """What is said of one setting that is wrong among good ones."""
    found = problems({**beside(name), name: value})
    assert set(found) == {name}
    return found[name]
