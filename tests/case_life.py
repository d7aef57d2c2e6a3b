"""The whole life of a case, walked by dice: every step with every outcome it can have, and whatever happens meanwhile.

It moves a case as issuing.py and steps.py do, and keeps beside it what Entra, Twilio and the phone would show.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from shared.case import MAX_SENDS, Case, Held
from shared.errors import Reason, Refused
from shared.events import Channel, Delivery, Message, Receipt, UserRef, Version, Word
from shared.fields import certain, text_gone, text_kept
from shared.guard_rails import guard_event
from shared.hearing import record_receipt, word_on
from shared.plan import PlanRules, next_morning, once_more
from shared.recording import record_cancellation, record_hire
from shared.states import Act, CaseRules, State
from shared.steps import ASK_EVERY, ASKS, CHECK_EVERY, JUST_AFTER, UNREACHED_WAITS
from tests.builders import CASE_ID, GROUP_ID, NOW, USER_ID, cancellation, guard_rules, hire_event, plan, terms, version

PEOPLE = (USER_ID, GROUP_ID)
PLAN, GUARD = PlanRules(), guard_rules()
MINUTE = timedelta(minutes=1)
FAILURES = (Reason.PHONE_UNREACHABLE, Reason.UNDELIVERABLE, Reason.TWILIO_DENIED, None)


@dataclass(frozen=True)
class Sent:
    """A message that is out, and the attempt it was sent by."""

    message: Message
    issuance: int
    attempt: int


class Life:
    """One case. `head` is None before the first event and after the last step."""

    def __init__(self, dice: Random, rules: CaseRules) -> None:
        self.dice, self.rules = dice, rules
        self.head: Case | None = None
        self.held: Held | None = None
        """What the issuing run under way holds; None when there is none."""
        self.out: Sent | None = None
        """The message of that run, once it is out."""
        self.now: datetime = NOW
        self.events = 0
        self.attempts: set[tuple[int, int]] = set()
        self.live: dict[str, datetime] = {}
        """Who has a pass of this case, and until when."""
        self.messages: list[Sent] = []
        self.copies: set[str] = set()
        """Messages whose text Twilio still has."""
        self.walked: Counter[str] = Counter()

    # --- going on ---

    def go_on(self) -> None:
        """The run under way goes on, or the next step is done, with some outcome."""
        if self.held:
            return self.play("out" if self.out else "intended" if self.held.intended else "claimed")
        step = certain(self.case.next_step())
        self.now = max(self.now, step.due)
        return self.play(step.act)

    def play(self, phase: str) -> None:
        move = self.dice.choice(OUTCOMES[phase])
        self.walked[f"{phase}: {move.__name__}"] += 1
        move(self)

    def interrupt(self) -> None:
        """Something happens that no step of the case asked for."""
        move = self.dice.choice((*[Life.hire] * 3, Life.cancel, *[Life.receipt] * 5))
        self.walked[move.__name__] += 1
        move(self)

    @property
    def case(self) -> Case:
        return certain(self.head)

    def take(self, after: Case | None) -> None:
        """The ledger has the new head. A run that held the old one finds out, unless the attempt is still its own."""
        before = self.head
        self.head = after or before
        if before and after and self.held and (before.state, before.ref) != (after.state, after.ref):
            self.lose(before)

    def lose(self, before: Case) -> None:
        """A run is gone. Its claim may have made a pass that nobody heard of."""
        if self.held and not self.held.intended and self.dice.random() < 0.5:
            self.live[certain(before.user_id)] = certain(before.pass_ends_at)
        self.held = self.out = None

    def give_back(self) -> Held:
        held, self.held, self.out = self.held or Held(), None, None
        return held

    # --- what comes from outside ---

    def hire(self) -> None:
        user, channel = UserRef("id", self.dice.choices(PEOPLE, (9, 1))[0]), self.dice.choice(list(Channel))
        hire_date = NOW.date() + timedelta(days=self.dice.randint(1, 5))
        event = hire_event(version=self.version(), hire_date=hire_date, channel=channel, user=user)
        self.take(record_hire(self.head, CASE_ID, event, plan(event, self.now), self.now))

    def cancel(self) -> None:
        self.version()
        self.take(record_cancellation(self.head, CASE_ID, cancellation(self.events), self.rules, self.now))

    def version(self) -> Version:
        """A new one, or now and then one that was seen before."""
        self.events += self.dice.random() < 0.7
        return version(self.events)

    def receipt(self) -> None:
        """Of any message there ever was: duplicates, and in any order."""
        if self.messages:
            sent = self.dice.choice(self.messages)
            heard = Receipt(
                case_id=CASE_ID, issuance=sent.issuance, attempt=sent.attempt, message_id=sent.message.id,
                channel=sent.message.channel, word=self.word(),
            )  # fmt: skip
            self.take(record_receipt(self.head, heard, self.rules, self.now))

    def word(self) -> Word:
        delivery = self.dice.choice(list(Delivery))
        failed = delivery.is_final and not delivery.has_arrived
        return Word(delivery, self.dice.choice(FAILURES) if failed else None)

    # --- any step ---

    def put_off(self) -> None:
        until = self.now + MINUTE * self.dice.choice((1, 15, 60))
        act = Act.ISSUE if self.held else certain(self.case.next_step()).act
        self.take(self.case.put_off(act, Reason.GRAPH_THROTTLED, until, held=self.give_back()))

    def refuse(self, reason: Reason = Reason.PRIVILEGED) -> None:
        self.take(self.case.refused(reason, self.rules, self.now, held=self.give_back()))

    def die(self) -> None:
        self.lose(self.case)

    def onboard(self) -> None:
        self.take(self.case.onboarded(self.rules, self.now))

    # --- issuing ---

    def claim(self) -> None:
        head, event = self.case, certain(self.case.event)
        try:
            guard_event(event, certain(head.opens_at), GUARD, self.now)
        except Refused as too_old:
            return self.refuse(too_old.reason)
        if head.known().pinned_user_id not in (None, event.user.value):
            return self.refuse(Reason.USER_CHANGED)
        if head.sends >= MAX_SENDS:
            return self.refuse(Reason.SEND_UNCONFIRMED)
        if head.spent >= self.rules.max_passes:
            return self.refuse(Reason.PASSES_EXHAUSTED)
        opens_at = certain(head.opens_at)
        starts = opens_at if opens_at > self.now + 2 * MINUTE else None
        self.take(head.claimed(event.user.value, terms(start_date_time=starts, steps_in_minutes=15), self.now))
        self.held = Held(lease=True)
        self.attempts.add((self.case.issuance, self.case.attempt))
        return None

    def find_made_it(self) -> None:
        """Somebody registered with the pass of a run whose end nobody saw."""
        head = self.case
        known = head.pass_id and head.user_id == certain(head.event).user.value
        self.onboard() if known else self.claim()

    def intend(self) -> None:
        self.live[certain(self.case.user_id)] = certain(self.case.pass_ends_at)
        self.take(self.case.intended(f"tap-{len(self.attempts)}"))
        self.held = Held(lease=True, intended=1)

    def send(self) -> None:
        by_sms = self.case.by_sms or self.dice.random() < 0.2
        channel = Channel.SMS if by_sms else certain(self.case.event).channel
        message = Message(f"SM{len(self.messages)}", channel)
        self.out = Sent(message, self.case.issuance, self.case.attempt)
        self.messages.append(self.out)
        self.copies.add(message.id)

    def note_sent(self) -> None:
        message = certain(self.out).message
        self.give_back()
        self.take(self.case.sent(message, self.rules, self.now))

    def fall_back(self) -> None:
        head = self.case
        when = once_more(certain(head.event), certain(head.opens_at), PLAN, self.now)
        self.take(head.again(when, head.failure, counted=False, by_sms=True, held=self.give_back()))

    def whatsapp_fails(self) -> None:
        sms = self.case.by_sms or certain(self.case.event).channel is Channel.SMS
        self.refuse(Reason.UNDELIVERABLE) if sms else self.fall_back()

    # --- following up ---

    def guard(self) -> None:
        self.take(self.case.moved(self.case.state, guard_at=None))

    def look(self) -> None:
        self.take(self.case.moved(State.SENT, look_at=None))

    def replaced(self) -> None:
        """By a create of ours that came late."""
        self.another(Reason.PASS_GONE, self.now, counted=False)

    def gone(self) -> None:
        self.live.clear()
        if self.case.is_last(self.rules):
            return self.refuse(Reason.PASSES_EXHAUSTED)
        return self.another(Reason.PASS_GONE, self.now, counted=True)

    def ask(self) -> None:
        if not (self.case.receipt and self.case.receipt.is_final):
            self.take(word_on(self.case, self.word(), self.rules, self.now))
        head = self.case
        if head.receipt and head.receipt.has_arrived:
            self.take(head.moved(State.SENT, ask_at=None) if head.ask_at else None)
        elif head.channel is Channel.WHATSAPP:
            self.fall_back()
        elif head.receipt and head.receipt.is_final:
            self.undelivered()
        else:
            next_time = self.now + ASK_EVERY if head.asks < ASKS else None
            self.take(head.moved(State.SENT, asks=head.asks + 1, ask_at=next_time))

    def undelivered(self) -> None:
        reason = self.case.failure or Reason.PHONE_UNREACHABLE
        if reason is Reason.UNDELIVERABLE or self.case.is_last(self.rules):
            return self.refuse(Reason.UNDELIVERABLE)
        wait = UNREACHED_WAITS[min(self.case.spent, len(UNREACHED_WAITS) - 1)]
        return self.another(reason, self.now + wait, counted=True)

    def another(self, reason: Reason, earliest: datetime, *, counted: bool) -> None:
        when = once_more(certain(self.case.event), certain(self.case.opens_at), PLAN, earliest)
        self.take(self.case.again(when, reason, counted=counted, held=Held()))

    def check(self) -> None:
        """Nothing registered so far, or at the end."""
        head, ends_at = self.case, certain(self.case.pass_ends_at)
        if self.now < ends_at:
            next_time = min(self.now + CHECK_EVERY, ends_at + JUST_AFTER)
            return self.take(head.moved(State.SENT, check_at=next_time))
        if head.is_last(self.rules):
            return self.refuse(Reason.PASSES_EXHAUSTED)
        when = next_morning(certain(head.event), PLAN, self.now)
        return self.take(head.again(when, Reason.EXPIRED_UNUSED, counted=True, held=Held()))

    def check_half_way(self) -> None:
        """Something is registered that is not passwordless: told at the end."""
        ended = self.now >= certain(self.case.pass_ends_at)
        self.refuse(Reason.REGISTERED_NOT_PASSWORDLESS) if ended else self.check()

    # --- clearing away ---

    def redact(self, *, fails: bool = False) -> None:
        head = self.case
        text = next(text for text in head.texts if text.redact_at and text.redact_at <= self.now)
        texts = text_kept(head.texts, text, self.now + MINUTE * 4 ** min(text.tries, 5))
        if not fails:
            self.copies.discard(text.message_id)
            texts = text_gone(head.texts, text)
        self.take(head.moved(head.state, texts=texts))

    def fail_to_redact(self) -> None:
        self.redact(fails=True)

    def revoke(self) -> None:
        self.live.pop(certain(self.case.user_id), None)
        self.take(self.case.passes_deleted(self.now))

    def wipe(self) -> None:
        self.take(self.case.wiped())

    def forget(self) -> None:
        self.head = None


OUTCOMES: Mapping[str, tuple[Callable[[Life], None], ...]] = {
    Act.ISSUE: (*[Life.claim] * 14, Life.find_made_it, Life.put_off, Life.refuse),
    "claimed": (*[Life.intend] * 14, Life.put_off, Life.refuse, Life.die),
    "intended": (*[Life.send] * 14, Life.whatsapp_fails, Life.put_off, Life.refuse, Life.die),
    "out": (*[Life.note_sent] * 7, Life.die),
    Act.GUARD: (*[Life.guard] * 5, Life.refuse, Life.put_off),
    Act.LOOK: (*[Life.look] * 10, Life.replaced, Life.gone, Life.onboard, Life.put_off),
    Act.ASK: (*[Life.ask] * 5, Life.put_off),
    Act.CHECK: (*[Life.check] * 14, Life.check_half_way, Life.onboard, Life.put_off),
    Act.REDACT: (*[Life.redact] * 3, Life.fail_to_redact),
    Act.REVOKE: (*[Life.revoke] * 3, Life.put_off),
    Act.WIPE: (*[Life.wipe] * 3, Life.put_off),
    Act.FORGET: (*[Life.forget] * 3, Life.put_off),
}
"""What each step, and each stage of a run that issues, can come to; the usual more often."""
