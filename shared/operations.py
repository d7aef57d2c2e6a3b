"""What operators may do with cases, people and the whole. Who may do what is decided, and written down, in api.py.

Nothing here reaches Entra or Twilio: a change is a move of a case, and the worker does what follows from it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.api_models import (
    ActOnCase,
    ActOnPerson,
    CasePage,
    CaseQuery,
    CaseStory,
    CaseView,
    Contact,
    Done,
    Exceptions,
    FindCase,
    MoveView,
    OneCase,
    PauseView,
    PauseWish,
    PersonExport,
    Reasoned,
    StatusView,
    StepView,
)
from shared.case import Case
from shared.errors import Moved, Reason
from shared.events import Purpose
from shared.fields import certain
from shared.oversight import Overview
from shared.plan import PlanRules, When, in_order, local_words, once_more
from shared.ports import Clock, Ledger, Move
from shared.principal import Principal
from shared.run import record
from shared.states import CaseRules, State
from shared.wishes import Unable, approved, called_off, reissued

PAGE: Final = 500
SOON: Final = timedelta(hours=48)
RECENT: Final = timedelta(days=7)
TODAY: Final = timedelta(hours=24)


class NotAllowed(Exception):  # noqa: N818 - as the errors of errors.py
    """This very thing needs a higher role; the text is only a code."""


class NotFound(Exception):  # noqa: N818 - as the errors of errors.py
    """There is no such case, person or dead letter; the text is only a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Every act of an operator but those on dead letters. `name_case` gives a case id for (source, subject)."""

    ledger: Ledger
    overview: Overview
    clock: Clock
    plan: PlanRules
    rules: CaseRules
    hourly_budget: int
    name_case: Callable[[str, str], str]

    # --- cases ---

    async def list_cases(self, _: Principal, asked: CaseQuery) -> CasePage:
        """Cases by id, a page at a time."""
        found = await self.overview.heads(asked.state, asked.after, asked.limit)
        more = found[-1].id if len(found) == asked.limit else None
        return CasePage(cases=[view(case) for case in found], next_after=more)

    async def show_case(self, _: Principal, asked: OneCase) -> CaseStory:
        """A case and its history."""
        return await self._story(await self._case(asked.case_id))

    async def find_case(self, _: Principal, asked: FindCase) -> CaseStory:
        """A case by HR's key, or the one that holds a person."""
        if asked.user:
            known = await self.overview.person(asked.user.lower())
            case_id = known.open_case if known else None
        else:
            case_id = self.name_case(asked.source or "", asked.subject or "")
        return await self._story(await self._case(case_id or ""))

    async def reveal_contact(self, _: Principal, asked: ActOnCase) -> Contact:
        """What is personal about a case."""
        return contact(await self._case(asked.case_id))

    async def reissue(self, who: Principal, asked: ActOnCase) -> Done:
        """Another pass, as soon as messages go out."""
        return await self._move(who, asked.case_id, lambda case: reissued(case, self._soon(case)))

    async def cancel(self, who: Principal, asked: ActOnCase) -> Done:
        """Delete the passes of a case; none follows until HR announces the hire again."""
        return await self._move(who, asked.case_id, lambda case: called_off(case, self.rules, self.clock.now()))

    async def approve(self, who: Principal, asked: ActOnCase) -> Done:
        """Vouch for a changed number, unless the same person has had a hand in this case."""
        history = await self.ledger.history((await self._case(asked.case_id)).id)
        if actor(who) in {move.actor for move in history}:
            raise Unable("own-change")
        now = self.clock.now()
        return await self._move(who, asked.case_id, lambda case: approved(case, self._soon(case), now))

    # --- people ---

    async def export_person(self, _: Principal, asked: ActOnPerson) -> PersonExport:
        """Everything that is kept of one person."""
        known = await self.overview.person(asked.user.lower())
        if known is None:
            raise NotFound("person-unknown")
        case = await self.ledger.load(known.open_case) if known.open_case else None
        return PersonExport(
            user=asked.user.lower(),
            numbers_first_seen=list(known.numbers_first_seen),
            case=await self._story(case) if case else None,
            contact=contact(case) if case and case.event else None,
        )

    async def forget_person(self, _: Principal, asked: ActOnPerson) -> Done:
        """Drop everything that is kept of one person; not while a case of theirs is open or still deletes passes."""
        user = asked.user.lower()
        known = await self.overview.person(user)
        if known is None:
            raise NotFound("person-unknown")
        case = await self.ledger.load(known.open_case) if known.open_case else None
        if case and (case.forget_at is None or case.deletions_left):
            raise Unable("case-open")
        if case:
            await self.ledger.forget(case)
        await self.overview.forget_person(user)
        return Done()

    # --- the whole ---

    async def status(self, _: Principal, __: object) -> StatusView:
        """How it goes, and what wants a look today."""
        now, counts, soon = self.clock.now(), Counter[str](), 0
        wanting: dict[str, list[str]] = {name: [] for name in EXCEPTIONS}
        async for case in self._every_case():
            counts[case.state] += 1
            soon += case.state is State.ANNOUNCED and certain(case.deliver_at) <= now + TODAY
            for name, holds in EXCEPTIONS.items():
                wanting[name] += [case.id] if holds(case, now, self.rules) else []
        pause = await self.overview.pause_in_force()
        return StatusView(
            now=now,
            heartbeat=await self.overview.heartbeat(),
            pause=PauseView(until=pause.until, reason=pause.reason, by=pause.by) if pause else None,
            next_wake=await self.overview.next_wake(),
            cases=dict(counts),
            waiting_soon=soon,
            hourly_budget=self.hourly_budget,
            exceptions=Exceptions(**wanting),
        )

    async def pause(self, who: Principal, asked: PauseWish) -> Done:
        """Stop all issuing for a while."""
        await self.ledger.pause(Reason.PAUSED, actor(who), timedelta(minutes=asked.minutes))
        return Done()

    async def resume(self, _: Principal, __: Reasoned) -> Done:
        """End a pause, also one that began by itself."""
        await self.overview.resume()
        return Done()

    # --- helpers ---

    async def _case(self, case_id: str) -> Case:
        case = await self.ledger.load(case_id) if case_id else None
        if case is None:
            raise NotFound("case-unknown")
        return case

    async def _story(self, case: Case) -> CaseStory:
        return CaseStory(case=view(case), history=[_move(move) for move in await self.ledger.history(case.id)])

    async def _move(self, who: Principal, case_id: str, wish: Callable[[Case], Case]) -> Done:
        """Write the wish into the case, on whatever head it has by then."""

        def news(case: Case | None) -> Case:
            if case is None:
                raise NotFound("case-unknown")
            return wish(case)

        saved = await record(self.ledger, case_id, news, actor(who))
        if saved is None:
            raise Moved
        return Done(state=saved.state)

    def _soon(self, case: Case) -> When:
        """The next moment a message may go out for a case; the codes of wishes.py say when there is none."""
        if case.event is None or case.opens_at is None:
            raise Unable("contact-wiped")
        return once_more(case.event, case.opens_at, self.plan, self.clock.now())

    async def _every_case(self) -> AsyncIterator[Case]:
        after: str | None = None
        while page := await self.overview.heads(None, after, PAGE):
            for case in page:
                yield case
            after = page[-1].id


