"""The promises of every port that can be tried on a real test tenant; skipped until its addresses are given.

`FIRSTPASS_CLOUD` names a file like local.settings.json of a test tenant. Besides the app's settings its Values hold
`TEST_USER_ID`, a test joiner in the pass policy's scope, and `TEST_NUMBER`, a phone of yours: it gets one SMS.
"""

import json
import os
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from shared import wiring
from shared.errors import Moved, Reason
from shared.events import Channel, UserRef
from shared.plan import Terms
from shared.ports import WakeRow
from shared.secret import Secret
from tests.builders import case
from tests.fakes.clock import FakeClock

FILE = os.environ.get("FIRSTPASS_CLOUD")
pytestmark = pytest.mark.skipif(FILE is None, reason="set FIRSTPASS_CLOUD to the settings of a test tenant")

GIVEN: dict[str, str] = json.loads(Path(FILE).read_text())["Values"] if FILE else {}
CLOCK = wiring.SystemClock()


@pytest.fixture
async def values() -> AsyncGenerator[dict[str, str]]:
    given = GIVEN
    before = dict(os.environ)
    os.environ.update(given)
    for builder in (wiring.settings, wiring.directory, wiring.courier, wiring.ledger, wiring.bus, wiring.fingerprints):
        builder.cache_clear()
    yield given
    os.environ.clear()
    os.environ.update(before)


def soon() -> float:
    return CLOCK.monotonic() + 60


async def test_a_pass_is_made_seen_replaced_and_deleted(values: dict[str, str]) -> None:
    directory, user_id = wiring.directory(), values["TEST_USER_ID"]
    policy = await directory.policy(soon())
    assert policy.enabled
    facts = await directory.facts(UserRef("id", user_id), soon())
    assert facts is not None
    assert facts.user_id == user_id.lower()
    terms = Terms(
        start_date_time=CLOCK.now() + timedelta(hours=1),
        lifetime_in_minutes=policy.minimum_lifetime_in_minutes,
        is_usable_once=policy.is_usable_once,
    )
    first = await directory.create_pass(user_id, terms, soon())
    second = await directory.create_pass(user_id, terms, soon())
    assert first.id != second.id
    assert [live.id for live in await directory.passes(user_id, soon())] == [second.id]
    await directory.delete_pass(user_id, second.id, soon())
    assert await directory.passes(user_id, soon()) == []
    assert await directory.facts(UserRef("employeeId", uuid4().hex), soon()) is None
    await directory.close()


async def test_a_case_is_kept_and_never_overwritten(values: dict[str, str]) -> None:
    assert values
    ledger = wiring.ledger()
    saved = await ledger.save(None, case(now=CLOCK.now(), id=uuid4().hex), "test")
    assert await ledger.load(saved.id) == saved
    moved = saved.claimed(
        "someone", Terms(start_date_time=None, lifetime_in_minutes=60, is_usable_once=False), CLOCK.now()
    )
    await ledger.save(saved, moved, "test")
    with pytest.raises(Moved):
        await ledger.save(saved, moved, "test")
    assert len(await ledger.history(saved.id)) == 2
    await ledger.close()


async def test_a_wake_row_comes_due_and_a_case_is_forgotten(values: dict[str, str]) -> None:
    assert values
    clock = FakeClock(CLOCK.now() - timedelta(days=1))
    wiring.use_clock(clock)
    try:
        ledger = wiring.ledger()
        saved = await ledger.save(None, case(now=clock.now(), deliver_at=clock.now(), id=uuid4().hex), "test")
    finally:
        wiring.use_clock(CLOCK)
    clock.set_now(CLOCK.now())
    (row,) = [row for row in await ledger.due(1_000) if row.case_id == saved.id]
    assert row.due == saved.woken_at
    await ledger.done([row])
    await ledger.done([row])
    assert row not in await ledger.due(1_000)
    await ledger.beat()
    assert await ledger.heartbeat() == clock.now()
    await ledger.spend()
    await ledger.forget(saved)
    assert (await ledger.load(saved.id), await ledger.history(saved.id)) == (None, [])
    await ledger.close()


async def test_nudges_reach_the_events(values: dict[str, str]) -> None:
    assert values
    bus, now = wiring.bus(), CLOCK.now()
    rows = [WakeRow(id=uuid4().hex, case_id=uuid4().hex, due=now, etag="") for _ in range(1_500)]
    await bus.nudge(rows)
    await bus.nudge(rows[:1])
    await bus.close()


async def test_a_refusal_reaches_the_dead_letters(values: dict[str, str]) -> None:
    assert values
    bus = wiring.bus()
    await bus.dead_letter(b'{"test": true}', Reason.MALFORMED_EVENT, "a test of the real queue")
    await bus.close()


async def test_a_message_reaches_a_phone(values: dict[str, str]) -> None:
    courier = wiring.courier()
    sent = await courier.send(values["TEST_NUMBER"], Channel.SMS, None, Secret("TEST1234"), "test-1-1", soon())
    assert sent.id
    await courier.close()
