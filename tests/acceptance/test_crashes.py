"""Real signals: a host that is killed or told to stop in the middle of a joiner."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from shared.adapters.seal import Fingerprints
from tests.acceptance.people import NOW, SETTINGS, hired, mobile, user, user_id

LOCK_SECONDS = 5
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    """A stage whose message locks end soon, so that a killed host's message comes again while we watch."""
    config = json.loads((ROOT / "sandbox" / "broker" / "config.json").read_text())
    for queue in config["UserConfig"]["Namespaces"][0]["Queues"]:
        queue["Properties"]["LockDuration"] = f"PT{LOCK_SECONDS}S"
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    with Stack(arguments={"broker": ["--config", str(file)]}) as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        async with on_stage(stack, values(stack)) as stage:
            await stage.world({"users": [user(1)]})
            yield stage


def values(stack: Stack) -> dict[str, str]:
    return {**sample_settings(), **stack.addresses, **SETTINGS}


async def slow(stage: Stage, service: str, operation: str) -> None:
    """The next call of this operation takes three seconds."""
    url = f"{getattr(stage.stack, service).url}/sandbox/faults"
    async with stage.http.post(url, json={"operation": operation, "kind": "delay", "seconds": 3}) as answer:
        assert answer.status == 201


async def under_way(stage: Stage, service: str) -> None:
    """Wait until the slow call has begun."""
    url = f"{getattr(stage.stack, service).url}/sandbox/faults"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if (await stage.get(url))[0]["fired"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the fault never fired")


async def nudge(stage: Stage) -> None:
    """What the case's wake row becomes."""
    case_key = base64.b64decode(sample_settings()["CASE_KEY"])
    case_id = Fingerprints(case_key).case_id("/hr/test", "W-1")
    await stage.send([json.dumps({"type": "case.nudge.v1", "data": {"caseId": case_id}}).encode()])
    await stage.settled()


@pytest.mark.parametrize(
    ("service", "operation"), [("directory", "batch"), ("directory", "create_pass"), ("phone", "create_message")]
)
async def test_a_host_killed_in_the_middle_loses_nobody(stage: Stage, service: str, operation: str) -> None:
    await slow(stage, service, operation)
    host = await asyncio.to_thread(stage.stack.start_host, values(stage.stack), "cli.host")
    await stage.send([json.dumps(hired(1)).encode()])
    await under_way(stage, service)
    host.kill()
    await asyncio.to_thread(stage.stack.start_host, values(stage.stack), "cli.host")
    await stage.settled(within=60)
    stage.stack.clock.advance(timedelta(minutes=4))  # the lease of the dead host ends
    await nudge(stage)
    inbox = [message for message in await stage.inbox() if message["to"] == mobile(1)]
    assert 1 <= len(inbox) <= 2
    assert await stage.sign_in(user_id(1), inbox[-1]["body"])
    assert await stage.dead_letters() == []


async def test_a_host_told_to_stop_finishes_the_joiner_it_is_at(stage: Stage) -> None:
    await slow(stage, "directory", "create_pass")
    host = await asyncio.to_thread(stage.stack.start_host, values(stage.stack), "cli.host")
    await stage.send([json.dumps(hired(1)).encode()])
    await under_way(stage, "directory")
    await asyncio.to_thread(host.stop)
    assert host.child.returncode == 0
    await stage.settled()
    (message,) = await stage.inbox()
    assert await stage.sign_in(user_id(1), message["body"])
