"""What the worker's self-check looks at, and what it makes of what it sees. Pure.

A function for each check that judges: what was seen, to what is wrong with it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.access import Circles
from shared.findings import Code, Findings, Verdict
from shared.plan import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the deployer chose, as far as it decides what is right.

    `steps_minutes` is what all steps of all devices take, `plan_minutes` that and the time to arrive; `risky` are the
    settings that a careful deployer would not leave so.
    """

    steps_minutes: int
    plan_minutes: int
    joiners_group: str | None = None
    countries: frozenset[str] = frozenset()
    whatsapp: bool = False
    risky: tuple[Code, ...] = ()


# --- what is seen ---


@dataclass(frozen=True, slots=True)
class PassPolicy:
    """The tenant's pass policy, and how many characters its passes have."""

    policy: Policy
    length: int


@dataclass(frozen=True, slots=True)
class SmsSender:
    """What Twilio says of the sender of SMS: whether it is there, carries SMS, rewrites texts, or has no number."""

    exists: bool
    sms: bool = True
    smart_encoding: bool = False
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class WhatsAppSender:
    """Whether the WhatsApp sender is online, and the state of each template's approval by language tag."""

    online: bool
    templates: Mapping[str, str] = field(default_factory=dict[str, str])


# --- what is made of it ---

NEEDED_ROLES: Final[tuple[tuple[str, ...], ...]] = (
    ("UserAuthMethod-TAP.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All"),
    ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"),
    ("User.Read.All", "Directory.Read.All"),
    ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"),
    ("RoleManagement.Read.Directory", "RoleManagement.Read.All"),
    ("RoleEligibilitySchedule.Read.Directory", "RoleManagement.Read.Directory", "RoleManagement.Read.All"),
    ("Policy.Read.AuthenticationMethod", "Policy.Read.All"),
)
"""App roles on Graph: of each row one, the least first (docs/prerequisites.md)."""
LEAST_ROLES: Final = frozenset(row[0] for row in NEEDED_ROLES)
OPTIONAL_ROLES: Final = frozenset({"Policy.Read.ConditionalAccess"})
"""Good for this check alone."""
BROAD: Final = "UserAuthenticationMethod.ReadWrite.All"
"""Stands in for the least role in clouds that do not have that one; it can change every method of everybody."""

READS: Final = re.compile(r"[^.]+\.Read(Basic)?(\..+)?")
"""How Graph names the roles that only read: User.Read.All, User.ReadBasic.All, Mail.Read; not Mail.ReadWrite."""

EVERYBODY: Final = "all_users"
CARRIED_BY_WHATSAPP: Final = 14
"""Characters (Twilio, "whatsapp/authentication")."""
GOOD_LENGTH: Final = 12
CLOCK_NOTICED, CLOCK_WRONG = timedelta(minutes=1), timedelta(minutes=5)


def on_settings(expected: Expected, no_countries: Collection[str]) -> Findings:
    """What a careful deployer would not leave so, and the allowed countries that are none."""
    wrong = [(Verdict.FAILED, Code.COUNTRIES_UNKNOWN, ", ".join(no_countries))] if no_countries else []
    return [*wrong, *((Verdict.WARNING, code, "") for code in expected.risky)]


def on_roles(granted: Collection[str]) -> Findings:
    """App roles that are missing, and those that nothing here needs: an identity that can do more is a way in."""
    missing = [row[0] for row in NEEDED_ROLES if not set(row) & set(granted)]
    standing_in = [(role, row[0]) for row in NEEDED_ROLES for role in _stand_ins(row, granted)]
    broad = [f"{role} for {least}" for role, least in standing_in if role == BROAD]
    others = [f"{role} for {least}" for role, least in standing_in if role != BROAD]
    excess = sorted(set(granted) - LEAST_ROLES - OPTIONAL_ROLES - {role for role, _ in standing_in})
    writes = [role for role in excess if not READS.fullmatch(role)]
    rows = (
        (missing, Verdict.FAILED, Code.ROLES_MISSING),
        (writes, Verdict.FAILED, Code.ROLES_THAT_WRITE),
        ([role for role in excess if role not in writes], Verdict.WARNING, Code.ROLES_IN_EXCESS),
        (broad, Verdict.WARNING, Code.ROLES_BROAD),
        (others, Verdict.WARNING, Code.ROLES_STAND_IN),
    )
    return [(verdict, code, ", ".join(roles)) for roles, verdict, code in rows if roles]


def _stand_ins(row: tuple[str, ...], granted: Collection[str]) -> list[str]:
    """The roles that do for a row none of whose least ones is there: without them something is missing."""
    there = [role for role in row if role in granted]
    return [] if LEAST_ROLES & set(there) else there


