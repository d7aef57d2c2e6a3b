"""Random walks through the whole life of a case: what holds after every move, whatever came before."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

from shared.case import Case
from shared.errors import Reason
from shared.fields import TEXTS_KEPT
from shared.states import Act, CaseRules, State, Step
from tests.case_life import OUTCOMES, Life

OPEN = {State.ANNOUNCED, State.ISSUING, State.SENT}
WALKS = 100
MOVES = 30
"""With interruptions; then nobody disturbs the case any more."""
ENOUGH = 300


class Walk(Life):
    """A life whose every move is held against the promises."""

    def walk(self) -> None:
        while self.head is None:
            self.interrupt()
        for _ in range(MOVES):
            step = self.case.next_step()
            over = step is not None and step.act is Act.FORGET
            self.interrupt() if over or self.dice.random() < 0.15 else self.go_on()
        self.come_to_rest()

    def come_to_rest(self) -> None:
        for _ in range(ENOUGH):
            if self.head is None:
                return
            before, step, held = self.head, self.head.next_step(), self.held
            self.go_on()
            if not held and self.head:
                self.assert_no_spinning(before, step, self.head)
        raise AssertionError("a case that nobody disturbs comes to rest")

    def claim(self) -> None:
        before = set(self.attempts)
        super().claim()
        assert len(self.attempts) == len(before) + (self.held is not None), "an attempt number is used once"

    def take(self, after: Case | None) -> None:
        before = self.head
        super().take(after)
        if after is not None:
            self.assert_follows(before, after)
            self.assert_sound(after)

    def forget(self) -> None:
        head = self.case
        super().forget()
        assert (head.event, head.user_id, head.pass_id, head.claims) == (None, None, None, ()), "nobody is left in it"
        assert not any(text.redact_at for text in head.texts)
        assert self.copies <= {sent.message.id for sent in self.messages} - {text.message_id for text in head.texts}

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
        same = (after.state, after.ref) == (before.state, before.ref)
        ranks = [it.receipt.rank if it.receipt else 0 for it in (before, after)]
        assert not same or ranks[0] <= ranks[1], "what Twilio says only goes on"
        gone = {text.message_id for text in before.texts if text.redact_at is None}
        assert not gone & {text.message_id for text in after.texts if text.redact_at}, "what is redacted stays so"

    def assert_sound(self, head: Case) -> None:
        live = {who for who, ends_at in self.live.items() if ends_at > self.now}
        assert live <= {head.user_id}, "nobody has a pass but who the case is pinned to"
        assert head.sends <= 2
        per_issuance = Counter(sent.issuance for sent in self.messages)
        assert max(per_issuance.values(), default=0) <= 2, "never more than two messages an issuance"
        assert head.spent <= self.rules.max_passes
        assert len(head.texts) <= TEXTS_KEPT
        assert head.deletions_left in (0, 1, 2)
        assert not head.deletions_left or head.user_id, "who to delete from is known"
        step = head.next_step()
        assert step is not None, "nothing is left lying: an open case goes on, one at rest is forgotten"
        if step.act in {Act.ISSUE, Act.REVOKE}:
            assert head.lease_until is None or step.due >= head.lease_until, "passes wait for a run under way"
        if head.state in OPEN:
            assert step.act not in {Act.WIPE, Act.FORGET}
            assert head.event is not None, "an open case knows what it is about"
            assert (head.wipe_at, head.forget_at) == (None, None)
        elif not head.deletions_left and head.reason is not Reason.SEND_UNCONFIRMED:
            assert not live, "a case that is over leaves no pass behind"

    def assert_no_spinning(self, before: Case, step: Step | None, after: Case) -> None:
        """A step that is done or put off is not due again at once, but for what it did."""
        again = after.next_step()
        if again and step and (again.act, after.issuance) == (step.act, before.issuance) and again.due <= self.now:
            assert step.act is Act.REDACT, "another text, at most"
            assert after.texts != before.texts
        assert replace(after, moves=before.moves) != before, "every step leaves its mark"


def test_no_walk_breaks_a_promise_and_together_they_go_everywhere() -> None:
    walked = Counter[str]()
    for n in range(WALKS):
        walk = Walk(Random(n), CaseRules(max_passes=1 + n % 3, keep_contact=timedelta(days=1 + n % 2 * 30)))  # noqa: S311 - the same walks every time
        walk.walk()
        walked += walk.walked
    everything = {f"{phase}: {move.__name__}" for phase, moves in OUTCOMES.items() for move in moves}
    assert everything | {"hire", "cancel", "receipt"} == walked.keys(), "what is never walked is not proved"
