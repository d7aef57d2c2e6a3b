"""An operator in HR's place, and a pass for somebody who lost a phone, as real processes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.stage import Stage, on_stage
from sandbox.stack import Stack
from tests.acceptance.conftest import firstpass
from tests.acceptance.hands import ledger_of, messages, pass_on, start_host, values
from tests.acceptance.people import NOW, mobile, user, user_id

WHY = ("--reason", "because of a test", "--yes")
HEAD = "source,subject,time,userId,hireDate,startTime,timeZone,devicePaths,mobilePhone"
VETERAN = user(4, employeeHireDate="2019-03-01T00:00:00Z", methods=["microsoftAuthenticator"])


def row(number: int, hire_date: str = "2026-11-30") -> str:
    person = f"{user_id(number)},{hire_date},09:00,Europe/Amsterdam,autopilot,{mobile(number)}"
    return f"/hr/test,W-{number},2026-11-27T09:00:00Z,{person}"


@pytest.fixture
async def stage() -> AsyncGenerator[Stage]:
    """Three joiners HR's link says nothing of, somebody who works here, and the app."""
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        async with on_stage(stack, values(stack)) as hands:
            await hands.world({"users": [user(1), user(2), user(3), VETERAN]})
            await start_host(hands)
            yield hands


async def test_an_export_goes_to_the_phones_once_and_a_lost_phone_is_helped(stage: Stage, tmp_path: Path) -> None:
    async def run(*arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(firstpass, "--url", stage.stack.app_url, *arguments)
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    async def told(*arguments: str) -> Any:
        return json.loads(await run(*arguments, "-o", "json"))

    file = tmp_path / "joiners.csv"
    file.write_text("\n".join([HEAD, row(1), row(2, "tomorrow")]))
    assert "line 3: data.hireDate: must be a date" in await run("send", str(file), *WHY, code=2)
    await stage.quiet()
    assert (await told("status"))["cases"] == {}

    file.write_text("\n".join([HEAD, row(1), row(2), row(3)]))
    planned = await told("send", str(file), "--dry-run")
    assert [one["opens"] for one in planned] == ["Mon 30 Nov 08:00 Europe/Amsterdam"] * 3
    await run("send", str(file), *WHY)
    await stage.quiet()
    assert [len(await messages(stage, number)) for number in (1, 2, 3)] == [1, 1, 1]
    before = [await told("cases", "show", one["caseId"]) for one in planned]
    await run("send", str(file), *WHY)
    await stage.quiet()
    assert [await told("cases", "show", one["caseId"]) for one in planned] == before

    opened = await told("cases", "open", "--for", "spare-key", "--user", user_id(4), *WHY)
    async with ledger_of(stage.stack) as ledger:
        await pass_on(stage, ledger, datetime.fromisoformat(NOW) + timedelta(minutes=5))
    assert (await told("cases", "show", opened["caseId"]))["case"]["channel"] == "sms"
    assert len(await messages(stage, 4)) == 1
    assert [one["isUsableOnce"] for one in (await stage.passes())[user_id(4)]] == [True]
