"""Real signals: a host that is killed or told to stop in the middle of a joiner."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cli.stage import Stage, on_stage
from sandbox.stack import Stack
from tests.acceptance.hands import nudge, short_locks, slow, start_host, under_way, values
from tests.acceptance.people import NOW, hired, mobile, user, user_id

LOCK_SECONDS = 5


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    with Stack(arguments=short_locks(tmp_path, LOCK_SECONDS)) as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        async with on_stage(stack, values(stack)) as stage:
            await stage.world({"users": [user(1)]})
            yield stage


@pytest.mark.parametrize(
    ("service", "operation"), [("directory", "batch"), ("directory", "create_pass"), ("phone", "create_message")]
)
async def test_a_host_killed_in_the_middle_loses_nobody(stage: Stage, service: str, operation: str) -> None:
    await slow(stage, service, operation)
    host = await start_host(stage)
    await stage.send([json.dumps(hired(1)).encode()])
    await under_way(stage, service)
    host.kill()
    await start_host(stage)
    await stage.settled(within=60)
    stage.stack.clock.advance(timedelta(minutes=4))  # the lease of the dead host ends
    await stage.send([nudge(1)])
    await stage.settled()
    inbox = [message for message in await stage.inbox() if message["to"] == mobile(1)]
    assert 1 <= len(inbox) <= 2
    assert await stage.sign_in(user_id(1), inbox[-1]["body"])
    assert await stage.dead_letters() == []


async def test_a_host_told_to_stop_finishes_the_joiner_it_is_at(stage: Stage) -> None:
    await slow(stage, "directory", "create_pass")
    host = await start_host(stage)
    await stage.send([json.dumps(hired(1)).encode()])
    await under_way(stage, "directory")
    await asyncio.to_thread(host.stop)
    assert host.child.returncode == 0
    await stage.settled()
    (message,) = await stage.inbox()
    assert await stage.sign_in(user_id(1), message["body"])
