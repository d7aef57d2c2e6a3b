"""Events that an operator sends in HR's place: all judged first, none sent while one is wrong, the same sent once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from shared.contract import parse
from shared.errors import Refused
from shared.events import HireEvent, Nudge
from shared.plan import local_words, when
from shared.ports import Bus, Clock
from shared.principal import Principal
from shared.run import Rules
from shared.sending_models import EventJudgement, EventJudgements, JudgeEvents, SendEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendings:
    """Takes what HR systems could send, from an export say. `name_case` as in Onboarding."""

    bus: Bus
    clock: Clock
    rules: Rules
    name_case: Callable[[str, str], str]

    async def judge_events(self, _: Principal, asked: JudgeEvents) -> EventJudgements:
        """What each event would lead to, in the joiner's local time; what is wrong with it, field by field."""
        return EventJudgements(events=[self._judge(at, event) for at, event in enumerate(asked.events)], sent=0)

    async def send_events(self, who: Principal, asked: SendEvents) -> EventJudgements:
        """Put the events on the queue, when all of them are right. Sent again, one is dropped as a duplicate.

        Each says who sent it: an approver must not vouch for a number of their own making.
        """
        events = [event | {"sentby": who.id} for event in asked.events]
        judged = [self._judge(at, event) for at, event in enumerate(events)]
        if any(one.wrong for one in judged):
            return EventJudgements(events=judged, sent=0)
        await self.bus.publish([(_message_id(event), _body(event)) for event in events])
        return EventJudgements(events=judged, sent=len(judged))

    def _judge(self, at: int, document: dict[str, Any]) -> EventJudgement:
        now = self.clock.now()
        try:
            event = parse(_body(document), self.rules.event, now)
        except Refused as refused:
            return EventJudgement(at=at, wrong=refused.detail or refused.reason)
        if isinstance(event, Nudge):
            return EventJudgement(at=at, wrong="type: a nudge is nothing to send")
        case_id = self.name_case(event.source, event.subject)
        if not isinstance(event, HireEvent):
            return EventJudgement(at=at, case_id=case_id)
        planned = when(event, self.rules.plan, now)
        opens, goes_out = local_words(event, planned.opens_at), local_words(event, planned.deliver_at)
        return EventJudgement(at=at, case_id=case_id, opens=opens, goes_out=goes_out)


def _body(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _message_id(document: dict[str, Any]) -> str:
    """The same for the same event: CloudEvents' source and id name it."""
    named = json.dumps([str(document.get("source")), str(document.get("id"))])
    return f"sent-{sha256(named.encode()).hexdigest()}"
