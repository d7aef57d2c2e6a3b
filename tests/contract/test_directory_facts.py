"""The real adapter's facts: seven parts of a batch, each complete and understood, or none at all."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import Later, Reason
from shared.events import UserRef
from tests.contract.directory_worlds import (
    DENIED,
    MINUTE,
    PARTS,
    UNAVAILABLE,
    Outcome,
    SandboxWorld,
    fired,
    outcome_of,
    problem,
    reference,
    sandbox,
    service,
    soon,
    user_id,
)

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

__all__ = ["sandbox", "service", "user_id"]  # fixtures


# --- facts: part by part ---


@pytest.mark.parametrize("part", PARTS)
async def test_only_the_part_that_failed_is_asked_again(sandbox: SandboxWorld, user_id: str, part: str) -> None:
    await sandbox.person(user_id)
    await sandbox.fault(f"batch.{part}", status=503)
    assert await sandbox.directory.facts(reference(user_id), soon(sandbox))
    counts = {one: await sandbox.count(f"batch.{one}") for one in PARTS}
    assert counts == dict.fromkeys(PARTS, 1) | {part: 2}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 429, "headers": {"retry-after": "40"}}, (Later, Reason.GRAPH_THROTTLED, timedelta(seconds=40))),
        ({"status": 429}, (Later, Reason.GRAPH_THROTTLED, MINUTE)),
        ({"status": 403, "body": problem("accessDenied")}, DENIED),
        ({"status": 401}, DENIED),
        ({"status": 500}, UNAVAILABLE),
        ({"status": 503, "times": 3}, UNAVAILABLE),
        ({"status": 424}, UNAVAILABLE),
        ({"status": 1000}, UNAVAILABLE),
        ({"kind": "drop"}, UNAVAILABLE),
        ({"kind": "empty"}, UNAVAILABLE),
        ({"status": 200, "body": {}}, UNAVAILABLE),
        ({"status": 200, "body": {"value": None}}, UNAVAILABLE),
        ({"status": 200, "body": {"value": [None]}}, UNAVAILABLE),
        ({"status": 200, "body": {"value": [{}]}}, UNAVAILABLE),
        ({"status": 200, "body": "aGVsbG8="}, UNAVAILABLE),
        ({"status": 204}, UNAVAILABLE),
    ],
    ids=str,
)
async def test_facts_are_complete_or_none_are_given(
    sandbox: SandboxWorld, user_id: str, part: str, fault: dict[str, Any], outcome: Outcome
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault(f"batch.{part}", **fault)
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == outcome
    assert await fired(sandbox) == fault.get("times", 1)


async def test_of_several_failures_the_gravest_counts(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("batch.roles", status=500)
    await sandbox.fault("batch.groups", status=429, headers={"Retry-After": "20"})
    await sandbox.fault("batch.methods", status=429, headers={"Retry-After": "50"})
    outcome = await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox)))
    assert outcome == (Later, Reason.GRAPH_THROTTLED, timedelta(seconds=50))
    assert await fired(sandbox) == 3
    await sandbox.ask("DELETE", "faults")
    await sandbox.fault("batch.roles", status=403)
    await sandbox.fault("batch.groups", status=429, headers={"Retry-After": "20"})
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == DENIED
    assert await fired(sandbox) == 2


async def test_a_tenant_without_the_licence_for_eligible_roles_has_none(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.ask("PATCH", "world", {"pimLicensed": False})
    await sandbox.person(user_id)
    facts = await sandbox.directory.facts(reference(user_id), soon(sandbox))
    assert facts
    assert not facts.has_role


@pytest.mark.parametrize("part", [one for one in PARTS if one != "eligibility"])
async def test_a_missing_licence_excuses_no_other_part(sandbox: SandboxWorld, user_id: str, part: str) -> None:
    await sandbox.person(user_id)
    await sandbox.fault(f"batch.{part}", status=400, body=problem("AadPremiumLicenseRequired"))
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


async def test_an_error_that_only_sounds_like_the_licence_does_not_count_as_none(
    sandbox: SandboxWorld, user_id: str
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("batch.eligibility", status=400, body=problem("BadRequest", "AadPremiumLicense"))
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


async def test_groups_the_app_may_not_look_into_halt(sandbox: SandboxWorld, user_id: str) -> None:
    roles = ["User.Read.All", "UserAuthenticationMethod.Read.All", "RoleManagement.Read.Directory"]
    await sandbox.ask("PATCH", "world", {"appRoles": roles})
    await sandbox.person(user_id, groups=[str(uuid.uuid4())])
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == DENIED


async def test_every_page_is_read_to_the_last_group(sandbox: SandboxWorld, user_id: str) -> None:
    groups = [str(uuid.uuid4()) for _ in range(2100)]
    await sandbox.person(user_id, groups=groups)
    facts = await sandbox.directory.facts(reference(user_id), soon(sandbox))
    assert facts
    assert facts.groups == frozenset(groups)
    assert await sandbox.count("batch.groups") == 3
    assert await sandbox.count("batch.user") == 1


async def test_a_role_assignable_group_on_a_later_page_is_seen(sandbox: SandboxWorld, user_id: str) -> None:
    groups: list[dict[str, Any]] = [{"id": str(uuid.uuid4()), "owner": True} for _ in range(1100)]
    groups[-1]["isAssignableToRole"] = True
    await sandbox.ask("POST", "users", {"id": user_id, "groups": groups})
    facts = await sandbox.directory.facts(reference(user_id), soon(sandbox))
    assert facts
    assert facts.has_role


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.example.com/v1.0/users/x/transitiveMemberOf/microsoft.graph.group?$skiptoken=1",
        "http://127.0.0.1:1/v1.0/users/x/transitiveMemberOf/microsoft.graph.group?$skiptoken=1",
        "http://[",
        "/v1.0/users",
        7,
    ],
)
async def test_a_next_page_elsewhere_is_not_asked_for(sandbox: SandboxWorld, user_id: str, link: object) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("batch.groups", status=200, body={"value": [], "@odata.nextLink": link})
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await sandbox.count("batch") == await fired(sandbox) == 1


async def test_pages_without_end_are_given_up(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.person(user_id)
    link = f"{sandbox.url}/v1.0/users/{user_id}/ownedObjects/microsoft.graph.group?$skiptoken=1"
    await sandbox.fault("batch.owned", status=200, body={"value": [], "@odata.nextLink": link}, times=10_000)
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) <= 100


async def test_a_failure_on_a_later_page_counts(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.person(user_id, groups=[str(uuid.uuid4()) for _ in range(1100)])
    await sandbox.fault("batch.groups", status=403, skip=1)
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == DENIED
    assert await fired(sandbox) == 1


async def test_a_failing_search_does_not_become_nobody(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.person(user_id, employee_id="E1")
    by = UserRef("employeeId", "E1")
    for status, outcome in ((404, UNAVAILABLE), (403, DENIED), (500, UNAVAILABLE)):
        await sandbox.fault("batch.user", status=status)
        assert await outcome_of(sandbox.directory.facts(by, soon(sandbox))) == outcome
    assert await fired(sandbox) == 3
