"""A tenant to arrange around a Directory: once in memory, once in the sandbox's Graph."""

import time
import uuid
import warnings
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import aiohttp
import pytest
from azure.core.credentials import AccessToken

from sandbox.clock import SandboxClock
from sandbox.process import Service, start
from shared.errors import FirstpassError, Halted, Later, Reason, Refused, Unconfirmed
from shared.events import UserRef
from shared.guard_rails import Facts
from shared.plan import Policy, Terms
from shared.ports import Directory
from tests.fakes.clock import FakeClock
from tests.fakes.directory import FakeDirectory

with warnings.catch_warnings():  # the SDK warns of its own classes when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    from shared.adapters.entra import EntraDirectory

FIDO2 = "#microsoft.graph.fido2AuthenticationMethod"
TERMS = Terms(start_date_time=None, lifetime_in_minutes=120, is_usable_once=False)
type Trouble = Literal["throttled", "denied", "broken", "lost"]
type Privilege = Literal["role", "eligible", "member", "owner"]


class World(Protocol):
    """A directory, and a tenant to arrange around it."""

    clock: Any

    @property
    def directory(self) -> Directory: ...
    async def person(
        self,
        user_id: str,
        *,
        name: str | None = None,
        employee_id: str | None = None,
        mobile: str | None = None,
        hired: datetime | None = None,
        enabled: bool = True,
        guest: bool = False,
        groups: Sequence[str] = (),
        privilege: Privilege | None = None,
        fido2: bool = False,
    ) -> None: ...
    async def forget(self, user_id: str) -> None: ...
    async def tenant(self, policy: Policy) -> None: ...
    async def works(self, user_id: str, code: str) -> bool: ...
    async def register(self, user_id: str, code: str, kind: str) -> None: ...
    async def created(self) -> int: ...
    async def trouble(self, method: str, kind: Trouble) -> None: ...
    async def troubled(self) -> bool: ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        self.directory = FakeDirectory(self.clock)

    async def person(
        self, user_id: str, *, name: str | None = None, employee_id: str | None = None, **said: Any
    ) -> None:
        facts = Facts(
            user_id=user_id,
            account_enabled=said.get("enabled", True),
            is_external_guest=said.get("guest", False),
            mobile_phone=said.get("mobile"),
            employee_hire_date=said.get("hired"),
            groups=frozenset(said.get("groups", ())),
            has_role=said.get("privilege") is not None,
            methods=("password", "fido2") if said.get("fido2") else ("password",),
        )
        self.directory.add(facts, name, employee_id)

    async def forget(self, user_id: str) -> None:
        del self.directory.people[user_id]

    async def tenant(self, policy: Policy) -> None:
        self.directory.tenant = policy

    async def works(self, user_id: str, code: str) -> bool:
        return self.directory.works(user_id, code)

    async def register(self, user_id: str, code: str, kind: str) -> None:
        assert self.directory.works(user_id, code)
        self.directory.register(user_id, kind)

    async def created(self) -> int:
        return len(self.directory.created)

    async def trouble(self, method: str, kind: Trouble) -> None:
        error: FirstpassError = {
            "throttled": Later(Reason.GRAPH_THROTTLED, timedelta(seconds=30)),
            "denied": Halted(Reason.GRAPH_DENIED),
            "broken": Later(Reason.GRAPH_UNAVAILABLE, timedelta(minutes=1)),
            "lost": Unconfirmed(Reason.PASS_UNCONFIRMED),
        }[kind]
        self.directory.fail(method, error, "after" if kind == "lost" else "before")

    async def troubled(self) -> bool:
        return all(fault.fired for fault in self.directory.faults)


