"""What the worker's self-check can say: the checks, their verdicts, the codes of everything they find. Pure.

docs/doctor.md says what to do for each code.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What a check came to. `unknown`: it could not be seen, which is no failure."""

    GOOD = "good"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Check(StrEnum):
    """What is looked at, in the order in which it is shown."""

    SETTINGS = "settings"
    ROLES = "graph-roles"
    POLICY = "pass-policy"
    ACCESS = "security-info-access"
    QUEUES = "service-bus"
    TABLES = "tables"
    LOGIN = "twilio-login"
    SENDER = "twilio-sender"
    WHATSAPP = "twilio-whatsapp"
    COUNTRIES = "twilio-countries"
    REDACTION = "twilio-redaction"
    PUBLIC_URL = "public-url"
    CLOCK = "clock"


class Code(StrEnum):
    """Everything a check can find."""

    FINE = "fine"
    NOT_USED = "not-used"
    NOT_READABLE = "not-readable"
    NO_ANSWER = "no-answer"
    DENIED = "denied"
    BUG = "bug"
    REHEARSAL_ON = "rehearsal-on"
    NO_RECEIPTS = "no-receipts"
    NUMBER_FROM_EVENT = "number-from-event"
    NO_NUMBER_HOLD = "no-number-hold"
    NO_BREAK_GLASS = "no-break-glass"
    SINGLE_DAY_ON = "single-day-on"
    NO_BUDGET = "no-budget"
    NO_JOINERS_GROUP = "no-joiners-group"
    METHODS_PASSED_OVER = "methods-passed-over"
    COUNTRIES_UNKNOWN = "countries-unknown"
    ROLES_MISSING = "roles-missing"
    ROLES_BROAD = "roles-broad"
    ROLES_STAND_IN = "roles-stand-in"
    ROLES_IN_EXCESS = "roles-in-excess"
    ROLES_THAT_WRITE = "roles-that-write"
    POLICY_DISABLED = "policy-disabled"
    POLICY_ONE_TIME_ONLY = "policy-one-time-only"
    POLICY_TOO_SHORT = "policy-too-short"
    POLICY_CUTS_PLAN = "policy-cuts-plan"
    POLICY_MISSES_JOINERS = "policy-misses-joiners"
    POLICY_MAY_MISS_JOINERS = "policy-may-miss-joiners"
    POLICY_FOR_EVERYBODY = "policy-for-everybody"
    POLICY_TOO_LONG_FOR_WHATSAPP = "policy-too-long-for-whatsapp"
    POLICY_SHORT_PASSES = "policy-short-passes"
    ACCESS_OPEN = "access-open"
    ACCESS_REPORTED_ONLY = "access-reported-only"
    ACCESS_TOO_STRONG = "access-too-strong"
    ACCESS_MAY_REFUSE = "access-may-refuse"
    QUEUE_MISSING = "queue-missing"
    SENDER_MISSING = "sender-missing"
    SENDER_POOL_EMPTY = "sender-pool-empty"
    SENDER_WITHOUT_SMS = "sender-without-sms"
    SENDER_BY_NAME = "sender-by-name"
    SMART_ENCODING_ON = "smart-encoding-on"
    WHATSAPP_SENDER_OFFLINE = "whatsapp-sender-offline"
    TEMPLATE_NOT_APPROVED = "template-not-approved"
    COUNTRIES_BLOCKED = "countries-blocked"
    COUNTRIES_OPEN = "countries-open"
    URL_UNREACHABLE = "url-unreachable"
    URL_NOT_OURS = "url-not-ours"
    CLOCK_OFF = "clock-off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found. `detail` names settings, roles, queues, countries and numbers; nothing personal."""

    check: Check
    verdict: Verdict
    code: Code
    detail: str = ""


LONGEST_WORD: Final = 64
LONGEST_DETAIL: Final = 500
UNNAMED: Final = "?"
"""Stands for a word that has not the form of its kind: it counts, and says nothing."""


def named(word: object, form: re.Pattern[str]) -> str:
    """A word from outside as it may stand in a detail: of the form of its kind and no longer than any is, or `?`."""
    text = word if isinstance(word, str) else ""
    return text if len(text) <= LONGEST_WORD and form.fullmatch(text) else UNNAMED


type Findings = list[tuple[Verdict, Code, str]]
"""What one check found: verdict, code, detail; nothing is good."""


def findings_of(check: Check, found: Findings) -> list[Finding]:
    """What a check found, each by itself; `fine` when it found nothing."""
    told = found or [(Verdict.GOOD, Code.FINE, "")]
    return [Finding(check, verdict, code, detail[:LONGEST_DETAIL]) for verdict, code, detail in told]
