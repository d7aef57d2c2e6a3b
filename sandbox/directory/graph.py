"""Microsoft Graph v1.0 as far as Firstpass calls it: a call, how it is answered, and the table of all answers."""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sandbox.directory import rules
from sandbox.directory.rules import Refusal
from sandbox.directory.shapes import Json, Wish, iso, read
from sandbox.directory.world import DEFAULTS, GRAPH, World

CONTENT = {"Content-Type": GRAPH["contentType"]}
TAP = "#microsoft.graph.temporaryAccessPassAuthenticationMethod"
POLICY = {"@odata.type": f"{TAP}Configuration", "id": "TemporaryAccessPass"}
EQUALS = re.compile(r"\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*")


class Call:
    """One request, alone or in a batch; `url` is relative to `base` (…/v1.0); `roles` and `body` come later."""

    def __init__(self, world: World, method: str, url: str, base: str, headers: Mapping[str, str]) -> None:
        self.world, self.method, self.base, self.headers = world, method, base, headers
        self.roles: frozenset[str] = frozenset()  # the caller's app roles
        self.body: Any = None
        path, _, query = url.partition("?")
        self.path, self.query = path.strip("/"), dict(parse_qsl(query, keep_blank_values=True))
        ours = str(uuid.uuid4())  # and the caller's, the same unless given (Microsoft Learn, error responses)
        self.ids = {"request-id": ours, "client-request-id": headers.get("client-request-id", ours)}
        request = f"{method} {self.path.replace('microsoft.graph.', 'graph.')}"
        found = ((route, match) for pattern, route in ROUTES.items() if (match := pattern.fullmatch(request)))
        (self.operation, self.options, self.answer), match = next(found, (UNKNOWN, None))
        self.values = [unquote(one) for one in match.groups()] if match else []

    @property
    def user(self) -> Json:
        """The user in the path."""
        if user := self.world.user(self.values[0]):
            return user
        raise Refusal("no-such-user", key=self.values[0])

    def compared(self, *names: str) -> tuple[str, str]:
        """The property, one of `names`, and the value (in lower case) that `$filter` compares by eq."""
        match = EQUALS.fullmatch(self.query.get("$filter", ""))
        if match is None or match[1] not in names:
            raise Refusal("bad-filter")
        return match[1], match[2].replace("''", "'").lower()


def reply(call: Call) -> Json:
    """Graph's answer as a batch writes it: `status`, `headers`, and `body` unless there is none."""
    try:
        body = _body(call)
    except Refusal as refusal:
        return refused(call, refusal)
    context = {"@odata.context": f"{call.base}/$metadata#{call.operation}"}
    status = {"POST": 201, "DELETE": 204}.get(call.method, 200)
    return {"status": status, "headers": CONTENT} | ({} if body is None else {"body": context | body})


def refused(call: Call, refusal: Refusal) -> Json:
    """The same for a refusal, with Graph's error body."""
    inner = {"date": iso(call.world.now())[:19]} | call.ids
    error = {"code": refusal.code, "message": refusal.message, "innerError": inner}
    return {"status": refusal.status, "headers": CONTENT | refusal.headers, "body": {"error": error}}


def _body(call: Call) -> Json | None:
    if call.answer is None:
        raise Refusal("no-such-segment", segment=call.path.rpartition("/")[2])
    if wait := call.world.throttle(call.operation):
        raise Refusal("throttled", seconds=int(wait) + 1)
    if call.roles.isdisjoint(GRAPH["permissions"][call.operation]):
        raise Refusal("methods-denied" if "authentication" in call.path.lower() else "denied")
    if unknown := call.query.keys() - set(call.options.split()):
        raise Refusal("no-such-option", option=min(unknown))
    found = call.answer(call)
    return _page(call, found) if isinstance(found, list) else found and _selected(call, found)


def _selected(call: Call, item: Json) -> Json:
    """The properties `$select` names, else the default ones."""
    default = GRAPH["selectedByDefault"].get(call.operation, item)
    names = call.query["$select"].replace(" ", "").split(",") if "$select" in call.query else default
    if unknown := [name for name in names if name not in item]:
        raise Refusal("no-such-property", name=unknown[0])
    return {name: item[name] for name in names}


def _page(call: Call, items: list[Json]) -> Json:
    """A collection, `$top` at a time: 100 unless told, 999 at most (Microsoft Learn, List a user's memberships)."""
    top, skip = call.query.get("$top", "100"), call.query.get("$skiptoken", "0")
    if not (top.isdecimal() and 1 <= int(top) <= 999 and skip.isdecimal()):
        raise Refusal("bad-page-size")
    end = int(skip) + int(top)
    body: Json = {"value": [_selected(call, item) for item in items[int(skip) : end]]}
    if call.query.get("$count") == "true" and call.headers.get("ConsistencyLevel") == "eventual":
        body["@odata.count"] = len(items)
    if end < len(items):
        options = urlencode(call.query | {"$skiptoken": str(end)}, safe="$,", quote_via=quote)
        body["@odata.nextLink"] = f"{call.base}/{call.path}?{options}"
    return body


def _find_users(call: Call) -> list[Json]:
    name, value = call.compared("employeeId", "userPrincipalName", "id")
    return [shown(user) for user in call.world.users.values() if (user[name] or "").lower() == value]


def shown(user: Json) -> Json:
    """A user as Graph shows one: without what the user holds."""
    return {name: user[name] for name in DEFAULTS["user"]}


