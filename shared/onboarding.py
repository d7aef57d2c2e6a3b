"""The flow: one message in, one outcome settled; every step of a case on one screen.

What a run may do is decided by pure rules (events, plan, guard_rails, case); what it does goes through ports. The order
of the calls in `_issue` is the promise: each gap between two of them is a place to die without losing anybody.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from logging import ERROR, WARNING
from typing import Final

from shared.case import MAX_SENDS, Act, Case, Held, certain
from shared.contract import parse
from shared.errors import FirstpassError, Halted, Later, Moved, Reason, Refused, Unconfirmed
from shared.events import Cancellation, EventRules, HireEvent, Nudge, UserRef
from shared.guard_rails import Facts, GuardRules, guard, guard_event, guard_person, is_ours
from shared.numbers import trusted_number
from shared.plan import PlanRules, fit, when
from shared.ports import Bus, Clock, Courier, Directory, Ledger
from shared.recording import record_cancellation, record_hire
from shared.telemetry import Event, emit

RUN_SECONDS: Final = 90.0
"""After this a run starts nothing any more: half a lease, so a holder stops long before another may begin."""
PAUSE: Final = timedelta(minutes=15)
RECORD_TRIES: Final = 8
SHORTEST_WAIT: Final = timedelta(minutes=1)
"""No wake row comes sooner, and a run that waits for nothing would spin."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The deployer's choices, as the pure parts want them."""

    event: EventRules
    plan: PlanRules
    guard: GuardRules


