"""An operator's day through the command, the host and the ledger, as real processes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.conftest import firstpass
from tests.acceptance.people import NOW, SETTINGS, hired, mobile, user, user_id

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


@dataclass(frozen=True, slots=True)
class Desk:
    """Where operators type."""

    stage: Stage

    async def run(self, *arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(firstpass, "--url", self.stage.stack.app_url, *arguments)
        assert done.returncode == code, done.stderr
        return done.stdout

    async def told(self, *arguments: str) -> Any:
        return json.loads(await self.run(*arguments, "-o", "json"))


async def test_an_operator_looks_pauses_and_sends_again(stage: Stage) -> None:
    run, told = Desk(stage).run, Desk(stage).told
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
    await approve_somebody_who_comes_back(stage)


async def approve_somebody_who_comes_back(stage: Stage) -> None:
    """They have a method, so they are refused; a colleague of whoever looks vouches for them."""
    run, told = Desk(stage).run, Desk(stage).told
    await stage.world({"users": [user(2, methods=["#microsoft.graph.fido2AuthenticationMethod"])]})
    await stage.send([json.dumps(hired(2)).encode()])
    await stage.quiet()
    (returning,) = await told("cases", "list", "--code", "already-registered")
    await run("--as", "colleague", "cases", "approve", returning["caseId"], *WHY, "--yes")
    await stage.jump(stage.stack.clock.now() + timedelta(minutes=3))
    await stage.quiet()
    newest = [message for message in await stage.inbox() if message["to"] == mobile(2)][-1]
    assert await stage.sign_in(user_id(2), newest["body"])
    assert "an approver vouches for it" in await run("cases", "show", returning["caseId"])
