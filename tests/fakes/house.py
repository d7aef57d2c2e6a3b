"""The real flow over fakes: what a test of whole runs needs, arranged and looked at in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.seal import Fingerprints
from shared.agenda import Agenda
from shared.case import Case
from shared.events import Channel, Delivery, EventRules, Receipt, Word
from shared.guard_rails import GuardRules, NumberSource
from shared.onboarding import Onboarding
from shared.plan import PlanRules
from shared.receipts import Receipts
from shared.run import Outside, Rules
from shared.states import CaseRules
from shared.watch import Watch
from tests.builders import NUMBER, RULES, USER_ID, body, cancelled, facts, hired
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.courier import FakeCourier, Sent
from tests.fakes.directory import FakeDirectory
from tests.fakes.ledger import FakeLedger
from tests.fakes.queues import FakeDepthNotes, FakeGauge

DUE = datetime(2026, 11, 30, 16, tzinfo=UTC)
"""17:00 in Amsterdam, the afternoon before the first day: the message of builders.hired() is due."""

GUARD = GuardRules(number_source=NumberSource.BOTH, allowed_countries=frozenset({"DE", "US"}))


class House:
    """One joiner whom everything lets through; a test changes what it is about."""

    def __init__(
        self,
        now: datetime = DUE,
        guard: GuardRules = GUARD,
        plan: PlanRules | None = None,
        rules: CaseRules = RULES,
        budget: int = 0,
    ) -> None:
        self.clock = FakeClock(now)
        self.directory = FakeDirectory(self.clock)
        self.courier = FakeCourier(self.clock)
        self.ledger = FakeLedger(self.clock, budget)
        self.bus = FakeBus()
        self.joiners_queue, self.depth_notes = FakeGauge(self.clock), FakeDepthNotes()
        name_case = Fingerprints(b"k" * 32).case_id
        self.rules, self.reported = rules, 0
        self.phones: dict[tuple[str, Channel], Word | None] = {}
        """What becomes of messages to a number by a channel: None is silence, what is not here is delivered."""
        self.case_id = name_case("/hr/workday", "W-10427")
        outside = Outside(
            directory=self.directory,
            courier=self.courier,
            ledger=self.ledger,
            bus=self.bus,
            clock=self.clock,
            rules=Rules(EventRules(time_zone="Europe/Amsterdam"), plan or PlanRules(), guard, rules),
        )
        self.onboarding = Onboarding(outside=outside, name_case=name_case)
        self.directory.add(facts())

    def with_directory(self, directory: Any) -> Onboarding:
        """The same flow, over another directory."""
        return replace(self.onboarding, outside=replace(self.onboarding.outside, directory=directory))

    async def hire(self, data: dict[str, Any] | None = None, /, **envelope: Any) -> None:
        """HR's event arrives."""
        await self.onboarding.handle(body(hired(data, **envelope)))

    async def cancel(self, minutes: int = 1) -> None:
        """HR calls the hire off, that many minutes after the first event."""
        sent = datetime(2026, 11, 20, 9, 12, tzinfo=UTC) + timedelta(minutes=minutes)
        await self.onboarding.handle(body(cancelled(id=f"evt-c{minutes}", time=sent.isoformat())))

    async def nudge(self) -> None:
        """What a wake row becomes."""
        await self.onboarding.handle(body({"type": "case.nudge.v1", "data": {"caseId": self.case_id}}))

    @property
    def case(self) -> Case:
        return self.ledger.cases[self.case_id]

    @property
    def texts(self) -> list[str]:
        """What the joiner's phone shows, in order."""
        return [sent.text for sent in self.courier.sent if sent.number == NUMBER]

    @property
    def reasons(self) -> list[str]:
        """Reasons of the dead letters, in order."""
        return [letter.reason for letter in self.bus.letters]

    def newest_works(self) -> bool:
        """Whether the pass the joiner received last is the one Entra will take, now or when it opens."""
        tap = self.directory.people[USER_ID].tap
        return bool(self.texts) and tap is not None and tap.code == self.texts[-1]

    # --- time, and Twilio's word ---

    async def live(self, until: datetime) -> None:
        """Time passes: messages are reported on as their phones have it, wake rows become nudges at their minutes."""
        await self.report()
        while rows := sorted(row_due(key) for key in self.ledger.agenda):
            if rows[0] > until:
                break
            self.clock.set_now(max(rows[0], self.clock.now()))
            await self.sweep()
        self.clock.set_now(max(until, self.clock.now()))

    @property
    def agenda(self) -> Agenda:
        """The timer's work."""
        watch = Watch(gauge=self.joiners_queue, notes=self.depth_notes, clock=self.clock)
        return Agenda(ledger=self.ledger, bus=self.bus, clock=self.clock, watch=watch)

    async def sweep(self) -> None:
        """One tick of the timer, its nudges handled, and what became of new messages."""
        await self.agenda.sweep()
        nudges, self.bus.nudges = self.bus.nudges, []
        for _, case_id in nudges:
            await self.onboarding.handle(body({"type": "case.nudge.v1", "data": {"caseId": case_id}}))
        await self.report()

    async def report(self) -> None:
        """Twilio reports on every message it has not reported on, as `phones` says; silence says nothing."""
        for sent in self.courier.sent[self.reported :]:
            self.reported += 1
            if word := self.word_on(sent):
                self.courier.words[sent.id] = word
                await self.receipt(sent, word)

    async def receipt(self, sent: Sent, word: Word) -> None:
        """One callback of Twilio's about one message."""
        door = Receipts(reader=Reader(receipt_of(sent, word)), ledger=self.ledger, clock=self.clock, rules=self.rules)
        assert await door.take("", {}, b"")

    def word_on(self, sent: Sent) -> Word | None:
        """What became of a message, as `phones` has it; None is silence."""
        return self.phones.get((sent.number, sent.channel), Word(Delivery.DELIVERED))

    def register(self, kind: str) -> None:
        """The joiner registers a method now."""
        self.directory.register(USER_ID, kind)


@dataclass(frozen=True, slots=True)
class Reader:
    """A door's reader that reads one receipt."""

    receipt: Receipt

    def read(self, query: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        del query, headers, body
        return self.receipt


def receipt_of(sent: Sent, word: Word) -> Receipt:
    """A callback of Twilio's as it is read."""
    case_id, issuance, attempt = sent.ref.rsplit("-", 2)
    return Receipt(
        case_id=case_id,
        issuance=int(issuance),
        attempt=int(attempt),
        message_id=sent.id,
        channel=sent.channel,
        word=word,
    )


def row_due(key: tuple[str, str]) -> datetime:
    """The minute of an agenda row."""
    hour, minute = key[0], key[1][:2]
    return datetime(int(hour[:4]), int(hour[4:6]), int(hour[6:8]), int(hour[8:]), int(minute), tzinfo=UTC)