class SandboxToken:
    """A token from the sandbox's managed identity."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.scopes: set[str] = set()

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes |= set(scopes)
        query = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.endpoint, params=query, headers={"X-IDENTITY-HEADER": "sandbox"}) as answer,
        ):
            body = await answer.json()
        return AccessToken(body["access_token"], int(body["expires_on"]))

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        pass


PARTS = ["user", "roles", "groups", "owned", "assignments", "eligibility", "methods"]
OPERATIONS = {
    "facts": "batch",
    "policy": "policy",
    "create_pass": "create_pass",
    "passes": "list_passes",
    "delete_pass": "delete_pass",
    "methods": "methods",
}


class SandboxWorld:
    def __init__(self, service: Service, clock: SandboxClock) -> None:
        self.url = service.url
        self.clock = clock
        self.token = SandboxToken(str(service.ready["identity"]))
        self.directory = EntraDirectory(self.url, self.token, clock, back_off=0.01)

    async def ask(self, verb: str, path: str, document: Any = None) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(verb, f"{self.url}/sandbox/{path}", json=document) as answer,
        ):
            assert answer.ok, await answer.text()
            return await answer.json() if answer.status != 204 else None

    async def person(
        self, user_id: str, *, name: str | None = None, employee_id: str | None = None, **said: Any
    ) -> None:
        privilege = said.get("privilege")
        groups: list[dict[str, Any]] = [{"id": key} for key in said.get("groups", ())]
        if privilege in ("member", "owner"):
            groups.append({"id": str(uuid.uuid4()), "isAssignableToRole": True, "owner": privilege == "owner"})
        hired: datetime | None = said.get("hired")
        user = {
            "id": user_id,
            "employeeId": employee_id,
            "userPrincipalName": name or f"{user_id}{'#EXT#' if said.get('guest') else ''}@sandbox.example",
            "userType": "Guest" if said.get("guest") else "Member",
            "accountEnabled": said.get("enabled", True),
            "mobilePhone": said.get("mobile"),
            "employeeHireDate": hired.isoformat() if hired else None,
            "groups": groups,
            "roles": ["Global Administrator"] if privilege == "role" else [],
            "eligibleRoles": ["Global Administrator"] if privilege == "eligible" else [],
            "methods": [FIDO2] if said.get("fido2") else [],
        }
        await self.ask("POST", "users", user)

    async def forget(self, user_id: str) -> None:
        await self.ask("DELETE", f"users/{user_id}")

    async def tenant(self, policy: Policy) -> None:
        document = {
            "state": "enabled" if policy.enabled else "disabled",
            "minimumLifetimeInMinutes": policy.minimum_lifetime_in_minutes,
            "defaultLifetimeInMinutes": policy.minimum_lifetime_in_minutes,
            "maximumLifetimeInMinutes": policy.maximum_lifetime_in_minutes,
            "isUsableOnce": policy.is_usable_once,
            "includeTargets": [{"targetType": "group", "id": key} for key in policy.include_targets],
            "excludeTargets": [{"targetType": "group", "id": key} for key in policy.exclude_targets],
        }
        await self.ask("PATCH", "world", {"policy": document})

    async def works(self, user_id: str, code: str) -> bool:
        return (await self.ask("POST", "sign-ins", {"user": user_id, "pass": code}))["worked"]

    async def register(self, user_id: str, code: str, kind: str) -> None:
        sign_in = {"user": user_id, "pass": code, "registers": f"#microsoft.graph.{kind}AuthenticationMethod"}
        assert (await self.ask("POST", "sign-ins", sign_in))["worked"]

    async def created(self) -> int:
        return sum((await self.ask("GET", "requests"))["passesCreated"].values())

    async def count(self, operation: str) -> int:
        return (await self.ask("GET", "requests"))["operations"].get(operation, 0)

    async def fault(self, operation: str, **fault: Any) -> None:
        await self.ask("POST", "faults", {"operation": operation, **fault})

    async def trouble(self, method: str, kind: Trouble) -> None:
        fault: dict[str, Any] = {
            "throttled": {"status": 429, "headers": {"Retry-After": "30"}},
            "denied": {
                "status": 403,
                "body": {"error": {"code": "accessDenied", "message": "Request Authorization failed"}},
            },
            "broken": {"status": 503, "times": 3},
            "lost": {"kind": "drop", "when": "after"},
        }[kind]
        await self.fault(OPERATIONS[method], **fault)

    async def troubled(self) -> bool:
        return all(fault["fired"] == fault["times"] for fault in await self.ask("GET", "faults"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    folder = tmp_path_factory.mktemp("directory")
    child = start("sandbox.directory", "--clock", str(folder / "clock"), log=folder / "log")
    yield child, folder / "clock"
    child.stop()


@pytest.fixture
async def sandbox(service: tuple[Service, Path]) -> AsyncGenerator[SandboxWorld]:
    clock = SandboxClock(service[1])
    clock.set_now(datetime.now(UTC))
    world = SandboxWorld(service[0], clock)
    await world.ask("PUT", "world", {})
    await world.ask("DELETE", "faults")
    yield world
    await world.directory.close()


@pytest.fixture(params=["fake", "sandbox"])
def world(request: pytest.FixtureRequest) -> World:
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("sandbox")


@pytest.fixture
def user_id() -> str:
    return str(uuid.uuid4())


def soon(world: World) -> float:
    return world.clock.monotonic() + 30


def reference(user_id: str) -> UserRef:
    return UserRef("id", user_id)


async def call(world: World, method: str, user_id: str, stop_at: float) -> object:
    directory = world.directory
    calls: dict[str, Any] = {
        "facts": lambda: directory.facts(reference(user_id), stop_at),
        "policy": lambda: directory.policy(stop_at),
        "create_pass": lambda: directory.create_pass(user_id, TERMS, stop_at),
        "passes": lambda: directory.passes(user_id, stop_at),
        "delete_pass": lambda: directory.delete_pass(user_id, "5f6b7d5e-2f0e-4b53-9d5c-0a3e7c9d1b11", stop_at),
        "methods": lambda: directory.methods(user_id, stop_at),
    }
    return await calls[method]()


class GivenToken(SandboxToken):
    """A token, or an error instead."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("")
        self.error = error

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes |= set(scopes)
        if self.error:
            raise self.error
        return AccessToken("the-token", int(time.time()) + 3600)


# --- outcomes ---

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
UNAVAILABLE = (Later, Reason.GRAPH_UNAVAILABLE, MINUTE)
UNCONFIRMED = (Unconfirmed, Reason.PASS_UNCONFIRMED, None)
DENIED = (Halted, Reason.GRAPH_DENIED, None)
type Outcome = tuple[type[FirstpassError], Reason, timedelta | None]


def problem(code: str, message: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "innerError": {"request-id": "r"}}}


def said(error: FirstpassError) -> Outcome:
    kind = next(one for one in (Later, Halted, Refused, Unconfirmed) if isinstance(error, one))
    return kind, error.reason, error.after if isinstance(error, Later) else None


async def outcome_of(call: Any) -> Outcome:
    with pytest.raises(FirstpassError) as raised:
        await call
    assert str(raised.value) == raised.value.reason
    return said(raised.value)


async def fired(sandbox: SandboxWorld) -> int:
    return sum(fault["fired"] for fault in await sandbox.ask("GET", "faults"))
