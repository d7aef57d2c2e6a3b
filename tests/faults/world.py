"""The world around one case: a queue with locks, the timer, Twilio and an operator, over the fakes of the house."""

from bisect import insort
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from functions.settle import GIVE_BACK_AFTER
from shared.adapters.agenda import wake_row
from shared.errors import BusUnavailable, Moved
from shared.judging import Known, judge, read
from shared.oversight import Letter
from shared.receipts import Receipts
from shared.run import Outside
from shared.states import CaseRules
from tests.builders import body
from tests.fakes.courier import Sent
from tests.fakes.house import House, Reader, receipt_of, row_due
from tests.faults.ports import Call, Faulty, FaultyLedger
from tests.faults.schedules import Schedule
from tests.faults.workers import Run, Workers

MINUTE = timedelta(minutes=1)
NEVER = datetime.max.replace(tzinfo=UTC)
LOCK = 5 * MINUTE
GIVEN_BACK = timedelta(seconds=GIVE_BACK_AFTER)
"""So long a failed message is kept; one whose case was written by somebody else goes back at once."""
DELIVERIES = 10
LOOKS_AFTER = timedelta(hours=1)
"""So soon an operator looks at a dead letter."""
CALLBACKS = 4
"""Twilio calls once, and thrice more when it gets no good answer."""
RULES = CaseRules(keep_contact=timedelta(days=10), keep_case=timedelta(days=40))


@dataclass(slots=True, eq=False)
class Message:
    """One message on the queue. Only who holds its newest lock can complete it."""

    document: dict[str, Any]
    deliveries: int = 0
    lock: object = None
    is_there: bool = True


class Merged(Exception):  # noqa: N818 - no error
    """This story goes on as another one did."""


