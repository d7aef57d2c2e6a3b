"""Whether Conditional Access keeps joiners from registering with their pass, and whether it guards that. Pure.

Policies can be put together without end. What surely shuts joiners out fails, what may is a warning, and what never
meets a joiner on their first day (roles, guests, old protocols, risk) is not told at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from shared.findings import Code, Findings, Verdict


class Sure(IntEnum):
    """How sure it is that something is so: of two that must hold the lesser, of two that may the greater."""

    NO = 0
    PERHAPS = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Circles:
    """The joiners' group and the groups it is in (ids in lower case); `are_all` unless not all could be seen."""

    groups: frozenset[str] = frozenset()
    are_all: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """A Conditional Access policy on registering security information (`on_registering`) or on all apps.

    `controls` are Graph's names, and `strength`, `custom` and `termsOfUse` where there is one; `all_of` them, or one.
    `on_occasion`: only at a risk, or for a flow that no device set-up uses. Words and ids are in lower case.
    """

    id: str
    state: str = "enabled"
    on_registering: bool = True
    excludes_apps: bool = False
    users: frozenset[str] = frozenset({"all"})
    groups: frozenset[str] = frozenset()
    excluded_groups: frozenset[str] = frozenset()
    controls: frozenset[str] = frozenset()
    all_of: bool = False
    strength: str | None = None
    combinations: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    platforms: frozenset[str] = frozenset()
    excluded_platforms: frozenset[str] = frozenset()
    locations: frozenset[str] = frozenset()
    excludes_locations: bool = False
    filters_devices: bool = False
    on_occasion: bool = False


REFUSES: Final[Mapping[str, Sure]] = {
    "block": Sure.YES,
    "compliantdevice": Sure.YES,
    "domainjoineddevice": Sure.YES,
    "mfa": Sure.NO,
    "termsofuse": Sure.NO,
}
"""Whether a control keeps out somebody with a pass and a new device; any other may. A pass satisfies multifactor
authentication (Microsoft Learn, "Configure Temporary Access Pass")."""
STRENGTHS: Final[Mapping[str, Sure]] = {
    "00000000-0000-0000-0000-000000000002": Sure.NO,
    "00000000-0000-0000-0000-000000000003": Sure.YES,
    "00000000-0000-0000-0000-000000000004": Sure.YES,
}
"""The built-in strengths: multifactor, passwordless, phishing-resistant (Microsoft Learn, Conditional Access
authentication strength)."""
MULTI_USE, ONE_TIME = "temporaryaccesspassmultiuse", "temporaryaccesspassonetime"
OURS: Final = frozenset({"android", "ios", "windows", "macos"})
"""Platforms somebody sets up with a pass."""
MODERN: Final = frozenset({"browser", "mobileappsanddesktopclients"})


def on_access(seen: Iterable[AccessPolicy], circles: Circles) -> Findings:
    """Whether registering security information is guarded, and nothing keeps joiners from it."""
    policies = [one for one in seen if one.state != "disabled" and _meets(one, circles)]
    refusing = [(one.id, _shuts_out(one, circles)) for one in policies]
    rows = (
        (Sure.YES, Verdict.FAILED, Code.ACCESS_TOO_STRONG),
        (Sure.PERHAPS, Verdict.WARNING, Code.ACCESS_MAY_REFUSE),
    )
    named = {code: sorted(key for key, sure in refusing if sure is how) for how, _, code in rows}
    found = [(verdict, code, ", ".join(named[code])) for _, verdict, code in rows if named[code]]
    return found + _unguarded([one for one in policies if one.on_registering and one.controls])


def _unguarded(guards: list[AccessPolicy]) -> Findings:
    if any(one.state == "enabled" for one in guards):
        return []
    return [(Verdict.WARNING, Code.ACCESS_REPORTED_ONLY if guards else Code.ACCESS_OPEN, "")]


def _meets(one: AccessPolicy, circles: Circles) -> Sure:
    """Whether it applies to joiners as they begin."""
    return min(_concerns(one, circles), _reaches(one))


def _shuts_out(one: AccessPolicy, circles: Circles) -> Sure:
    """Whether it keeps joiners out. What is only reported does not yet; all apps are not the page to register on."""
    sure = min(_meets(one, circles), _refuses(one))
    certainly = one.on_registering or ("block" in one.controls and not one.excludes_apps)
    return sure if one.state == "enabled" and certainly else min(sure, Sure.PERHAPS)


def _concerns(one: AccessPolicy, circles: Circles) -> Sure:
    """Whether joiners are in its scope. Who is in another group besides, nobody can say for all of them."""
    unsure = Sure.NO if circles.are_all else Sure.PERHAPS
    if one.excluded_groups & circles.groups:
        return Sure.NO
    if "all" in one.users or one.groups & circles.groups:
        return Sure.PERHAPS if one.excluded_groups and unsure else Sure.YES
    return unsure if one.groups else Sure.NO


def _reaches(one: AccessPolicy) -> Sure:
    """Whether it applies where and with what joiners begin."""
    platforms = OURS if not one.platforms or "all" in one.platforms else OURS & one.platforms
    platforms -= one.excluded_platforms
    elsewhere = bool(one.locations) and "all" not in one.locations
    if one.on_occasion or elsewhere or not platforms or not (one.clients or {"all"}) & (MODERN | {"all"}):
        return Sure.NO
    narrowed = one.filters_devices or one.excludes_locations or platforms != OURS
    partly = "all" not in (one.clients or {"all"}) and not one.clients >= MODERN
    return Sure.PERHAPS if narrowed or partly else Sure.YES


def _refuses(one: AccessPolicy) -> Sure:
    """Whether what it asks for is more than a pass gives."""
    each = [_strength(one) if name == "strength" else REFUSES.get(name, Sure.PERHAPS) for name in one.controls]
    if not each:
        return Sure.NO
    return max(each) if one.all_of else min(each)


def _strength(one: AccessPolicy) -> Sure:
    """A pass reaches a strength that names it; one that names none of its ways is known by its id, if at all."""
    if not one.combinations:
        return STRENGTHS.get(one.strength or "", Sure.PERHAPS)
    if MULTI_USE in one.combinations:
        return Sure.NO
    return Sure.PERHAPS if ONE_TIME in one.combinations else Sure.YES
