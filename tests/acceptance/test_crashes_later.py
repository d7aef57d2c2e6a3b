"""Real signals after the message: a host killed in any later step leaves the joiner where they would be anyway."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from cli.stage import Stage, on_stage
from sandbox.process import Service
from sandbox.stack import Stack
from shared.adapters.tables import TableLedger
from tests.acceptance.hands import (
    behave,
    case_id,
    has_fired,
    head,
    ledger_of,
    messages,
    misbehave,
    pass_on,
    short_locks,
    start_host,
    values,
    wait_until,
)
from tests.acceptance.people import NOW, hired, mobile, user, user_id

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HELLO = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod"
WEEK = timedelta(weeks=1)


@dataclass(slots=True)
class Theatre:
    """A stage, and the host that runs on it: each test kills it and leaves another."""

    stage: Stage
    ledger: TableLedger
    host: Service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Theatre]:
    with Stack(arguments=short_locks(tmp_path_factory.mktemp("broker"), 5)) as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        async with on_stage(stack, values(stack)) as stage, ledger_of(stack) as ledger:
            yield Theatre(stage, ledger, await start_host(stage))


async def hire(theatre: Theatre, number: int, monday: datetime) -> None:
    """A joiner of that morning has the message, and registers at once, which the app is to find out by itself."""
    stage = theatre.stage
    person = user(number, employeeHireDate=f"{monday:%Y-%m-%d}T00:00:00Z")
    async with stage.http.post(f"{stage.stack.directory.url}/sandbox/users", json=person) as answer:
        assert answer.ok
    told = (monday - timedelta(days=2)).isoformat()
    await stage.send([json.dumps(hired(number, {"hireDate": f"{monday:%Y-%m-%d}"}, time=told)).encode()])
    await stage.quiet()
    (message,) = await messages(stage, number)
    assert await stage.sign_in(user_id(number), message["code"], HELLO)


async def pass_until_under_way(theatre: Theatre, service: str) -> None:
    """Time passes, from one thing that happens to the next, until the slow call has begun."""
    stage, clock = theatre.stage, theatre.stage.stack.clock
    while not await begun_or_quiet(stage, service):
        wake = await theatre.ledger.next_wake()
        assert wake, "the fault never fired"
        await stage.jump(wake if wake > clock.now() else await stage.next_tick() or wake)


async def begun_or_quiet(stage: Stage, service: str) -> bool:
    """True when it has begun; False when nothing is under way."""

    async def either() -> bool:
        return await has_fired(stage, service) or await nothing_queued(stage)

    await wait_until(either, "the end of what was under way")
    return await has_fired(stage, service)


async def nothing_queued(stage: Stage) -> bool:
    queues = await stage.get(f"{stage.stack.broker.ready['control']}/sandbox/queues")
    return not (queues[stage.queue]["active"] or queues[stage.queue]["locked"])


END = [("check", "onboarded"), ("revoke", "onboarded"), ("wipe", "onboarded")]
ARRIVED = [("redact", "sent"), ("look", "sent"), *END]
SILENT = [("look", "sent"), ("ask", "sent"), ("ask", "sent"), ("redact", "sent"), *END]
"""What happens after the message when nobody is killed: to one that arrives, and to one of which nothing is heard."""


@pytest.mark.parametrize(
    ("week", "service", "operation", "phone", "story"),
    [
        (1, "phone", "redact_message", "delivered", ARRIVED),
        (2, "directory", "list_passes", "delivered", ARRIVED),
        (3, "phone", "fetch_message", "silent", SILENT),
        (4, "directory", "methods", "delivered", ARRIVED),
        (5, "directory", "delete_pass", "delivered", ARRIVED),
    ],
)
async def test_a_host_killed_in_a_later_step_changes_nothing(
    theatre: Theatre, week: int, service: str, operation: str, phone: str, story: list[tuple[str, str]]
) -> None:
    stage, ledger = theatre.stage, theatre.ledger
    monday = datetime.fromisoformat(NOW) + week * WEEK
    await stage.jump(monday)
    await stage.phones({mobile(week): {"sms": phone}}, {})
    await hire(theatre, week, monday)
    await misbehave(stage, service, operation=operation, kind="delay", seconds=3)
    await pass_until_under_way(theatre, service)
    theatre.host.kill()
    theatre.host = await start_host(stage)
    await pass_on(stage, ledger, monday + timedelta(hours=3))
    await behave(stage, service)

    case = await head(ledger, week)
    assert (case.state, case.issuance, case.event, case.user_id) == ("onboarded", 1, None, None)
    moves = await ledger.history(case_id(week))
    told = [(move.actor, str(move.to_state)) for move in moves if move.actor not in {"event", "issue", "receipt"}]
    assert told == story
    (message,) = await messages(stage, week)
    assert message["redacted"]
    assert user_id(week) not in await stage.passes()
    assert await stage.dead_letters() == []
