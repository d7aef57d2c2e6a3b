"""An operator's day through the command, the host and the ledger, as real processes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import pytest

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.conftest import firstpass
from tests.acceptance.people import NOW, SETTINGS, hired, user, user_id

WHY = ("--reason", "because of a test")


@pytest.fixture
async def stage() -> AsyncGenerator[Stage]:
    """A joiner who has got a pass, and the app still running."""
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        values = {**sample_settings(), **stack.addresses, **SETTINGS}
        async with on_stage(stack, values) as hands:
            await hands.world({"users": [user(1)]})
            await asyncio.to_thread(stack.start_host, values, "cli.host")
            await hands.send([json.dumps(hired(1)).encode()])
            await hands.quiet()
            yield hands


async def test_an_operator_looks_pauses_and_sends_again(stage: Stage) -> None:
    async def run(*arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(firstpass, "--url", stage.stack.app_url, *arguments)
        assert done.returncode == code, done.stderr
        return done.stdout

    async def told(*arguments: str) -> Any:
        return json.loads(await run(*arguments, "-o", "json"))

    (case,) = await told("cases", "list", "--state", "sent")
    assert (await told("status"))["cases"] == {"sent": 1}
    by_key = await told("cases", "show", "--source", "/hr/test", "--subject", "W-1")
    by_person = await told("cases", "show", "--user", user_id(1))
    assert by_key == by_person == await told("cases", "show", case["caseId"])
    assert "pass 1 is made and sent by sms" in await run("cases", "show", case["caseId"])
    revealed = await told("cases", "show", case["caseId"], "--reveal-contact", *WHY)
    assert revealed["contact"]["subject"] == "W-1"

    await run("pause", "--minutes", "30", *WHY)
    await run("status", "--gate", code=6)
    await run("resume", *WHY)
    assert (await told("status"))["pause"] is None

    await run("cases", "reissue", case["caseId"], *WHY, code=2)  # nobody is there to be asked
    await run("cases", "reissue", case["caseId"], *WHY, "--yes")
    assert (await told("cases", "show", case["caseId"]))["case"]["state"] == "announced"
    await run("--as", "colleague", "cases", "approve", case["caseId"], *WHY, "--yes", code=1)  # nothing to approve
    await run("cases", "show", "0" * 32, code=4)
    await run("cases", "reissue", case["caseId"], "--reason", "no", "--yes", code=2)  # too short to be a reason

    exported = json.loads(await run("people", "export", "--user", user_id(1), *WHY))
    assert exported["cases"][0]["case"]["caseId"] == case["caseId"]
    await run("people", "forget", "--user", user_id(1), *WHY, "--yes", code=1)  # the case is open
    await run("cases", "cancel", case["caseId"], *WHY, "--yes")
    assert (await told("status"))["cases"] == {"cancelled": 1}
