"""Operators through the real host: who is let in, and what the worker makes of what they do."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.people import NOW, SETTINGS, hired, mobile, user, user_id
from tests.fakes.door import APPROVER, OPERATOR, READER, ROLE_OF, WHY, principal

MINUTE = timedelta(minutes=1)


def token(oid: str, *roles: str) -> dict[str, str]:
    """What the host's front takes in place of Entra's token."""
    who = base64.urlsafe_b64encode(json.dumps({"oid": oid, "roles": roles}).encode()).decode().rstrip("=")
    return {"Authorization": f"Bearer sandbox.{who}"}


@dataclass(frozen=True, slots=True)
class Desk:
    """Operators at a running app."""

    stage: Stage

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        url = f"{self.stage.stack.app_url}/api/operations/{path}"
        async with self.stage.http.request(method, url, json=body, headers=headers or {}) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            assert "json" in answer.content_type
            return answer.status, await answer.json(content_type=None)

    async def act(self, path: str, who: str = OPERATOR, **body: Any) -> tuple[int, dict[str, Any]]:
        """A change that works, and what the worker makes of it by the next minutes."""
        return await self.ask("POST", path, {"reason": WHY} | body, token(who, ROLE_OF[who]))

    async def later(self, by: timedelta = 3 * MINUTE) -> None:
        """Time passes, in steps no longer than a wake row takes."""
        until = self.stage.stack.clock.now() + by
        while (now := self.stage.stack.clock.now()) < until:
            await self.stage.jump(min(now + 3 * MINUTE, until))
            await self.stage.quiet()

    async def case_of(self, number: int) -> str:
        asked = {"source": "/hr/test", "subject": f"W-{number}"}
        status, told = await self.ask("POST", "cases/find", asked, token(READER, "reader"))
        assert status == 200, told
        return told["case"]["caseId"]

    async def texts(self, number: str) -> list[str]:
        return [message["body"] for message in await self.stage.inbox() if message["to"] == number]

    async def live(self, number: int) -> int:
        """How many usable passes Entra holds for a joiner."""
        return sum(held["isUsable"] for held in (await self.stage.passes()).get(user_id(number), []))


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        values = {**sample_settings(), **stack.addresses, **SETTINGS}
        async with on_stage(stack, values) as stage:
            await stage.world({"users": [user(number, mobilePhone=None) for number in range(1, 4)]})
            await asyncio.to_thread(stack.start_host, values, "cli.host")
            yield Desk(stage)


async def send(desk: Desk, *events: dict[str, Any]) -> None:
    await desk.stage.send([json.dumps(event).encode() for event in events])
    await desk.stage.quiet()


async def test_operators_at_work(desk: Desk) -> None:
    await send(desk, hired(1), hired(3))
    first, third = await desk.case_of(1), await desk.case_of(3)
    await another_pass_and_then_none(desk, first)
    await a_pause_and_its_end(desk)
    await a_number_that_changed(desk, third)
    rows = await audit(desk.stage.stack.azurite.url)
    assert [(row["act"], row["who"], row["target"], row["allowed"], row["why"]) for row in rows] == [
        ("reissue", READER, first, False, WHY),
        ("reissue", OPERATOR, first, True, WHY),
        ("cancel", OPERATOR, first, True, WHY),
        ("pause", OPERATOR, "600 minutes", True, WHY),
        ("resume", OPERATOR, "", True, WHY),
        ("approve", OPERATOR, f"{third}, mobile-changed, issuance 2", False, WHY),
        ("approve", APPROVER, f"{third}, mobile-changed, issuance 2", True, WHY),
    ]
    told = (await desk.ask("GET", f"audit?since={NOW[:10]}T00:00:00Z", headers=token(READER, "reader")))[1]["entries"]
    assert [(one["act"], one["target"], one["why"]) for one in told] == [
        (row["act"], row["target"], row["why"]) for row in rows
    ]
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert rows[0]["at"].startswith(NOW[:13])


async def another_pass_and_then_none(desk: Desk, case: str) -> None:
    assert (await desk.act(f"cases/{case}/reissue", READER))[0] == 403
    assert (await desk.act(f"cases/{case}/reissue"))[0] == 200
    await desk.later()
    old, new = await desk.texts(mobile(1))
    assert not await desk.stage.sign_in(user_id(1), old)
    assert await desk.stage.sign_in(user_id(1), new)
    assert (await desk.act(f"cases/{case}/cancel"))[0] == 200
    await desk.later()
    assert not await desk.stage.sign_in(user_id(1), new)
    assert await desk.live(1) == 0


async def a_pause_and_its_end(desk: Desk) -> None:
    status, told = await desk.act("pause", minutes=600)
    assert status == 200
    assert datetime.fromisoformat(told["until"]) > desk.stage.stack.clock.now() + 599 * MINUTE
    await send(desk, hired(2))
    assert await desk.texts(mobile(2)) == []
    assert (await desk.act("resume"))[0] == 200
    await desk.later(18 * MINUTE)
    (only,) = await desk.texts(mobile(2))
    assert await desk.stage.sign_in(user_id(2), only)


async def a_number_that_changed(desk: Desk, case: str) -> None:
    changed = hired(3, {"mobilePhone": mobile(33)}, id="evt-33", time=desk.stage.stack.clock.now().isoformat())
    await send(desk, changed)
    assert await desk.texts(mobile(33)) == []
    seen = (await desk.ask("GET", f"cases/{case}", headers=token(READER, "reader")))[1]["case"]
    wish = {"code": seen["reason"], "issuance": seen["issuance"]}
    assert (await desk.act(f"cases/{case}/approve", **wish))[0] == 403
    assert (await desk.act(f"cases/{case}/approve", APPROVER, **wish))[0] == 200
    await desk.later(21 * MINUTE)
    (approved,) = await desk.texts(mobile(33))
    assert await desk.stage.sign_in(user_id(3), approved)


async def audit(connection: str) -> list[dict[str, Any]]:
    async with TableServiceClient.from_connection_string(connection) as service:
        rows = [dict(row) async for row in service.get_table_client("audit").list_entities()]
    return [row | {"at": f"{row['PartitionKey']}T{row['RowKey'][:8]}"} for row in rows]


async def test_nobody_comes_in_by_another_way(desk: Desk) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL": principal(APPROVER, "approver"), "X-MS-CLIENT-PRINCIPAL-ID": APPROVER}
    for headers in ({}, forged, {"Authorization": "Bearer eyJ0eXAi.e30.x"}):
        assert (await desk.ask("GET", "status", headers=headers))[0] == 401
    mixed = forged | token(READER, "reader")
    assert (await desk.ask("POST", "resume", {"reason": WHY}, mixed))[0] == 403
    assert (await desk.ask("GET", "openapi.json", headers=mixed))[1]["openapi"] == "3.1.0"

    values = {**sample_settings(), **desk.stage.stack.addresses, **SETTINGS, "WEBSITE_AUTH_ENABLED": "false"}
    stack = desk.stage.stack
    await asyncio.to_thread(stack._running[-1].stop)
    await asyncio.to_thread(stack.start_host, values, "cli.host")
    for headers in (forged, token(APPROVER, "approver")):
        status, told = await desk.ask("GET", "status", headers=headers)
        assert (status, told["code"]) == (401, "no-principal")
