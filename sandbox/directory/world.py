"""The world as tests and the demo write it: JSON in, one tenant out; what is wrong is named."""

import copy
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.directory import rules
from sandbox.directory.graph import is_moment
from sandbox.directory.state import Bucket, Json, Principal, Role, World

# Microsoft Learn, passwordAuthenticationMethod: the same id for everyone.
PASSWORD = {
    "@odata.type": "#microsoft.graph.passwordAuthenticationMethod",
    "id": "28c10230-6103-485e-b985-444c60001490",
}


def _is_guid(value: Any) -> bool:
    try:
        return str(uuid.UUID(value)) == value.lower()
    except (AttributeError, ValueError):
        return False


def _is_list_of(kind: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(one, kind) and one != "" for one in value)


FLAG, COUNT, TIME = "true or false", "a whole number", "a time with an offset, or null"
TEXTS, OBJECTS, NAMES = "a list of texts", "a list of objects", "a list of names or objects"
KINDS: Mapping[str, Callable[[Any], bool]] = {
    FLAG: lambda value: isinstance(value, bool),
    COUNT: lambda value: type(value) is int,
    TIME: lambda value: value is None or is_moment(value),
    TEXTS: _is_list_of(str),
    OBJECTS: _is_list_of(dict),
    NAMES: _is_list_of(dict | str),
    "a GUID": _is_guid,
    "text": lambda value: isinstance(value, str) and value != "",
    "text or null": lambda value: value is None or isinstance(value, str),
    "true, false or null": lambda value: value is None or isinstance(value, bool),
    "a positive number": lambda value: type(value) in (int, float) and value > 0,
    "enabled or disabled": lambda value: value in ("enabled", "disabled"),
    "an object": lambda value: isinstance(value, dict),
    "an object or null": lambda value: value is None or isinstance(value, dict),
}
WORLD = {"policy": "an object", "users": OBJECTS, "pimLicensed": FLAG, "appRoles": TEXTS, "replaceExisting": FLAG,
         "alphabet": "text", "nextCodes": TEXTS, "throttle": "an object or null"}  # fmt: skip
THROTTLE = {"requests": "a positive number", "seconds": "a positive number", "operations": TEXTS}
POLICY = {"state": "enabled or disabled", "isUsableOnce": FLAG, "defaultLength": COUNT,
          "defaultLifetimeInMinutes": COUNT, "minimumLifetimeInMinutes": COUNT, "maximumLifetimeInMinutes": COUNT,
          "includeTargets": OBJECTS, "excludeTargets": OBJECTS}  # fmt: skip
TARGET = {"id": "text", "targetType": "text", "isRegistrationRequired": FLAG}
ROLE = {"displayName": "text", "isBuiltIn": FLAG, "directoryScopeId": "text"}
METHOD = {"@odata.type": "text", "id": "text", "createdDateTime": TIME}
GROUP = {"id": "a GUID", "displayName": "text or null", "isAssignableToRole": "true, false or null"}
HELD = {"roles": NAMES, "eligibleRoles": NAMES}
USER = {
    "id": "a GUID", "accountEnabled": FLAG, "employeeHireDate": TIME, "createdDateTime": TIME,
    "onPremisesSyncEnabled": "true, false or null", "businessPhones": TEXTS, "otherMails": TEXTS, "identities": OBJECTS,
} | dict.fromkeys((
    "userPrincipalName", "employeeId", "userType", "mobilePhone", "creationType", "externalUserState", "displayName",
    "givenName", "surname", "mail", "jobTitle", "officeLocation", "preferredLanguage", "usageLocation", "department",
    "companyName", "employeeType", "city", "country", "faxNumber",
), "text or null")  # fmt: skip


def load(world: World, document: Any) -> World:
    """The world with what the document says; the one given stays as it is.

    Raises:
        ValueError: naming the field that is wrong.
    """
    check(document, WORLD, "world")
    fresh = copy.replace(world, users=dict(world.users), ids=dict(world.ids), groups=dict(world.groups))
    policy = _policy(world.settings["policy"] | document.get("policy", {}))
    fresh.settings = copy.deepcopy(world.settings | document | {"policy": policy, "users": None})
    if "throttle" in document:
        fresh.throttle = _throttle(document["throttle"])
    for number, user in enumerate(document.get("users", [])):
        put_user(fresh, user, f"users[{number}]")
    return fresh