def on_policy(seen: PassPolicy, expected: Expected, circles: Circles) -> Findings:
    """Whether the tenant lets the passes be that Firstpass means to make, to joiners and nobody else."""
    policy, longest = seen.policy, seen.policy.maximum_lifetime_in_minutes
    if not policy.enabled:
        return [(Verdict.FAILED, Code.POLICY_DISABLED, "")]
    cut = f"{expected.plan_minutes} minutes planned, {longest} allowed"
    too_short = longest < expected.steps_minutes
    rows = (
        (policy.is_usable_once, Verdict.FAILED, Code.POLICY_ONE_TIME_ONLY, ""),
        (too_short, Verdict.FAILED, Code.POLICY_TOO_SHORT, f"{expected.steps_minutes} minutes of steps, {longest}"),
        (not too_short and longest < expected.plan_minutes, Verdict.WARNING, Code.POLICY_CUTS_PLAN, cut),
        *_misses(policy, circles),
        (EVERYBODY in policy.include_targets, Verdict.WARNING, Code.POLICY_FOR_EVERYBODY, ""),
        (
            expected.whatsapp and seen.length > CARRIED_BY_WHATSAPP,
            Verdict.WARNING,
            Code.POLICY_TOO_LONG_FOR_WHATSAPP,
            f"{seen.length} characters",
        ),
        (seen.length < GOOD_LENGTH, Verdict.WARNING, Code.POLICY_SHORT_PASSES, f"{seen.length} characters"),
    )
    return [(verdict, code, detail) for holds, verdict, code, detail in rows if holds]


def _misses(policy: Policy, circles: Circles) -> tuple[tuple[bool, Verdict, Code, str], ...]:
    """Whether the joiners' group is out of scope, or may be: it may be in a group that is included."""
    excluded = bool(circles.groups & policy.exclude_targets) or not policy.include_targets
    missing = bool(circles.groups or circles.are_all) and not ({EVERYBODY} | circles.groups) & policy.include_targets
    surely = excluded or (missing and circles.are_all)
    return (
        (surely, Verdict.FAILED, Code.POLICY_MISSES_JOINERS, ""),
        (missing and not surely, Verdict.WARNING, Code.POLICY_MAY_MISS_JOINERS, ""),
    )


def on_sender(seen: SmsSender) -> Findings:
    """Whether SMS can be sent as they are."""
    rows = (
        (not seen.exists, Verdict.FAILED, Code.SENDER_MISSING),
        (seen.exists and not seen.sms, Verdict.FAILED, Code.SENDER_WITHOUT_SMS),
        (seen.is_empty, Verdict.FAILED, Code.SENDER_POOL_EMPTY),
        (seen.smart_encoding, Verdict.WARNING, Code.SMART_ENCODING_ON),
    )
    return [(verdict, code, "") for holds, verdict, code in rows if holds]


def on_whatsapp(seen: WhatsAppSender) -> Findings:
    """Whether WhatsApp messages can be sent, in every language there is a template for."""
    waiting = [f"{tag}: {state}" for tag, state in seen.templates.items() if state != "approved"]
    rows = (
        (not seen.online, Verdict.FAILED, Code.WHATSAPP_SENDER_OFFLINE, ""),
        (bool(waiting), Verdict.FAILED, Code.TEMPLATE_NOT_APPROVED, ", ".join(sorted(waiting))),
    )
    return [(verdict, code, detail) for holds, verdict, code, detail in rows if holds]


def on_countries(open_to: Collection[str], expected: Expected) -> Findings:
    """Whether Twilio may send to the countries that are allowed, and to no others (toll fraud)."""
    blocked, others = sorted(expected.countries - set(open_to)), sorted(set(open_to) - expected.countries)
    shown = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if len(others) > SHOWN else "")
    rows = (
        (blocked, Verdict.FAILED, Code.COUNTRIES_BLOCKED, ", ".join(blocked)),
        (others, Verdict.WARNING, Code.COUNTRIES_OPEN, shown),
    )
    return [(verdict, code, detail) for some, verdict, code, detail in rows if some]


SHOWN: Final = 10
"""Countries named before the rest are counted."""


def on_clock(skew: timedelta) -> Findings:
    """Whether this machine's clock is near enough to Graph's."""
    off = abs(skew)
    if off < CLOCK_NOTICED:
        return []
    verdict = Verdict.FAILED if off >= CLOCK_WRONG else Verdict.WARNING
    return [(verdict, Code.CLOCK_OFF, f"{round(off.total_seconds())} seconds")]
