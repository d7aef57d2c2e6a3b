"""Conditional Access policies as Graph writes them, in the words of access.py."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.access import AccessPolicy
from shared.findings import named

SECURITY_INFO: Final = "urn:user:registersecurityinfo"
"""The user action (Microsoft Graph reference, conditionalAccessApplications)."""
_ID: Final = re.compile(r"[0-9A-Za-z-]+")
type _Words = list[str] | None


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel, hide_input_in_errors=True)


class _Applications(_Wire):
    include_applications: _Words = None
    exclude_applications: _Words = None
    include_user_actions: _Words = None


class _Users(_Wire):
    include_users: _Words = None
    include_groups: _Words = None
    exclude_groups: _Words = None


class _Platforms(_Wire):
    include_platforms: _Words = None
    exclude_platforms: _Words = None


class _Locations(_Wire):
    include_locations: _Words = None
    exclude_locations: _Words = None


class _Devices(_Wire):
    device_filter: dict[str, Any] | None = None


class _Conditions(_Wire):
    """Where and for whom a policy applies (Microsoft Graph reference, conditionalAccessConditionSet)."""

    applications: _Applications | None = None
    users: _Users | None = None
    client_app_types: _Words = None
    platforms: _Platforms | None = None
    locations: _Locations | None = None
    devices: _Devices | None = None
    sign_in_risk_levels: _Words = None
    user_risk_levels: _Words = None
    insider_risk_levels: Any = None
    authentication_flows: Any = None
    client_applications: Any = None

    @property
    def is_rare(self) -> bool:
        """Whether it applies only at a risk, to certain flows, or to programs."""
        flows = self.authentication_flows
        told = flows.get("transferMethods") if isinstance(flows, dict) else flows
        risks = (self.sign_in_risk_levels, self.user_risk_levels, self.insider_risk_levels)
        return any(map(bool, (*risks, told, self.client_applications)))


class _Strength(_Wire):
    id: str
    allowed_combinations: _Words = None


class _Controls(_Wire):
    operator: str | None = None
    built_in_controls: _Words = None
    custom_authentication_factors: _Words = None
    terms_of_use: _Words = None
    authentication_strength: _Strength | None = None

    @property
    def names(self) -> frozenset[str]:
        """What it asks for, by name."""
        others = {
            "strength": self.authentication_strength,
            "custom": self.custom_authentication_factors,
            "termsofuse": self.terms_of_use,
        }
        return _low(self.built_in_controls) | {name for name, given in others.items() if given}


class _Policy(_Wire):
    """A Conditional Access policy (Microsoft Graph reference, conditionalAccessPolicy)."""

    id: str
    state: str
    conditions: _Conditions
    grant_controls: _Controls | None = None

    @property
    def seen(self) -> AccessPolicy | None:
        """In our words; None when it is about neither registering security information nor all apps."""
        where, users = self.conditions.applications or _Applications(), self.conditions.users or _Users()
        controls, when = self.grant_controls or _Controls(), self.conditions
        platforms, locations = when.platforms or _Platforms(), when.locations or _Locations()
        strength = controls.authentication_strength
        on_registering = SECURITY_INFO in _low(where.include_user_actions)
        if not on_registering and "all" not in _low(where.include_applications):
            return None
        return AccessPolicy(
            id=named(self.id, _ID),
            state=self.state,
            on_registering=on_registering,
            excludes_apps=bool(where.exclude_applications),
            users=_low(users.include_users),
            groups=_low(users.include_groups),
            excluded_groups=_low(users.exclude_groups),
            controls=controls.names,
            all_of=controls.operator == "AND",
            strength=strength and strength.id.lower(),
            combinations=_low(strength and strength.allowed_combinations),
            clients=_low(when.client_app_types),
            platforms=_low(platforms.include_platforms),
            excluded_platforms=_low(platforms.exclude_platforms),
            locations=_low(locations.include_locations),
            excludes_locations=bool(locations.exclude_locations),
            filters_devices=bool(when.devices and when.devices.device_filter),
            on_occasion=when.is_rare,
        )


class _Page(_Wire):
    value: list[_Policy]


def access_policies(pages: Sequence[object]) -> list[AccessPolicy]:
    """The policies that can matter to a joiner. A ValueError when Graph's answer makes no sense."""
    found = [policy.seen for page in pages for policy in _Page.model_validate(page).value]
    return [one for one in found if one]


def _low(words: Iterable[str] | None) -> frozenset[str]:
    return frozenset(word.lower() for word in words or ())
