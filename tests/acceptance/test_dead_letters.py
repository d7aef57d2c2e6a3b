"""Operators and dead letters through the real host: a joiner is brought back, and what cannot be helped stays."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.servicebus import ServiceBusMessage

from cli.stage import Stage, on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.people import NOW, SETTINGS, hired, mobile, user, user_id

STRANGER = user(1, employeeHireDate=None)
RUN = uuid4().hex


@pytest.fixture
async def stage() -> AsyncGenerator[Stage]:
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        values = {**sample_settings(), **stack.addresses, **SETTINGS}
        async with on_stage(stack, values) as stage:
            await stage.world({"users": [STRANGER]})
            await asyncio.to_thread(stack.start_host, values, "cli.host")
            yield stage


def token(*roles: str, person: int = 1) -> str:
    """What the sandbox's stand-in for the platform takes as a sign-in."""
    claims = {"oid": f"aaaaaaaa-0000-4000-8000-{person:012d}", "roles": list(roles)}
    return "sandbox." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


async def ask(
    stage: Stage, method: str, path: str, body: object = None, *, roles: Sequence[str] = ("operator",), person: int = 1
) -> tuple[int, Any]:
    url, headers = (
        f"{stage.stack.app_url}/api/operations/{path}",
        {"Authorization": f"Bearer {token(*roles, person=person)}"},
    )
    async with stage.http.request(method, url, json=body, headers=headers) as answer:
        return answer.status, json.loads(await answer.text())


async def act(stage: Stage, verb: str, *sequences: int, **more: Any) -> dict[str, Any]:
    wish = {"sequences": list(sequences), "reason": "directory corrected", "run": RUN, **more}
    status, told = await ask(stage, "POST", f"dead-letters/{verb}", wish)
    assert status == 200, told
    return told


def told(answer: dict[str, Any]) -> list[tuple[int, str, str | None]]:
    return [(letter["sequence"], letter["outcome"], letter["why"]) for letter in answer["letters"]]


async def send(stage: Stage, *events: object) -> None:
    await stage.send([json.dumps(event).encode() for event in events])
    await stage.quiet()


async def test_a_refused_joiner_gets_the_pass_after_the_directory_was_corrected(stage: Stage) -> None:
    await send(stage, hired(1))
    _, page = await ask(stage, "GET", "dead-letters?devicePath=autopilot", roles=["reader"])
    (letter,) = page["letters"]
    assert (letter["kind"], letter["reason"], letter["issuance"]) == ("case", "not-a-joiner", 1)
    assert (await ask(stage, "GET", f"dead-letters/{letter['sequence']}"))[1] == letter
    await stage.world({"users": [user(1)]})
    assert told(await act(stage, "replay", letter["sequence"])) == [(letter["sequence"], "reopen", None)]
    await stage.jump(stage.stack.clock.now() + timedelta(minutes=3))
    await stage.quiet()
    (message,) = await stage.inbox()
    assert message["to"] == mobile(1)
    assert await stage.sign_in(user_id(1), message["body"])
    _, story = await ask(stage, "GET", f"cases/{letter['caseId']}")
    assert "operator:aaaaaaaa-0000-4000-8000-000000000001" in [move["actor"] for move in story["history"]]
    assert told(await act(stage, "replay", letter["sequence"])) == [(letter["sequence"], "gone", None)]
    await stage.jump(stage.stack.clock.now() + timedelta(minutes=3))
    await stage.quiet()
    assert len(await stage.inbox()) == 1
    assert await stage.dead_letters() == []


async def test_a_malformed_event_stays_until_it_is_discarded(stage: Stage) -> None:
    malformed = hired(2, {"hireDate": "soon", "mobilePhone": mobile(2)})
    await send(stage, malformed, hired(1))
    _, stats = await ask(stage, "GET", "dead-letters/stats", roles=["reader"])
    assert (stats["total"], [each["reason"] for each in stats["reasons"]]) == (2, ["malformed-event", "not-a-joiner"])
    judged = (await ask(stage, "POST", "dead-letters/judge", {"sequences": [1, 2, 9]}, roles=["reader"]))[1]
    assert told(judged) == [(1, "nothing", "malformed-event"), (2, "reopen", None), (9, "gone", None)]
    assert told(await act(stage, "replay", 1)) == [(1, "nothing", "malformed-event")]
    assert told(await act(stage, "discard", 1)) == [(1, "gone", "discarded")]
    assert [letter.reason for letter in await stage.dead_letters()] == ["not-a-joiner"]
    status, problem = await ask(stage, "GET", "dead-letters/1")
    assert (status, problem["code"]) == (404, "letter-unknown")


async def test_an_event_that_expired_is_sent_again_and_gives_the_joiner_the_pass_once(stage: Stage) -> None:
    await stage.world({"users": [user(1)]})
    notes: dict[str | bytes, Any] = {"DeadLetterReason": "TTLExpiredException"}
    expired = ServiceBusMessage(json.dumps(hired(1)), message_id="hr-1", application_properties=notes)
    async with stage.bus.get_queue_sender(stage.dead_letters_queue) as sender:
        await sender.send_messages([expired, expired])  # as if a run had died between sending and completing
    assert told(await act(stage, "replay", 1)) == [(1, "send", None)]
    assert told(await act(stage, "replay", 2)) == [(2, "send", None)]
    await stage.quiet()
    assert [message["to"] for message in await stage.inbox()] == [mobile(1)]
    assert await stage.dead_letters() == []


FORBIDDEN: list[tuple[str, list[str], dict[str, Any]]] = [
    ("judge", [], {}),
    ("replay", ["reader"], {"reason": "for a test", "run": RUN}),
    ("discard", ["reader"], {"reason": "for a test", "run": RUN}),
    ("replay", ["operator"], {"reason": "for a test", "run": RUN, "force": True}),
]


async def test_a_wrong_role_changes_nothing_and_another_run_neither(stage: Stage) -> None:
    await send(stage, hired(1))
    for verb, roles, wish in FORBIDDEN:
        status, problem = await ask(stage, "POST", f"dead-letters/{verb}", {"sequences": [1], **wish}, roles=roles)
        assert (status, problem["code"]) == (403, "role-missing")
    assert told(await act(stage, "replay", 9)) == [(9, "gone", None)]
    others = {"sequences": [1], "reason": "for a test", "run": uuid4().hex, "force": True}
    status, problem = await ask(stage, "POST", "dead-letters/replay", others, roles=["approver"], person=2)
    assert (status, problem["code"]) == (409, "another-run")
    assert len(await stage.dead_letters()) == 1
