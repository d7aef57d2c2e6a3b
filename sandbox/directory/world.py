"""One tenant, apart from any wire: people, groups, passes and settings, and how a document changes them."""

import copy
import fnmatch
import json
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.directory.shapes import Json, Tenant, iso, read

GRAPH: Json = json.loads(Path(__file__).with_name("graph.json").read_text())
# A new tenant; its policy is that of Microsoft Learn, temporaryAccessPassAuthenticationMethodConfiguration.
DEFAULTS: Json = json.loads(Path(__file__).with_name("tenant.json").read_text())


@dataclass(slots=True)
class Pass:
    """A Temporary Access Pass: what Graph shows of it, its times, and its code, which leaves the directory once."""

    shown: Json
    start: datetime
    end: datetime
    code: str = field(repr=False)
    used: bool = False


@dataclass(slots=True, kw_only=True)
class World:
    """One tenant; users and groups are of the shapes `User` and `Group`, nothing unsaid; `now` is aware, UTC.

    `counts` are requests by operation, `created` the passes ever made by user id.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    settings: Json = field(default_factory=lambda: copy.deepcopy(DEFAULTS))
    users: dict[str, Json] = field(default_factory=dict[str, Json])
    ids: dict[str, str] = field(default_factory=dict[str, str])  # user principal name in lower case -> id
    groups: dict[str, Json] = field(default_factory=dict[str, Json])
    passes: dict[str, Pass] = field(default_factory=dict[str, Pass])
    counts: Counter[str] = field(default_factory=Counter[str])
    created: Counter[str] = field(default_factory=Counter[str])
    throttled_until: float = 0.0  # in real time: when the bucket is full again

    def user(self, key: str) -> Json | None:
        """Whoever has this object id or user principal name, in any case of letters."""
        return self.users.get(self.ids.get(key.lower(), key.lower()))

    def groups_of(self, user: Json, *, owned: bool = False) -> list[Json]:
        """All groups the user is in, directly or through other groups, or those the user owns; each once."""
        found: dict[str, Json] = {}
        reach = [group for group in user["groups"] if group.get("owner", False) is owned]
        for group in reach:  # grows while it is read
            if group["id"] not in found:
                found[group["id"]] = self.groups[group["id"]]
                reach += [] if owned else self.groups[group["id"]]["memberOf"]
        return list(found.values())

    def next_code(self) -> str:
        """The next scripted code, or a random one as long as the policy says."""
        if self.settings["nextCodes"]:
            return self.settings["nextCodes"].pop(0)
        alphabet, length = self.settings["alphabet"], self.settings["policy"]["defaultLength"]
        return "".join(secrets.choice(alphabet) for _ in range(length))

    def throttle(self, operation: str) -> float:
        """Seconds until `operation` may come again; 0 admits it (Microsoft Graph throttling limits: a token bucket)."""
        limit = self.settings["throttle"]
        if not limit or not any(fnmatch.fnmatchcase(operation, one) for one in limit.get("operations", ["*"])):
            return 0.0
        now, token = time.monotonic(), limit["seconds"] / limit["requests"]
        missing = max(0.0, self.throttled_until - now)
        if missing + token <= limit["seconds"]:
            self.throttled_until = now + missing + token
        return max(0.0, missing + token - limit["seconds"])

    def put(self, given: Json, where: str) -> Json:
        """Add a user of the shape `User`, or replace one, who keeps the pass; ValueError: the name is another's."""
        key = given.get("id", str(uuid.uuid4()))
        name = given.get("userPrincipalName") or f"{key}@sandbox.example"
        if self.ids.get(name.lower(), key) != key:
            raise ValueError(f"{where}.userPrincipalName belongs to another user.")
        if key in self.users:
            del self.ids[self.users[key]["userPrincipalName"].lower()]
        user: Json = _unsaid(given, name) | given | {"id": key, "userPrincipalName": name}
        user["methods"] = [method(one, self.now()) for one in [DEFAULTS["password"], *user["methods"]]]
        for group in user["groups"]:
            self._join(group)
        self.users[key], self.ids[name.lower()] = user, key
        return user

    def drop(self, key: str) -> bool:
        """Remove a user; tells whether there was one."""
        self.passes.pop(key, None)
        user = self.users.pop(key, None)
        if user:
            del self.ids[user["userPrincipalName"].lower()]
        return user is not None

    def _join(self, group: Json) -> None:
        """Add a group, or add to what is known of it, with the groups it is in."""
        key = group.setdefault("id", str(uuid.uuid4()))
        known = self.groups.get(key) or DEFAULTS["group"] | DEFAULTS["holdings"] | {"displayName": key}
        above = group.get("memberOf", [])
        for one in above:
            self._join(one)
        self.groups[key] = known | group | {"memberOf": known["memberOf"] + above}


def load(world: World, document: Any) -> World:
    """The world with what the document says, or a ValueError naming what is wrong; the one given stays as it is."""
    given = read(Tenant, document, "world")
    policy = world.settings["policy"] | given.get("policy", {})
    low, default, high = (policy[f"{edge}LifetimeInMinutes"] for edge in ("minimum", "default", "maximum"))
    if "defaultLifetimeInMinutes" not in given.get("policy", {}):
        policy["defaultLifetimeInMinutes"] = default = max(low, min(default, high))
    if not low <= default <= high:
        raise ValueError("world.policy needs minimum- <= default- <= maximumLifetimeInMinutes.")
    fresh = copy.replace(world, users=dict(world.users), ids=dict(world.ids), groups=dict(world.groups))
    fresh.settings = world.settings | given | {"policy": policy, "users": None}
    fresh.throttled_until = 0.0 if "throttle" in given else world.throttled_until
    for at, user in enumerate(given.get("users", [])):
        fresh.put(user, f"world.users[{at}]")
    return fresh


def method(given: Json, now: datetime) -> Json:
    """A sign-in method as Graph shows it: its type, an id, and since when (`now`, unless told; null stays null)."""
    return {"id": str(uuid.uuid4()), "createdDateTime": iso(now)} | given


def _unsaid(given: Json, name: str) -> Json:
    """What holds when nothing else is said; a guest signs in elsewhere, unless `identities` say otherwise."""
    here = {"signInType": "userPrincipalName", "issuer": "sandbox.example", "issuerAssignedId": name}
    elsewhere = {"signInType": "federated", "issuer": "ExternalAzureAD", "issuerAssignedId": None}
    guest = {"creationType": "Invitation", "externalUserState": "Accepted", "identities": [here, elsewhere]}
    own = {"displayName": name.partition("@")[0]} | (
        guest if given.get("userType") == "Guest" else {"identities": [here]}
    )
    return DEFAULTS["user"] | DEFAULTS["holdings"] | own
