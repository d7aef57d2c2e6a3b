"""The service's rules on passes: who may get one, with which terms, when it works; each with its source.

"Create": Microsoft Learn, Create temporaryAccessPassMethod. "How-to": Microsoft Learn, Configure Temporary Access Pass.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.directory.state import Json, Pass, Principal, World


@dataclass
class Refusal(Exception):  # noqa: N818 - the service's word on a request, an error only to its caller
    """An answer other than success, with Graph's code and text."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def create_pass(world: World, user: Principal, start: datetime | None, minutes: int | None, *, once: bool) -> Pass:
    """Make the user's pass; the one before is gone (create: it is deleted and a new one made).

    Raises:
        Refusal: 400, a rule is broken and nothing has changed.
    """
    now, policy = world.now(), world.settings["policy"]
    lifetime: int = policy["defaultLifetimeInMinutes"] if minutes is None else minutes
    once = once or policy["isUsableOnce"]  # the policy can make every pass one-time (how-to)
    tap = Pass(id=str(uuid.uuid4()), start=start or now, created=now, minutes=lifetime, once=once)
    for broken, text in _refusals(world, user, tap):
        if broken:
            raise Refusal(400, "badRequest", text)
    tap.code = world.next_code()
    user.tap = tap
    world.created[user.properties["id"]] += 1
    return tap


def _refusals(world: World, user: Principal, tap: Pass) -> Iterable[tuple[bool, str]]:
    policy, replaces = world.settings["policy"], world.settings["replaceExisting"]
    low, high = policy["minimumLifetimeInMinutes"], policy["maximumLifetimeInMinutes"]
    # Signs in elsewhere; `userType` alone says nothing (Microsoft Learn, Properties of a B2B collaboration user).
    issuers = {identity.get("issuer") for identity in user.properties["identities"]}
    external = "ExternalAzureAD" in issuers or user.properties["creationType"] == "Invitation"
    # How-to, troubleshooting.
    yield external, "Temporary Access Pass cannot be added to an external guest user."
    # The text as far as public code quotes it; the status is ours.
    off = policy["state"] != "enabled"
    yield off, "Converged UserCredentialPolicy does not allow creating or updating this method."
    # Microsoft Graph docs, pull request 12187.
    outside = not low <= tap.minutes <= high
    yield outside, f"Invalid LifetimeInMinutes specified. The valid range between {low} and {high}."
    # Microsoft Graph .NET SDK, issue 2724.
    yield tap.start < tap.created, "Invalid StartDateTime specified. It can not be a time in the past."
    # Beta page of 2021: the existing one is to be deleted first; the text is ours.
    valid = user.tap is not None and tap.created < user.tap.end
    yield valid and not replaces, "A valid Temporary Access Pass already exists for this user."


def usability(world: World, user: Principal, tap: Pass) -> str:
    """The pass's `methodUsabilityReason`; it can be used only while that is EnabledByPolicy (resource page)."""
    now, policy = world.now(), world.settings["policy"]
    known = {"all_users", user.properties["id"], *(group.properties["id"] for group in world.memberships(user))}
    included, excluded = ({one["id"] for one in policy[f"{verb}cludeTargets"]} & known for verb in ("in", "ex"))
    reasons = (
        (policy["state"] != "enabled", "DisabledByPolicy"),
        (bool(excluded) or not included, "DisabledByPolicy"),  # Microsoft Learn, Manage authentication methods
        (policy["isUsableOnce"] and not tap.once, "DisabledByPolicy"),  # how-to, troubleshooting
        (tap.once and tap.used, "OneTimeUsed"),
        (now < tap.start, "NotYetValid"),
        (now >= tap.end, "Expired"),
    )
    return next((reason for holds, reason in reasons if holds), "EnabledByPolicy")


def sign_in(world: World, user: Principal | None, code: str, registers: str | None) -> str:
    """Try a pass as the joiner would; EnabledByPolicy means it worked, any other code says why it did not."""
    if user is None or user.tap is None or user.tap.code != code:
        return "UserNotFound" if user is None else "WrongPass" if user.tap else "NoPass"
    reason = usability(world, user, user.tap) if user.properties["accountEnabled"] else "AccountDisabled"
    if reason == "EnabledByPolicy":
        user.tap.used = True
        user.methods += [method(registers, world.now())] if registers else []
    return reason


def method(kind: str, created: datetime, key: str | None = None) -> Json:
    """A sign-in method as the directory keeps it: Graph's type name, an id, and since when."""
    return {"@odata.type": kind, "id": key or str(uuid.uuid4()), "createdDateTime": iso(created)}


def iso(moment: datetime) -> str:
    """A moment as Graph writes it: UTC, with Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
