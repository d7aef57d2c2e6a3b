"""Microsoft Graph v1.0 as far as Firstpass calls it: what each request answers, and the table of all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.directory import rules
from sandbox.directory.odata import Answer, Call, compared, page, select
from sandbox.directory.rules import Refusal, iso
from sandbox.directory.state import Json, Pass, Principal, World, identity_of

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
TAP = "#microsoft.graph.temporaryAccessPassAuthenticationMethod"
# Microsoft Learn, user resource: what comes without $select.
DEFAULT = (
    "businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation",
    "preferredLanguage", "surname", "userPrincipalName",
)  # fmt: skip
# Microsoft Learn, Microsoft Entra built-in roles: template ids, the same in every tenant. Others are made up.
TEMPLATES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Privileged Role Administrator": "e8611ab8-c189-46e8-94e1-60213ab1f814",
}


@dataclass(frozen=True, slots=True)
class Route:
    """A known request: its operation's name for faults and counts, the app roles that allow it, its query options."""

    operation: str
    method: str
    path: str
    allowed: str
    options: str
    answer: Callable[[World, Call], Answer]


def find(call: Call) -> Route | None:
    """The route of a call, whose `values` it sets, or None."""
    for route in ROUTES:
        parts = route.path.split("/")
        if call.method == route.method and len(parts) == len(call.segments):
            pairs = list(zip(parts, call.segments, strict=True))
            if all(part == "*" or part.lower() == given.lower() for part, given in pairs):
                call.values = [given for part, given in pairs if part == "*"]
                return route
    return None


def answer(world: World, call: Call) -> Answer:
    """Status and JSON for a call.

    Raises:
        Refusal: any answer but success.
    """
    route = find(call)
    if route is None:
        raise Refusal(400, "BadRequest", f"Resource not found for the segment '{call.segments[-1]}'.")
    if wait := world.throttle.wait(route.operation) if world.throttle else 0:
        text = "Too many requests from Identifier:sandbox under category:throttle. Please try again later."
        raise Refusal(429, "TooManyRequests", text, {"Retry-After": str(int(wait) + 1)})
    if not call.roles.intersection(route.allowed.split()):
        methods = route.path.startswith("policies") or "/authentication/" in route.path
        raise Refusal(403, *(("accessDenied", "Request Authorization failed") if methods else DENIED))
    if unknown := call.query.keys() - set(route.options.split()):
        raise Refusal(400, "BadRequest", f"Query option '{min(unknown)}' is not supported here.")
    status, body = route.answer(world, call)
    return status, body and {"@odata.context": f"{call.base}/$metadata#{route.path}"} | body


def judge(world: World, call: Call) -> Json:
    """The answer to one call as a batch writes it: `status`, `headers`, and `body` unless there is none."""
    try:
        status, body = answer(world, call)
    except Refusal as refusal:
        return refused(world, call, refusal)
    return {"status": status, "headers": {"Content-Type": JSON}} | ({"body": body} if body else {})


def refused(world: World, call: Call, refusal: Refusal) -> Json:
    """The same for a refusal, with Graph's error body."""
    inner = {"date": iso(world.now())[:19]} | ids(call)
    body = {"error": {"code": refusal.code, "message": refusal.message, "innerError": inner}}
    return {"status": refusal.status, "headers": {"Content-Type": JSON, **refusal.headers}, "body": body}


def ids(call: Call) -> dict[str, str]:
    """The request's own id and the caller's, which is the same unless given (Microsoft Learn, error responses)."""
    return {"request-id": call.request_id, "client-request-id": call.headers.get("client-request-id", call.request_id)}


def _user(world: World, call: Call) -> Principal:
    if user := world.user(call.values[0]):
        return user
    text = "does not exist or one of its queried reference-property objects are not present."
    raise Refusal(404, "Request_ResourceNotFound", f"Resource '{call.values[0]}' {text}")


def _find_users(world: World, call: Call) -> Answer:
    name, value = compared(call, "employeeId", "userPrincipalName", "id")
    everyone = (user.properties for user in world.users.values())
    return page(call, [one for one in everyone if (one[name] or "").lower() == value], DEFAULT)


def _roles(world: World, call: Call) -> Answer:
    holders = [user := _user(world, call), *world.memberships(user)]
    names = {role.name for one in holders for role in one.roles if role.built_in and role.scope == "/"}
    unset = {"description": None, "deletedDateTime": None}
    ids = [{"id": identity_of("active", name), "roleTemplateId": _definition(name)} for name in sorted(names)]
    return page(call, [{"displayName": name} | own | unset for name, own in zip(sorted(names), ids, strict=True)])


def _definition(role: str) -> str:
    return TEMPLATES.get(role) or identity_of("role", role)


def _groups(call: Call, groups: list[Principal]) -> Answer:
    """Only ids for who may not read groups (Microsoft Learn, Permissions overview: limited information)."""
    items = [group.properties for group in groups]
    readable = call.roles.intersection(GROUPS.split())
    return page(call, items if readable else [dict.fromkeys(item) | {"id": item["id"]} for item in items])


def _held(world: World, call: Call, kind: str) -> list[Json]:
    """The direct role assignments, or eligibilities, of the user or group that `$filter` names."""
    key = compared(call, "principalId")[1]
    holder = world.users.get(key) or world.groups.get(key)
    roles = (holder.eligible if kind == "eligible" else holder.roles) if holder else ()
    return [
        {"id": identity_of(kind, key, *map(str, role)), "principalId": key, "roleDefinitionId": _definition(role.name),
         "directoryScopeId": role.scope, "appScopeId": None} for role in roles
    ]  # fmt: skip


