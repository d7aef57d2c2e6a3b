"""The service's rules on passes: who may get one, with which terms, when it works; each with its source.

"Create": Microsoft Learn, Create temporaryAccessPassMethod. "How-to": Microsoft Learn, Configure Temporary Access Pass.
"""

import uuid
from datetime import datetime, timedelta

from sandbox.directory.shapes import Json, iso
from sandbox.directory.world import GRAPH, Pass, World, method


class Refusal(Exception):  # noqa: N818 - the service's word on a request, an error only to its caller
    """An answer other than success: a row of `refusals` in graph.json with its gaps filled in."""

    def __init__(self, row: str, **gaps: object) -> None:
        super().__init__(row)
        refusal = GRAPH["refusals"][row]
        self.status, self.code, self.message = refusal["status"], refusal["code"], refusal["message"].format(**gaps)
        self.headers = {name: value.format(**gaps) for name, value in refusal.get("headers", {}).items()}


def create_pass(world: World, user: Json, wish: Json) -> Pass:
    """Make the user's pass, or raise a Refusal; the one before is gone (create: it is deleted and a new one made)."""
    now, policy, old = world.now(), world.settings["policy"], world.passes.get(user["id"])
    start = datetime.fromisoformat(wish["startDateTime"]) if "startDateTime" in wish else now
    minutes = wish.get("lifetimeInMinutes", policy["defaultLifetimeInMinutes"])
    # Signs in elsewhere; `userType` alone says nothing (Microsoft Learn, Properties of a B2B collaboration user).
    issuers = {identity.get("issuer") for identity in user["identities"]}
    refusals = {
        "external-guest": "ExternalAzureAD" in issuers or user["creationType"] == "Invitation",
        "policy-off": policy["state"] != "enabled",
        "bad-lifetime": not policy["minimumLifetimeInMinutes"] <= minutes <= policy["maximumLifetimeInMinutes"],
        "past-start": start < now,
        "pass-exists": old is not None and now < old.end and not world.settings["replaceExisting"],
    }
    for row in (row for row, holds in refusals.items() if holds):
        raise Refusal(row, **policy)
    shown = {
        "id": str(uuid.uuid4()), "startDateTime": iso(start), "createdDateTime": iso(now), "lifetimeInMinutes": minutes,
        "isUsableOnce": wish.get("isUsableOnce", False) or policy["isUsableOnce"],  # all may be one-time (how-to)
    }  # fmt: skip
    tap = world.passes[user["id"]] = Pass(shown, start, start + timedelta(minutes=minutes), world.next_code())
    world.created[user["id"]] += 1
    return tap


def told(world: World, key: str) -> list[Json]:
    """What may be told about the user's pass, if there is one: everything but its code.

    It can be used only while its `methodUsabilityReason` is EnabledByPolicy (resource page).
    """
    if (tap := world.passes.get(key)) is None:
        return []
    now, policy, once = world.now(), world.settings["policy"], tap.shown["isUsableOnce"]
    known = {"all_users", key, *(group["id"] for group in world.groups_of(world.users[key]))}
    included, excluded = ({one["id"] for one in policy[f"{verb}cludeTargets"]} & known for verb in ("in", "ex"))
    reasons = (
        (policy["state"] != "enabled", "DisabledByPolicy"),
        (bool(excluded) or not included, "DisabledByPolicy"),  # Microsoft Learn, Manage authentication methods
        (policy["isUsableOnce"] and not once, "DisabledByPolicy"),  # how-to, troubleshooting
        (once and tap.used, "OneTimeUsed"),
        (now < tap.start, "NotYetValid"),
        (now >= tap.end, "Expired"),
    )
    reason = next((reason for holds, reason in reasons if holds), "EnabledByPolicy")
    return [tap.shown | {"isUsable": reason == "EnabledByPolicy", "methodUsabilityReason": reason}]


def sign_in(world: World, attempt: Json) -> Json:
    """Try a pass as the joiner would: whether it `worked`, and the `reason`, EnabledByPolicy when it did."""
    user = world.user(attempt["user"])
    tap = world.passes.get(user["id"]) if user else None
    if user is None or tap is None or tap.code != attempt["pass"]:
        return {"worked": False, "reason": "UserNotFound" if user is None else "WrongPass" if tap else "NoPass"}
    reason = told(world, user["id"])[0]["methodUsabilityReason"] if user["accountEnabled"] else "AccountDisabled"
    if worked := reason == "EnabledByPolicy":
        tap.used = True
        if kind := attempt.get("registers"):
            user["methods"].append(method({"@odata.type": kind}, world.now()))
    return {"worked": worked, "reason": reason}
