"""Whatever a queue, a timer or Twilio does to the order and the number of things, the outcome is the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.agenda import AHEAD
from shared.case import Case
from shared.errors import Reason
from shared.events import Channel, Delivery, Word
from shared.states import State
from tests.builders import NUMBER, USER_ID
from tests.fakes.house import House, row_due

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 11, 27, 10, tzinfo=UTC)
END = BEGIN + 14 * DAY
AT_REST = {State.REFUSED, State.CANCELLED, State.ONBOARDED, State.GAVE_UP}

NEWS: list[dict[str, Any]] = [
    {},
    {"channel": "sms"},
    {"hireDate": "2026-12-02"},
    {"devicePaths": ["autopilot"]},
    {"startTime": "10:00"},
]
FATES: list[Word | None] = [
    Word(Delivery.DELIVERED),
    Word(Delivery.SENT),
    Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE),
    Word(Delivery.UNDELIVERED, Reason.OPTED_OUT),
    None,
]


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to one joiner: news of HR by the hour, how phones behave, and when they register, if at all."""

    news: tuple[tuple[int, int], ...]
    called_off_after: int | None
    whatsapp: Word | None
    sms: Word | None
    registers_after: int | None


STORIES = st.builds(
    Story,
    news=st.lists(st.tuples(st.integers(1, 150), st.integers(0, len(NEWS) - 1)), max_size=3).map(tuple),
    called_off_after=st.none() | st.integers(1, 150),
    whatsapp=st.sampled_from(FATES),
    sms=st.sampled_from(FATES),
    registers_after=st.none() | st.integers(92, 170),
)


@dataclass(slots=True)
class Told:
    """A story being told: every message that was ever delivered can come again."""

    house: House
    dice: Random | None
    past: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])

    async def tell(self, story: Story) -> None:
        house = self.house
        house.phones = {(NUMBER, Channel.WHATSAPP): story.whatsapp, (NUMBER, Channel.SMS): story.sms}
        happenings: list[tuple[int, Callable[[], Awaitable[None]]]] = [(0, lambda: self.hire(0, {}))]
        happenings += [(hour, lambda hour=hour, one=one: self.hire(hour, NEWS[one])) for hour, one in story.news]
        if story.called_off_after:
            happenings.append((story.called_off_after, lambda: self.call_off(story.called_off_after or 0)))
        if story.registers_after:
            happenings.append((story.registers_after, self.register))
        for hour, happen in sorted(happenings, key=lambda one: one[0]):
            await self.pass_time(BEGIN + hour * HOUR)
            await happen()
        await self.pass_time(END)

    async def hire(self, hour: int, data: dict[str, Any]) -> None:
        sent = (BEGIN + hour * HOUR - MINUTE).isoformat()
        await self.deliver(lambda: self.house.hire(data, id=f"evt-{hour}", time=sent))

    async def call_off(self, hour: int) -> None:
        since = BEGIN + hour * HOUR - datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
        await self.deliver(lambda: self.house.cancel(since // MINUTE - 1))

    async def register(self) -> None:
        tap = self.house.directory.people[USER_ID].tap
        if tap and self.house.texts and self.house.directory.works(USER_ID, self.house.texts[-1]):
            self.house.register("windowsHelloForBusiness")

    async def deliver(self, message: Callable[[], Awaitable[None]]) -> None:
        self.past.append(message)
        await message()
        await self.repeat()

    async def pass_time(self, until: datetime) -> None:
        step = 6 * HOUR
        while self.house.clock.now() < until:
            await self.house.live(min(until, self.house.clock.now() + step))
            await self.repeat()
            assert_awake(self.house)

    async def repeat(self) -> None:
        """Anything may come again, in any order: old events, nudges, receipts of any message."""
        if self.dice is None:
            return
        for message in self.dice.sample(self.past, k=self.dice.randint(0, len(self.past))):
            await message()
        for sent in self.house.courier.sent:
            if (word := self.house.courier.words.get(sent.id)) and self.dice.random() < 0.5:
                await self.house.receipt(sent, self.dice.choice([word, Word(Delivery.SENT), word]))
        if self.dice.random() < 0.7:
            await self.house.nudge()


def assert_awake(house: House) -> None:
    """I3: an open case has a wake row at or before its next step, or as soon as a row may be written."""
    for case in house.ledger.cases.values():
        step = case.next_step()
        if step is None:
            continue
        rows = [row_due(key) for key in house.ledger.agenda if key[1].endswith(case.id)]
        assert min(rows, default=END + 999 * DAY) <= max(step.due, house.clock.now() + AHEAD) + MINUTE, step


def outcome(case: Case, house: House) -> tuple[object, ...]:
    tap = house.directory.people[USER_ID].tap
    held = tap is not None and house.clock.now() < tap.end
    return (case.state, case.reason, case.issuance, case.spent, case.by_sms, case.receipt, len(house.texts), held)


@given(STORIES, st.integers(0, 2**20))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_comes_again_changes_no_outcome(story: Story, seed: int) -> None:
    plain, restless = House(BEGIN), House(BEGIN)
    asyncio.run(Told(plain, None).tell(story))
    asyncio.run(Told(restless, Random(seed)).tell(story))  # noqa: S311 - the same dice every time
    assert outcome(restless.case, restless) == outcome(plain.case, plain)
    assert set(restless.courier.redacted) == {sent.id for sent in restless.courier.sent}
    assert sorted(restless.reasons) == sorted(plain.reasons)
    assert plain.case.state in AT_REST, "two weeks later every story has ended"


@given(STORIES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_story_keeps_the_promises(story: Story) -> None:
    house = House(BEGIN)
    asyncio.run(Told(house, None).tell(story))
    per_issuance = [sent.ref.rsplit("-", 1)[0] for sent in house.courier.sent]
    assert all(per_issuance.count(ref) == 1 for ref in per_issuance), "no fault, no second message"
    assert house.case.state in AT_REST
    tap = house.directory.people[USER_ID].tap
    assert tap is None or tap.end <= house.clock.now(), "nobody keeps a pass after the end"
    if house.case.state in {State.ONBOARDED, State.GAVE_UP}:
        assert (house.case.event, house.case.user_id) == (None, None)


@pytest.mark.parametrize("seed", range(3))
async def test_an_older_event_that_overtakes_a_newer_one_loses(seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - as above
    house = House(BEGIN)
    events = [({"hireDate": f"2026-12-0{day}"}, day) for day in (1, 2, 3)]
    dice.shuffle(events)
    for data, day in events:
        await house.hire(data, id=f"evt-{day}", time=(BEGIN - (5 - day) * HOUR).isoformat())
    assert house.case.hire_date is not None
    assert house.case.hire_date.day == 3