class World:
    """One story: what a schedule makes of what happens to one joiner."""

    def __init__(self, schedule: Schedule, start: datetime, **house: Any) -> None:
        self.house = House(start, rules=RULES, **house)
        self.clock, self.directory, self.bus = self.house.clock, self.house.directory, self.house.bus
        self.courier, self.ledger = self.house.courier, self.house.ledger
        self.workers = Workers(schedule, self)
        self.outside = self._faulty(self.house.onboarding.outside)
        self.onboarding = replace(self.house.onboarding, outside=self.outside)
        self.was_trodden: Callable[[World, datetime], bool] | None = None
        """Whether another story stood here, after as much had gone wrong."""
        self.lock, self.reports_after = LOCK, MINUTE
        self.asked_again = 0
        """Requests over HTTP that are about to be made again."""
        self.queue: list[Message] = []
        self.told: list[Message] = []
        """Every message of HR's there was."""
        self.heard: list[Sent] = []
        """Messages of whose callback the door said that all is well."""
        self.dead: list[Message] = []
        """Messages that were delivered too often."""
        self.watchers: list[Callable[[Run, Call], None]] = []
        """Told of each call that was made."""
        self.keepers: list[Callable[[], None]] = []
        """Told when a run has ended, or something has landed."""
        self._planned: list[tuple[datetime, Callable[[], None]]] = []
        self.nudged: list[tuple[str, str]] = []
        """Rows of which the queue has a nudge."""
        self._nudges_taken, self._reported, self._sweep_from = 0, 0, start

    def _faulty(self, outside: Outside) -> Outside:
        ports: dict[str, Any] = {name: Faulty(name, getattr(self, name)) for name in ("directory", "courier", "bus")}
        faulty: Any = FaultyLedger(self.ledger)
        return replace(outside, ledger=faulty, **ports)

    # --- time ---

    def at(self, moment: datetime, happens: Callable[[], None]) -> None:
        """Something happens then, after what is planned for that moment already."""
        insort(self._planned, (moment, happens), key=itemgetter(0))

    def after(self, wait: timedelta, happens: Callable[[], None]) -> None:
        self.at(self.clock.now() + wait, happens)

    def live(self, until: datetime) -> None:
        """Everything happens that is due by then."""
        while (moment := self.next_moment()) <= until:
            self._pass(moment)
            self._look_back(until)
            if self._planned and self._planned[0][0] <= self.clock.now():
                self._planned.pop(0)[1]()
            else:
                self._sweep()
        self._pass(until)

    def _look_back(self, until: datetime) -> None:
        """End where another story was; it goes on for both."""
        if self.was_trodden and self.workers.is_all_over and self.was_trodden(self, until):
            raise Merged

    def goes_on(self, lasts: timedelta) -> None:
        self.live(self.clock.now() + lasts)

    def next_moment(self) -> datetime:
        """When something is due."""
        rows = [max(row_due(min(self.ledger.agenda)), self._sweep_from)] if self.ledger.agenda else []
        return min([*rows, *(first[0] for first in self._planned[:1])], default=NEVER)

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def _pass(self, moment: datetime) -> None:
        self.clock.advance(max(moment - self.clock.now(), timedelta(0)))

    # --- the queue ---

    def tell(self, *documents: dict[str, Any]) -> None:
        """HR's messages come, and are taken at the same moment."""
        messages = [Message(document) for document in documents]
        self.told += messages
        self.queue += messages
        self.workers.drive(*map(self._taken, messages))

    def _put(self, message: Message, after: timedelta) -> None:
        self.queue += [] if message in self.queue else [message]
        lock = message.lock

        def take() -> None:
            if message.is_there and message.lock == lock:
                self.workers.drive(self._taken(message))

        self.after(after, take)

    def _taken(self, message: Message) -> Run:
        message.deliveries += 1
        message.lock = mine = object()

        async def complete() -> None:
            if message.lock != mine:
                raise BusUnavailable("bus-lock-lost")
            self._gone(message)

        async def work() -> None:
            await self.onboarding.handle(body(message.document))
            await Call("queue.complete", complete, complete)

        def end(run: Run) -> None:
            if message.is_there and message.lock == mine:
                self._give_back(message, self._kept_by(run))

        def lose_lock() -> None:
            if message.is_there and message.lock == mine:
                message.lock = None
                self._give_back(message, timedelta(0))

        return Run(work(), end, lambda: self.after(self.lock, lose_lock))

    def _kept_by(self, run: Run) -> timedelta:
        """How long a message is away from the queue when its run did not complete it."""
        if run.died:
            return self.lock
        return timedelta(0) if isinstance(run.error, Moved) else GIVEN_BACK

    def _give_back(self, message: Message, after: timedelta) -> None:
        if message.deliveries < DELIVERIES:
            self._put(message, after)
        else:
            self._gone(message)
            self.dead.append(message)
            self.after(LOOKS_AFTER, lambda: self._replay(message))

    def _replay(self, message: Message) -> None:
        """An operator does with a dead letter what the judgement on it says."""
        now, content = self.clock.now(), body(message.document)
        letter = Letter(
            sequence=1,
            message_id="m-1",
            written_at=now,
            reason="MaxDeliveryCountExceeded",
            description="",
            body=content,
            content_type=None,
            replays=0,
            original_id="m-1",
            first_written_at=now,
        )
        judged = judge(Known(letter, read(letter, self.outside.rules, now), 0), self.outside.rules, now)
        if judged.outcome == "send":
            self.dead.remove(message)
            self._put(Message(message.document), timedelta(0))

    def _gone(self, message: Message) -> None:
        message.is_there, message.lock, message.deliveries = False, None, 0
        self.queue.remove(message)

    # --- the timer, the door and the operator ---

    def _sweep(self) -> None:
        self._sweep_from = self.clock.now() + MINUTE
        agenda = replace(self.house.agenda, ledger=self.outside.ledger, bus=self.outside.bus)
        self.workers.drive(Run(agenda.sweep(), lambda _: None))

    def report_on_all(self) -> None:
        """Twilio calls back about every message so far, twice."""
        for sent in self.courier.sent * 2:
            self.report(sent)

    def report(self, sent: Sent, tries: int = CALLBACKS) -> None:
        """Twilio calls back about one message, and again when the door does not say that all is well."""
        if (word := self.house.word_on(sent)) is None:
            return
        self.courier.words[sent.id] = word
        reader = Reader(receipt_of(sent, word))
        door = Receipts(reader=reader, ledger=self.outside.ledger, clock=self.clock, rules=RULES)

        async def call_back() -> None:
            await door.take("", {}, b"")
            self.heard.append(sent)

        self.ask(call_back, tries)

    def ask(self, ask: Callable[[], Coroutine[Any, Any, Any]], tries: int = CALLBACKS) -> None:
        """A request over HTTP, and again when it gets no answer, or one that says no."""

        def end(run: Run) -> None:
            if (run.died or run.error) and tries > 1:
                self.asked_again += 1
                self.after(GIVEN_BACK, again)

        def again() -> None:
            self.asked_again -= 1
            self.ask(ask, tries - 1)

        self.workers.drive(Run(ask(), end))

    def come_again(self) -> None:
        """All that ever got through comes once more: HR's messages, a nudge, Twilio's callbacks. No fault happens."""
        self.workers.is_calm = True
        past = [message.document for message in self.told if message not in self.dead]
        nudge = {"type": "case.nudge.v1", "data": {"caseId": self.house.case_id}}
        for document in (*past, nudge):
            message = Message(document)
            self.queue.append(message)
            self.workers.drive(self._taken(message))
        for sent in {sent.id: sent for sent in self.heard}.values():
            self.report(sent)
        self.workers.is_calm = False

    # --- what follows ---

    def made(self, run: Run, call: Call) -> None:
        for watch in self.watchers:
            watch(run, call)

    def changed(self) -> None:
        for _, case_id in self.bus.nudges[self._nudges_taken :]:
            self._put(Message({"type": "case.nudge.v1", "data": {"caseId": case_id}}), timedelta(0))
        if self.bus.nudges:
            self._remember_nudges()
        for sent in self.courier.sent[self._reported :]:
            self._reported += 1
            self.after(self.reports_after, lambda sent=sent: self.report(sent))
        for keep in self.keepers:
            keep()

    def _remember_nudges(self) -> None:
        """The queue knows the id of a nudge as long as its row is there: no longer than it must."""
        agenda = self.ledger.agenda.items()
        rows = {row.id: keys for keys, etag in agenda if (row := wake_row(*keys, etag))}
        self.bus.nudges = [nudge for nudge in self.bus.nudges if nudge[0] in rows]
        self.nudged = [rows[name] for name, _ in self.bus.nudges]
        self._nudges_taken = len(self.bus.nudges)
