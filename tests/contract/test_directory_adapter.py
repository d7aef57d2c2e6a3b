"""The real adapter's calls: reads repeated within reason, nothing after stop_at, the policy shared."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.errors import Halted, Later, Reason
from tests.contract.directory_worlds import (
    DENIED,
    MINUTE,
    OPERATIONS,
    UNAVAILABLE,
    Outcome,
    SandboxWorld,
    call,
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


# --- reads: repeated within reason ---

READS: dict[str, Callable[[SandboxWorld, str], Awaitable[object]]] = {
    "batch": lambda one, user: one.directory.facts(reference(user), soon(one)),
    "policy": lambda one, _: one.directory.policy(soon(one)),
    "list_passes": lambda one, user: one.directory.passes(user, soon(one)),
    "delete_pass": lambda one, user: one.directory.delete_pass(user, str(uuid.uuid4()), soon(one)),
    "methods": lambda one, user: one.directory.methods(user, soon(one)),
}


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502},
        {"status": 503, "body": "<html>gateway</html>"},
        {"status": 504},
        {"kind": "drop"},
        {"kind": "drop", "when": "after"},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 503, "headers": {"Retry-After": "0"}},
    ],
    ids=str,
)
async def test_two_passing_failures_of_a_read_are_not_noticed(
    sandbox: SandboxWorld, user_id: str, operation: str, fault: dict[str, Any]
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault(operation, times=2, **fault)
    await READS[operation](sandbox, user_id)
    assert await fired(sandbox) >= 1  # the transport itself may repeat a lost GET or DELETE


@pytest.mark.parametrize("operation", READS)
async def test_a_read_is_tried_three_times_at_most(sandbox: SandboxWorld, user_id: str, operation: str) -> None:
    await sandbox.person(user_id)
    await sandbox.fault(operation, status=503, times=9)
    assert await outcome_of(READS[operation](sandbox, user_id)) == UNAVAILABLE
    assert await sandbox.count(operation) == 3


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 401, "body": problem("InvalidAuthenticationToken")}, DENIED),
        ({"status": 403}, DENIED),
        ({"status": 400, "body": problem("BadRequest")}, UNAVAILABLE),
        ({"status": 500}, UNAVAILABLE),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/v1.0/"}}, UNAVAILABLE),
        ({"status": 200, "body": "<html>sign in</html>"}, UNAVAILABLE),
        ({"status": 200, "body": []}, UNAVAILABLE),
        ({"status": 200, "body": {}}, UNAVAILABLE),
        ({"status": 429}, (Later, Reason.GRAPH_THROTTLED, MINUTE)),
        ({"status": 429, "headers": {"Retry-After": "soon"}}, (Later, Reason.GRAPH_THROTTLED, MINUTE)),
        (
            {"status": 429, "headers": {"Retry-After": "Mon, 1 Jan 99999999999999999999 00:00:00 GMT"}},
            (Later, Reason.GRAPH_THROTTLED, MINUTE),
        ),
        ({"status": 429, "headers": {"Retry-After": "11"}}, (Later, Reason.GRAPH_THROTTLED, timedelta(seconds=11))),
        ({"status": 429, "headers": {"Retry-After": "9999999"}}, (Later, Reason.GRAPH_THROTTLED, timedelta(days=1))),
        ({"status": 503, "headers": {"Retry-After": "120"}}, UNAVAILABLE),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["batch", "policy", "list_passes", "methods"])
async def test_what_does_not_pass_is_asked_once(
    sandbox: SandboxWorld, user_id: str, operation: str, fault: dict[str, Any], outcome: Outcome
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault(operation, times=9, **fault)
    assert await outcome_of(READS[operation](sandbox, user_id)) == outcome
    assert await sandbox.count(operation) == await fired(sandbox) == 1


async def test_a_404_for_the_batch_itself_is_not_taken_for_a_missing_person(
    sandbox: SandboxWorld, user_id: str
) -> None:
    await sandbox.fault("batch", status=404, body=problem("Request_ResourceNotFound"))
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


async def test_a_retry_after_may_be_a_date(sandbox: SandboxWorld, user_id: str) -> None:
    at = sandbox.clock.now() + timedelta(seconds=90)
    await sandbox.fault("list_passes", status=429, headers={"Retry-After": format_datetime(at, usegmt=True)})
    kind, reason, after = await outcome_of(sandbox.directory.passes(user_id, soon(sandbox)))
    assert (kind, reason) == (Later, Reason.GRAPH_THROTTLED)
    assert after
    assert timedelta(seconds=85) < after <= timedelta(seconds=90)


async def test_a_pause_that_ends_after_stop_at_is_not_begun(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.fault("batch", status=429, headers={"Retry-After": "5"}, times=9)
    began = time.monotonic()
    outcome = await outcome_of(sandbox.directory.facts(reference(user_id), sandbox.clock.monotonic() + 2))
    assert outcome == (Later, Reason.GRAPH_THROTTLED, timedelta(seconds=5))
    assert time.monotonic() - began < 2
    assert await fired(sandbox) == 1


@pytest.mark.parametrize("operation", READS)
async def test_no_read_outlasts_stop_at(sandbox: SandboxWorld, user_id: str, operation: str) -> None:
    await sandbox.fault(operation, kind="delay", seconds=3)
    calls = {
        "batch": sandbox.directory.facts(reference(user_id), stop_at := sandbox.clock.monotonic() + 0.4),
        "policy": sandbox.directory.policy(stop_at),
        "list_passes": sandbox.directory.passes(user_id, stop_at),
        "delete_pass": sandbox.directory.delete_pass(user_id, "x", stop_at),
        "methods": sandbox.directory.methods(user_id, stop_at),
    }
    chosen = calls.pop(operation)
    for other in calls.values():
        other.close()
    assert await outcome_of(chosen) == UNAVAILABLE
    assert sandbox.clock.monotonic() < stop_at + 0.5
    assert await fired(sandbox) == 1


# --- policy ---

POLICY: dict[str, Any] = {
    "state": "enabled",
    "minimumLifetimeInMinutes": 60,
    "maximumLifetimeInMinutes": 480,
    "isUsableOnce": False,
    "includeTargets": [{"id": "all_users", "targetType": "group"}],
    "excludeTargets": [],
}


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: ...} for name in POLICY),
        {"state": "default"},
        {"isUsableOnce": "false"},
        {"minimumLifetimeInMinutes": "60"},
        {"maximumLifetimeInMinutes": None},
        {"includeTargets": None},
        {"excludeTargets": [{"targetType": "group"}]},
    ],
    ids=str,
)
async def test_a_malformed_policy_is_unavailable_and_not_kept(sandbox: SandboxWorld, wrong: dict[str, Any]) -> None:
    body = {name: value for name, value in (POLICY | wrong).items() if value is not ...}
    await sandbox.fault("policy", status=200, body=body)
    assert await outcome_of(sandbox.directory.policy(soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1
    assert (await sandbox.directory.policy(soon(sandbox))).maximum_lifetime_in_minutes == 480


@pytest.mark.parametrize("broken", [False, True])
async def test_callers_at_the_same_time_share_one_policy_request(sandbox: SandboxWorld, *, broken: bool) -> None:
    fault: dict[str, Any] = {"status": 403} if broken else {"kind": "delay", "seconds": 0.3}
    await sandbox.fault("policy", **fault)
    calls = [sandbox.directory.policy(soon(sandbox)) for _ in range(8)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert await sandbox.count("policy") == await fired(sandbox) == 1
    assert {isinstance(one, Halted) for one in results} == {broken}


async def test_a_caller_in_a_hurry_does_not_end_the_request_of_the_others(sandbox: SandboxWorld) -> None:
    await sandbox.fault("policy", kind="delay", seconds=0.6)
    hurried = asyncio.create_task(outcome_of(sandbox.directory.policy(sandbox.clock.monotonic() + 0.2)))
    patient = asyncio.create_task(sandbox.directory.policy(soon(sandbox)))
    assert await hurried == UNAVAILABLE
    assert (await patient).enabled
    assert await sandbox.count("policy") == await fired(sandbox) == 1


# --- what goes over the wire ---


@pytest.mark.parametrize("method", OPERATIONS)
async def test_nothing_is_sent_after_stop_at(sandbox: SandboxWorld, user_id: str, method: str) -> None:
    assert (await outcome_of(call(sandbox, method, user_id, sandbox.clock.monotonic())))[1] is Reason.OUT_OF_TIME
    await asyncio.sleep(0.05)
    assert (await sandbox.ask("GET", "requests"))["operations"] == {}
