"""The real adapter's reading of a pass just made: checked, wrapped, and nowhere else."""

import gc
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiohttp import ClientResponse

from shared.errors import Reason, Refused, Unconfirmed
from tests.contract.directory_worlds import (
    TERMS,
    UNCONFIRMED,
    SandboxWorld,
    fired,
    outcome_of,
    sandbox,
    service,
    soon,
    user_id,
)

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

__all__ = ["sandbox", "service", "user_id"]  # fixtures


CANARY = "CANARY-7xQ2"
MADE: dict[str, Any] = {
    "id": "5f6b7d5e-2f0e-4b53-9d5c-0a3e7c9d1b11",
    "temporaryAccessPass": CANARY,
    "startDateTime": "2031-07-01T06:00:00Z",
    "lifetimeInMinutes": 120,
    "isUsableOnce": False,
    "isUsable": False,
    "methodUsabilityReason": "NotYetValid",
}
STARTING = replace(TERMS, start_date_time=datetime(2031, 7, 1, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"startDateTime": "2031-07-01T06:00:00.9Z"},
        {"startDateTime": "2031-07-01T05:59:59.1234567Z"},
        {"startDateTime": "2031-07-01T08:00:00+02:00"},
        {"isUsable": True, "methodUsabilityReason": "EnabledByPolicy"},
        {"isUsable": False, "methodUsabilityReason": "EnabledByPolicy"},
        {"isUsable": True, "methodUsabilityReason": ...},
        {"isUsable": ..., "methodUsabilityReason": "NotYetValid"},
        {"temporaryAccessPass": "x" * 8},
        {"temporaryAccessPass": "x" * 48},
        {"somethingNew": {"a": 1}},
    ],
    ids=str,
)
async def test_a_good_answer_to_a_create_is_a_pass(sandbox: SandboxWorld, user_id: str, told: dict[str, Any]) -> None:
    body = {name: value for name, value in (MADE | told).items() if value is not ...}
    await sandbox.fault("create_pass", status=201, body=body)
    made = await sandbox.directory.create_pass(user_id, STARTING, soon(sandbox))
    assert (made.id, made.secret.reveal()) == (MADE["id"], body["temporaryAccessPass"])
    assert await fired(sandbox) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ...},
        {"id": None},
        {"id": ""},
        {"temporaryAccessPass": ...},
        {"temporaryAccessPass": None},
        {"temporaryAccessPass": 12345678},
        {"temporaryAccessPass": "x" * 7},
        {"temporaryAccessPass": "x" * 49},
        {"temporaryAccessPass": f"{CANARY} 1"},
        {"temporaryAccessPass": f"{CANARY}\n"},
        {"temporaryAccessPass": f"{CANARY}\u00a0"},
        {"temporaryAccessPass": f"{CANARY}\u200b"},
        {"startDateTime": ...},
        {"startDateTime": "2031-07-01T06:00:02Z"},
        {"startDateTime": "2031-07-01T06:00:00"},
        {"startDateTime": "2031-07-01T08:00:00Z"},
        {"lifetimeInMinutes": ...},
        {"lifetimeInMinutes": 60},
        {"lifetimeInMinutes": "120"},
        {"isUsableOnce": ...},
    ],
    ids=str,
)
async def test_a_malformed_answer_to_a_create_is_unconfirmed_and_leaks_nothing(
    sandbox: SandboxWorld, user_id: str, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {name: value for name, value in (MADE | wrong).items() if value is not ...}
    await sandbox.fault("create_pass", status=201, body=body)
    with pytest.raises(Unconfirmed) as raised:
        await sandbox.directory.create_pass(user_id, STARTING, soon(sandbox))
    assert await fired(sandbox) == 1
    assert raised.value.reason is Reason.PASS_UNCONFIRMED
    assert_nothing_of(CANARY, raised.value)
    assert CANARY not in caplog.text


def assert_nothing_of(canary: str, error: BaseException) -> None:
    """Neither the error, nor what came before it, nor any adapter frame it passed through, holds `canary`."""
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert canary not in repr(error)
    traceback = error.__traceback__
    while traceback:
        if "/shared/" in traceback.tb_frame.f_code.co_filename:
            held = traceback.tb_frame.f_locals.values()
            assert canary not in repr([(one, getattr(one, "body", None)) for one in held])
        traceback = traceback.tb_next


@pytest.mark.parametrize("body", ["", "{", "null", "[]", '"text"', "<html>"])
async def test_a_create_answered_with_no_object_is_unconfirmed(sandbox: SandboxWorld, user_id: str, body: str) -> None:
    await sandbox.fault("create_pass", status=201, body=body)
    assert await outcome_of(sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))) == UNCONFIRMED
    assert await fired(sandbox) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"methodUsabilityReason": "DisabledByPolicy"},
        {"methodUsabilityReason": "Expired"},
        {"methodUsabilityReason": "OneTimeUsed"},
        {"methodUsabilityReason": "SomethingNew"},
        {"methodUsabilityReason": None},
        {"isUsable": True, "methodUsabilityReason": "DisabledByPolicy"},
    ],
    ids=str,
)
@pytest.mark.parametrize("deletable", [True, False])
async def test_a_pass_that_cannot_be_used_is_deleted_and_refused(
    sandbox: SandboxWorld, user_id: str, told: dict[str, Any], *, deletable: bool
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("create_pass", status=201, body=MADE | told)
    await sandbox.fault("delete_pass", status=204 if deletable else 403)
    outcome = await outcome_of(sandbox.directory.create_pass(user_id, STARTING, soon(sandbox)))
    assert outcome == (Refused, Reason.PASS_UNUSABLE, None)
    assert await sandbox.count("delete_pass") == 1
    assert await fired(sandbox) == 2


async def test_no_response_that_holds_the_pass_outlives_the_call(sandbox: SandboxWorld, user_id: str) -> None:
    await sandbox.ask("PATCH", "world", {"nextCodes": [CANARY]})
    await sandbox.person(user_id)
    gc.collect()
    gc.disable()  # nothing may wait for a collection
    try:
        made = await sandbox.directory.create_pass(user_id, TERMS, soon(sandbox))
        responses = [one for one in gc.get_objects() if isinstance(one, httpx.Response | ClientResponse)]
    finally:
        gc.enable()
    assert made.secret.reveal() == CANARY
    assert responses == []
