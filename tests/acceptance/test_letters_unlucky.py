"""Runs over dead letters that meet bad luck: the command as a process, the real host, and a broker that misbehaves."""

import asyncio
import base64
import json
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender

from cli.stage import Stage, on_stage
from sandbox.process import Service
from sandbox.stack import Stack
from shared.principal import PRINCIPAL_HEADER
from tests.acceptance.forging import forging
from tests.acceptance.hands import (
    ROOT,
    behave,
    has_fired,
    messages,
    misbehave,
    short_locks,
    start_host,
    under_way,
    values,
    wait_until,
)
from tests.acceptance.people import NOW, hired, user, user_id

LOCK_SECONDS = 5
LETTERS, EVENTS = "joiners-dead-letters", "joiners"
WHY = ("--reason", "storage is back")
ACT = (*WHY, "--execute", "--yes")
FAST = ("--rate", "5/s")
EVERYBODY = [user(number) for number in range(1, 40)]
NO_EVIDENCE = {"employeeHireDate": None}
APPROVER = {
    "auth_typ": "aad",
    "role_typ": "roles",
    "claims": [{"typ": "oid", "val": "aaaaaaaa-0000-4000-8000-000000000001"}, {"typ": "roles", "val": "approver"}],
}
pytestmark = pytest.mark.asyncio(loop_scope="module")
_joiners = count(1)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where operators type, beside the queue of dead letters."""

    stage: Stage
    hosts: list[Service]
    sender: ServiceBusSender
    receiver: ServiceBusReceiver

    def begin(self, *arguments: str, roles: str = "operator", who: str = "you", url: str = "") -> subprocess.Popen[str]:
        command = [str(ROOT / "firstpass"), "--as", who, "dlq", *arguments]
        told = {"FIRSTPASS_URL": url or self.stage.stack.app_url, "FIRSTPASS_SANDBOX_ROLES": roles}
        pipe = subprocess.PIPE
        return subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env={**os.environ, **told}, text=True, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )

    async def run(self, *arguments: str, code: int = 0, **how: str) -> list[dict[str, Any]]:
        """What a command tells, as ndjson."""
        return await ended(self.begin(*arguments, "-o", "ndjson", **how), code)

    async def put(self, *joiners: int, message_id: str | None = None) -> list[int]:
        """Events that died, one for each joiner; gives their numbers."""
        before = await self.numbers()
        notes: dict[str | bytes, Any] = {"DeadLetterReason": "TTLExpiredException"}
        for joiner in joiners:
            event = ServiceBusMessage(json.dumps(hired(joiner)), message_id=message_id or f"hr-{joiner}")
            event.application_properties = dict(notes)
            await self.sender.send_messages(event)
        return [number for number in await self.numbers() if number not in before]

    async def numbers(self) -> list[int]:
        found = await self.receiver.peek_messages(100, sequence_number=1)
        return [message.sequence_number or 0 for message in found]

    async def has_fewer(self, numbers: list[int]) -> bool:
        return len(set(numbers) & set(await self.numbers())) < len(numbers)

    async def arrived(self, *joiners: int) -> list[int]:
        """How many messages each of them has got, once all is quiet."""
        await self.stage.quiet()
        return [len(await messages(self.stage, joiner)) for joiner in joiners]

    async def misbehave(self, operation: str, **fault: Any) -> None:
        await behave(self.stage, "broker")
        await misbehave(self.stage, "broker", operation=operation, **fault)

    async def has_misbehaved(self) -> bool:
        return await has_fired(self.stage, "broker")


async def ended(process: subprocess.Popen[str], code: int = 0) -> list[dict[str, Any]]:
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == code, (out, err)
    assert "Traceback" not in err
    return [json.loads(line) for line in out.splitlines()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Desk]:
    """One app for all of them: each has joiners and letters of its own, and leaves no letter behind."""
    with Stack(arguments=short_locks(tmp_path_factory.mktemp("broker"), LOCK_SECONDS)) as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        async with on_stage(stack, values(stack)) as stage:
            await stage.world({"users": EVERYBODY})
            host = await start_host(stage)
            async with stage.bus.get_queue_sender(LETTERS) as sender, stage.bus.get_queue_receiver(LETTERS) as receiver:
                yield Desk(stage, [host], sender, receiver)


@pytest.fixture
def joiners() -> list[int]:
    return [next(_joiners) for _ in range(4)]


def told(lines: list[dict[str, Any]]) -> list[tuple[int, str, bool]]:
    return [(line["sequence"], line["outcome"], line["removed"]) for line in lines]


async def test_a_crash_between_acting_and_completing_loses_nobody_and_doubles_nothing(
    desk: Desk, joiners: list[int], tmp_path: Path
) -> None:
    one, two = await desk.put(*joiners[:2])
    await desk.misbehave(f"settle/{LETTERS}", kind="delay", seconds=60)
    plan = str(tmp_path / "plan.json")
    await desk.run("plan", "--all", "--file", plan)
    run = desk.begin("replay", "--plan", plan, *ACT, *FAST)
    await under_way(desk.stage, "broker")
    assert await desk.arrived(joiners[0]) == [1]
    desk.hosts.pop().kill()
    (line,) = await ended(run, 5)
    assert (line["sequence"], line["outcome"], line["removed"]) == (one, "failed", False)
    desk.hosts.append(await start_host(desk.stage))
    await asyncio.sleep(LOCK_SECONDS)
    assert told(await desk.run("replay", "--plan", plan, *ACT, *FAST)) == [(one, "send", True), (two, "send", True)]
    assert await desk.arrived(*joiners[:2]) == [1, 1]
    assert await desk.has_misbehaved()
    assert await desk.numbers() == []


async def test_duplicate_detection_takes_no_joiner_for_another(desk: Desk, joiners: list[int]) -> None:
    first, *others = await desk.put(*joiners, message_id="hr-again")
    await desk.run("replay", "--sequence", str(first), *ACT)  # in a run of its own, within the window
    assert told(await desk.run("replay", "--all", *ACT, *FAST)) == [(number, "send", True) for number in others]
    assert await desk.arrived(*joiners) == [1, 1, 1, 1]
    assert await desk.numbers() == []


@pytest.mark.slow
async def test_a_letter_somebody_else_resolved_meanwhile_is_gone(
    desk: Desk, joiners: list[int], tmp_path: Path
) -> None:
    one, two, three, four = await desk.put(*joiners)
    plan = str(tmp_path / "plan.json")
    await desk.run("plan", "--all", "--file", plan, roles="reader")
    await desk.run("discard", "--sequence", str(two), *ACT, who="colleague")
    done = await desk.run("replay", "--plan", plan, *ACT, *FAST)
    assert told(done) == [(one, "send", True), (two, "gone", True), (three, "send", True), (four, "send", True)]
    assert await desk.arrived(*joiners) == [1, 0, 1, 1]


@pytest.mark.slow
async def test_what_fails_anew_during_a_run_is_none_of_its_business(desk: Desk, joiners: list[int]) -> None:
    stranger = joiners[0]
    await desk.stage.world(
        {"users": [one | NO_EVIDENCE if one["id"] == user_id(stranger) else one for one in EVERYBODY]}
    )
    planned = await desk.put(*joiners[:3])
    run = desk.begin("replay", "--all", *ACT, "--rate", "1/s")
    await wait_until(lambda: desk.has_fewer(planned), "the first replay")
    (late,) = await desk.put(joiners[3])
    assert [line["sequence"] for line in await ended(run)] == planned
    await desk.stage.quiet()
    anew = await desk.stage.dead_letters()
    assert sorted(str(letter.reason) for letter in anew) == ["TTLExpiredException", "not-a-joiner"]
    assert late in [letter.sequence_number for letter in anew]
    await desk.run("discard", "--all", *ACT, *FAST)


async def test_a_lock_that_ends_during_an_act_leaves_the_letter_and_doubles_nothing(
    desk: Desk, joiners: list[int]
) -> None:
    (number,) = await desk.put(joiners[0])
    await desk.misbehave(f"send/{EVENTS}", kind="delay", seconds=LOCK_SECONDS + 1)
    (line,) = await desk.run("replay", "--all", *ACT, code=7)
    assert (line["outcome"], line["why"], line["removed"]) == ("send", "not-completed", False)
    assert await desk.has_misbehaved()
    assert await desk.numbers() == [number]
    assert told(await desk.run("replay", "--all", *ACT)) == [(number, "send", True)]
    assert await desk.arrived(joiners[0]) == [1]


async def test_ctrl_c_ends_a_run_and_so_does_a_kill_and_its_plan_goes_on(
    desk: Desk, joiners: list[int], tmp_path: Path
) -> None:
    joiners += [next(_joiners) for _ in range(4)]  # a request under way is finished each time
    planned = await desk.put(*joiners)
    plan = str(tmp_path / "plan.json")
    await desk.run("plan", "--all", "--file", plan)
    run = desk.begin("replay", "--plan", plan, *ACT, "--rate", "1/s")
    await wait_until(lambda: desk.has_fewer(planned), "the first replay")
    run.send_signal(signal.SIGINT)
    done = [number for number, *_ in told(await ended(run, 130))]
    assert 0 < len(done) < 5
    rest = [number for number in planned if number not in done]
    run = desk.begin("replay", "--plan", plan, *ACT, "--rate", "1/s")
    await wait_until(lambda: desk.has_fewer(rest), "the next replay")
    run.kill()
    await ended(run, -signal.SIGKILL)
    await desk.run("discard", "--all", *ACT, who="colleague", code=1)  # kept out
    assert len(await desk.numbers()) >= 1
    again = await desk.run("replay", "--plan", plan, *ACT, *FAST)
    assert {line["outcome"] for line in again} <= {"send", "gone"}
    assert await desk.arrived(*joiners) == [1] * 8
    assert await desk.numbers() == []


async def test_a_wrong_role_or_a_forged_principal_changes_nothing(desk: Desk, joiners: list[int]) -> None:
    """The header that only the platform may write is taken off, and counts for nothing beside a reader's token."""
    numbers = await desk.put(joiners[0])
    forged = base64.b64encode(json.dumps(APPROVER).encode()).decode()
    way = forging(desk.stage.http, desk.stage.stack.app_url, PRINCIPAL_HEADER, forged)
    async with way as (url, forged_into):
        said = await asyncio.gather(
            desk.run("discard", "--all", *ACT, code=3, roles="reader", url=url),
            desk.run("replay", "--all", *ACT, code=3, roles="reader"),
            desk.run("replay", "--all", *WHY, code=3, roles="reader"),
            desk.run("replay", "--all", *ACT, "--force", code=3),
            desk.run("list", code=3, roles=""),
        )
    assert said == [[]] * 5
    assert "/api/operations/dead-letters/discard" in forged_into
    wish = {"sequences": numbers, "reason": "for a test", "run": "0" * 32}
    asked = f"{desk.stage.stack.app_url}/api/operations/dead-letters/discard"
    async with desk.stage.http.post(asked, json=wish, headers={PRINCIPAL_HEADER: forged}) as answer:
        assert answer.status == 401
    assert await desk.numbers() == numbers
    await desk.run("discard", "--all", *ACT)
