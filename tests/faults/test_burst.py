"""A burst through the real processes: two thousand events at once, a fifth of them twice. Nobody is lost or doubled."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from bench.flow import joiner
from cli.stage import Stage, on_stage, sample_settings
from sandbox.process import Service
from sandbox.stack import Stack
from tests.acceptance.hands import APP, wait_until

pytestmark = pytest.mark.storm

JOINERS: Final = 1_600
AGAIN: Final = 400
"""Events that come a second time, anywhere among the others."""
WARM: Final = 500
"""Messages after which everything that a process loads once is there."""
NOON: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)
PATIENCE: Final = 900.0
GROWTH: Final = 1.15
"""How much larger the host may be at the end than when it was warm: it was 1.04 and 1.05 (106 MB to 111)."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What the burst came to."""

    seconds: float
    warm: int
    last: int
    peak: int
    messages: Counter[str]
    passes: dict[str, int]
    worked: int
    dead_letters: int


@pytest.fixture
async def stage() -> AsyncGenerator[Stage]:
    with Stack() as stack:
        stack.clock.set_now(NOON)
        async with on_stage(stack, {**sample_settings(), **stack.addresses}) as stage:
            yield stage


def kilobytes(host: Service, what: str) -> int:
    """A line of the process's status, proc(5): VmRSS is its resident size, VmHWM the largest so far."""
    lines = Path(f"/proc/{host.child.pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{what}:"))
    return int(line.split()[1])


async def completed(stage: Stage) -> int:
    """Messages done with."""
    queues = await stage.get(f"{stage.stack.broker.ready['control']}/sandbox/queues")
    return queues[stage.queue]["completed"]


async def burst(stage: Stage, people: list[dict[str, Any]], events: list[bytes]) -> Ran:
    """Send everything at once, wait until nothing is left, try every pass."""
    settings = sample_settings() | stage.stack.addresses | {"HOURLY_BUDGET": str(2 * JOINERS)}
    host = await asyncio.to_thread(stage.stack.start_host, settings, APP)
    began = time.monotonic()
    await stage.send(events)

    async def is_warm() -> bool:
        return await completed(stage) >= WARM

    await wait_until(is_warm, f"{WARM} messages", PATIENCE)
    warm = kilobytes(host, "VmRSS")
    await stage.settled(PATIENCE)
    seconds = time.monotonic() - began
    await stage.quiet(PATIENCE)
    last, peak, inbox = kilobytes(host, "VmRSS"), kilobytes(host, "VmHWM"), await stage.inbox()
    shown = {message["to"]: message["code"] for message in inbox}
    worked = [await stage.sign_in(user["id"], shown.get(user["mobilePhone"], "")) for user in people]
    requests = await stage.get(f"{stage.stack.directory.url}/sandbox/requests")
    sent, letters = Counter(message["to"] for message in inbox), await stage.dead_letters()
    return Ran(seconds, warm, last, peak, sent, requests["passesCreated"], sum(worked), len(letters))


async def test_a_burst_is_drained_and_memory_stays_flat(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    people, events = (list(each) for each in zip(*(joiner(index, NOON) for index in range(JOINERS)), strict=True))
    chance = Random(JOINERS)  # noqa: S311 - always the same is the point
    events += chance.sample(events, AGAIN)
    chance.shuffle(events)
    await stage.world({"users": people})
    ran = await burst(stage, people, [json.dumps(event).encode() for event in events])
    with capsys.disabled():
        print(told(ran))  # noqa: T201 - for whoever reads the output
    once = {user["mobilePhone"]: 1 for user in people}
    assert ran.messages == once
    assert ran.passes == {user["id"]: 1 for user in people}
    assert (ran.worked, ran.dead_letters) == (JOINERS, 0)
    assert ran.last <= GROWTH * ran.warm


def told(ran: Ran) -> str:
    """For whoever reads the output of a run."""
    megabytes = (
        f"{ran.warm / 1024:.0f} MB after {WARM}, {ran.last / 1024:.0f} MB at the end, {ran.peak / 1024:.0f} MB at most"
    )
    return (
        f"\n{JOINERS + AGAIN} events, {JOINERS} joiners: {JOINERS / ran.seconds:.1f} joiners/s ({ran.seconds:.0f} s)\n"
        f"{ran.messages.total()} messages, {sum(ran.passes.values())} passes, {ran.worked} of them work\n"
        f"the host's memory: {megabytes}"
    )