def _eligibility(world: World, call: Call) -> Answer:
    if not world.settings["pimLicensed"]:
        text = "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."
        raise Refusal(400, "AadPremiumLicenseRequired", text)
    times: Json = {"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": None, "memberType": "Direct"}
    held = _held(world, call, "eligible")
    return page(call, [one | times | {"roleEligibilityScheduleId": one["id"]} for one in held])


def _methods(world: World, call: Call) -> Answer:
    return page(call, _user(world, call).methods + [{"@odata.type": TAP} | one for one in _passes(world, call)])


def _passes(world: World, call: Call) -> list[Json]:
    user = _user(world, call)
    return [pass_json(world, user, user.tap) | {"temporaryAccessPass": None}] if user.tap else []


def pass_json(world: World, user: Principal, tap: Pass) -> Json:
    """What may be told about a pass: everything but its code."""
    reason = rules.usability(world, user, tap)
    return {
        "id": tap.id, "startDateTime": iso(tap.start), "createdDateTime": iso(tap.created),
        "lifetimeInMinutes": tap.minutes, "isUsableOnce": tap.once, "isUsable": reason == "EnabledByPolicy",
        "methodUsabilityReason": reason,
    }  # fmt: skip


def _get_pass(world: World, call: Call) -> Answer:
    for one in _passes(world, call):
        if one["id"] == call.values[1].lower():
            return 200, one
    raise Refusal(404, "resourceNotFound", "The requested Temporary Access Pass was not found.")


def _delete_pass(world: World, call: Call) -> Answer:
    _get_pass(world, call)
    _user(world, call).tap = None
    return 204, None


def _create_pass(world: World, call: Call) -> Answer:
    user = _user(world, call)
    if not isinstance(call.body, dict):
        raise Refusal(400, "BadRequest", "Unable to read JSON request payload.")
    wish: Json = {name: value for name, value in call.body.items() if value is not None}
    if not all(name in WISH and WISH[name](value) for name, value in wish.items()):
        raise Refusal(400, "BadRequest", "The body has an unknown property, or a value of the wrong type.")
    start = datetime.fromisoformat(wish["startDateTime"]) if "startDateTime" in wish else None
    once = wish.get("isUsableOnce", False)
    tap = rules.create_pass(world, user, start, wish.get("lifetimeInMinutes"), once=once)
    return 201, pass_json(world, user, tap) | {"temporaryAccessPass": tap.code}


def is_moment(value: Any) -> bool:
    """Whether it is a DateTimeOffset: text with a date, a time and an offset."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _policy(world: World, _: Call) -> Answer:
    return 200, {"@odata.type": f"{TAP}Configuration", "id": "TemporaryAccessPass"} | world.settings["policy"]


WISH: Mapping[str, Callable[[Any], bool]] = {
    "@odata.type": lambda value: value == TAP,
    "startDateTime": is_moment,
    "lifetimeInMinutes": lambda value: type(value) is int,
    "isUsableOnce": lambda value: isinstance(value, bool),
}
DENIED = ("Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
# Which app roles allow what: the permission tables of the Graph pages.
GROUPS = "GroupMember.Read.All Group.Read.All Directory.Read.All"
USERS = "User.Read.All User.ReadWrite.All Directory.Read.All"
HELD = "RoleManagement.Read.Directory RoleManagement.Read.All"
METHODS = "UserAuthenticationMethod.Read.All UserAuthenticationMethod.ReadWrite.All"
MAKE = "UserAuthMethod-TAP.ReadWrite.All UserAuthenticationMethod.ReadWrite.All"
READ = f"UserAuthMethod-TAP.Read.All {MAKE} {METHODS}"
POLICY = "Policy.Read.AuthenticationMethod Policy.ReadWrite.AuthenticationMethod Policy.Read.All"
PAGED, FILTERED = "$select $top $skiptoken $count", "$filter $select $top $skiptoken $count"
TAPS, HELD_BY = "users/*/authentication/temporaryAccessPassMethods", "roleManagement/directory"
CONFIGURATIONS = "policies/authenticationMethodsPolicy/authenticationMethodConfigurations"
ROUTES: tuple[Route, ...] = (
    Route("user", "GET", "users/*", USERS, "$select",
          lambda world, call: (200, select(call, _user(world, call).properties, DEFAULT))),
    Route("user", "GET", "users", USERS, FILTERED, _find_users),
    Route("roles", "GET", "users/*/transitiveMemberOf/graph.directoryRole", f"{USERS} {GROUPS}", PAGED, _roles),
    Route("groups", "GET", "users/*/transitiveMemberOf/graph.group", f"{USERS} {GROUPS}", PAGED,
          lambda world, call: _groups(call, world.memberships(_user(world, call)))),
    Route("owned", "GET", "users/*/ownedObjects/graph.group", USERS, PAGED,
          lambda world, call: _groups(call, [world.groups[key] for key in _user(world, call).owned])),
    Route("assignments", "GET", f"{HELD_BY}/roleAssignments", HELD, FILTERED,
          lambda world, call: page(call, _held(world, call, "held"))),
    Route("eligibility", "GET", f"{HELD_BY}/roleEligibilityScheduleInstances",
          f"RoleEligibilitySchedule.Read.Directory {HELD}", FILTERED, _eligibility),
    Route("methods", "GET", "users/*/authentication/methods", METHODS, "", _methods),
    Route("list_passes", "GET", TAPS, READ, "", lambda world, call: page(call, _passes(world, call))),
    Route("create_pass", "POST", TAPS, MAKE, "", _create_pass),
    Route("get_pass", "GET", f"{TAPS}/*", READ, "", _get_pass),
    Route("delete_pass", "DELETE", f"{TAPS}/*", MAKE, "", _delete_pass),
    Route("policy", "GET", f"{CONFIGURATIONS}/temporaryAccessPass", POLICY, "", _policy),
)  # fmt: skip
