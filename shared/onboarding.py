"""The flow: one message in, one outcome settled.

What a run may do is decided by pure rules (events, plan, guard_rails, case); what it does goes through ports. The steps
themselves are in issuing.py and steps.py; what their outcomes lead to is decided here, once.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from logging import ERROR, INFO, WARNING
from typing import Final

from shared import issuing, steps
from shared.case import Case
from shared.contract import parse
from shared.errors import FirstpassError, Halted, Later, Reason, Refused, Unconfirmed
from shared.events import Cancellation, HireEvent, Nudge
from shared.plan import when
from shared.recording import heard_from, record_cancellation, record_hire
from shared.run import PAUSE, RUN_SECONDS, Outside, Run, halt, record
from shared.states import Act
from shared.telemetry import Event, emit

SHORTEST_WAIT: Final = timedelta(minutes=1)
"""No wake row comes sooner, and a run that waits for nothing would spin."""
GROWN_WAIT: Final = timedelta(minutes=5)
"""What lasts is looked at less often: each wait in a row doubles, up to this; more would make somebody late."""

HALTING: Final = frozenset({Act.ISSUE, Act.GUARD})
"""Steps whose Halted stops everybody. Any other may meet one person whom our identity may not look at."""

STEPS: Final[Mapping[Act, Callable[[Run], Awaitable[Case | None]]]] = {
    Act.ISSUE: issuing.issue,
    Act.REVOKE: steps.revoke,
    Act.GUARD: steps.guard_again,
    Act.LOOK: steps.look,
    Act.ASK: steps.ask,
    Act.CHECK: steps.check,
    Act.REDACT: steps.redact,
    Act.WIPE: steps.wipe,
    Act.FORGET: steps.forget,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Onboarding:
    """Takes joiners from the event to the pass on their phone, and on until they have made it.

    `name_case` gives a case id for (source, subject).
    """

    outside: Outside
    name_case: Callable[[str, str], str]

    async def handle(self, body: bytes) -> None:
        """Settle one message: returning completes it, any error gives it back to the queue.

        Raises:
            Moved: somebody else wrote the case meanwhile.
        """
        clock, ledger, bus = self.outside.clock, self.outside.ledger, self.outside.bus
        stop_at = clock.monotonic() + RUN_SECONDS
        try:
            event = parse(body, self.outside.rules.event, clock.now())
        except Refused as refused:
            emit(Event.MALFORMED, WARNING, reason=refused.reason, detail=refused.detail)
            return await bus.dead_letter(body, refused.reason, refused.detail)
        case = await ledger.load(event.case_id) if isinstance(event, Nudge) else await self._record(event)
        while case and (step := case.next_step()) and step.due <= clock.now():
            case = await self._settle(Run(self.outside, case, step.act, stop_at))
        if case:
            await ledger.wake(case)
        return None

    async def _record(self, event: HireEvent | Cancellation) -> Case | None:
        """Write the event into its case at once, whoever holds the lease."""
        case_id, now, rules = self.name_case(event.source, event.subject), self.outside.clock.now(), self.outside.rules

        def news(case: Case | None) -> Case | None:
            if isinstance(event, HireEvent):
                return record_hire(case, case_id, event, when(event, rules.plan, now), now)
            return record_cancellation(case, case_id, event, rules.case, now)

        saved = await record(self.outside.ledger, case_id, news, heard_from(event))
        if saved is None:
            emit(Event.IGNORED, case=case_id)
            return await self.outside.ledger.load(case_id)
        emit(Event.RECORDED, case=case_id, state=saved.state, issuance=saved.issuance)
        return saved

    async def _settle(self, run: Run) -> Case | None:
        """Run one step; every outcome it can have is decided here. Returns the head to go on with, None to stop."""
        try:
            return await STEPS[run.act](run)
        except Later as later:
            return await self._put_off(run, later, _wait(later))
        except Halted as halted:
            # Others try first: it may be this one case after all.
            case = await self._put_off(run, halted, halted.lasts or 2 * PAUSE)
            if run.act in HALTING:
                await halt(self.outside, halted)
            return case
        except Refused as refused:
            return await self._refuse(run, refused)
        except Unconfirmed as unconfirmed:
            emit(Event.UNCONFIRMED, WARNING, case=run.case.id, reason=unconfirmed.reason)
            return run.case

    async def _put_off(self, run: Run, outcome: FirstpassError, after: timedelta) -> Case:
        until = run.now() + max(after, min(SHORTEST_WAIT * 2 ** min(run.case.waits, 3), GROWN_WAIT))
        told = until.isoformat(timespec="seconds")
        alerts = isinstance(outcome, Halted) and run.act not in HALTING  # for those `halt` does, once for all
        level = ERROR if alerts else INFO
        emit(Event.WAITING, level, case=run.case.id, step=run.act, reason=outcome.reason, until=told)
        return await run.let_go(lambda case: case.put_off(run.act, outcome.reason, until, held=run.held))

    async def _refuse(self, run: Run, refused: Refused) -> Case:
        case = run.case
        told = {"caseId": case.id, "issuance": case.issuance, "reason": refused.reason}
        letter = json.dumps({"type": "case.refused.v1", "data": told}).encode()
        description = f"case {case.id}, issuance {case.issuance}" + (f": {refused.detail}" if refused.detail else "")
        await self.outside.bus.dead_letter(letter, refused.reason, description)
        emit(Event.REFUSED, WARNING, case=case.id, issuance=case.issuance, reason=refused.reason)
        if run.act is Act.GUARD:  # the joiner already has the pass that is deleted now
            emit(Event.WITHDRAWN, ERROR, case=case.id, issuance=case.issuance, reason=refused.reason)
        now = run.now()
        return await run.let_go(lambda mine: mine.refused(refused.reason, run.rules.case, now, held=run.held))


def _wait(later: Later) -> timedelta:
    """As told, except that a pause may end before its time: an operator resumes."""
    return min(later.after, PAUSE) if later.reason is Reason.PAUSED else later.after
