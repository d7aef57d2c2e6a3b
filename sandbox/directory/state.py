"""What the directory holds, apart from any wire: people, groups, roles, sign-in methods, passes, settings."""

import fnmatch
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

type Json = dict[str, Any]

# Microsoft Learn, temporaryAccessPassAuthenticationMethodConfiguration: the defaults of a new tenant.
POLICY: Json = {
    "state": "enabled", "isUsableOnce": False, "defaultLength": 8, "minimumLifetimeInMinutes": 60,
    "defaultLifetimeInMinutes": 60, "maximumLifetimeInMinutes": 480, "excludeTargets": [],
    "includeTargets": [{"targetType": "group", "id": "all_users", "isRegistrationRequired": False}],
}  # fmt: skip
# `appRoles`: what Firstpass's calls need. `alphabet`: letters and digits without look-alikes.
SETTINGS: Json = {
    "policy": POLICY, "pimLicensed": True, "replaceExisting": True, "nextCodes": [],
    "alphabet": "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789",
    "appRoles": ["UserAuthMethod-TAP.ReadWrite.All", "UserAuthenticationMethod.Read.All", "User.Read.All",
                 "GroupMember.Read.All", "Policy.Read.AuthenticationMethod", "RoleManagement.Read.Directory"],
}  # fmt: skip


def identity_of(*parts: str) -> str:
    """A GUID that is always the same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


class Role(NamedTuple):
    """A role someone holds. Custom roles and narrower scopes show among role assignments only."""

    name: str
    built_in: bool
    scope: str


@dataclass(slots=True, kw_only=True)
class Pass:
    """A Temporary Access Pass; its code leaves the directory once."""

    id: str
    code: str = field(default="", repr=False)
    start: datetime
    created: datetime
    minutes: int
    once: bool
    used: bool = False

    @property
    def end(self) -> datetime:
        """The first moment at which it no longer works."""
        return self.start + timedelta(minutes=self.minutes)


@dataclass(slots=True, kw_only=True)
class Principal:
    """A user or a group: `properties` by Graph's names, `groups` and `owned` by id, `methods` without the pass."""

    properties: Json
    roles: tuple[Role, ...]
    eligible: tuple[Role, ...]
    groups: tuple[str, ...]
    owned: tuple[str, ...] = ()
    methods: list[Json] = field(default_factory=list[Json])
    tap: Pass | None = None


@dataclass(slots=True)
class Bucket:
    """Admits `requests` per `seconds` of real time (Microsoft Graph throttling limits: a token bucket)."""

    requests: float
    seconds: float
    operations: Sequence[str] = ("*",)
    level: float = 0.0
    filled: float = float("-inf")

    def wait(self, operation: str) -> float:
        """Seconds until `operation` may come again; 0 when it is admitted now, or is none of ours."""
        if not any(fnmatch.fnmatchcase(operation, pattern) for pattern in self.operations):
            return 0.0
        now, rate = time.monotonic(), self.requests / self.seconds
        self.level, self.filled = min(self.requests, self.level + (now - self.filled) * rate), now
        wait = max(0.0, (1 - self.level) / rate)
        self.level -= 0 if wait else 1
        return wait


@dataclass(slots=True, kw_only=True)
class World:
    """One tenant; `now` gives the present (aware, UTC), `created` counts the passes ever made, by user id."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    settings: Json = field(default_factory=SETTINGS.copy)
    users: dict[str, Principal] = field(default_factory=dict[str, Principal])
    ids: dict[str, str] = field(default_factory=dict[str, str])  # user principal name in lower case -> id
    groups: dict[str, Principal] = field(default_factory=dict[str, Principal])
    throttle: Bucket | None = None
    created: Counter[str] = field(default_factory=Counter[str])

    def user(self, key: str) -> Principal | None:
        """Whoever has this object id or user principal name, in any case of letters."""
        return self.users.get(self.ids.get(key.lower(), key.lower()))

    def memberships(self, user: Principal) -> list[Principal]:
        """All groups the user is in, directly or through other groups, each once."""
        keys = list(dict.fromkeys(user.groups))
        for key in keys:  # grows while it is read
            keys += [further for further in self.groups[key].groups if further not in keys]
        return [self.groups[key] for key in keys]

    def next_code(self) -> str:
        """The next scripted code, or a random one as long as the policy says."""
        scripted, length = self.settings["nextCodes"], self.settings["policy"]["defaultLength"]
        return (
            scripted.pop(0) if scripted else "".join(secrets.choice(self.settings["alphabet"]) for _ in range(length))
        )
