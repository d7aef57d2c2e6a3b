"""The real adapter's create: every answer of Graph, and what it leads to."""

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import Halted, Later, Reason, Refused
from shared.plan import Terms
from tests.contract.directory_worlds import (
    DENIED,
    MINUTE,
    QUARTER,
    TERMS,
    UNAVAILABLE,
    UNCONFIRMED,
    EntraDirectory,
    GivenToken,
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
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

__all__ = ["sandbox", "service", "user_id"]  # fixtures


# --- create ---


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, problem("InvalidAuthenticationToken"), DENIED),
        (403, problem("accessDenied", "Request Authorization failed"), DENIED),
        (
            404,
            problem("Request_ResourceNotFound", "Resource 'x' does not exist."),
            (Later, Reason.USER_NOT_FOUND, QUARTER),
        ),
        (404, "<html>", (Later, Reason.USER_NOT_FOUND, QUARTER)),
        (
            400,
            problem("badRequest", "Invalid LifetimeInMinutes specified. The valid range between 60 and 480."),
            UNAVAILABLE,
        ),
        (400, problem("badRequest", "Invalid StartDateTime specified. It can not be a time in the past."), UNAVAILABLE),
        (
            400,
            problem("badRequest", "Temporary Access Pass cannot be added to an external guest user."),
            (Refused, Reason.EXTERNAL_GUEST, None),
        ),
        (
            400,
            problem("badRequest", "Converged UserCredentialPolicy does not allow creating or updating."),
            (Halted, Reason.POLICY_DISABLED, None),
        ),
        (403, problem("forbidden", "The policy is disabled."), (Halted, Reason.POLICY_DISABLED, None)),
        (400, problem("badRequest", "Something else."), UNAVAILABLE),
        (400, None, UNAVAILABLE),
        (400, "<html>", UNAVAILABLE),
        (408, None, UNAVAILABLE),
        (422, {"error": "text"}, UNAVAILABLE),
        (429, problem("TooManyRequests", "external guest"), (Later, Reason.GRAPH_THROTTLED, MINUTE)),
        (500, problem("InternalServerError", "external guest"), UNCONFIRMED),
        (502, None, UNCONFIRMED),
        (503, None, UNCONFIRMED),
        (504, None, UNCONFIRMED),
        (200, None, UNCONFIRMED),
        (202, None, UNCONFIRMED),
        (204, None, UNCONFIRMED),
        (302, None, UNCONFIRMED),
    ],
    ids=str,
)
async def test_every_answer_to_a_create_has_one_outcome_and_is_asked_for_once(
    sandbox: SandboxWorld, user_id: str, status: int, body: object, outcome: Outcome
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("create_pass", status=status, body=body, headers={"Location": sandbox.url}, times=9)
    assert await outcome_of(sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))) == outcome
    assert await sandbox.count("create_pass") == await fired(sandbox) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop"},
        {"kind": "drop", "when": "after"},
        {"kind": "empty"},
        {"kind": "empty", "when": "after"},
        {"status": 503, "when": "after"},
        {"status": 504, "when": "after", "headers": {"Retry-After": "1"}},
    ],
    ids=str,
)
async def test_a_create_in_doubt_is_unconfirmed_and_never_repeated(
    sandbox: SandboxWorld, user_id: str, fault: dict[str, Any]
) -> None:
    await sandbox.person(user_id)
    await sandbox.directory.facts(reference(user_id), soon(sandbox))  # so that a connection is open already
    await sandbox.fault("create_pass", times=9, **fault)
    assert await outcome_of(sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))) == UNCONFIRMED
    assert await sandbox.count("create_pass") == await fired(sandbox) == 1
    assert await sandbox.created() == (1 if fault.get("when") == "after" else 0)


async def test_a_create_that_runs_into_stop_at_is_unconfirmed(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.person(user_id)
    await sandbox.directory.facts(reference(user_id), soon(sandbox))
    await sandbox.fault("create_pass", kind="delay", seconds=3)
    stop_at = sandbox.clock.monotonic() + 0.5
    assert await outcome_of(sandbox.directory.create_pass(user_id, TERMS, stop_at)) == UNCONFIRMED
    assert sandbox.clock.monotonic() < stop_at + 0.5
    assert await fired(sandbox) == 1


async def test_where_no_connection_can_be_made_nothing_was_made() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        clock = FakeClock(datetime.now(UTC))
        directory = EntraDirectory(url, GivenToken(), clock, back_off=0.01)
        stop_at = clock.monotonic() + 30
        try:
            assert await outcome_of(directory.create_pass("x", TERMS, stop_at)) == UNAVAILABLE
            assert await outcome_of(directory.facts(reference("x"), stop_at)) == UNAVAILABLE
        finally:
            await directory.close()


async def test_a_graph_that_does_not_replace_gets_a_delete_and_a_second_create(
    sandbox: SandboxWorld, user_id: str
) -> None:
    await sandbox.ask("PATCH", "world", {"replaceExisting": False})
    await sandbox.person(user_id)
    old = await sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))
    new = await sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))
    assert await sandbox.works(user_id, new.secret.reveal())
    assert not await sandbox.works(user_id, old.secret.reveal())
    assert await sandbox.count("delete_pass") == 1
    assert await sandbox.count("create_pass") == 3


@pytest.mark.parametrize("status", [400, 409])
async def test_a_graph_that_says_so_twice_is_left_alone(sandbox: SandboxWorld, user_id: str, status: int) -> None:
    await sandbox.person(user_id)
    body = problem("badRequest", "A Temporary Access Pass already exists for this user.")
    await sandbox.fault("create_pass", status=status, body=body, times=9)
    assert await outcome_of(sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))) == UNAVAILABLE
    assert await sandbox.count("create_pass") == await fired(sandbox) == 2


async def test_the_wish_arrives_as_it_was_made(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.person(user_id)
    amsterdam = datetime.fromisoformat("2031-07-01T08:00:00+02:00")
    for once in (False, True):
        wish = Terms(start_date_time=amsterdam, lifetime_in_minutes=345, is_usable_once=once)
        await sandbox.directory.create_pass(user_id, wish, soon(sandbox))
        ((tap,),) = (await sandbox.ask("GET", "passes")).values()
        assert (tap["lifetimeInMinutes"], tap["isUsableOnce"]) == (345, once)
        assert datetime.fromisoformat(tap["startDateTime"]) == amsterdam


@pytest.mark.parametrize("code", ["a+b/c=d&", "Zz9-_.~!*'()", "x" * 48, "\u00e4\u00f6\u00fc\u00df\u20ac123"])
async def test_a_pass_of_any_printable_characters_comes_through_unchanged(
    sandbox: SandboxWorld, user_id: str, code: str
) -> None:
    await sandbox.ask("PATCH", "world", {"nextCodes": [code]})
    await sandbox.person(user_id)
    made = await sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))
    assert made.secret.reveal() == code
    assert await sandbox.works(user_id, code)