def actor(who: Principal) -> str:
    """How an operator stands in a case's history."""
    return f"operator:{who.id}"


# --- what is shown of a case ---


def view(case: Case) -> CaseView:
    """A case without anything personal."""
    step, event = case.next_step(), case.event
    return CaseView(
        case_id=case.id,
        state=case.state,
        reason=case.reason,
        next_step=StepView(act=step.act, due=step.due, local=local_words(event, step.due) if event else None)
        if step
        else None,
        opens_at=case.opens_at,
        deliver_at=case.deliver_at,
        issuance=case.issuance,
        spent=case.spent,
        channel=case.channel or (event.channel if event else None),
        receipt=case.receipt,
        sent_at=case.sent_at,
        pass_ends_at=case.pass_ends_at,
        device_paths=[str(path) for path in in_order(event.device_paths)] if event else [],
        time_zone=event.time_zone if event else None,
        contact_kept=event is not None,
        purpose=case.purpose,
    )


def contact(case: Case) -> Contact:
    """What is personal about a case.

    Raises:
        Unable: `contact-wiped`.
    """
    if case.event is None:
        raise Unable("contact-wiped")
    event = case.event
    return Contact(
        case_id=case.id,
        source=event.source,
        subject=event.subject,
        user=f"{event.user.by}={event.user.value}",
        user_id=case.user_id,
        mobile_phone=event.mobile_phone,
    )


def _move(move: Move) -> MoveView:
    return MoveView(
        at=move.at,
        from_state=move.from_state,
        to_state=move.to_state,
        reason=move.reason,
        actor=move.actor,
        issuance=move.issuance,
        attempt=move.attempt,
        channel=move.channel,
        receipt=move.receipt,
    )


def _is_recent(case: Case, now: datetime, rules: CaseRules) -> bool:
    """Whether a case at rest came there in the last days."""
    return case.forget_at is not None and case.forget_at - rules.keep_case >= now - RECENT


def _starts_soon(case: Case, now: datetime, _: CaseRules) -> bool:
    waits = case.state in (State.ANNOUNCED, State.ISSUING) and certain(case.deliver_at) <= now
    unheard = case.state is State.SENT and not (case.receipt and case.receipt.has_arrived)
    return (waits or unheard) and case.opens_at is not None and case.opens_at <= now + SOON


_NOT_REACHED: Final = {Reason.UNDELIVERABLE, Reason.OPTED_OUT, Reason.PHONE_UNREACHABLE}

EXCEPTIONS: Final[Mapping[str, Callable[[Case, datetime, CaseRules], bool]]] = {
    "starts_soon_undelivered": _starts_soon,
    "undelivered": lambda case, now, rules: (
        case.reason in _NOT_REACHED and (case.forget_at is None or _is_recent(case, now, rules))
    ),
    "expired_unused": lambda case, _, __: case.state is State.ANNOUNCED and case.reason is Reason.EXPIRED_UNUSED,
    "gave_up": lambda case, now, rules: case.state is State.GAVE_UP and _is_recent(case, now, rules),
    "single_day": lambda case, _, __: case.purpose is Purpose.SINGLE_DAY,
    "refused": lambda case, now, rules: case.state is State.REFUSED and _is_recent(case, now, rules),
}
"""What an operator should look at today; those at rest for a week."""
