"""One joiner's history in plain words: what HR, Twilio, Graph, operators and the clock do, one call after another.

Every argument is a number or a word, so a history that fails can be pasted and run.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.acts import acts_on_letters
from shared.errors import FirstpassError, Halted, Later, Moved, Reason, Refused, Unavailable, Unconfirmed
from shared.events import Channel, Delivery, Word
from shared.letters import DeadLetters
from shared.principal import OperatorRole, Principal
from shared.telemetry import RedactingFormatter
from tests.builders import NUMBER, USER_ID, body, cancelled, hired
from tests.fakes.door import OPERATOR, WHY, Door
from tests.fakes.house import House, row_due
from tests.fakes.letters import FakeLetters, FakeReplayIds, FakeTurns
from tests.fakes.overview import FakeAudit

BEGIN = datetime(2026, 11, 30, 12, tzinfo=UTC)
"""The day before the first day: a message is due in the afternoon."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NUMBERS = (NUMBER, "+491713920002")
TRIES = 3
PRIVILEGED = {"role": {"has_role": True}, "guest": {"is_external_guest": True}, "none": {"has_role": False}}
ERRORS: dict[str, Callable[[], FirstpassError]] = {
    "throttled": lambda: Later(Reason.GRAPH_THROTTLED, MINUTE),
    "unavailable": lambda: Later(Reason.GRAPH_UNAVAILABLE, MINUTE),
    "denied": lambda: Halted(Reason.GRAPH_DENIED),
    "busy": lambda: Later(Reason.TWILIO_BUSY, MINUTE),
    "account": lambda: Halted(Reason.TWILIO_DENIED),
    "undeliverable": lambda: Refused(Reason.UNDELIVERABLE),
}


