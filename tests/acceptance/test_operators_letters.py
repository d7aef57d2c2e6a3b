"""Dead letters through the command, the host and the queue, as real processes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.conftest import firstpass
from tests.acceptance.people import NOW, SETTINGS, hired, user

WHY = ("--reason", "hire dates are back")
STRANGERS = [user(number, employeeHireDate=None) for number in range(1, 5)]


@pytest.fixture
async def stage() -> AsyncGenerator[Stage]:
    """Four joiners whose hire dates the directory lacks, and an event that is none."""
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        values = {**sample_settings(), **stack.addresses, **SETTINGS}
        async with on_stage(stack, values) as hands:
            await hands.world({"users": STRANGERS})
            await asyncio.to_thread(stack.start_host, values, "cli.host")
            await hands.send([json.dumps(hired(number)).encode() for number in range(1, 5)])
            await hands.quiet()
            await hands.send([b"{}"])
            await hands.quiet()
            yield hands


async def test_a_night_of_missing_hire_dates(stage: Stage, tmp_path: Path) -> None:
    async def run(*arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(firstpass, "--url", stage.stack.app_url, *arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    async def told(*arguments: str, code: int = 0) -> Any:
        return json.loads(await run(*arguments, "-o", "json", code=code))

    def outcomes(lines: list[dict[str, Any]]) -> list[str]:
        return [line["outcome"] for line in lines]

    counts = {row["reason"]: row["count"] for row in await told("dlq", "stats")}
    assert counts == {"not-a-joiner": 4, "malformed-event": 1}
    assert counts == {row["reason"]: row["count"] for row in await told("dlq", "list", "--group")}
    letters = await told("dlq", "list", "--code", "not-a-joiner")
    assert [letter["kind"] for letter in letters] == ["case"] * 4
    assert (await told("dlq", "show", str(letters[0]["sequence"])))["caseId"] == letters[0]["caseId"]
    assert await told("dlq", "list", "--until", "1w") == []

    plan = tmp_path / "night.json"
    assert outcomes(await told("dlq", "plan", "--all", "--file", str(plan))) == ["reopen"] * 4 + ["nothing"]
    await stage.world({"users": [user(number) for number in range(1, 5)]})
    assert outcomes(await told("dlq", "replay", "--plan", str(plan), *WHY)) == ["reopen"] * 4 + ["nothing"]
    done = await told("dlq", "replay", "--plan", str(plan), *WHY, "--execute", "--yes", "--rate", "3/s", code=7)
    assert outcomes(done) == ["reopen"] * 4 + ["nothing"]
    assert {row["reason"]: row["count"] for row in await told("dlq", "stats")} == {"malformed-event": 1}
    assert (await told("status"))["cases"] == {"announced": 4}

    await run("dlq", "discard", "--plan", str(plan), *WHY, "--execute", "--yes", "--rate", "50/s")
    assert await told("dlq", "list") == []
    assert await told("dlq", "stats") == []
    await run("dlq", "show", "1", code=4)
