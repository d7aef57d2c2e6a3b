"""Methods: the ways a person can sign in and since when, in both worlds; all of them as Graph tells, or an error."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.methods import Method
from tests.contract.directory_worlds import (
    DENIED,
    FIDO2,
    TERMS,
    UNAVAILABLE,
    Outcome,
    SandboxWorld,
    World,
    fired,
    outcome_of,
    problem,
    reference,
    sandbox,
    service,
    soon,
    user_id,
    world,
)

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

__all__ = ["sandbox", "service", "user_id", "world"]  # fixtures


def kinds(methods: list[Method]) -> list[str]:
    return [method.kind for method in methods]


# --- both worlds ---


async def test_methods_are_those_of_the_facts_pass_and_password_among_them(world: World, user_id: str) -> None:
    await world.person(user_id, fido2=True)
    assert kinds(await world.directory.methods(user_id, soon(world))) == ["password", "fido2"]
    await world.directory.create_pass(user_id, TERMS, soon(world))
    methods = await world.directory.methods(user_id, soon(world))
    facts = await world.directory.facts(reference(user_id), soon(world))
    assert facts
    assert kinds(methods) == list(facts.methods) == ["password", "fido2", "temporaryAccessPass"]


async def test_a_joiner_who_registers_has_the_method_since_then(world: World, user_id: str) -> None:
    await world.person(user_id)
    made = await world.directory.create_pass(user_id, TERMS, soon(world))
    world.clock.advance(timedelta(minutes=30))
    then = world.clock.now()
    await world.register(user_id, made.secret.reveal(), "windowsHelloForBusiness")
    world.clock.advance(timedelta(days=2))
    *_, hello, _ = methods = await world.directory.methods(user_id, soon(world))
    assert kinds(methods) == ["password", "windowsHelloForBusiness", "temporaryAccessPass"]
    assert hello.created_at
    assert hello.created_at.tzinfo is UTC
    assert abs(hello.created_at - then) < timedelta(minutes=1)


async def test_a_pass_is_a_method_since_it_was_made_and_until_it_is_deleted(world: World, user_id: str) -> None:
    await world.person(user_id)
    made = await world.directory.create_pass(user_id, TERMS, soon(world))
    (live,) = await world.directory.passes(user_id, soon(world))
    world.clock.advance(timedelta(days=2))
    since = Method("temporaryAccessPass", live.created_at)
    assert (await world.directory.methods(user_id, soon(world)))[-1] == since
    await world.directory.delete_pass(user_id, made.id, soon(world))
    assert kinds(await world.directory.methods(user_id, soon(world))) == ["password"]


async def test_nobody_has_no_methods_and_neither_has_somebody_gone(world: World, user_id: str) -> None:
    await world.person(user_id)
    assert await world.directory.methods(str(uuid.uuid4()), soon(world)) == []
    await world.forget(user_id)
    assert await world.directory.methods(user_id, soon(world)) == []


# --- what Graph tells of one method ---


@pytest.mark.parametrize(
    ("told", "since"),
    [
        ({}, None),
        ({"createdDateTime": None}, None),
        ({"createdDateTime": "2026-12-01T08:30:00Z"}, datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
        ({"createdDateTime": "2026-12-01T08:30:00.1234567Z"}, datetime(2026, 12, 1, 8, 30, 0, 123456, UTC)),
        ({"createdDateTime": "2026-12-01T10:30:00+02:00"}, datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
    ],
    ids=str,
)
async def test_since_when_is_told_in_utc_or_is_not_known(
    sandbox: SandboxWorld, user_id: str, told: dict[str, Any], since: datetime | None
) -> None:
    authenticator = {"@odata.type": "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod", "id": "1"} | told
    await sandbox.fault("methods", status=200, body={"value": [authenticator]})
    assert await sandbox.directory.methods(user_id, soon(sandbox)) == [Method("microsoftAuthenticator", since)]
    assert await fired(sandbox) == 1


async def test_a_method_the_sandbox_was_told_no_time_of_has_none(sandbox: SandboxWorld, user_id: str) -> None:
    methods = [FIDO2, {"@odata.type": "#microsoft.graph.somethingNew", "createdDateTime": None}]
    await sandbox.ask("POST", "users", {"id": user_id, "methods": methods})
    password, fido2, new = await sandbox.directory.methods(user_id, soon(sandbox))
    assert (password.created_at is None, fido2.created_at is None, new) == (False, False, Method("somethingNew"))


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "fido2",
        {"id": "1"},
        {"@odata.type": None},
        {"@odata.type": ""},
        {"@odata.type": 3},
        {"@odata.type": FIDO2, "createdDateTime": ""},
        {"@odata.type": FIDO2, "createdDateTime": "yesterday"},
        {"@odata.type": FIDO2, "createdDateTime": "2026-12-01T08:30:00"},
        {"@odata.type": FIDO2, "createdDateTime": 1764577800},
    ],
    ids=str,
)
async def test_one_malformed_method_spoils_the_list(sandbox: SandboxWorld, user_id: str, wrong: object) -> None:
    await sandbox.fault("methods", status=200, body={"value": [{"@odata.type": FIDO2}, wrong]})
    assert await outcome_of(sandbox.directory.methods(user_id, soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


@pytest.mark.parametrize("body", [{"value": None}, {"value": {}}, {"value": "x"}, None], ids=str)
async def test_an_answer_without_a_list_is_not_an_empty_one(sandbox: SandboxWorld, user_id: str, body: object) -> None:
    await sandbox.fault("methods", status=200, body=body)
    assert await outcome_of(sandbox.directory.methods(user_id, soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


# --- page by page ---


async def many(sandbox: SandboxWorld, user_id: str) -> None:
    """A person whose pass and last keys stand on a third page."""
    await sandbox.ask("POST", "users", {"id": user_id, "methods": [FIDO2] * 210})
    await sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))


async def test_every_page_is_read_to_the_last_method(sandbox: SandboxWorld, user_id: str) -> None:
    await many(sandbox, user_id)
    methods = await sandbox.directory.methods(user_id, soon(sandbox))
    assert kinds(methods) == ["password", *["fido2"] * 210, "temporaryAccessPass"]
    assert await sandbox.count("methods") == 3


async def test_a_later_page_is_asked_for_again_alone(sandbox: SandboxWorld, user_id: str) -> None:
    await many(sandbox, user_id)
    await sandbox.fault("methods", status=503, skip=1)
    assert len(await sandbox.directory.methods(user_id, soon(sandbox))) == 212
    assert (await sandbox.count("methods"), await fired(sandbox)) == (4, 1)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 404, "body": problem("Request_ResourceNotFound")}, UNAVAILABLE),
        ({"status": 403}, DENIED),
        ({"status": 500}, UNAVAILABLE),
        ({"status": 200, "body": {}}, UNAVAILABLE),
        ({"status": 200, "body": {"value": [{}]}}, UNAVAILABLE),
    ],
    ids=str,
)
async def test_a_later_page_that_cannot_be_had_leaves_no_short_list(
    sandbox: SandboxWorld, user_id: str, fault: dict[str, Any], outcome: Outcome
) -> None:
    await many(sandbox, user_id)
    await sandbox.fault("methods", skip=1, **fault)
    assert await outcome_of(sandbox.directory.methods(user_id, soon(sandbox))) == outcome
    assert await fired(sandbox) == 1


@pytest.mark.parametrize(
    "link", ["https://graph.example.com/v1.0/users/x/authentication/methods?$skiptoken=1", "http://[", "", 7]
)
async def test_a_next_page_elsewhere_is_not_asked_for(sandbox: SandboxWorld, user_id: str, link: object) -> None:
    await sandbox.fault("methods", status=200, body={"value": [], "@odata.nextLink": link})
    assert await outcome_of(sandbox.directory.methods(user_id, soon(sandbox))) == UNAVAILABLE
    assert await sandbox.count("methods") == await fired(sandbox) == 1


async def test_pages_without_end_are_given_up(sandbox: SandboxWorld, user_id: str) -> None:
    link = f"{sandbox.url}/v1.0/users/{user_id}/authentication/methods?$skiptoken=1"
    await sandbox.fault("methods", status=200, body={"value": [], "@odata.nextLink": link}, times=10_000)
    assert await outcome_of(sandbox.directory.methods(user_id, soon(sandbox))) == UNAVAILABLE
    assert await sandbox.count("methods") == await fired(sandbox) == 50


@pytest.mark.parametrize("part", ["us\x00rs", "us\nrs", "\ud800", "x" * 70_000], ids=["nul", "line", "half", "long"])
async def test_a_next_page_whose_link_is_no_url_is_not_asked_for(
    sandbox: SandboxWorld, user_id: str, part: str
) -> None:
    link = f"{sandbox.url}/v1.0/{part}"
    await sandbox.fault("methods", status=200, body={"value": [], "@odata.nextLink": link})
    assert await outcome_of(sandbox.directory.methods(user_id, soon(sandbox))) == UNAVAILABLE
    assert await sandbox.count("methods") == await fired(sandbox) == 1
