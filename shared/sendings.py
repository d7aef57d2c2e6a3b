"""Events that an operator sends in HR's place: all judged first, none sent while one is wrong, the same sent once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from shared.case import Case
from shared.contract import parse
from shared.errors import Reason, Refused
from shared.events import Cancellation, HireEvent, Nudge
from shared.guard_rails import guard_event
from shared.numbers import check_given
from shared.plan import When, in_order, local_words, needs, when
from shared.ports import Bus, Clock, Ledger
from shared.principal import Principal
from shared.recording import record_cancellation, record_hire
from shared.run import Rules
from shared.sending_models import Effect, EventJudgement, EventJudgements, JudgeEvents, SendEvents
from shared.states import State

FIELD_OF: Final = {Reason.EVENT_TOO_OLD: "data.hireDate"}
"""What in an event a refusal is about that needs nothing but the event; the others are about the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendings:
    """Takes what HR systems could send, from an export say. `name_case` as in Onboarding."""

    bus: Bus
    ledger: Ledger
    clock: Clock
    rules: Rules
    name_case: Callable[[str, str], str]

    async def judge_events(self, _: Principal, asked: JudgeEvents) -> EventJudgements:
        """What each event would lead to, in the joiner's local time; what is wrong with it, field by field."""
        return EventJudgements(events=[await self._judge(at, event) for at, event in enumerate(asked.events)], sent=0)

    async def send_events(self, who: Principal, asked: SendEvents) -> EventJudgements:
        """Put the events on the queue, when all of them are right. Sent again, one is dropped as a duplicate.

        Each says who sent it: an approver must not vouch for a number of their own making.
        """
        events = [event | {"sentby": who.id} for event in asked.events]
        judged = [await self._judge(at, event) for at, event in enumerate(events)]
        if any(one.wrong for one in judged):
            return EventJudgements(events=judged, sent=0)
        await self.bus.publish([(_message_id(event), _body(event)) for event in events])
        return EventJudgements(events=judged, sent=len(judged))

    async def _judge(self, at: int, document: dict[str, Any]) -> EventJudgement:
        try:
            event = parse(_body(document), self.rules.event, self.clock.now())
            planned = self._planned(event)
        except Refused as refused:
            return EventJudgement(at=at, wrong=_wrong(refused))
        if isinstance(event, Nudge):
            return EventJudgement(at=at, wrong="type: a nudge is nothing to send")
        case_id = self.name_case(event.source, event.subject)
        effect = self._effect(await self.ledger.load(case_id), case_id, event, planned)
        if planned is None or isinstance(event, Cancellation):
            return EventJudgement(at=at, case_id=case_id, effect=effect)
        return EventJudgement(
            at=at,
            case_id=case_id,
            effect=effect,
            goes_out_at=planned.deliver_at,
            goes_out=local_words(event, planned.deliver_at),
            opens_at=planned.opens_at,
            opens=local_words(event, planned.opens_at),
            lasts_minutes=needs(event, self.rules.plan)[1],
            device_paths=[str(path) for path in in_order(event.device_paths)],
            channel=event.channel,
        )

    def _planned(self, event: HireEvent | Cancellation | Nudge) -> When | None:
        """When the pass of an event is to be, if it asks for one.

        Raises:
            Refused: what would be refused whatever the directory says.
        """
        if not isinstance(event, HireEvent):
            return None
        now = self.clock.now()
        planned = when(event, self.rules.plan, now)
        guard_event(event, planned.opens_at, self.rules.guard, now)
        check_given(event, self.rules.guard)
        return planned

    def _effect(
        self, case: Case | None, case_id: str, event: HireEvent | Cancellation, planned: When | None
    ) -> Effect | None:
        """What the event would make of the case, by the very rules that will record it."""
        now = self.clock.now()
        if isinstance(event, HireEvent) and planned:
            after = record_hire(case, case_id, event, planned, now)
        elif isinstance(event, Cancellation):
            after = record_cancellation(case, case_id, event, self.rules.case, now)
        else:
            return None
        if after is None:
            return "nothing"
        if case is None:
            return "new"
        is_again = case.state in (State.REFUSED, State.CANCELLED) and after.state is State.ANNOUNCED
        return "again" if is_again else "news"


def _wrong(refused: Refused) -> str:
    """What is wrong with an event, by field."""
    if refused.reason in (Reason.MALFORMED_EVENT, Reason.UNKNOWN_TYPE):
        return refused.detail or refused.reason
    return f"{FIELD_OF.get(refused.reason, 'data.mobilePhone')}: would be refused ({refused.reason})"


def _body(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _message_id(document: dict[str, Any]) -> str:
    """The same for the same event, whoever sends it, and another for one that says anything else."""
    said = {name: value for name, value in document.items() if name != "sentby"}
    return f"sent-{sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()}"