def _groups(call: Call, *, owned: bool) -> list[Json]:
    """Only ids for who may not read groups (Microsoft Learn, Permissions overview: limited information)."""
    told = ["id"] if call.roles.isdisjoint(GRAPH["readsGroups"]) else list(DEFAULTS["group"])
    groups = call.world.groups_of(call.user, owned=owned)
    return [DEFAULTS["group"] | {name: group[name] for name in told} for group in groups]


def _circles(call: Call) -> list[Json]:
    """The groups a group is in; one nobody named is in none."""
    group = call.world.groups.get(call.values[0]) or {"memberOf": []}
    groups = call.world.groups_of({"groups": group["memberOf"]})
    return [DEFAULTS["group"] | {name: one[name] for name in DEFAULTS["group"]} for one in groups]


def _roles(call: Call) -> list[Json]:
    held = [role for one in (call.user, *call.world.groups_of(call.user)) for role in one["roles"]]
    names = {role["displayName"] for role in held if role["isBuiltIn"] and role["directoryScopeId"] == "/"}
    return [{"id": _id("active", name), "displayName": name, "roleTemplateId": _definition(name), "description": None}
            for name in sorted(names)]  # fmt: skip


def _held(call: Call, kind: str) -> list[Json]:
    """The direct role assignments, or eligibilities, of the user or group that `$filter` names."""
    key = call.compared("principalId")[1]
    holder = call.world.users.get(key) or call.world.groups.get(key)
    return [{"id": _id(kind, key, *map(str, role.values())), "principalId": key, "appScopeId": None,
             "roleDefinitionId": _definition(role["displayName"]), "directoryScopeId": role["directoryScopeId"]}
            for role in (holder[kind] if holder else ())]  # fmt: skip


def _eligibilities(call: Call) -> list[Json]:
    if not call.world.settings["pimLicensed"]:
        raise Refusal("no-pim")
    times: Json = {"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": None, "memberType": "Direct"}
    return [one | times | {"roleEligibilityScheduleId": one["id"]} for one in _held(call, "eligibleRoles")]


def _definition(role: str) -> str:
    return GRAPH["roleTemplates"].get(role) or _id("role", role)


def _id(*parts: str) -> str:
    """A GUID that is always the same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


def _passes(call: Call) -> list[Json]:
    return [one | {"temporaryAccessPass": None} for one in rules.told(call.world, call.user["id"])]


def _methods(call: Call) -> list[Json]:
    return call.user["methods"] + [{"@odata.type": TAP} | one for one in _passes(call)]


def _get_pass(call: Call) -> Json:
    for one in _passes(call):
        if one["id"] == call.values[1].lower():
            return one
    raise Refusal("no-such-pass")


def _delete_pass(call: Call) -> None:
    _get_pass(call)
    del call.world.passes[call.user["id"]]


def _create_pass(call: Call) -> Json:
    user = call.user
    try:
        wish = read(Wish, call.body, "body")
    except ValueError as bad:
        raise Refusal("bad-body", reason=bad) from None
    tap = rules.create_pass(call.world, user, {name: value for name, value in wish.items() if value is not None})
    return rules.told(call.world, user["id"])[0] | {"temporaryAccessPass": tap.code}


PAGED = "$select $top $skiptoken $count"
FILTERED = f"$filter {PAGED}"
TAPS = "users/*/authentication/temporaryAccessPassMethods"
CONFIGURATIONS = "policies/authenticationMethodsPolicy/authenticationMethodConfigurations"
# A request's operation (its name for faults, counts and permissions), its query options, its answer (lists are paged).
type Route = tuple[str, str, Callable[[Call], Json | list[Json] | None] | None]
UNKNOWN: Route = ("unknown", "", None)
TABLE: dict[str, Route] = {
    "POST $batch": ("batch", "", None),
    "GET users/*": ("user", "$select", lambda call: shown(call.user)),
    "GET users": ("user", FILTERED, _find_users),
    "GET users/*/transitiveMemberOf/graph.directoryRole": ("roles", PAGED, _roles),
    "GET users/*/transitiveMemberOf/graph.group": ("groups", PAGED, lambda call: _groups(call, owned=False)),
    "GET users/*/ownedObjects/graph.group": ("owned", PAGED, lambda call: _groups(call, owned=True)),
    "GET groups/*/transitiveMemberOf": ("circles", PAGED, _circles),
    "GET roleManagement/directory/roleAssignments": ("assignments", FILTERED, lambda call: _held(call, "roles")),
    "GET roleManagement/directory/roleEligibilityScheduleInstances": ("eligibility", FILTERED, _eligibilities),
    "GET users/*/authentication/methods": ("methods", "$skiptoken", _methods),
    f"GET {TAPS}": ("list_passes", "", _passes),
    f"POST {TAPS}": ("create_pass", "", _create_pass),
    f"GET {TAPS}/*": ("get_pass", "", _get_pass),
    f"DELETE {TAPS}/*": ("delete_pass", "", _delete_pass),
    "GET identity/conditionalAccess/policies": ("access", PAGED, lambda call: call.world.settings["accessPolicies"]),
    f"GET {CONFIGURATIONS}/temporaryAccessPass": ("policy", "", lambda call: POLICY | call.world.settings["policy"]),
}  # fmt: skip
ROUTES = {re.compile(re.escape(one).replace(r"\*", "([^/]+)"), re.IGNORECASE): route for one, route in TABLE.items()}
