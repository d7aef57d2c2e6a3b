"""The operators' API on dead letters: who may do what, what stands in the audit, which path is which act."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from shared.acts import acts_on_letters
from shared.api import Api
from shared.letters import DeadLetters
from tests.builders import body, hired
from tests.fakes.door import TARGETS
from tests.fakes.house import House
from tests.fakes.letters import FakeLetters, FakeReplayIds, FakeTurns
from tests.fakes.overview import FakeAudit

PERSON = "aaaaaaaa-0000-4000-8000-000000000001"
RUN = "0" * 32
WISH = {"reason": "directory corrected", "run": RUN}


class Desk:
    """The API over fakes, with one event among the dead letters."""

    def __init__(self, replays: int = 0) -> None:
        house = House()
        self.letters, self.turns, self.book = FakeLetters(house.clock), FakeTurns(house.clock), FakeAudit()
        self.letters.put(body(hired()), "TTLExpiredException", replays=replays)
        acts = DeadLetters(
            letters=self.letters,
            turns=self.turns,
            replay_ids=FakeReplayIds(),
            ledger=house.ledger,
            audit=self.book,
            clock=house.clock,
            rules=house.onboarding.outside.rules,
        )
        self.api = Api(
            acts=acts_on_letters(acts), audit=self.book, targets=TARGETS, clock=house.clock, platform_vouches=True
        )

    async def ask(self, role: str, method: str, path: str, content: Any = None, query: str = "") -> tuple[int, Any]:
        claims = [{"typ": "oid", "val": PERSON}, {"typ": "roles", "val": role}]
        header = base64.b64encode(
            json.dumps({"auth_typ": "aad", "role_typ": "roles", "claims": claims}).encode()
        ).decode()
        sent = json.dumps(content).encode() if content is not None else b""
        status, text = await self.api.answer(
            method, path, query, {"X-MS-CLIENT-PRINCIPAL": header, "Content-Type": "application/json"}, sent
        )
        return status, json.loads(text)


async def test_stats_is_no_sequence_number() -> None:
    desk = Desk()
    assert (await desk.ask("reader", "GET", "dead-letters/stats"))[1]["total"] == 1
    assert (await desk.ask("reader", "GET", "dead-letters/1"))[1]["sequence"] == 1
    assert (await desk.ask("reader", "GET", "dead-letters/2"))[0] == 404
    for number in (0, 2**63, "9" * 400):
        assert (await desk.ask("reader", "GET", f"dead-letters/{number}"))[0] == 400
    assert (await desk.ask("reader", "GET", f"dead-letters/{2**63 - 1}"))[0] == 404
    assert desk.book.written == []


async def test_a_query_is_in_the_words_of_the_wire() -> None:
    desk = Desk()
    for query, count in (
        ("reason=TTLExpiredException&limit=5", 1),
        ("minReplays=1", 0),
        ("maxReplays=0", 1),
        ("since=2026-12-01T00:00:00Z", 0),
    ):
        status, page = await desk.ask("reader", "GET", "dead-letters", query=query)
        assert (status, len(page["letters"]), page["nextAfter"]) == (200, count, None)
    assert (await desk.ask("reader", "GET", "dead-letters", query=f"after={2**63 - 1}"))[0] == 200
    for query in (
        "since=2026-12-01",
        "since=1764547200",
        "limit=1_0",
        "devicePath=typewriter",
        f"after={2**63}",
        "after=-1",
    ):
        assert (await desk.ask("reader", "GET", "dead-letters", query=query))[0] == 400


@pytest.mark.parametrize("verb", ["replay", "discard"])
async def test_readers_change_nothing_and_their_try_is_in_the_audit(verb: str) -> None:
    desk = Desk()
    status, problem = await desk.ask("reader", "POST", f"dead-letters/{verb}", {"sequences": [1], **WISH})
    assert (status, problem["code"]) == (403, "role-missing")
    (entry,) = desk.book.written
    assert (entry.act, entry.allowed, entry.target) == (f"{verb}_letters", False, f"letters 1, run {RUN}")
    assert desk.letters.calls == []


async def test_force_takes_an_approver() -> None:
    desk, wish = Desk(replays=3), {"sequences": [1], "force": True, **WISH}
    status, problem = await desk.ask("operator", "POST", "dead-letters/replay", wish)
    assert (status, problem["code"]) == (403, "role-missing")
    assert [(entry.allowed, entry.ended) for entry in desk.book.written] == [(True, None), (False, "role-missing")]
    assert desk.letters.calls == []
    told = (await desk.ask("operator", "POST", "dead-letters/replay", wish | {"force": False}))[1]
    assert told["letters"] == [{"sequence": 1, "outcome": "capped", "why": None, "removed": False}]
    told = (await desk.ask("approver", "POST", "dead-letters/replay", wish))[1]
    assert told["letters"] == [{"sequence": 1, "outcome": "send", "why": None, "removed": True}]


async def test_the_audit_says_which_letters_and_nothing_from_the_wire_that_is_none() -> None:
    desk = Desk()
    await desk.ask("operator", "POST", "dead-letters/discard", {"sequences": [7, 3, 5], **WISH})
    await desk.ask("reader", "POST", "dead-letters/discard", {"sequences": ["+491713920001"], **WISH})
    assert [entry.target for entry in desk.book.written] == [f"letters 7 3 5, run {RUN}", f"run {RUN}"]


@pytest.mark.parametrize(
    "wish",
    [
        {"sequences": []},
        {"sequences": [0]},
        {"sequences": [2**63]},
        {"sequences": list(range(1, 102))},
        {"sequences": [1], "run": "x"},
    ],
)
async def test_a_wish_that_makes_no_sense_does_nothing(wish: dict[str, Any]) -> None:
    desk = Desk()
    assert (await desk.ask("operator", "POST", "dead-letters/replay", {**WISH, **wish}))[0] == 400
    assert desk.letters.calls == []


async def test_another_persons_run_is_a_conflict() -> None:
    desk = Desk()
    assert await desk.turns.begin("1" * 32, "somebody", timedelta(minutes=2))
    status, problem = await desk.ask("operator", "POST", "dead-letters/replay", {"sequences": [1], **WISH})
    assert (status, problem["code"]) == (409, "another-run")