def check(value: Any, shape: Mapping[str, str], where: str, *required: str) -> None:
    """Compare an object with its shape: a kind for each name.

    Raises:
        ValueError: naming the field that is unknown, missing, or of another kind.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object.")  # noqa: TRY004 - bad input, told as a sentence
    for name, given in {**dict.fromkeys(required), **value}.items():
        if name not in shape or not KINDS[shape[name]](given):
            raise ValueError(f"{where}.{name} {f'must be {shape[name]}' if name in shape else 'is not known'}.")


def _throttle(given: Json | None) -> Bucket | None:
    if given is not None:
        check(given, THROTTLE, "throttle", "requests", "seconds")
    return Bucket(**given) if given else None


def _policy(policy: Json) -> Json:
    """Bounds: Microsoft Learn, temporaryAccessPassAuthenticationMethodConfiguration."""
    check(policy, POLICY, "policy")
    for name in ("includeTargets", "excludeTargets"):
        for at, target in enumerate(policy[name]):
            check(target, TARGET, f"policy.{name}[{at}]", "id")
    low, default, high = (policy[f"{edge}LifetimeInMinutes"] for edge in ("minimum", "default", "maximum"))
    if not 10 <= low <= default <= high <= 43200:
        raise ValueError("policy needs 10 <= minimum- <= default- <= maximumLifetimeInMinutes <= 43200.")
    if not 8 <= policy["defaultLength"] <= 48:
        raise ValueError("policy.defaultLength must be within 8 and 48.")
    return policy


def put_user(world: World, document: Any, where: str = "user") -> Principal:
    """Add a user, or replace one; who is replaced keeps the pass.

    Raises:
        ValueError: naming the field that is wrong.
    """
    check(document, USER | HELD | {"groups": OBJECTS, "methods": NAMES}, where)
    key = document.get("id", str(uuid.uuid4())).lower()
    name = document.get("userPrincipalName") or f"{key}@sandbox.example"
    if world.ids.get(name.lower(), key) != key:
        raise ValueError(f"{where}.userPrincipalName belongs to another user.")
    groups = [(_group(world, one, f"{where}.groups[{at}]"), one) for at, one in enumerate(document.get("groups", []))]
    user = Principal(
        properties=_defaults(document, name) | _given(document, USER) | {"id": key, "userPrincipalName": name},
        roles=_roles(document, "roles", where),
        eligible=_roles(document, "eligibleRoles", where),
        groups=tuple(group for group, one in groups if not one.get("owner")),
        owned=tuple(group for group, one in groups if one.get("owner")),
        methods=_methods(world, document.get("methods", []), where),
    )
    before = drop_user(world, key)
    user.tap = before.tap if before else None
    world.users[key], world.ids[name.lower()] = user, key
    return user


def drop_user(world: World, key: str) -> Principal | None:
    """Remove a user and give what was removed."""
    if user := world.users.pop(key, None):
        del world.ids[user.properties["userPrincipalName"].lower()]
    return user


def _given(document: Json, shape: Mapping[str, str]) -> Json:
    return {name: value for name, value in document.items() if name in shape}


def _defaults(document: Json, name: str) -> Json:
    """What Graph holds when nothing else is said; a guest with #EXT# in the name signs in elsewhere."""
    external = document.get("userType") == "Guest" and "#EXT#" in name.upper()
    here = {"signInType": "userPrincipalName", "issuer": "sandbox.example", "issuerAssignedId": name}
    elsewhere = {"signInType": "federated", "issuer": "ExternalAzureAD", "issuerAssignedId": None}
    return dict.fromkeys(USER) | {
        "accountEnabled": True, "userType": "Member", "displayName": name.partition("@")[0], "businessPhones": [],
        "otherMails": [], "identities": [here, elsewhere] if external else [here],
        "creationType": "Invitation" if external else None, "externalUserState": "Accepted" if external else None,
    }  # fmt: skip


def _roles(document: Json, name: str, where: str) -> tuple[Role, ...]:
    entries: list[Json] = [{"displayName": one} if isinstance(one, str) else one for one in document.get(name, [])]
    for at, one in enumerate(entries):
        check(one, ROLE, f"{where}.{name}[{at}]", "displayName")
    return tuple(
        Role(one["displayName"], one.get("isBuiltIn", True), one.get("directoryScopeId", "/")) for one in entries
    )


def _methods(world: World, given: list[Any], where: str) -> list[Json]:
    """The methods named, and a password: every user has one."""
    entries: list[Json] = [{"@odata.type": one} if isinstance(one, str) else one for one in given]
    for at, one in enumerate(entries):
        check(one, METHOD, f"{where}.methods[{at}]", "@odata.type")
    dated = [(one, one.get("createdDateTime") or rules.iso(world.now())) for one in [PASSWORD, *entries]]
    return [rules.method(one["@odata.type"], datetime.fromisoformat(since), one.get("id")) for one, since in dated]


def _group(world: World, document: Json, where: str) -> str:
    """Add a group, or add to what is known of it, with the groups it is in; gives its id."""
    check(document, GROUP | HELD | {"owner": FLAG, "memberOf": OBJECTS}, where)
    key = document.get("id", str(uuid.uuid4())).lower()
    above = [_group(world, one, f"{where}.memberOf[{at}]") for at, one in enumerate(document.get("memberOf", []))]
    unknown = Principal(properties=dict.fromkeys(GROUP) | {"displayName": key}, roles=(), eligible=(), groups=())
    known = world.groups.get(key, unknown)
    world.groups[key] = Principal(
        properties=known.properties | _given(document, GROUP) | {"id": key},
        roles=_roles(document, "roles", where) or known.roles,
        eligible=_roles(document, "eligibleRoles", where) or known.eligible,
        groups=tuple(dict.fromkeys([*known.groups, *above])),
    )
    return key
