"""Random walks over every move of a case: what holds in each state, whatever came before."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from random import Random

import pytest

from shared.case import MAX_SENDS, Case, Held
from shared.errors import Reason
from shared.events import Channel, Message, UserRef, Version
from shared.recording import record_cancellation, record_hire
from shared.states import CLOSED, Act, State
from tests.builders import CASE_ID, GROUP_ID, NOW, RULES, USER_ID, cancellation, hire_event, plan, terms, version

OPEN = {State.ANNOUNCED, State.ISSUING}
ENDED = {State.REFUSED, State.CANCELLED}
PEOPLE = (USER_ID, GROUP_ID)
STEPS = 40
WALKS_PER_SEED = 30


class Walk:
    """The flow of onboarding.py with every outcome chosen by `dice`: one run at a time, events at any time."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.head: Case | None = None
        self.held: Held | None = None
        """What the run under way holds; None when there is none."""
        self.now: datetime = NOW
        self.events = 0
        self.attempts: set[tuple[int, int]] = set()
        self.passes: set[str] = set()
        """Who has a pass of this case."""
        self.walked: Counter[str] = Counter()

    def walk(self) -> None:
        for _ in range(STEPS):
            move = self.dice.choice(list(self.moves()))
            before, after = self.head, move()
            self.walked[move.__name__] += after is not None
            if after is not None:
                self.assert_follows(before, after)
                self.head = after
                self.assert_sound(after)

    def moves(self) -> Iterator[Callable[[], Case | None]]:
        yield self.hire
        yield self.cancel
        step = self.head.next_step() if self.head else None
        if self.head and self.head.state is State.SENT:
            yield self.close
        if self.held:
            yield from (self.intend, self.sent)[self.held.intended :][:1] * 3
            yield from (self.put_off, self.refuse, self.die)
        elif step:
            self.now = max(self.now, step.due)
            issue, revoke = (
                (self.claim, self.claim, self.put_off, self.refuse),
                (self.revoke, self.revoke, self.put_off),
            )
            yield from issue if step.act is Act.ISSUE else revoke

    # --- moves; each returns the new head, or None when there is none ---

    def hire(self) -> Case | None:
        event = hire_event(
            version=self.version(),
            hire_date=date(2026, 12, self.dice.randint(1, 5)),
            channel=self.dice.choice(list(Channel)),
            user=UserRef("id", self.dice.choice(PEOPLE)),
        )
        return self.interrupting(record_hire(self.head, CASE_ID, event, plan(event, self.now), self.now))

    def cancel(self) -> Case | None:
        self.version()
        return self.interrupting(record_cancellation(self.head, CASE_ID, cancellation(self.events), RULES, self.now))

    def version(self) -> Version:
        """A new one, or now and then one that was seen before."""
        self.events += self.dice.random() < 0.7
        return version(self.events)

    def interrupting(self, after: Case | None) -> Case | None:
        """A run under way finds that its head has moved, and stops; unless it was news that changes nothing."""
        if after is not None and (self.head is None or after.state is not self.head.state):
            self.die()
        return after

    def claim(self) -> Case:
        head = self.certain()
        assert head.event is not None
        who = head.event.user.value
        if head.sends >= MAX_SENDS:  # the rules of the flow
            return head.refused(Reason.SEND_UNCONFIRMED, RULES, self.now, held=Held())
        if head.known().pinned_user_id not in (None, who):
            return head.refused(Reason.USER_CHANGED, RULES, self.now, held=Held())
        self.held = Held(lease=True)
        after = head.claimed(who, terms(), self.now)
        assert (after.issuance, after.attempt) not in self.attempts, "an attempt number is used once"
        self.attempts.add((after.issuance, after.attempt))
        return after

    def intend(self) -> Case:
        self.held = Held(lease=True, intended=1)
        self.passes.add(str(self.certain().user_id))
        return self.certain().intended(f"tap-{len(self.attempts)}")

    def sent(self) -> Case:
        self.held = None
        return self.certain().sent(Message("SM1", Channel.SMS), RULES, self.now)

    def put_off(self) -> Case:
        held, self.held = self.held or Held(), None
        return self.certain().put_off(Act.ISSUE, Reason.PAUSED, self.now + timedelta(minutes=1), held=held)

    def refuse(self) -> Case:
        held, self.held = self.held or Held(), None
        return self.certain().refused(Reason.PRIVILEGED, RULES, self.now, held=held)

    def die(self) -> None:
        """A claim whose run is gone may have made a pass that nobody heard of."""
        if self.held and not self.held.intended and self.dice.random() < 0.5:
            self.passes.add(str(self.certain().user_id))
        self.held = None

    def revoke(self) -> Case:
        self.passes.discard(str(self.certain().user_id))
        return self.certain().passes_deleted(self.now)

    def close(self) -> Case:
        return self.certain().moved(self.dice.choice(sorted(CLOSED)))

    def certain(self) -> Case:
        assert self.head is not None
        return self.head

    # --- promises ---

    def assert_follows(self, before: Case | None, after: Case) -> None:
        if before is None:
            assert after.moves == 1
            return
        assert after.moves == before.moves + 1
        assert (after.issuance, after.attempt) >= (before.issuance, before.attempt), "numbers only grow"
        assert after.version >= before.version
        let_go = after.user_id is None and not after.claims
        assert after.user_id == before.user_id or before.user_id is None or let_go, "pinned while passes may exist"

    def assert_sound(self, head: Case) -> None:
        assert 0 <= head.sends <= 2, "never more than two messages an issuance"
        assert head.deletions_left in (0, 1, 2)
        assert not head.deletions_left or head.user_id, "who to delete from is known"
        assert self.passes <= {head.user_id}, "nobody has a pass but who the case is pinned to"
        step = head.next_step()
        if head.state in ENDED and not step and head.reason is not Reason.SEND_UNCONFIRMED:
            assert not self.passes, "a case that ended leaves no pass behind"
        if head.state in OPEN or head.deletions_left:
            assert step is not None, "an open case has a next step"
            assert head.lease_until is None or step.due >= head.lease_until, "never while a lease runs"
        else:
            assert step is None


@pytest.mark.parametrize("seed", range(4))
def test_no_walk_breaks_a_promise(seed: int) -> None:
    walked: Counter[str] = Counter()
    dice = Random(seed)  # noqa: S311 - the same walks every time
    for _ in range(WALKS_PER_SEED):
        walk = Walk(dice)
        walk.walk()
        walked += walk.walked
    moves = {"hire", "cancel", "claim", "intend", "sent", "put_off", "refuse", "revoke", "close"}
    assert moves <= walked.keys(), "a walk that leaves a move out proves nothing about it"
