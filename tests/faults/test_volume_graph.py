"""Bad answers of Graph in great numbers, read by the real adapter: complete and understood, or none at all."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from random import Random
from typing import Any, cast

import pytest

from shared.adapters.entra import POLICY_KEEPS, EntraDirectory
from shared.errors import FirstpassError, Refused
from shared.events import UserRef
from shared.guard_rails import Facts, guard
from shared.methods import Method
from shared.plan import Policy
from shared.ports import Pass
from tests.builders import NOW, NUMBER, USER_ID, hire_event, known, policy, terms
from tests.contract.directory_worlds import GivenToken
from tests.fakes.clock import FakeClock
from tests.fakes.house import GUARD
from tests.faults.loopback import Answer, Loopback, loopback
from tests.faults.mutants import CODE, NAME, PHONE, UPN, mutated, nasty, written
from tests.faults.volume import SHARE_BY_WIRE, Told, all_of, tried, volume

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

TERMS = terms(start_date_time=datetime(2026, 12, 1, 7, tzinfo=UTC))
SECONDS = 0.9
"""A Retry-After of a second is not waited for."""
DELETED = Answer(204, b"")
STATUSES = (200,) * 4 + (201, 202, 204, 302, 400, 401, 403, 404, 409, 418, 429, 500, 503, 504)
WAITS = (
    "1",
    "-1",
    "9" * 30,
    "Mon, 1 Jan 99999999999999999999 00:00:00 GMT",
    "Tue, 01 Dec 2026 00:00:00 GMT",
    "soon",
    UPN,
)
LISTS = ("roles", "groups", "owned", "assignments", "eligibility", "methods")
CLEAN: dict[str, Any] = {
    "user": {
        "id": USER_ID, "accountEnabled": True, "userType": "Member", "employeeHireDate": "2026-12-01T00:00:00Z",
        "creationType": None, "externalUserState": None, "identities": [{"signInType": "userPrincipalName"}],
        "userPrincipalName": UPN, "mobilePhone": NUMBER, "displayName": NAME,
    },
    "roles": {"value": []},
    "groups": {"value": [{"id": "g-1", "isAssignableToRole": None, "displayName": NAME}]},
    "owned": {"value": []},
    "assignments": {"value": []},
    "eligibility": {"value": []},
    "methods": {"value": [{"@odata.type": "#microsoft.graph.passwordAuthenticationMethod", "id": "m-1"}]},
}  # fmt: skip
THE_OTHERS: tuple[dict[str, Any], ...] = (
    {"roles": {"value": [{"id": "r-1"}]}},
    {"assignments": {"value": [{"id": "a-1"}]}},
    {"eligibility": {"value": [{"id": "e-1"}]}},
    {"groups": {"value": [{"id": "g-2", "isAssignableToRole": True, "displayName": NAME}]}},
    {"owned": {"value": [{"id": "g-2", "isAssignableToRole": True, "displayName": NAME}]}},
    {"user": CLEAN["user"] | {"creationType": "Invitation"}},
    {"methods": {"value": [{"@odata.type": "#microsoft.graph.fido2AuthenticationMethod", "id": "m-2"}]}},
)
"""People who may have no pass, each for one reason."""


@dataclass(frozen=True)
class World:
    """Graph, and our directory over it."""

    graph: Loopback
    directory: EntraDirectory
    clock: FakeClock

    @property
    def stop_at(self) -> float:
        return self.clock.monotonic() + SECONDS


@asynccontextmanager
async def there() -> AsyncGenerator[World]:
    clock = FakeClock(NOW)
    async with loopback() as graph:
        directory = EntraDirectory(graph.url, GivenToken(), clock, back_off=0)
        try:
            yield World(graph, directory, clock)
        finally:
            await directory.close()


def alone(document: Any, dice: Random, right: int = 200) -> Answer:
    """An answer by itself: mostly a success with something wrong in it."""
    status = right if dice.random() < 0.6 else dice.choice(STATUSES)
    headers = {"Content-Type": "application/json"}
    if dice.random() < 0.2:
        headers["Retry-After"] = dice.choice(WAITS)
    wrong = {"error": {"code": "BadRequest", "message": f"{UPN} {PHONE} " + dice.choice(SAID)}}
    body = document if status == right else dice.choice((document, wrong, wrong))
    return Answer(status, written(mutated(body, dice), dice) if dice.random() < 0.9 else written(body, dice), headers)


SAID = (
    "startDateTime",
    "lifetimeInMinutes",
    "already exists",
    "external guest",
    "policy disabled",
    "policy " * 9000,
    "",
)


async def outcome(call: Awaitable[object], right: Callable[[Any], object]) -> Told:
    """What came back, or the error in our words; `right` may assert of what came back that it is right."""
    error: FirstpassError | None = None
    try:
        found = await call
    except FirstpassError as told:
        error = told
    else:
        assert right(found) is not False
        return Told(type(found).__name__, repr(found.secret) if isinstance(found, Pass) else "")
    return Told(str(error.reason), f"{error!r} {error} {error.detail if isinstance(error, Refused) else ''}")


# --- facts ---


def batch(dice: Random) -> bytes:
    parts = CLEAN | (dice.choice(THE_OTHERS) if dice.random() < 0.6 else {})
    responses = [{"id": name, "status": 200, "headers": {}, "body": body} for name, body in parts.items()]
    if dice.random() < 0.2:
        dice.choice(responses)["headers"] = {"Retry-After": dice.choice(WAITS)}
    if dice.random() < 0.2:
        dice.choice(responses)["status"] = dice.choice((*STATUSES, 0, 1, 2, -1, 1000, True))
    dice.shuffle(responses)
    document = {"responses": responses}
    return written(mutated(document, dice), dice) if dice.random() < 0.95 else json.dumps(document).encode()


def plain(raw: bytes) -> dict[str, Any]:
    """The parts of a batch, read as plainly as can be; what is not read is not there."""
    found = cast("dict[str, Any]", json.loads(raw))
    parts = [part for part in found["responses"] if isinstance(part, dict) and part.get("status") == HTTPStatus.OK]
    return {part["id"]: part["body"] for part in parts if isinstance(part.get("id"), str)}


def reasons_against(parts: dict[str, Any]) -> list[str]:
    """Why the person of these parts may have no pass, by a reading that knows nothing of ours."""
    user = parts["user"]
    groups = [*parts["groups"]["value"], *parts["owned"]["value"]]
    holds = {
        "another user": str(user["id"]).lower() != USER_ID,
        "invited": user["creationType"] in ("Invitation", "SelfServiceSignUp") or "#EXT#" in user["userPrincipalName"],
        "a role": any(parts[name]["value"] for name in ("roles", "assignments", "eligibility")),
        "a group that may hold roles": any(group["isAssignableToRole"] not in (None, False) for group in groups),
        "a method": any("password" not in method["@odata.type"] for method in parts["methods"]["value"]),
        "no hire date": not user["employeeHireDate"],
        "another number": user["mobilePhone"] is None,
    }
    return [reason for reason, is_so in holds.items() if is_so]


@volume(10_000, SHARE_BY_WIRE)
async def test_facts_are_whole_and_whoever_may_have_no_pass_gets_none(cases: int) -> None:
    async with there() as world:

        async def asked(raw: bytes) -> Told:
            world.graph.answers(Answer(200, raw), Answer(200, raw))
            passed: list[Facts] = []

            async def vetted() -> object:
                found = await world.directory.facts(UserRef("id", USER_ID), world.stop_at)
                if found is None:
                    return None
                assert plain(raw).keys() >= CLEAN.keys() - {"eligibility"}
                passed.append(guard(found, policy(), hire_event(), known(), GUARD, NOW))
                return found

            told = await outcome(vetted(), lambda _: True)
            if passed:
                assert reasons_against(plain(raw)) == []
                assert passed[0].account_enabled is plain(raw)["user"]["accountEnabled"]
            return told

        kinds = await tried("facts", cases, batch, asked)
    all_of(kinds, "Facts", "privileged", "external-guest", "already-registered")
    all_of(kinds, "graph-unavailable", "graph-denied", "graph-throttled")


# --- the policy ---

POLICY: dict[str, Any] = {
    "state": "enabled", "minimumLifetimeInMinutes": 60, "maximumLifetimeInMinutes": 480, "isUsableOnce": False,
    "includeTargets": [{"id": "all_users"}], "excludeTargets": [{"id": "g-9"}],
}  # fmt: skip


@volume(4_000, SHARE_BY_WIRE)
async def test_a_policy_is_the_one_that_was_told(cases: int) -> None:
    async with there() as world:

        async def asked(answer: Answer) -> Told:
            world.graph.answers(answer, answer)
            world.clock.advance(POLICY_KEEPS)

            def is_told(found: Policy) -> bool:
                told = json.loads(answer.body)
                assert found.enabled is (told["state"] == "enabled")
                assert found.is_usable_once is told["isUsableOnce"]
                assert found.maximum_lifetime_in_minutes == told["maximumLifetimeInMinutes"]
                return len(found.exclude_targets) <= len(told["excludeTargets"])

            return await outcome(world.directory.policy(world.stop_at), is_told)

        kinds = await tried("policy", cases, lambda dice: alone(POLICY, dice), asked)
    all_of(kinds, "Policy", "graph-unavailable", "graph-denied", "graph-throttled")


# --- a pass ---

MADE: dict[str, Any] = {
    "id": "tap-1", "temporaryAccessPass": CODE, "startDateTime": "2026-12-01T07:00:00Z", "lifetimeInMinutes": 375,
    "isUsableOnce": False, "isUsable": False, "methodUsabilityReason": "NotYetValid",
    "createdDateTime": "2026-11-30T12:00:00Z",
}  # fmt: skip


@volume(6_000, SHARE_BY_WIRE)
async def test_a_pass_is_what_was_asked_for_or_there_is_none(cases: int) -> None:
    async with there() as world:

        async def asked(answer: Answer) -> Told:
            world.graph.answers(answer, DELETED)

            def is_asked_for(found: Pass) -> bool:
                told = json.loads(answer.body)
                assert answer.status == HTTPStatus.CREATED
                assert (told["lifetimeInMinutes"], told["startDateTime"][:16]) == (375, "2026-12-01T07:00")
                assert told["isUsableOnce"] is False
                assert told.get("isUsable") is True or told["methodUsabilityReason"] in (
                    "NotYetValid",
                    "EnabledByPolicy",
                )
                return found.secret._value == told["temporaryAccessPass"]

            return await outcome(world.directory.create_pass(USER_ID, TERMS, world.stop_at), is_asked_for)

        kinds = await tried("create", cases, lambda dice: alone(MADE, dice, 201), asked)
    all_of(kinds, "Pass", "pass-unconfirmed", "pass-unusable", "graph-unavailable", "graph-denied", "graph-throttled")


# --- lists ---

NEXT = "/v1.0/users/next?$skiptoken=x"
KINDS = ("password", "windowsHelloForBusiness", "temporaryAccessPass")
METHODS: dict[str, Any] = {
    "value": [
        {"@odata.type": f"#microsoft.graph.{kind}AuthenticationMethod", "id": kind, "createdDateTime": None}
        for kind in KINDS
    ],
    "@odata.nextLink": None,
}


@volume(5_000, SHARE_BY_WIRE)
async def test_methods_are_all_there_or_none_are_told(cases: int) -> None:
    more = Answer(200, json.dumps({"value": [METHODS["value"][1]]}).encode())
    async with there() as world:

        def page(dice: Random) -> Answer:
            links = (None, f"{world.graph.url}{NEXT}", "https://elsewhere.example/v1.0/x", nasty(dice))
            return alone(METHODS | {"@odata.nextLink": dice.choice(links)}, dice)

        async def asked(answer: Answer) -> Told:
            world.graph.answers(answer, more)

            def are_all(found: list[Method]) -> bool:
                if answer.status == HTTPStatus.NOT_FOUND:
                    return found == []
                told = json.loads(answer.body)
                later = told.get("@odata.nextLink") is not None
                assert len(set(world.graph.asked)) == 1 + later
                return len(found) == len(told["value"]) + later

            return await outcome(world.directory.methods(USER_ID, world.stop_at), are_all)

        kinds = await tried("methods", cases, page, asked)
    all_of(kinds, "list", "graph-unavailable", "graph-denied", "graph-throttled")


@volume(4_000, SHARE_BY_WIRE)
async def test_live_passes_are_none_that_is_surely_dead(cases: int) -> None:
    tap = {name: value for name, value in MADE.items() if name != "temporaryAccessPass"}
    async with there() as world:

        async def asked(answer: Answer) -> Told:
            world.graph.answers(answer, answer)
            return await outcome(world.directory.passes(USER_ID, world.stop_at), lambda found: len(found) <= 2)

        kinds = await tried("passes", cases, lambda dice: alone({"value": [tap]}, dice), asked)
    all_of(kinds, "list", "graph-unavailable", "graph-denied", "graph-throttled")


# --- ids that lead on ---


def ids(dice: Random) -> Answer:
    found = [{"id": USER_ID if dice.random() < 0.3 else nasty(dice)} for _ in range(dice.choice((1, 1, 1, 2)))]
    return alone({"value": found}, dice)


@volume(3_000, SHARE_BY_WIRE)
async def test_whoever_a_search_finds_is_looked_at_and_nobody_else(cases: int) -> None:
    async with there() as world:

        async def asked(answer: Answer) -> Told:
            part = {"id": "search", "status": answer.status, "body": None}
            with suppress(ValueError, RecursionError):
                part["body"] = json.loads(answer.body)
            whole = Answer(200, json.dumps({"responses": [part]}).encode())
            world.graph.answers(whole, whole)
            return await outcome(
                world.directory.facts(UserRef("userPrincipalName", UPN), world.stop_at), lambda _: True
            )

        kinds = await tried("search", cases, ids, asked)
    all_of(kinds, "graph-unavailable", "NoneType", "graph-denied", "user-ambiguous")


@volume(3_000, SHARE_BY_WIRE)
async def test_a_pass_in_the_way_is_deleted_whatever_it_is_called(cases: int) -> None:
    exists = {"error": {"code": "BadRequest", "message": "A pass already exists"}}
    async with there() as world:

        async def asked(answer: Answer) -> Told:
            world.graph.answers(Answer(400, json.dumps(exists).encode()), answer)
            return await outcome(world.directory.create_pass(USER_ID, TERMS, world.stop_at), lambda _: False)

        kinds = await tried("in-the-way", cases, ids, asked)
    all_of(kinds, "graph-unavailable", "graph-denied")