@dataclass(slots=True)
class Run:
    """One step under way: the newest head it wrote, what it holds of it, and when it must stop."""

    case: Case
    stop_at: float
    held: Held = field(default_factory=Held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Onboarding:
    """Takes joiners from the event to the pass on their phone. `name_case` gives a case id for (source, subject)."""

    directory: Directory
    courier: Courier
    ledger: Ledger
    bus: Bus
    clock: Clock
    rules: Rules
    name_case: Callable[[str, str], str]

    async def handle(self, body: bytes) -> None:
        """Settle one message: returning completes it, any error gives it back to the queue.

        Raises:
            Moved: somebody else wrote the case meanwhile.
        """
        stop_at = self.clock.monotonic() + RUN_SECONDS
        try:
            event = parse(body, self.rules.event, self.clock.now())
        except Refused as refused:
            emit(Event.MALFORMED, WARNING, reason=refused.reason, detail=refused.detail)
            return await self.bus.dead_letter(body, refused.reason, refused.detail)
        case = await self.ledger.load(event.case_id) if isinstance(event, Nudge) else await self._record(event)
        while case and (step := case.next_step()) and step.due <= self.clock.now():
            case = await self._settle(ACTS[step.act], Run(case, stop_at))
        if case:
            await self.ledger.wake(case)
        return None

    async def _record(self, event: HireEvent | Cancellation) -> Case:
        """Write the event into its case at once, whoever holds the lease."""
        case_id, now = self.name_case(event.source, event.subject), self.clock.now()
        for _ in range(RECORD_TRIES):
            before = await self.ledger.load(case_id)
            if isinstance(event, HireEvent):
                after = record_hire(before, case_id, event, when(event, self.rules.plan, now), now)
            else:
                after = record_cancellation(before, case_id, event, now)
            if before and after is None:
                emit(Event.IGNORED, case=case_id, state=before.state)
                return before
            with suppress(Moved):
                saved = await self.ledger.save(before, certain(after), "event")
                emit(Event.RECORDED, case=case_id, state=saved.state, issuance=saved.issuance)
                return saved
        raise Moved

    async def _settle(self, step: "StepFunction", run: Run) -> Case | None:
        """Run one step; every outcome it can have is decided here. Returns the head to go on with, None to stop."""
        try:
            return await step(self, run)
        except Later as later:
            return await self._put_off(run, later, later.after)
        except Halted as halted:
            case = await self._put_off(run, halted, 2 * PAUSE)  # others try first: it may be this one case after all
            if await self.ledger.pause(halted.reason, "firstpass", PAUSE):
                emit(Event.HALTED, ERROR, reason=halted.reason, minutes=PAUSE // timedelta(minutes=1))
            return case
        except Refused as refused:
            return await self._refuse(run, refused)
        except Unconfirmed as unconfirmed:
            emit(Event.UNCONFIRMED, WARNING, case=run.case.id, reason=unconfirmed.reason)
            return run.case

    # --- steps ---

    async def _issue(self, run: Run) -> Case | None:
        case, event, now = run.case, certain(run.case.event), self.clock.now()
        guard_event(event, self.rules.guard, now)
        await self.ledger.admit()
        policy = await self.directory.policy(run.stop_at)
        seen = await self._facts(event, case.user_id, run.stop_at)
        facts = guard(seen, policy, event, case.known(), self.rules.guard, now)
        number = trusted_number(facts, event, self.rules.guard)
        person = await self.ledger.meet(facts.user_id, number, case.id)
        guard_person(person, facts, case.known(), self.rules.guard, now)
        if case.sends >= MAX_SENDS:
            raise Refused(Reason.SEND_UNCONFIRMED)
        terms = fit(event, certain(case.opens_at), policy, self.rules.plan, now)
        if terms.cut:
            emit(Event.LIFETIME_CUT, WARNING, case=case.id, minutes=terms.lifetime_in_minutes)

        await self._save(run, case.claimed(facts.user_id, terms, self.clock.now()), Held(lease=True))
        emit(Event.CLAIMED, case=case.id, issuance=case.issuance, attempt=run.case.attempt)
        tap = await self.directory.create_pass(facts.user_id, terms, run.stop_at)
        emit(Event.PASS_CREATED, case=case.id, issuance=case.issuance, attempt=run.case.attempt)
        try:
            await self._save_mine(run, lambda mine: mine.intended(tap.id), Held(lease=True, intended=1))
        except Moved:
            return await self._withdraw(run, facts.user_id, tap.id)
        message = await self.courier.send(number, event.channel, event.locale, tap.secret, run.case.ref, run.stop_at)
        emit(Event.SENT, case=case.id, issuance=case.issuance, channel=message.channel)
        try:
            now = self.clock.now()
            return await self._save_mine(run, lambda mine: mine.sent(message.id, message.channel, now), Held())
        except Moved:  # the message is out; whoever wrote the head decides what becomes of its pass
            return None

    async def _revoke(self, run: Run) -> Case:
        case, user_id = run.case, certain(run.case.user_id)
        found = await self.directory.passes(user_id, run.stop_at)
        if await self.ledger.load(case.id) != case:
            raise Moved
        for live in found:
            if is_ours(live, case.known()):
                await self.directory.delete_pass(user_id, live.id, run.stop_at)
                emit(Event.PASS_DELETED, case=case.id, issuance=case.issuance)
        return await self._save(run, case.passes_deleted(self.clock.now()), Held())

    # --- outcomes ---

    async def _put_off(self, run: Run, outcome: FirstpassError, after: timedelta) -> Case:
        until = self.clock.now() + max(after, SHORTEST_WAIT)
        emit(Event.WAITING, case=run.case.id, reason=outcome.reason, until=until.isoformat(timespec="seconds"))
        return await self._save(run, run.case.put_off(outcome.reason, until, held=run.held), Held())

    async def _refuse(self, run: Run, refused: Refused) -> Case:
        case = run.case
        told = {"caseId": case.id, "issuance": case.issuance, "reason": refused.reason}
        letter = json.dumps({"type": "case.refused.v1", "data": told}).encode()
        description = f"case {case.id}, issuance {case.issuance}" + (f": {refused.detail}" if refused.detail else "")
        await self.bus.dead_letter(letter, refused.reason, description)
        emit(Event.REFUSED, WARNING, case=case.id, issuance=case.issuance, reason=refused.reason)
        return await self._save(run, case.refused(refused.reason, self.clock.now(), held=run.held), Held())

    async def _withdraw(self, run: Run, user_id: str, pass_id: str) -> None:
        """Delete a pass that was not sent. If that fails it lapses, or the next one replaces it."""
        with suppress(Later, Halted):
            await self.directory.delete_pass(user_id, pass_id, run.stop_at)
            emit(Event.PASS_DELETED, case=run.case.id, issuance=run.case.issuance)

    async def _facts(self, event: HireEvent, pinned: str | None, stop_at: float) -> Facts | None:
        """The person of the event, or, when they go by another name now, the one this case is pinned to."""
        found = await self.directory.facts(event.user, stop_at)
        return found if found or not pinned else await self.directory.facts(UserRef("id", pinned), stop_at)

    async def _save_mine(self, run: Run, move: Callable[[Case], Case], held: Held) -> Case:
        """Save a holder's move, also over news recorded meanwhile that changes nothing: the attempt is still its own.

        Raises:
            Moved: the case went elsewhere.
        """
        try:
            return await self._save(run, move(run.case), held)
        except Moved:
            fresh = await self.ledger.load(run.case.id)
            if fresh is None or (fresh.state, fresh.ref) != (run.case.state, run.case.ref):
                raise
            run.case = fresh
        return await self._save(run, move(fresh), held)

    async def _save(self, run: Run, after: Case, held: Held) -> Case:
        run.case = await self.ledger.save(run.case, after, "run")
        run.held = held
        return run.case


type StepFunction = Callable[[Onboarding, Run], Awaitable[Case | None]]

ACTS: Mapping[Act, StepFunction] = {
    Act.ISSUE: Onboarding._issue,  # noqa: SLF001 - the step table's other half
    Act.REVOKE: Onboarding._revoke,  # noqa: SLF001 - as above
}
