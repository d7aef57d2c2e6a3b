"""Every setting: its name, how it is read, its default. All problems are found at once; values are never shown.

docs/settings.md gives each default its reason, and a test keeps the two in step. Durations read `90m`, `16h` or `2d`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from shared import forms
from shared.checks import Expected
from shared.events import Channel, DevicePath, EventRules
from shared.findings import Code
from shared.guard_rails import DisabledAccount, GuardRules, JoinerEvidence, NumberSource
from shared.plan import PlanRules, longest_minutes
from shared.states import CaseRules


class SettingsError(Exception):
    """Settings are missing or wrong; the text names each one and what it must be, one per line."""


class Role(StrEnum):
    """Which doors this app opens: the queue's, the outside's, or both (for one machine)."""

    WORKER = "worker"
    DOOR = "door"
    ALL = "all"


class Ignorable(StrEnum):
    """Methods a deployer may take for nothing: none that signs in without a password."""

    EMAIL = "email"
    PHONE = "phone"
    SOFTWARE_OATH = "softwareOath"
    HARDWARE_OATH = "hardwareOath"


class Cloud(StrEnum):
    """Where the tenant lives."""

    GLOBAL = "global"
    US_GOV = "us-gov"
    US_GOV_DOD = "us-gov-dod"


GRAPH_ROOTS: Final[Mapping[Cloud, str]] = {
    Cloud.GLOBAL: "https://graph.microsoft.com",
    Cloud.US_GOV: "https://graph.microsoft.us",
    Cloud.US_GOV_DOD: "https://dod-graph.microsoft.us",
}
"""Clouds whose Graph has Temporary Access Passes (Graph metadata per cloud); China, Bleu and Delos have none."""


_COUNTRIES: Final = forms.some(forms.set_of(forms.like("[A-Z]{2}", "two-letter country codes such as NL,GB")))
_SID: Final = "{}[0-9a-fA-F]{{32}}"


# --- the table ---

REQUIRED: Final = object()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Setting:
    """How one setting is read; `default` is what stands in the docs, REQUIRED when it must be chosen."""

    read: Callable[[str], Any]
    default: Any = REQUIRED


SETTINGS: Final[Mapping[str, Setting]] = {
    "FIRSTPASS_ROLE": Setting(forms.one_of(Role), "all"),
    "JOINERS_QUEUE": Setting(forms.text),
    "DEAD_LETTERS_QUEUE": Setting(forms.text, "joiners-dead-letters"),
    "ServiceBusConnection": Setting(forms.credential, None),
    "ServiceBusConnection__fullyQualifiedNamespace": Setting(forms.text, None),
    "LedgerConnection": Setting(forms.credential, None),
    "LedgerConnection__tableServiceUri": Setting(forms.url(), None),
    "CASE_KEY": Setting(forms.hash_key),
    "SEAL_KEYS": Setting(forms.seal_keys),
    "CLOUD": Setting(forms.one_of(Cloud), "global"),
    "GRAPH_URL": Setting(forms.loopback, None),
    "NUMBER_SOURCE": Setting(forms.one_of(NumberSource)),
    "DIRECTORY_NUMBER": Setting(
        forms.like(
            r"mobilePhone|businessPhones|onPremisesExtensionAttributes/extensionAttribute([1-9]|1[0-5])",
            "mobilePhone, businessPhones or onPremisesExtensionAttributes/extensionAttribute1 to 15",
        ),
        "mobilePhone",
    ),
    "ALLOWED_COUNTRIES": Setting(_COUNTRIES),
    "JOINERS_GROUP": Setting(forms.guid, None),
    "JOINER_EVIDENCE": Setting(forms.one_of(JoinerEvidence), "either"),
    "DISABLED_ACCOUNT": Setting(forms.one_of(DisabledAccount), "wait"),
    "METHODS_IGNORED": Setting(forms.set_of(forms.one_of(Ignorable)), "email"),
    "BREAK_GLASS_IDS": Setting(forms.set_of(forms.guid), ""),
    "MOBILE_HOLD": Setting(forms.duration(timedelta(0), 30 * DAY), "72h"),
    "MAX_EVENT_AGE": Setting(forms.duration(DAY, 90 * DAY), "7d"),
    "MAX_DAYS_AHEAD": Setting(forms.whole(1), "366"),
    "START_TIME": Setting(forms.clock_time, "09:00"),
    "TIME_ZONE": Setting(forms.zone),
    "DEVICE_PATHS": Setting(forms.some(forms.several(forms.one_of(DevicePath))), "authenticator"),
    "CHANNEL": Setting(forms.one_of(Channel), "sms"),
    "WORKING_DAYS": Setting(forms.days, "mon,tue,wed,thu,fri"),
    "OPENS_BEFORE": Setting(forms.duration(timedelta(0), DAY), "60m"),
    "DELIVER_BEFORE": Setting(forms.duration(30 * timedelta(minutes=1), 14 * DAY), "16h"),
    "DELIVERY_SPREAD": Setting(forms.duration(timedelta(0), DAY), "0"),
    "DELIVERY_HOURS": Setting(forms.hours, "08:00-20:00"),
    "ARRIVAL_WINDOW": Setting(forms.duration(timedelta(0), 7 * DAY), "6h"),
    "ONE_TIME_WHERE_POSSIBLE": Setting(forms.flag, "false"),
    "STEP_MINUTES": Setting(forms.step_minutes, None),
    "TWILIO_URL": Setting(forms.url(".twilio.com"), "https://api.twilio.com"),
    "TWILIO_ACCOUNT_SID": Setting(forms.like(_SID.format("AC"), "an account SID (AC…)")),
    "TWILIO_API_KEY_SID": Setting(forms.like(_SID.format("SK"), "an API key SID (SK…)")),
    "TWILIO_API_KEY_SECRET": Setting(forms.credential),
    "TWILIO_FROM": Setting(
        forms.like(r"\+[1-9][0-9]{6,14}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", "a number as +12025550100 or a sender id"),
        None,
    ),
    "TWILIO_MESSAGING_SERVICE_SID": Setting(forms.like(_SID.format("MG"), "a Messaging Service SID (MG…)"), None),
    "TWILIO_DISCARD_CONTENT": Setting(forms.flag, "false"),
    "WHATSAPP_FROM": Setting(forms.like(r"\+[1-9][0-9]{6,14}", "a number as +12025550100"), None),
    "WHATSAPP_TEMPLATES": Setting(forms.templates, None),
    "MESSAGE_VALIDITY": Setting(forms.duration(timedelta(minutes=1), 10 * HOUR), "1h"),
    "TWILIO_AUTH_TOKEN": Setting(forms.credential, None),
    "TWILIO_AUTH_TOKEN_NEXT": Setting(forms.credential, None),
    "PUBLIC_URL": Setting(forms.url(), None),
    "REHEARSAL": Setting(forms.flag, "false"),
    "AGENDA_SCHEDULE": Setting(forms.schedule, "0 * * * * *"),
    "CHECKUP_EVERY": Setting(forms.duration(timedelta(0), DAY), "1h"),
    "SINGLE_DAY_PASSES": Setting(forms.flag, "false"),
    "HOURLY_BUDGET": Setting(forms.whole(0), "1000"),
    "MAX_PASSES": Setting(forms.whole(1), "3"),
    "KEEP_CONTACT_DAYS": Setting(forms.whole(1), "30"),
    "KEEP_CASES_DAYS": Setting(forms.whole(91), "400"),
}

type _Given = Mapping[str, str]

TOGETHER: Final[tuple[tuple[str, Callable[[_Given], bool], str], ...]] = (
    (
        "ServiceBusConnection",
        lambda given: not given.keys() & {"ServiceBusConnection", "ServiceBusConnection__fullyQualifiedNamespace"},
        "required (a connection string), or ServiceBusConnection__fullyQualifiedNamespace",
    ),
    (
        "LedgerConnection",
        lambda given: not given.keys() & {"LedgerConnection", "LedgerConnection__tableServiceUri"},
        "required (a connection string), or LedgerConnection__tableServiceUri",
    ),
    (
        "DEAD_LETTERS_QUEUE",
        lambda given: given.get("JOINERS_QUEUE") == given.get("DEAD_LETTERS_QUEUE", "joiners-dead-letters"),
        "must be another queue than JOINERS_QUEUE",
    ),
    (
        "TWILIO_FROM",
        lambda given: ("TWILIO_FROM" in given) == ("TWILIO_MESSAGING_SERVICE_SID" in given),
        "set either this or TWILIO_MESSAGING_SERVICE_SID",
    ),
    (
        "TWILIO_AUTH_TOKEN",
        lambda given: (
            "PUBLIC_URL" in given and "TWILIO_AUTH_TOKEN" not in given and given.get("FIRSTPASS_ROLE") != Role.WORKER
        ),
        "required where receipts arrive (PUBLIC_URL): it proves them to be Twilio's",
    ),
    (
        "JOINERS_GROUP",
        lambda given: given.get("JOINER_EVIDENCE") == "group" and "JOINERS_GROUP" not in given,
        "required when JOINER_EVIDENCE is group",
    ),
    (
        "WHATSAPP_TEMPLATES",
        lambda given: (
            given.get("CHANNEL") == "whatsapp" and not {"WHATSAPP_FROM", "WHATSAPP_TEMPLATES"} <= given.keys()
        ),
        "required, with WHATSAPP_FROM, when CHANNEL is whatsapp",
    ),
)
"""What must go together: the setting to name, when it is wrong, what to say."""


RISKY: Final[Mapping[Code, Callable[["Settings"], bool]]] = {
    Code.REHEARSAL_ON: lambda chosen: chosen["REHEARSAL"],
    Code.NO_RECEIPTS: lambda chosen: chosen["PUBLIC_URL"] is None,
    Code.NUMBER_FROM_EVENT: lambda chosen: chosen["NUMBER_SOURCE"] is NumberSource.EVENT,
    Code.NO_NUMBER_HOLD: lambda chosen: not chosen["MOBILE_HOLD"],
    Code.NO_BREAK_GLASS: lambda chosen: not chosen["BREAK_GLASS_IDS"],
    Code.SINGLE_DAY_ON: lambda chosen: chosen["SINGLE_DAY_PASSES"],
    Code.NO_BUDGET: lambda chosen: not chosen["HOURLY_BUDGET"],
    Code.NO_JOINERS_GROUP: lambda chosen: chosen["JOINERS_GROUP"] is None,
    Code.METHODS_PASSED_OVER: lambda chosen: bool(chosen["METHODS_IGNORED"] - {Ignorable.EMAIL}),
}
"""Choices the self-check reminds of: each is allowed, and none is meant to be forgotten."""


class Settings:
    """The settings of this process, read and checked; `settings["NAME"]` gives the value as its row reads it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        given = {name: value for name in SETTINGS if (value := environment.get(name, "").strip())}
        self._values: dict[str, Any] = {}
        problems = [f"{name}: {says}" for name, wrong, says in TOGETHER if wrong(given)]
        for name, setting in SETTINGS.items():
            try:
                self._values[name] = _read(setting, given.get(name))
            except ValueError as wrong:
                problems.append(f"{name}: {wrong}")
        if problems:
            raise SettingsError("settings are missing or wrong:\n  " + "\n  ".join(sorted(problems)))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - each row has its own type
        return self._values[name]

    def event_rules(self) -> EventRules:
        """For contract.py."""
        return EventRules(
            start_time=self["START_TIME"],
            time_zone=self["TIME_ZONE"],
            device_paths=self["DEVICE_PATHS"],
            channel=self["CHANNEL"],
            max_days_ahead=self["MAX_DAYS_AHEAD"],
        )

    def plan_rules(self) -> PlanRules:
        """For plan.py."""
        quiet_until, quiet_from = self["DELIVERY_HOURS"]
        return PlanRules(
            working_days=self["WORKING_DAYS"],
            opens_before=self["OPENS_BEFORE"],
            deliver_before=self["DELIVER_BEFORE"],
            delivery_spread=self["DELIVERY_SPREAD"],
            arrival_window=self["ARRIVAL_WINDOW"],
            quiet_until=quiet_until,
            quiet_from=quiet_from,
            one_time_where_possible=self["ONE_TIME_WHERE_POSSIBLE"],
            step_minutes=self["STEP_MINUTES"] or {},
        )

    def guard_rules(self) -> GuardRules:
        """For guard_rails.py and numbers.py."""
        return GuardRules(
            number_source=self["NUMBER_SOURCE"],
            allowed_countries=self["ALLOWED_COUNTRIES"],
            joiners_group=self["JOINERS_GROUP"],
            joiner_evidence=self["JOINER_EVIDENCE"],
            disabled_account=self["DISABLED_ACCOUNT"],
            methods_ignored=self["METHODS_IGNORED"],
            break_glass_ids=self["BREAK_GLASS_IDS"],
            mobile_hold=self["MOBILE_HOLD"],
            max_event_age=self["MAX_EVENT_AGE"],
        )

    def case_rules(self) -> CaseRules:
        """For the moves of case.py."""
        return CaseRules(
            message_lasts=self["MESSAGE_VALIDITY"],
            max_passes=self["MAX_PASSES"],
            keep_contact=self["KEEP_CONTACT_DAYS"] * DAY,
            keep_case=self["KEEP_CASES_DAYS"] * DAY,
        )

    def expected(self) -> Expected:
        """For the self-check."""
        steps, whole = longest_minutes(self["DEVICE_PATHS"], self.plan_rules())
        return Expected(
            steps_minutes=steps,
            plan_minutes=whole,
            joiners_group=self["JOINERS_GROUP"],
            countries=self["ALLOWED_COUNTRIES"],
            whatsapp=self["WHATSAPP_FROM"] is not None,
            risky=tuple(code for code, is_so in RISKY.items() if is_so(self)),
        )

    def graph_root(self) -> str:
        """Graph in the chosen cloud: whom tokens are for."""
        return GRAPH_ROOTS[self["CLOUD"]]


def _read(setting: Setting, value: str | None) -> Any:  # noqa: ANN401 - each row has its own type
    if value is None and setting.default is REQUIRED:
        raise ValueError("required")
    if value is None:
        return setting.default if setting.default is None else setting.read(setting.default)
    if value.startswith("@Microsoft.KeyVault("):
        raise ValueError("its Key Vault reference was not resolved")
    return setting.read(value)
