"""Operators look at dead letters, replay and discard them: never one lost, never one twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.case import Case
from shared.errors import LedgerUnavailable, Moved
from shared.events import DevicePath
from shared.letter_models import (
    DiscardWish,
    EndOfRun,
    Judgements,
    JudgeWish,
    LetterQuery,
    LetterView,
    OneLetter,
    ReplayWish,
)
from shared.letters import LOOKED_AT, WORKS_FOR, DeadLetters
from shared.operations import NotFound
from shared.permitted import NotAllowed
from shared.principal import OperatorRole, Principal
from shared.states import State
from shared.wishes import Unable
from tests.builders import NUMBER, USER_ID, body, facts, hired, without
from tests.fakes.house import House
from tests.fakes.letters import FakeLetters, FakeReplayIds, FakeTurns
from tests.fakes.overview import FakeAudit

SOMEBODY = Principal("aaaaaaaa-0000-4000-8000-000000000001", frozenset({OperatorRole.OPERATOR}))
COLLEAGUE = Principal("aaaaaaaa-0000-4000-8000-000000000002", frozenset({OperatorRole.OPERATOR}))
READER = Principal(SOMEBODY.id, frozenset({OperatorRole.READER}))
APPROVER = Principal(SOMEBODY.id, frozenset({OperatorRole.APPROVER}))
RUN = "0" * 31 + "1"
OTHER_RUN = "0" * 31 + "2"
MALFORMED = body(without(hired(), "data", "hireDate"))


class Office:
    """A house of joiners, its dead letters, and the hands of an operator."""

    def __init__(self) -> None:
        self.house = House()
        self.clock, self.ledger = self.house.clock, self.house.ledger
        self.letters, self.turns = FakeLetters(self.clock), FakeTurns(self.clock)
        self.ids, self.audit = FakeReplayIds(), FakeAudit()
        rules = self.house.onboarding.outside.rules
        self.acts = DeadLetters(
            letters=self.letters,
            turns=self.turns,
            replay_ids=self.ids,
            ledger=self.ledger,
            audit=self.audit,
            clock=self.clock,
            rules=rules,
        )

    async def refuse(self) -> int:
        """A joiner is refused; gives the letter."""
        self.house.directory.add(facts(has_role=True))
        await self.house.hire()
        return self.collect()

    def collect(self) -> int:
        """The newest refusal arrives among the letters."""
        letter = self.house.bus.letters[-1]
        return self.letters.put(letter.body, letter.reason, description=letter.description)

    async def replay(self, *sequences: int, run: str = RUN, who: Principal = SOMEBODY, **more: Any) -> Judgements:
        wish = ReplayWish(sequences=list(sequences), reason="directory corrected", run=run, **more)
        return await self.acts.replay_letters(who, wish)

    async def discard(self, *sequences: int, run: str = RUN, who: Principal = SOMEBODY, **more: Any) -> Judgements:
        wish = DiscardWish(sequences=list(sequences), reason="of no use", run=run, **more)
        return await self.acts.discard_letters(who, wish)

    async def end(self, run: str = RUN, who: Principal = SOMEBODY) -> None:
        await self.acts.end_run(who, EndOfRun(run=run))

    async def judge(self, *sequences: int, who: Principal = SOMEBODY, **more: Any) -> Judgements:
        return await self.acts.judge_letters(who, JudgeWish(sequences=list(sequences), **more))

    async def list(self, **query: Any) -> list[int]:
        return [letter.sequence for letter in (await self.acts.list_letters(SOMEBODY, LetterQuery(**query))).letters]

    async def show(self, sequence: int) -> LetterView:
        return await self.acts.show_letter(SOMEBODY, OneLetter(sequence=sequence))


def told(judgements: Judgements) -> list[tuple[int, str, str | None]]:
    return [(each.sequence, each.outcome, each.why) for each in judgements.letters]


def removed(judgements: Judgements) -> list[int]:
    return [each.sequence for each in judgements.letters if each.removed]


# --- replaying a refusal ---


async def test_a_refused_joiner_gets_the_pass_once_the_directory_is_corrected() -> None:
    office = Office()
    number = await office.refuse()
    assert told(await office.judge(number)) == [(number, "reopen", None)]
    assert told(await office.replay(number)) == [(number, "reopen", None)]
    assert office.letters.there == {}
    assert (office.house.case.state, office.house.case.issuance) == (State.ANNOUNCED, 2)
    assert office.ledger.moves[office.house.case_id][-1].actor == f"operator:{SOMEBODY.id}"
    office.house.directory.add(facts())
    await office.house.nudge()
    assert office.house.newest_works()


async def test_replaying_before_anything_was_corrected_is_refused_again_and_in_the_end_capped() -> None:
    office = Office()
    number = await office.refuse()
    for _ in range(3):
        assert told(await office.replay(number)) == [(number, "reopen", None)]
        await office.house.nudge()
        number = office.collect()
    assert (await office.show(number)).replays == 3
    assert told(await office.replay(number)) == [(number, "capped", None)]
    assert list(office.letters.there) == [number]
    with pytest.raises(NotAllowed, match=r"^role-missing$"):
        await office.replay(number, force=True)
    assert told(await office.replay(number, force=True, who=APPROVER)) == [(number, "reopen", None)]


async def test_a_case_reopened_by_somebody_who_died_before_its_wake_row_is_woken_by_replaying_again() -> None:
    office = Office()
    number = await office.refuse()
    office.house.directory.add(facts())
    office.letters.fail_next("complete")
    await office.replay(number)
    office.ledger.agenda.clear()
    office.letters.locked.clear()
    office.clock.advance(timedelta(minutes=10))
    assert told(await office.replay(number)) == [(number, "nothing", "resolved")]
    await office.house.live(office.clock.now() + timedelta(minutes=10))
    assert office.house.newest_works()


async def test_a_letter_that_comes_again_after_its_case_went_on_does_nothing_and_is_done_with() -> None:
    office = Office()
    number = await office.refuse()
    office.letters.fail_next("complete", "before")
    done = await office.replay(number)
    assert (told(done), done.stopped) == ([(number, "reopen", "not-completed")], "bus-unavailable")
    assert removed(done) == []
    assert list(office.letters.there) == [number]
    issuance = office.house.case.issuance
    again = await office.replay(number)
    assert (told(again), removed(again)) == ([(number, "nothing", "resolved")], [number])
    assert office.house.case.issuance == issuance
    assert office.letters.there == {}


async def test_an_answer_of_the_ledger_that_was_lost_opens_no_case_twice() -> None:
    office = Office()
    number = await office.refuse()
    office.ledger.fail_next("save", "after")
    done = await office.replay(number)
    assert (told(done), done.stopped) == ([(number, "failed", "ledger-unavailable")], "ledger-unavailable")
    assert told(await office.replay(number)) == [(number, "nothing", "resolved")]
    assert office.house.case.issuance == 2


async def test_a_case_that_others_keep_writing_is_let_go() -> None:
    office = Office()
    number = await office.refuse()

    async def moved(*_: object) -> Case:
        raise Moved

    office.ledger.save = moved  # type: ignore[method-assign]
    assert told(await office.replay(number)) == [(number, "nothing", "case-moved")]
    assert list(office.letters.there) == [number]


# --- replaying an event ---


async def test_an_event_is_sent_again_and_then_its_letter_is_gone() -> None:
    office = Office()
    number = office.letters.put(body(hired()), "TTLExpiredException", message_id="hr-1", replays=1)
    assert told(await office.replay(number)) == [(number, "send", None)]
    (again,) = office.letters.sent
    assert (again.message_id, again.body, again.replays) == ("hr-1:replay:2", body(hired()), 2)
    assert office.letters.there == {}
    await office.house.onboarding.handle(again.body)
    assert office.house.newest_works()


@pytest.mark.parametrize("method", ["send_again", "complete"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_run_that_breaks_anywhere_loses_nothing_and_doubles_nothing(method: Any, when: Any) -> None:
    office = Office()
    one, two = (office.letters.put(body(hired(id=f"evt-{i}")), message_id=f"hr-{i}") for i in (1, 2))
    office.letters.fail_next(method, when)
    done = await office.replay(one, two)
    assert done.stopped == "bus-unavailable"
    assert office.letters.fired == [(method, when)]
    assert two in office.letters.there  # not touched
    rest = await office.replay(one, two)
    assert rest.stopped is None
    assert office.letters.there == {}
    assert [again.message_id for again in office.letters.sent] == ["hr-1:replay:1", "hr-2:replay:1"]


async def test_a_case_whose_nudge_was_given_up_goes_on_when_that_is_replayed() -> None:
    office = Office()
    nudge = body({"type": "case.nudge.v1", "data": {"caseId": office.house.case_id}})
    number = office.letters.put(nudge, message_id="row-1", reason="MaxDeliveryCountExceeded")
    assert told(await office.replay(number)) == [(number, "send", None)]
    assert office.letters.there == {}
    assert [(again.message_id, again.body) for again in office.letters.sent] == [("row-1:replay:1", nudge)]


async def test_what_replaying_does_not_help_stays() -> None:
    office = Office()
    number = office.letters.put(MALFORMED)
    for _ in range(2):  # and can be asked for at once again
        assert told(await office.replay(number)) == [(number, "nothing", "malformed-event")]
    assert list(office.letters.there) == [number]
    assert office.letters.sent == []


async def test_what_is_judged_is_what_is_done() -> None:
    office = Office()
    contents = [
        body(hired()),
        MALFORMED,
        b"",
        body({"type": "case.refused.v1", "data": {"caseId": "0" * 32, "issuance": 1}}),
    ]
    numbers = [office.letters.put(content, replays=i) for content in contents for i in (0, 3)]
    judged = await office.judge(*numbers)
    assert told(await office.replay(*numbers)) == told(judged)


# --- runs ---


async def test_letters_that_are_gone_or_held_elsewhere_are_said_to_be_in_the_order_asked() -> None:
    office = Office()
    numbers = [office.letters.put(MALFORMED) for _ in range(3)]
    office.letters.locked.add(numbers[1])
    assert [outcome for _, outcome, _ in told(await office.replay(9, *reversed(numbers)))] == [
        "gone",
        "nothing",
        "locked",
        "nothing",
    ]


async def test_when_its_time_is_over_a_request_says_nothing_of_what_it_did_not_reach() -> None:
    office = Office()
    numbers = [office.letters.put(body(hired(id=f"evt-{i}"))) for i in range(4)]
    send = office.letters.send_again

    async def slowly(*arguments: Any) -> None:
        await send(*arguments)
        office.clock.advance(timedelta(seconds=WORKS_FOR / 2))

    office.letters.send_again = slowly  # type: ignore[method-assign]
    assert told(await office.replay(*numbers)) == [(numbers[0], "send", None), (numbers[1], "send", None)]
    assert [number for number, _, _ in told(await office.replay(*numbers[2:]))] == numbers[2:]
    assert len(office.letters.sent) == 4


async def test_only_one_run_at_a_time() -> None:
    office = Office()
    number = office.letters.put(MALFORMED)
    await office.replay(number)
    for act in (office.replay, office.discard):
        with pytest.raises(Unable, match=r"^another-run$"):
            await act(number, run=OTHER_RUN, who=COLLEAGUE)
    office.clock.advance(timedelta(minutes=2))
    assert told(await office.discard(number, run=OTHER_RUN, who=COLLEAGUE)) == [(number, "gone", "discarded")]


async def test_between_the_requests_of_a_run_not_even_its_own_person_begins_another() -> None:
    office = Office()
    number = office.letters.put(MALFORMED)
    await office.replay(number)
    with pytest.raises(Unable, match=r"^another-run$"):
        await office.discard(number, run=OTHER_RUN)
    assert told(await office.replay(number)) == [(number, "nothing", "malformed-event")]


async def test_a_run_that_says_it_is_over_keeps_nobody_out_and_holds_nothing() -> None:
    office = Office()
    kept, wanted = office.letters.put(MALFORMED), office.letters.put(MALFORMED)
    await office.replay(wanted)
    assert kept in office.letters.locked
    await office.end(who=COLLEAGUE)  # not theirs to end
    assert kept in office.letters.locked
    with pytest.raises(Unable, match=r"^another-run$"):
        await office.discard(wanted, run=OTHER_RUN, who=COLLEAGUE)
    await office.end()
    assert office.letters.locked == set()
    assert told(await office.discard(wanted, run=OTHER_RUN, who=COLLEAGUE)) == [(wanted, "gone", "discarded")]


# --- another letter under the same id, or at the same number ---


async def test_two_letters_with_one_id_are_both_sent() -> None:
    office = Office()
    numbers = [office.letters.put(body(hired(id=f"evt-{i}")), message_id="hr-1") for i in (1, 2)]
    for number in numbers:
        assert told(await office.replay(number)) == [(number, "send", None)]
    assert [again.body for again in office.letters.sent] == [body(hired(id=f"evt-{i}")) for i in (1, 2)]
    first, second = (again.message_id for again in office.letters.sent)
    assert first == "hr-1:replay:1"
    assert second.startswith("hr-1:replay:1-")


@pytest.mark.parametrize("which", [0, 1])
async def test_each_of_two_letters_with_one_id_keeps_its_own_when_a_run_dies(which: int) -> None:
    office = Office()
    numbers = [office.letters.put(body(hired(id=f"evt-{i}")), message_id="hr-1") for i in (1, 2)]
    for number in numbers:
        if number == numbers[which]:
            office.letters.fail_next("complete")
        await office.replay(number)
    await office.replay(numbers[which])
    assert office.letters.fired == [("complete", "before")]
    assert len(office.letters.sent) == 2
    assert office.letters.there == {}


async def test_a_letter_that_is_not_the_one_that_was_chosen_is_left_alone() -> None:
    office = Office()
    number = office.letters.put(body(hired()), message_id="hr-1")
    meant, other = ([{"sequence": number, "mark": mark}] for mark in ((await office.show(number)).mark, "0" * 16))
    for act in (office.judge, office.replay, office.discard):
        assert told(await act(number, marks=other)) == [(number, "changed", None)]
    assert list(office.letters.there) == [number]
    done = await office.replay(number, marks=meant)
    assert (told(done), removed(done)) == ([(number, "send", None)], [number])


# --- a dry run ---


async def test_what_is_judged_is_what_whoever_asks_would_do() -> None:
    office = Office()
    number = office.letters.put(body(hired()), replays=3)
    assert told(await office.judge(number, act="replay")) == [(number, "capped", None)]
    assert told(await office.judge(number, act="replay", force=True, who=APPROVER)) == [(number, "send", None)]
    assert told(await office.judge(number, act="discard")) == [(number, "discard", None)]
    assert told(await office.judge(number, who=READER)) == [(number, "capped", None)]
    for more in ({"act": "replay"}, {"act": "discard"}):
        with pytest.raises(NotAllowed, match=r"^role-missing$"):
            await office.judge(number, who=READER, **more)
    with pytest.raises(NotAllowed, match=r"^role-missing$"):
        await office.judge(number, act="replay", force=True)


# --- discarding ---


async def test_what_is_discarded_is_gone_whatever_it_says() -> None:
    office = Office()
    numbers = [await office.refuse(), office.letters.put(MALFORMED), office.letters.put(body(hired()))]
    kept = office.letters.put(b"")
    assert told(await office.discard(*numbers, 99)) == [
        *((n, "gone", "discarded") for n in numbers),
        (99, "gone", None),
    ]
    assert list(office.letters.there) == [kept]
    assert office.house.case.state is State.REFUSED


async def test_what_is_discarded_stands_in_the_audit_letter_by_letter() -> None:
    office = Office()
    refused = await office.refuse()
    event = office.letters.put(body(hired(id="evt-7")), "TTLExpiredException", message_id="hr-1")
    await office.discard(refused, event)
    case = f"letter {refused}, message letter-{refused}, case {office.house.case_id}, reason privileged"
    assert [(entry.act, entry.who, entry.why, entry.target) for entry in office.audit.written] == [
        ("discard_letter", SOMEBODY.id, "of no use", case),
        ("discard_letter", SOMEBODY.id, "of no use", "letter 2, message hr-1, event evt-7, reason TTLExpiredException"),
    ]


async def test_without_an_audit_nothing_is_discarded() -> None:
    office = Office()
    number = office.letters.put(MALFORMED)
    office.audit.fail_next()
    done = await office.discard(number)
    assert told(done) == [(number, "failed", "ledger-unavailable")]
    assert office.audit.fired
    assert list(office.letters.there) == [number]


async def test_a_discard_that_fails_ends_the_run() -> None:
    office = Office()
    one, two = office.letters.put(b""), office.letters.put(b"")
    office.letters.fail_next("complete")
    done = await office.discard(one, two)
    assert (told(done), done.stopped) == ([(one, "failed", "bus-unavailable")], "bus-unavailable")
    assert list(office.letters.there) == [one, two]
    assert [entry.ended for entry in office.audit.written] == [None, "bus-unavailable"]


# --- looking ---


async def test_a_letter_shows_nothing_personal() -> None:
    office = Office()
    office.letters.put(body(hired({"mobilePhone": NUMBER}, time="soon")), description=f"call {NUMBER}\nor a@b.example")
    case = await office.refuse()
    page = await office.acts.list_letters(SOMEBODY, LetterQuery())
    text = page.model_dump_json()
    for personal in (NUMBER, USER_ID, "W-10427", "b.example"):
        assert personal not in text
    malformed, refused = page.letters
    assert (malformed.kind, malformed.case_id, malformed.device_paths) == (
        "event",
        None,
        ["apple-business-manager", "autopilot"],
    )
    assert refused == await office.show(case)
    assert (refused.kind, refused.case_id, refused.issuance) == ("case", office.house.case_id, 1)
    assert (refused.reason, refused.device_paths) == ("privileged", ["apple-business-manager", "autopilot"])


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3]),
    ({"after": 1}, [2, 3]),
    ({"reason": "privileged"}, [1]),
    ({"reason": "priv"}, []),
    ({"device_path": DevicePath.AUTOPILOT}, [1, 2]),
    ({"device_path": DevicePath.ZERO_TOUCH}, [3]),
    ({"min_replays": 1}, [3]),
    ({"min_replays": 0}, [1, 2, 3]),
    ({"max_replays": 0}, [1, 2]),
    ({"min_replays": 1, "max_replays": 1}, [3]),
    ({"since": datetime.fromisoformat("2026-11-30T17:00:00Z")}, [2, 3]),
    ({"since": datetime.fromisoformat("2026-11-30T17:00:01")}, [3]),
    ({"until": datetime.fromisoformat("2026-11-30T18:00:00+01:00")}, [1, 2]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
async def test_letters_are_listed_by_what_fits(query: dict[str, Any], expected: list[int]) -> None:
    office = Office()
    await office.refuse()
    office.clock.advance(timedelta(hours=1))
    office.letters.put(MALFORMED)
    office.clock.advance(timedelta(hours=1))
    office.letters.put(body(hired({"devicePaths": ["zero-touch"]})), "TTLExpiredException", replays=1)
    assert await office.list(**query) == expected


async def test_pages_follow_each_other_and_may_be_empty_before_the_end() -> None:
    office = Office()
    for i in range(LOOKED_AT + 5):
        office.letters.put(b"", "rare" if i >= LOOKED_AT else "malformed-event")
    first = await office.acts.list_letters(SOMEBODY, LetterQuery(limit=2))
    assert ([each.sequence for each in first.letters], first.next_after) == ([1, 2], 2)
    empty = await office.acts.list_letters(SOMEBODY, LetterQuery(reason="rare"))
    assert (empty.letters, empty.next_after) == ([], LOOKED_AT)
    last = await office.acts.list_letters(SOMEBODY, LetterQuery(reason="rare", after=LOOKED_AT))
    assert (len(last.letters), last.next_after) == (5, None)


async def test_letters_are_counted_by_reason_the_most_frequent_first() -> None:
    office = Office()
    began = office.clock.now()
    for reason in ("privileged", "malformed-event", "malformed-event", "mobile-missing"):
        office.letters.put(b"", reason)
        office.clock.advance(timedelta(minutes=1))
    stats = await office.acts.letter_stats(SOMEBODY, None)
    assert stats.total == 4
    assert [(each.reason, each.count) for each in stats.reasons] == [
        ("malformed-event", 2),
        ("mobile-missing", 1),
        ("privileged", 1),
    ]
    assert stats.reasons[0].oldest == began + timedelta(minutes=1)


async def test_looking_takes_nothing_and_a_letter_that_is_not_there_is_said_to_be() -> None:
    office = Office()
    number = office.letters.put(b"")
    assert told(await office.judge(number, 9, number)) == [
        (number, "nothing", "malformed-event"),
        (9, "gone", None),
        (number, "nothing", "malformed-event"),
    ]
    with pytest.raises(NotFound, match=r"^letter-unknown$"):
        await office.show(9)
    assert set(office.letters.calls) <= {"find", "walk"}


async def test_a_ledger_that_gives_no_answer_is_an_error_when_looking() -> None:
    office = Office()
    number = await office.refuse()
    office.ledger.fail_next("load")
    with pytest.raises(LedgerUnavailable):
        await office.judge(number)


def lot(count: int, content: Callable[[int], bytes]) -> list[bytes]:
    return [content(i) for i in range(count)]


async def test_the_same_run_may_go_on_request_after_request() -> None:
    office = Office()
    run = uuid4().hex
    numbers = [office.letters.put(content) for content in lot(250, lambda i: body(hired(id=f"evt-{i}")))]
    for at in range(0, 250, 100):
        done = await office.replay(*numbers[at : at + 100], run=run)
        assert {outcome for _, outcome, _ in told(done)} == {"send"}
        office.clock.advance(timedelta(minutes=1))
    assert len(office.letters.sent) == 250
    assert office.letters.there == {}
