"""The search for what must be nowhere: the pass, the number, the user name, after whole runs at DEBUG."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.people import NOW, SETTINGS, hired, mobile, user

UPN = "canary.bird@firstpass.example"


async def everything_stored(stage: Stage) -> str:
    """All rows of all tables and all messages of all queues, as text."""
    found: list[str] = []
    async with TableServiceClient.from_connection_string(stage.stack.azurite.url) as tables:
        async for table in tables.list_tables():
            rows = tables.get_table_client(table.name).list_entities()
            found += [json.dumps(dict(row), default=str) async for row in rows]
    for queue in (stage.queue, stage.dead_letters_queue):
        async with stage.bus.get_queue_receiver(queue) as receiver:
            found += [
                str(message) + str(message.application_properties) for message in await receiver.peek_messages(100)
            ]
    return "\n".join(found)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[Stage]:
    monkeypatch.setenv("LOUD_FOLDER", str(tmp_path))
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        values = {**sample_settings(), **stack.addresses, **SETTINGS}
        async with on_stage(stack, values) as stage:
            stack.start_host(values, "tests.acceptance.loud_host")
            yield stage


def faults_of(stage: Stage, service: str) -> str:
    ready = getattr(stage.stack, service).ready
    return f"{ready.get('control', ready['url'])}/sandbox/faults"


async def misbehave(stage: Stage, service: str, **fault: Any) -> None:
    async with stage.http.post(faults_of(stage, service), json=fault) as answer:
        assert answer.status == 201, await answer.text()


async def fail_a_run(stage: Stage, number: int, log: Path) -> None:
    """A joiner whose refusal cannot be written: the run fails, and the runtime answers the host with its error."""
    await misbehave(stage, "broker", operation="send/joiners-dead-letters", status=503, times=1000)
    await stage.send([json.dumps(hired(number, {"mobilePhone": mobile(number)})).encode()])
    async with asyncio.timeout(60):
        while "RunFailed" not in log.read_text():  # noqa: ASYNC110, ASYNC240 - another process writes this small file
            await asyncio.sleep(0.2)
    async with stage.http.delete(faults_of(stage, "broker")) as answer:
        assert answer.status == 204
    await stage.settled()


async def test_a_pass_is_on_the_phone_and_nowhere_else(stage: Stage, tmp_path: Path) -> None:
    people = [user(1, userPrincipalName=UPN), *(user(number) for number in range(2, 8)), user(8, employeeHireDate=None)]
    await stage.world({"users": people})
    await stage.phones({mobile(3): {"sms": "21211"}, mobile(4): {"sms": "21610"}}, {})
    told = {"error": {"code": "UnknownError", "message": f"{UPN} {mobile(5)} went wrong"}}
    await misbehave(stage, "directory", operation="create_pass", status=500, body=told, skip=3)
    await misbehave(stage, "phone", operation="create_message", kind="drop", when="after", skip=4)
    events = [hired(1, {"user": {"userPrincipalName": UPN}}), *(hired(number) for number in range(2, 8))]
    for event in events:
        await stage.send([json.dumps(event).encode()])
        await stage.settled()
    await fail_a_run(stage, 8, tmp_path / "raw.log")

    inbox = await stage.inbox()
    assert len(inbox) >= 3
    async with stage.http.get(f"{stage.stack.directory.url}/sandbox/faults") as answer:
        assert [fault["fired"] for fault in await answer.json()] == [1]
    passes = [message["body"] for message in inbox]
    host = next(stage.stack.folder.glob("host-*.log")).read_text()
    raw, redacted = (tmp_path / "raw.log").read_text(), (tmp_path / "redacted.log").read_text()
    spans, stored = (tmp_path / "spans.json").read_text(), await everything_stored(stage)
    assert "message-sent" in redacted
    answers = "\n".join(line for line in raw.splitlines() if "RunFailed" in line)
    assert "bus-unavailable" in answers  # what the runtime answered the host for the failed run
    assert "azure.data.tables" in raw or "azure.core" in raw
    assert '"trace_id"' in spans
    for code in passes:
        assert code
        for place in (host, raw, redacted, spans, stored):
            assert code not in place
    for personal in (UPN, UPN.split("@", maxsplit=1)[0], *(mobile(number) for number in range(1, 9))):
        for place in (host, redacted, spans, stored, answers):
            assert personal not in place
