"""The promises, as somebody sees them who looks at the phone, at Entra, at the dead letters and at the agenda.

I1 right hand, I2 secret, I3 nobody lost, I4 no spam, I5 the newest works, I6 guarded late, I7 never an admin, I8 replay
is harmless.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

from shared.adapters.agenda import AHEAD
from shared.case import MAX_SENDS, Case
from shared.fields import LOOK_AFTER
from shared.run import PAUSE, RUN_SECONDS
from shared.states import State
from tests.builders import USER_ID
from tests.fakes.house import row_due
from tests.faults.ports import Call
from tests.faults.workers import Run
from tests.faults.world import NEVER, World

MINUTE = timedelta(minutes=1)
AT_REST = frozenset({State.ONBOARDED, State.REFUSED, State.CANCELLED, State.GAVE_UP})
WITH_A_LETTER = frozenset({State.REFUSED, State.GAVE_UP})
LOOKED_AFTER = LOOK_AFTER + 2 * PAUSE
"""So soon the live pass is looked at, also when Entra once denied it."""


class Promises:
    """Watches one story while it goes on; each method says which promise it holds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._bound: dict[str, str | None] = {}
        self._created, self._sent = 0, 0
        world.watchers.append(self._watch)
        world.keepers.append(self._look_around)

    def _watch(self, run: Run, call: Call) -> None:
        self._bind()
        if call.name == "directory.create_pass" and len(self.world.directory.created) > self._created:
            self._created += 1
            self._guarded(run)
        if len(self.world.courier.sent) > self._sent:
            self._sent += 1
            self._in_the_right_hand()

    def _look_around(self) -> None:
        """A run has ended, or something landed; most can be said only when nothing is under way."""
        world = self.world
        self._created = len(world.directory.created)  # one that landed late was asked for in time
        self._bind()
        self._no_spam()
        if not (world.workers.under_way or world.queue or world.asked_again):
            for case in world.ledger.cases.values():
                self._is_awake(case)
            self._newest_works()

    # --- I1 ---

    def _bind(self) -> None:
        for case in self.world.ledger.cases.values():
            if case.state is State.ISSUING and case.event:
                self._bound.setdefault(case.ref, case.event.mobile_phone)

    def _in_the_right_hand(self) -> None:
        sent = self.world.courier.sent[-1]
        assert sent.number == self._bound[sent.ref], "I1: a message went to a number not bound to this hire"

    def _no_pass_is_left(self) -> None:
        tap = self.world.directory.people[USER_ID].tap
        assert tap is None or tap.end <= self.world.clock.now(), "I1: a pass outlived its case"

    # --- I2 ---

    def _told_nobody(self) -> None:
        world = self.world
        kept: tuple[Any, ...] = (world.ledger.cases, world.ledger.moves, world.bus.letters, world.ledger.people)
        text = repr(kept)
        assert not any(tap.code in text for tap in world.directory.created), "I2: a pass was kept"
        left = {sent.id for sent in world.heard} - set(world.courier.redacted)
        assert not left, "I2: Twilio still has the text of a message it reported on"

    # --- I3 ---

    def _is_awake(self, case: Case) -> None:
        step = case.next_step()
        if step is None:
            return
        rows = [row_due(key) for key in self.world.ledger.agenda if key[1].endswith(case.id)]
        latest = max(step.due, self.world.clock.now() + AHEAD) + MINUTE
        assert min(rows, default=NEVER) <= latest or self.world.dead, f"I3: nobody wakes this case for {step}"

    def end_well(self, ends: State, planned: int) -> None:
        """Long after: the case has ended, and without a fault as it should."""
        self._came_to_an_end()
        self._no_pass_is_left()
        self._told_nobody()
        self.no_more_messages_than(planned)
        if not self.world.workers.fired:
            assert (self.world.house.case.state, len(self.world.courier.sent)) == (ends, planned)

    def _came_to_an_end(self) -> None:
        case = self.world.ledger.cases.get(self.world.house.case_id)
        assert case or self.world.dead, "I3: an event is gone"
        assert case is None or case.state in AT_REST or self.world.dead, f"I3: still {case.state}"
        if case and case.state in WITH_A_LETTER:
            assert case.reason in self.world.house.reasons, "I3: refused, and no dead letter says why"

    # --- I4 ---

    def _no_spam(self) -> None:
        issuances = Counter(sent.ref.rsplit("-", 1)[0] for sent in self.world.courier.sent)
        assert all(times <= MAX_SENDS for times in issuances.values()), "I4: more than two messages in one issuance"

    def no_more_messages_than(self, planned: int) -> None:
        sent, faults = len(self.world.courier.sent), self.world.workers.faults
        assert sent <= planned + faults, f"I4: {sent} messages for {faults} faults"

    # --- I5 ---

    def _newest_works(self) -> None:
        house, now = self.world.house, self.world.clock.now()
        case = self.world.ledger.cases.get(house.case_id)
        if case is None or case.state is not State.SENT or case.pass_ends_at is None or now >= case.pass_ends_at:
            return
        looks_soon = case.look_at is not None and case.look_at <= now + LOOKED_AFTER
        assert looks_soon or house.newest_works(), "I5: the newest message does not hold the valid pass"

    # --- I6, I7 ---

    def _guarded(self, run: Run) -> None:
        looked = run.asked.get("directory.facts", -RUN_SECONDS)
        assert self.world.clock.monotonic() - looked <= RUN_SECONDS, "I6: nobody looked at the person just before"
        person = self.world.directory.people[USER_ID]
        assert not person.facts.has_role, "I7: somebody privileged got a pass"

    def nobody_privileged_can_sign_in(self) -> None:
        """Not long after the opening."""
        person = self.world.directory.people[USER_ID]
        works = person.tap is not None and self.world.directory.works(USER_ID, person.tap.code)
        assert not (person.facts.has_role and works), "I6: nobody looked again before the pass opened"

    # --- I8 ---

    def what_comes_again_is_harmless(self) -> None:
        before = self._seen()
        self.world.come_again()
        assert self._seen() == before, "I8: what came again changed something"

    def _seen(self) -> tuple[object, ...]:
        world, tap = self.world, self.world.directory.people[USER_ID].tap
        counts = len(world.courier.sent), len(world.directory.created), len(world.bus.letters)
        return dict(world.ledger.cases), counts, tap and tap.id, frozenset(world.courier.redacted)
