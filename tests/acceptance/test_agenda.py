"""The agenda on a real timer: whoever waits is served at their time, once, whatever happens to the hosts."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.stage import Stage, on_stage
from sandbox.stack import Stack
from shared.adapters.tables import TableLedger
from tests.acceptance.hands import (
    head,
    ledger_of,
    messages,
    nudge,
    pass_on,
    start_host,
    values,
)
from tests.acceptance.people import NOW, hired, user, user_id
from tests.acceptance.tunnel import tunnel_to

HELLO = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod"
DELIVERY = datetime.fromisoformat("2026-12-06T15:00:00Z")
"""Sunday, four in the afternoon in Amsterdam: when the messages of those go out who begin on Monday the seventh."""


@pytest.fixture
async def stage() -> AsyncGenerator[Stage]:
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        async with on_stage(stack, values(stack)) as stage:
            yield stage


@pytest.fixture
async def ledger(stage: Stage) -> AsyncGenerator[TableLedger]:
    async with ledger_of(stage.stack) as ledger:
        yield ledger


async def announce(stage: Stage, days: dict[int, str]) -> None:
    """These joiners, by their numbers, are hired for these days, and everybody knows."""
    people = [user(number, employeeHireDate=f"{day}T00:00:00Z") for number, day in days.items()]
    await stage.world({"users": people})
    await stage.send([json.dumps(hired(number, {"hireDate": day})).encode() for number, day in days.items()])
    await stage.quiet()


async def counts(stage: Stage) -> dict[str, int]:
    return (await stage.get(f"{stage.stack.broker.ready['control']}/sandbox/queues"))[stage.queue]


async def received(stage: Stage, *numbers: int) -> list[int]:
    """How many messages each of these joiners has."""
    return [len(await messages(stage, number)) for number in numbers]


async def can_all_sign_in(stage: Stage, *numbers: int) -> bool:
    newest = {number: (await messages(stage, number))[-1] for number in numbers}
    return all([await stage.sign_in(user_id(number), message["code"]) for number, message in newest.items()])


async def test_a_host_killed_between_nudging_and_forgetting_its_rows_loses_and_doubles_nobody(
    stage: Stage, ledger: TableLedger
) -> None:
    first = await start_host(stage)
    await announce(stage, dict.fromkeys((1, 2, 3), "2026-12-07"))
    await asyncio.to_thread(first.stop)
    before = (await counts(stage))["enqueued"]
    port = int(re.findall(r"127\.0\.0\.1:(\d+)", stage.stack.azurite.url)[0])
    async with tunnel_to(port) as tunnel:
        tunnel.hold = b"DELETE "
        connection = stage.stack.azurite.url.replace(f":{port}", f":{tunnel.port}")
        off = {"AzureWebJobs.joiner.Disabled": "true"}  # the nudges stay on the queue
        doomed = await start_host(stage, LedgerConnection=connection, **off)
        stage.stack.clock.set_now(DELIVERY + timedelta(seconds=30))
        async with asyncio.timeout(20):
            await tunnel.held.wait()
        assert (await counts(stage))["active"] == 3, "the nudges are out, their rows still there"
        doomed.kill()
    assert len(await ledger.due(10)) == 3
    stage.stack.clock.advance(timedelta(minutes=11))  # beyond the queue's memory for doubles
    await start_host(stage)
    await pass_on(stage, ledger, stage.stack.clock.now() + timedelta(minutes=5))
    assert (await counts(stage))["enqueued"] >= before + 6, "every nudge came twice"
    assert await received(stage, 1, 2, 3) == [1, 1, 1]
    assert await ledger.due(10) == []
    stage.stack.clock.set_now(datetime.fromisoformat("2026-12-07T07:00:30Z"))
    assert await can_all_sign_in(stage, 1, 2, 3)


async def test_who_waits_is_served_in_time_and_after_two_days_without_a_host_once(
    stage: Stage, ledger: TableLedger
) -> None:
    host = await start_host(stage)
    days = {1: "2026-11-30", 2: "2026-12-01", 3: "2026-12-02", 4: "2026-12-04", 5: "2026-11-30"}
    await announce(stage, days)
    (mine,) = await messages(stage, 5)
    assert await stage.sign_in(user_id(5), mine["code"], HELLO)
    assert await received(stage, 1, 2, 3, 4, 5) == [1, 0, 0, 0, 1]
    await asyncio.to_thread(host.stop)
    stage.stack.clock.set_now(datetime.fromisoformat("2026-12-02T09:00:00Z"))
    await start_host(stage)
    await pass_on(stage, ledger, "2026-12-02T09:20:00Z")
    assert await received(stage, 1, 2, 3, 4, 5) == [1, 1, 1, 0, 1]
    assert await can_all_sign_in(stage, 2, 3)
    states = {number: ((case := await head(ledger, number)).state, case.issuance) for number in days}
    assert states == {
        1: ("announced", 2),  # the pass ended unused: the next one comes with the next morning
        2: ("sent", 1),
        3: ("sent", 1),
        4: ("announced", 1),
        5: ("onboarded", 1),
    }
    assert {held["isUsable"] for held in (await stage.passes())[user_id(5)]} <= {False}
    assert (await head(ledger, 5)).event is None, "wiped"
    assert [message["redacted"] for message in await stage.inbox()] == [True] * 4
    await pass_on(stage, ledger, "2026-12-03T14:59:00Z")
    assert await received(stage, 1, 2, 3, 4) == [2, 2, 2, 0]
    await pass_on(stage, ledger, "2026-12-03T15:03:00Z")  # nobody sent anything: the timer did
    (message,) = await messages(stage, 4)
    assert message["deliveredAt"] > "2026-12-03T15:00:00"
    assert await stage.dead_letters() == []


@pytest.mark.slow
async def test_two_hosts_and_a_storm_of_nudges_cost_one_message_each(stage: Stage, ledger: TableLedger) -> None:
    await start_host(stage)
    await start_host(stage)
    at_once, waiting = range(1, 7), range(7, 13)
    days = dict.fromkeys(at_once, "2026-11-30") | dict.fromkeys(waiting, "2026-12-01")
    await announce(stage, days)
    assert await received(stage, *days) == [1] * 6 + [0] * 6
    await stage.send([nudge(number) for number in days for _ in range(4)])
    await stage.quiet()
    assert await received(stage, *days) == [1] * 6 + [0] * 6, "nothing was due"
    stage.stack.clock.set_now(datetime.fromisoformat("2026-11-30T15:00:05Z"))
    await stage.send([nudge(7)] * 50)
    await pass_on(stage, ledger, "2026-11-30T15:05:00Z")
    assert (await counts(stage))["completed"] >= 12 + 48 + 50
    assert await received(stage, *days) == [1] * 12
    assert [(await head(ledger, number)).sends for number in waiting] == [1] * 6
    assert [(await head(ledger, number)).state for number in waiting] == ["sent"] * 6
    created: dict[str, Any] = (await stage.get(f"{stage.stack.directory.url}/sandbox/requests"))["passesCreated"]
    assert created == {user_id(number): 1 for number in days}
    for log in stage.stack.folder.glob("host-*.log"):
        assert "joiner [message" in log.read_text(), "both had their share"
        assert '"run-failed"' not in log.read_text(), "who comes second gives way; that is no failure"
