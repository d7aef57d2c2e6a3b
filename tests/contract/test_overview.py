"""What every overview and every audit promises, on fakes and on tables."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.acts import acts_of
from shared.adapters.case_rows import head_row
from shared.adapters.overview import TableAudit, TableOverview
from shared.adapters.seal import Seal
from shared.api import Api
from shared.case import Case
from shared.errors import LedgerUnavailable, Reason
from shared.operations import Operations
from shared.oversight import Audit, AuditEntry, Overview, Pause, Unreadable
from shared.principal import PRINCIPAL_HEADER
from shared.states import State
from tests.contract.ledger_cases import ALICE, FIRST, SECOND, waiting
from tests.contract.ledger_worlds import (
    FINGERPRINTS,
    KEY,
    NOW,
    FakeWorld,
    Fault,
    TableWorld,
    World,
    run_azurite,
    table_world,
    world_of,
)
from tests.fakes.checkup import FakeReports
from tests.fakes.door import APPROVER, JSON, TARGETS, principal
from tests.fakes.house import House
from tests.fakes.overview import FakeAudit, FakeOverview
from tests.fakes.queues import FakeDepthNotes, FakeGauge

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ENTRY = AuditEntry(at=NOW, who=APPROVER, act="cancel", target="a" * 32, allowed=True, why="never came 電話")


@dataclass(frozen=True, slots=True)
class Place:
    """A world, and what operators see of it."""

    world: World
    overview: Overview
    audit: Audit

    async def save(self, **changes: object) -> Case:
        return await self.world.ledger.save(None, waiting(**changes), "event")


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(params=["fake", "sandbox"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with world_of(request.param, request) as world, seen(world) as there:
        yield there


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[tuple[Place, TableWorld]]:
    async with table_world(azurite) as world, seen(world) as there:
        yield there, world


@asynccontextmanager
async def seen(world: World) -> AsyncGenerator[Place]:
    if isinstance(world, FakeWorld):
        yield Place(world, FakeOverview(world.ledger, world.clock), FakeAudit())
        return
    assert isinstance(world, TableWorld)
    for table in ("cases", "agenda", "people", "audit"):
        await world.clear(table)
    async with TableServiceClient.from_connection_string(world._string) as service:
        overview = TableOverview(world.ledger, service, Seal([KEY]), FINGERPRINTS, world.clock)
        yield Place(world, overview, TableAudit(service))


# --- heads ---


async def test_heads_come_in_the_order_of_their_ids_a_page_at_a_time(place: Place) -> None:
    cases = sorted([await place.save() for _ in range(7)], key=lambda case: case.id)
    assert await place.overview.heads(None, None, 3) == cases[:3]
    assert await place.overview.heads(None, cases[2].id, 3) == cases[3:6]
    assert await place.overview.heads(None, cases[5].id, 3) == cases[6:]
    assert await place.overview.heads(None, cases[6].id, 3) == []
    assert await place.overview.heads(None, "f" * 32, 500) == []


async def test_heads_of_one_state_are_no_others(place: Place) -> None:
    kept = [await place.save(state=state, lease_until=NOW) for state in State]
    for state in State:
        assert await place.overview.heads(state, None, 10) == [case for case in kept if case.state is state]


async def test_a_head_is_the_newest_and_history_is_none(place: Place) -> None:
    case = await place.save()
    moved = await place.world.ledger.save(case, case.moved(State.CANCELLED), "event")
    assert await place.overview.heads(None, None, 10) == [moved]


async def test_a_head_nobody_can_read_hides_no_other(place: Place) -> None:
    before, lost, after = sorted([await place.save() for _ in range(3)], key=lambda case: case.id)
    if isinstance(place.overview, FakeOverview) and isinstance(place.world, FakeWorld):
        del place.world.ledger.cases[lost.id]
        place.overview.unreadable.add(lost.id)
    elif isinstance(place.world, TableWorld):
        other_key = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="
        await place.world.edit("cases", head_row(replace(lost, user_id=ALICE), Seal([other_key])))
    assert await place.overview.heads(None, None, 2) == [before, Unreadable(lost.id)]
    assert await place.overview.heads(None, lost.id, 2) == [after]


# --- the agenda ---


async def test_every_row_that_names_a_case_is_found_due_or_not(place: Place) -> None:
    case, other = await place.save(), await place.save()
    await place.world.ledger.wake(replace(case, woken_at=None, deliver_at=NOW + 20 * DAY))
    rows = await place.overview.wakes(case.id)
    assert [row.case_id for row in rows] == [case.id, case.id]
    assert rows[0].due < rows[1].due
    await place.world.ledger.done(rows)
    assert await place.overview.wakes(case.id) == []
    assert len(await place.overview.wakes(other.id)) == 1


async def test_a_row_written_again_after_it_was_found_stays(place: Place) -> None:
    case = await place.save()
    found = await place.overview.wakes(case.id)
    await place.world.ledger.wake(replace(case, woken_at=None))
    await place.world.ledger.done(found)
    assert len(await place.overview.wakes(case.id)) == 1


async def test_the_next_wake_is_the_earliest(place: Place) -> None:
    assert await place.overview.next_wake() is None
    cases = [await place.save(deliver_at=NOW + days * DAY) for days in (3, 1, 2)]
    due = [row.due for case in cases for row in await place.overview.wakes(case.id)]
    assert await place.overview.next_wake() == min(due)


async def test_the_heartbeat_is_the_last_one(place: Place) -> None:
    assert await place.overview.heartbeat() is None
    await place.world.ledger.beat()
    assert await place.overview.heartbeat() == NOW


async def test_what_is_spent_of_an_hour_is_this_hours(place: Place) -> None:
    await (await place.world.budgeted(0)).spend()
    assert await place.overview.spent() == 0
    ledger = await place.world.budgeted(40)
    for _ in range(3):
        await ledger.spend()
    assert await place.overview.spent() == 3
    place.world.clock.advance(60 * MINUTE)
    assert await place.overview.spent() == 0


# --- pauses ---


async def test_a_pause_is_seen_until_it_ends_or_somebody_resumes(place: Place) -> None:
    assert await place.overview.pause_in_force() is None
    await place.world.ledger.pause(Reason.PAUSED, "operator:1", 20 * MINUTE, "wrong events")
    pause = await place.overview.pause_in_force()
    assert pause == Pause(until=NOW + 20 * MINUTE, reason="paused", by="operator:1", why="wrong events")
    place.world.clock.advance(20 * MINUTE)
    assert await place.overview.pause_in_force() is None
    await place.world.ledger.pause(Reason.GRAPH_DENIED, "firstpass", 20 * MINUTE)
    pause = await place.overview.pause_in_force()
    assert pause
    assert (pause.reason, pause.why) == ("graph-denied", None)
    await place.overview.resume()
    await place.overview.resume()
    assert await place.overview.pause_in_force() is None
    await (await place.world.another()).admit()


async def test_two_may_resume_at_once(place: Place) -> None:
    await place.world.ledger.pause(Reason.PAUSED, "operator:1", 20 * MINUTE)
    await asyncio.gather(*[place.overview.resume() for _ in range(4)])
    assert await place.overview.pause_in_force() is None


# --- people ---


async def test_what_is_kept_of_a_person(place: Place) -> None:
    who, case = str(uuid4()), await place.save()
    assert await place.overview.person(who) is None
    await place.world.ledger.meet(who, FIRST, case.id)
    place.world.clock.advance(DAY)
    await place.world.ledger.meet(who, SECOND, case.id)
    known = await place.overview.person(who)
    assert known
    assert (known.open_case, known.numbers_first_seen) == (case.id, (NOW, NOW + DAY))
    await place.overview.forget_person(who)
    await place.overview.forget_person(who)
    assert await place.overview.person(who) is None
    assert (await place.world.ledger.meet(who, SECOND, case.id)).is_first_number


# --- the audit ---


async def test_entries_are_kept_in_the_order_they_came_the_same_one_twice_too(place: Place) -> None:
    later = replace(ENTRY, at=ENTRY.at + timedelta(microseconds=1), act="reissue", why=None)
    denied = replace(ENTRY, at=ENTRY.at + DAY, allowed=False, ended="role-missing", target="")
    for entry in (ENTRY, ENTRY, later, denied):
        await place.audit.note(entry)
    assert [entry for _, entry in await place.audit.entries(ENTRY.at, None, 10)] == [ENTRY, ENTRY, later, denied]


async def test_entries_are_read_from_a_time_on_and_from_where_a_page_ended(place: Place) -> None:
    days = [replace(ENTRY, at=ENTRY.at + number * DAY / 2) for number in range(5)]
    for entry in days:
        await place.audit.note(entry)
    page = await place.audit.entries(days[1].at, None, 2)
    assert [entry for _, entry in page] == days[1:3]
    assert [entry for _, entry in await place.audit.entries(days[0].at, page[-1][0], 10)] == days[3:]
    assert await place.audit.entries(days[-1].at + DAY, None, 10) == []


# --- the tables ---


async def test_an_audit_without_an_answer_says_so(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    await place.audit.note(ENTRY)
    fault = world.proxy.add(Fault(operation="write audit", kind="status", status=403, times=100))
    with pytest.raises(LedgerUnavailable, match=r"^ledger-denied$"):
        await place.audit.note(ENTRY)
    assert fault.fired
    world.restore()
    assert len(await place.audit.entries(ENTRY.at, None, 10)) == 1


async def test_an_audit_row_holds_who_what_and_why(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    await place.audit.note(ENTRY)
    (row,) = await world.rows("audit")
    row_key = row.pop("RowKey")
    assert row == {
        "PartitionKey": "2026-11-30", "who": APPROVER, "act": "cancel", "target": "a" * 32, "allowed": True,
        "why": ENTRY.why,
    }  # fmt: skip
    assert row_key.startswith("07:03:20.250000-")


async def test_a_search_of_many_pages_is_cut_nowhere(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    case = await place.save()
    rows = [
        {"PartitionKey": "2026120107", "RowKey": f"{n % 60:02}-{n:032x}", "case_id": f"{n:032x}"} for n in range(2500)
    ]
    await world.add("agenda", rows)
    slow = world.proxy.add(Fault(operation="read agenda", kind="drop", when="after", times=2))
    assert [row.case_id for row in await place.overview.wakes(case.id)] == [case.id]
    assert slow.fired == 2


def api_over(place: Place) -> Api:
    operations = Operations(
        ledger=place.world.ledger,
        overview=place.overview,
        clock=place.world.clock,
        rules=House().onboarding.outside.rules,
        hourly_budget=0,
        joiners_queue=FakeDepthNotes(),
        dead_letters=FakeGauge(place.world.clock),
        reports=FakeReports(),
        name_case=FINGERPRINTS.case_id,
    )
    return Api(
        acts=acts_of(operations),
        audit=place.audit,
        targets=TARGETS,
        clock=place.world.clock,
        platform_vouches=True,
    )


async def ask(
    place: Place, method: str, path: str, body: dict[str, Any] | None = None, query: str = ""
) -> tuple[int, dict[str, Any]]:
    headers = JSON | {PRINCIPAL_HEADER: principal(APPROVER, "approver")}
    sent = json.dumps(body).encode() if body else b""
    status, text = await api_over(place).answer(method, path, query, headers, sent)
    return status, json.loads(text)


async def test_of_somebody_forgotten_no_table_keeps_anything(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    case = await place.save(user_id=ALICE)
    await place.world.ledger.wake(replace(case, woken_at=None, deliver_at=NOW + 20 * DAY))
    await place.world.ledger.meet(ALICE, FIRST, case.id)
    ended = case.moved(State.CANCELLED, forget_at=NOW + 400 * DAY, wipe_at=NOW + 30 * DAY)
    await place.world.ledger.save(case, ended, "event")
    other = await place.save(event=None)
    asked = {"user": ALICE, "reason": f"asked for it by phone, {FIRST}"}
    assert (await ask(place, "POST", "people/export", asked))[0] == 200
    assert (await ask(place, "POST", "people/forget", asked))[0] == 200
    kept = {table: await world.rows(table) for table in ("cases", "agenda", "people", "control", "audit")}
    told = json.dumps(kept, default=str)
    for trace in (case.id, ALICE, FINGERPRINTS.number(FIRST), FIRST, FIRST[1:], "W-10427"):
        assert trace not in told
    name = FINGERPRINTS.person(ALICE)
    (mark,) = kept["people"]
    assert (mark["PartitionKey"], mark["numbers"], "open_case" in mark, mark["forgotten_at"][:4]) == (
        name, "[]", False, f"{NOW.year}",
    )  # fmt: skip
    assert sorted((row["act"], row["target"]) for row in kept["audit"]) == [
        ("export_person", f"person {name}"), ("forget_person", f"person {name}"),
    ]  # fmt: skip
    assert await place.world.ledger.load(other.id) == other


async def test_a_case_nobody_can_read_is_an_answer_with_a_code(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    case = await place.save()
    await world.edit("cases", {"PartitionKey": case.id, "RowKey": "case", "state": "lost"})
    status, told = await ask(place, "GET", f"cases/{case.id}")
    assert (status, told["code"]) == (503, "row-unreadable")
    status, told = await ask(place, "GET", "status")
    assert (status, told["exceptions"]["unreadable"]) == (200, [case.id])


async def test_a_head_whose_key_is_no_case_id_is_counted_and_in_nobodys_way(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    first, last = sorted([await place.save(), await place.save()], key=lambda case: case.id)
    odd = f"{first.id}'s"
    await world.edit("cases", head_row(first, Seal([KEY])) | {"PartitionKey": odd})
    seen: list[str] = []
    for query in ("limit=1", f"limit=1&after={first.id}", f"limit=2&after={first.id}"):
        status, told = await ask(place, "GET", "cases", query=query)
        assert status == 200
        seen += [case["caseId"] for case in told["cases"]]
    assert seen == [first.id, last.id, last.id]
    assert (await ask(place, "GET", "status"))[1]["exceptions"]["unreadable"] == [odd]


async def test_a_thousand_cases_are_counted_in_pages_within_seconds(tables: tuple[Place, TableWorld]) -> None:
    place, world = tables
    seal, states = Seal([KEY]), list(State)
    rows = [head_row(waiting(id=f"{n:032x}", state=states[n % 7], forget_at=NOW), seal) for n in range(1100)]
    await asyncio.gather(*[_put(world, rows[start::8]) for start in range(8)])
    began = time.monotonic()
    status, told = await ask(place, "GET", "status")
    assert time.monotonic() - began < 5, "5,000 take 1.4 on two cores"
    assert (status, sum(told["cases"].values())) == (200, 1100)


async def _put(world: TableWorld, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        await world.edit("cases", row)