class Log(logging.Handler):
    """What the app logs."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(RedactingFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class History:
    """The real flow over fakes, and what is remembered of it: `faults` that fired, `waiting` messages, `log`."""

    def __init__(self) -> None:
        self.house = House(BEGIN)
        self.door = Door(self.house)
        self.letters = FakeLetters(self.house.clock)
        self.past: list[bytes] = []
        self.waiting: list[bytes] = []
        self.named: str | None = None
        self.newest = ("", "")
        self.planned = 0
        self.privileged_since: datetime | None = None
        self.replayed: tuple[object, object] | None = None
        self.log = Log()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """One thing happens."""
        self.replayed = None
        ours = logging.getLogger("firstpass")
        ours.addHandler(self.log)
        try:
            return asyncio.run(work)
        finally:
            ours.removeHandler(self.log)

    # --- HR and the queue ---

    def hire(self, day: int = 1, number: int = 0, channel: str = "whatsapp", late: int = 0) -> None:
        """HR announces the hire, or changes it; an event that is `late` was written so many days ago."""
        sent = (self.house.clock.now() - late * DAY).isoformat()
        data = {"hireDate": f"2026-12-{day:02}", "mobilePhone": NUMBERS[number], "channel": channel}
        event = hired(data, id=f"evt-{len(self.past):03}", time=sent)
        if (sent, event["id"]) > self.newest:
            self.newest, self.named = (sent, event["id"]), NUMBERS[number]
        self._news(body(event))

    def call_off(self) -> None:
        """HR calls the hire off."""
        sent = self.house.clock.now().isoformat()
        event = cancelled(id=f"evt-{len(self.past):03}", time=sent)
        self.newest = max(self.newest, (sent, event["id"]))
        self._news(body(event))

    def again(self, which: int = 0) -> None:
        """A message that was settled comes once more."""
        if self.past:
            self._nothing_new(self.past[which % len(self.past)])

    def nudge(self) -> None:
        """A nudge that nothing asked for: stale, early or doubled."""
        self._nothing_new(body({"type": "case.nudge.v1", "data": {"caseId": self.house.case_id}}))

    def _news(self, message: bytes) -> None:
        self.past.append(message)
        self.do(self._deliver(message))

    def _nothing_new(self, message: bytes) -> None:
        quiet = not (self.is_due() or self.waiting or self.pending())
        before = self.outcome()
        self.do(self._deliver(message))
        self.replayed = (before, self.outcome()) if quiet else None

    async def _deliver(self, message: bytes) -> None:
        """As a broker: what is given back comes again, at once and then later."""
        for _ in range(TRIES):
            try:
                return await self.house.onboarding.handle(message)
            except (Unavailable, Moved):
                continue
        self.waiting.append(message)
        return None

    # --- time ---

    def wait(self, minutes: int) -> None:
        """Time passes, by every minute at which something is due."""
        self.do(self._pass(self.house.clock.now() + minutes * MINUTE))

    async def _pass(self, until: datetime) -> None:
        clock = self.house.clock
        await self._tick()
        while rows := sorted(row_due(key) for key in self.house.ledger.agenda):
            if rows[0] > until:
                break
            clock.set_now(max(rows[0], clock.now()))
            await self._tick()
        clock.set_now(max(until, clock.now()))
        await self._tick()

    async def _tick(self) -> None:
        house = self.house
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            await self._deliver(message)
        for _ in range(TRIES):
            try:
                await house.agenda.sweep()
                break
            except Unavailable:
                continue
        nudges, house.bus.nudges = house.bus.nudges, []
        for _, case_id in nudges:
            await self._deliver(body({"type": "case.nudge.v1", "data": {"caseId": case_id}}))
        with suppress(Unavailable):  # Twilio tries again; what it gives up is asked for
            await house.report()

    # --- Twilio, Graph, the ledger ---

    def phone(self, channel: str, word: str) -> None:
        """What becomes of messages to the joiner by a channel from now on."""
        words = {"silence": None, "off": Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)}
        for number in NUMBERS:
            self.house.phones[number, Channel(channel)] = words.get(word, Word(Delivery.DELIVERED))

    def receipt(self, message: int, word: str) -> None:
        """Twilio's word on any message there ever was."""
        sent = self.house.courier.sent
        if sent:
            self.do(self._heard(message % len(sent), Word(Delivery(word))))

    async def _heard(self, message: int, word: Word) -> None:
        with suppress(Unavailable):
            await self.house.receipt(self.house.courier.sent[message], word)

    def graph_fails(self, method: str, error: str) -> None:
        """The next call of a method is refused; a create may also have worked, and nobody heard of it."""
        self.planned += 1
        if error == "lost":
            self.house.directory.fail("create_pass", Unconfirmed(Reason.PASS_UNCONFIRMED), "after")
        else:
            self.house.directory.fail(method, ERRORS[error]())

    def courier_fails(self, method: str, error: str) -> None:
        """The same of Twilio."""
        self.planned += 1
        if error == "lost":
            self.house.courier.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), after=True)
        else:
            self.house.courier.fail_next(ERRORS[error](), method=method)  # type: ignore[arg-type]

    def ledger_fails(self, method: str, when: str) -> None:
        """The next call of a method of the ledger is not answered, before or after it took effect."""
        self.planned += 1
        self.house.ledger.fail_next(method, when)  # type: ignore[arg-type]

    # --- the joiner ---

    def registers(self, kind: str) -> None:
        """With the newest pass, if that works now."""
        if self.house.texts and self.house.directory.works(USER_ID, self.house.courier.sent[-1].text):
            self.house.register(kind)

    def becomes(self, what: str) -> None:
        """The directory says something else of the person from now on."""
        person = self.house.directory.people[USER_ID]
        person.facts = replace(person.facts, **PRIVILEGED[what])
        holds = person.facts.has_role or person.facts.is_external_guest
        self.privileged_since = (self.privileged_since or self.house.clock.now()) if holds else None

    def directory_number(self, number: int) -> None:
        """The directory has another number."""
        person = self.house.directory.people[USER_ID]
        person.facts = replace(person.facts, mobile_phone=NUMBERS[number])

    # --- operators ---

    def operator(self, act: str) -> None:
        """reissue, cancel, approve; or pause and resume."""
        paths = {"pause": ("pause", {"minutes": 30}), "resume": ("resume", {})}
        path, more = paths.get(act, (f"cases/{self.house.case_id}/{act}", {}))
        known = self.house.case_id in self.house.ledger.cases
        if act == "approve" and known:
            said = self.do(self.door.approve())
        else:
            said = self.do(self.door.ask(path, {"reason": WHY, **more}, who=OPERATOR))
        assert said.status in (200, 403, 404, 409, 503), said.text

    def reopen(self, letter: int = -1) -> None:
        """An operator replays a dead letter."""
        if self.house.bus.letters:
            dead = self.house.bus.letters[letter % len(self.house.bus.letters)]
            number = self.letters.put(dead.body, dead.reason)
            self.do(self._replay(number))

    async def _replay(self, number: int) -> None:
        house, sent = self.house, len(self.letters.sent)
        turns, rules = FakeTurns(house.clock), house.onboarding.outside.rules
        door = DeadLetters(
            letters=self.letters,
            turns=turns,
            replay_ids=FakeReplayIds(),
            ledger=house.ledger,
            audit=FakeAudit(),
            clock=house.clock,
            rules=rules,
        )
        act = next(act for act in acts_on_letters(door) if act.name == "replay_letters")
        with suppress(Unavailable, Moved):
            await act.do(
                Principal(OPERATOR, frozenset(OperatorRole)), act.asks(sequences=[number], reason=WHY, run="5f1e" * 8)
            )
        for again in self.letters.sent[sent:]:
            await self._deliver(again.body)

    # --- what can be seen ---

    def is_due(self) -> bool:
        """Whether the case has something to do now."""
        case = self.house.ledger.cases.get(self.house.case_id)
        step = case.next_step() if case else None
        return step is not None and step.due <= self.house.clock.now()

    def pending(self) -> bool:
        """Whether a fault was planned that did not fire yet."""
        house = self.house
        graph = any(not fault.fired for fault in house.directory.faults)
        return graph or bool(house.courier._failures or house.ledger._planned or house.bus._planned)

    def outcome(self) -> object:
        """All that a replay must not change."""
        case = self.house.ledger.cases.get(self.house.case_id)
        head = (case.state, case.issuance, case.attempt, case.sends, case.spent) if case else None
        tap = self.house.directory.people[USER_ID].tap
        return head, len(self.house.courier.sent), tap and tap.id, len(self.house.bus.letters)

    def come_to_rest(self) -> None:
        """No more faults, no pause; two months pass."""
        house = self.house
        house.directory.faults.clear()
        house.courier.clear_failures()
        house.ledger._planned.clear()
        house.bus._planned.clear()
        house.ledger.paused = None
        self.wait(60 * 24 * 60)
