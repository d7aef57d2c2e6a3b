"""What operators may do with cases, people and the whole. Who may do what is decided, and written down, in api.py.

Nothing here reaches Entra or Twilio: a change is a move of a case, and the worker does what follows from it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.api_fields import MAX_REASON, Reasoned
from shared.api_models import (
    ActOnCase,
    ActOnPerson,
    ApproveWish,
    CaseExport,
    CasePage,
    CaseQuery,
    CaseStory,
    Contact,
    Done,
    Exceptions,
    FindCase,
    OneCase,
    PauseView,
    PauseWish,
    PersonExport,
    StatusView,
)
from shared.case import Case
from shared.checkup_ports import Reports
from shared.errors import Moved, Reason, Refused, Unavailable
from shared.fields import certain
from shared.forecast import Hourly, Planned, forecast
from shared.guard_rails import guard_event
from shared.oversight import Acquaintance, DepthNotes, Gauge, NotedDepth, Overview, Unreadable
from shared.permitted import actor, check_hands, check_purpose
from shared.ports import Clock, Ledger
from shared.principal import Principal
from shared.run import Rules, record
from shared.telemetry import scrub
from shared.views import (
    EXCEPTIONS,
    contact,
    due_to_go_out,
    due_view,
    forecast_view,
    is_about,
    is_about_another,
    is_rehearsal,
    move_view,
    next_due,
    queue_view,
    self_check_view,
    view,
)
from shared.wishes import Unable, approved, called_off, next_chance, reissued

PAGE: Final = 500


class NotFound(Exception):  # noqa: N818 - as the errors of errors.py
    """There is no such case, person or dead letter; the text is only a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Every act of an operator but those on dead letters. `name_case` gives a case id for (source, subject)."""

    ledger: Ledger
    overview: Overview
    clock: Clock
    rules: Rules
    hourly_budget: int
    joiners_queue: DepthNotes
    dead_letters: Gauge
    reports: Reports
    name_case: Callable[[str, str], str]

    # --- cases ---

    async def list_cases(self, _: Principal, asked: CaseQuery) -> CasePage:
        """Cases by id, a page at a time; heads nobody can read are in `status` only."""
        found, more = await self._page(asked)
        return CasePage(cases=[view(case) for case in found if isinstance(case, Case)], next_after=more)

    async def show_case(self, _: Principal, asked: OneCase) -> CaseStory:
        """A case and its history."""
        return await self._story(await self._case(asked.case_id))

    async def find_case(self, _: Principal, asked: FindCase) -> CaseStory:
        """A case by HR's key, or the one that holds a person, else one that names them: an open one first."""
        if asked.user is None:
            return await self._story(await self._case(self.name_case(asked.source or "", asked.subject or "")))
        held = await self._held(asked.user.lower())
        named = [held] if held else await self._cases_of(asked.user.lower())
        if not named:
            raise NotFound("case-unknown")
        return await self._story(min(named, key=lambda case: case.forget_at is not None))

    async def reveal_contact(self, _: Principal, asked: ActOnCase) -> Contact:
        """What is personal about a case."""
        return contact(await self._case(asked.case_id))

    async def reissue(self, who: Principal, asked: ActOnCase) -> Done:
        """Another pass, as soon as messages go out."""
        now = self.clock.now()

        def another(case: Case) -> Case:
            check_purpose(who, case.purpose, single_day_passes=self.rules.single_day_passes)
            return self._in_time(reissued(case, next_chance(case, self.rules.plan, now)), now)

        return await self._move(who, asked.case_id, another)

    async def cancel(self, who: Principal, asked: ActOnCase) -> Done:
        """Delete the passes of a case; none follows until HR announces the hire again."""
        return await self._move(who, asked.case_id, lambda case: called_off(case, self.rules.case, self.clock.now()))

    async def approve(self, who: Principal, asked: ApproveWish) -> Done:
        """Vouch for what a case was refused for, unless the same person has had a hand in it."""
        history = await self.ledger.history((await self._case(asked.case_id)).id)
        now = self.clock.now()

        def vouched_for(case: Case) -> Case:
            if len(history) != case.moves:  # somebody had a hand in it since it was read
                raise Moved
            check_hands(who, history)
            when = next_chance(case, self.rules.plan, now)
            return self._in_time(approved(case, when, now, asked.code, asked.issuance), now)

        return await self._move(who, asked.case_id, vouched_for)

    def _in_time(self, case: Case, now: datetime) -> Case:
        """A case that goes on; one that would be refused at once as too old keeps the pass it has.

        Raises:
            Unable: `event-too-old`.
        """
        try:
            guard_event(certain(case.event), certain(case.opens_at), self.rules.guard, now)
        except Refused as refused:
            raise Unable(str(refused)) from None
        return case

    # --- people ---

    async def export_person(self, _: Principal, asked: ActOnPerson) -> PersonExport:
        """Everything that is kept of one person."""
        user, known, cases = await self._everything(asked)
        stories = [(case, await self._story(case)) for case in cases]
        return PersonExport(
            user=user,
            numbers_first_seen=list(known.numbers_first_seen) if known else [],
            cases=[
                CaseExport(case=told.case, history=told.history, contact=contact(case) if case.event else None)
                for case, told in stories
            ],
        )

    async def forget_person(self, _: Principal, asked: ActOnPerson) -> Done:
        """Drop everything that is kept of one person, unless a case of theirs has something left to do."""
        user, _known, cases = await self._everything(asked)
        for code in filter(None, map(still_needed, cases)):
            raise Unable(code)
        for case in cases:
            rows = await self.overview.wakes(case.id)  # read first: what HR makes of it meanwhile is woken by its own
            await self.ledger.forget(case)
            await self.ledger.done(rows)
        await self.overview.forget_person(user)
        return Done()

    # --- the whole ---

    async def status(self, _: Principal, __: object) -> StatusView:
        """How it goes, and what wants a look today."""
        now, counts, planned, waits = self.clock.now(), Counter[str](), list[Planned](), list[datetime]()
        wanting: dict[str, list[str]] = {name: [] for name in (*EXCEPTIONS, "unreadable")}
        async for case in self._every_case():
            if isinstance(case, Unreadable):
                wanting["unreadable"].append(case.id)
                continue
            counts[case.state] += 1
            waits += next_due(case)
            planned += due_to_go_out(case, self.rules.plan)
            for name, holds in EXCEPTIONS.items():
                wanting[name] += [case.id] if holds(case, now) else []
        pause, report = await self.overview.pause_in_force(), await self.reports.newest()
        hourly = Hourly(budget=self.hourly_budget, spent=await self.overview.spent())
        return StatusView(
            now=now,
            rehearsal=is_rehearsal(report, self.rules.rehearsal),
            heartbeat=await self.overview.heartbeat(),
            pause=PauseView(**asdict(pause)) if pause else None,
            next_wake=await self.overview.next_wake(),
            due=due_view(waits, now),
            self_check=self_check_view(report),
            cases=dict(counts),
            joiners_queue=queue_view(await self.joiners_queue.noted()),
            dead_letters=queue_view(await self._dead_letters(now)),
            hourly_budget=hourly.budget,
            spent_this_hour=hourly.spent,
            forecast=forecast_view(forecast(planned, now, hourly, pause.until if pause else None)),
            exceptions=Exceptions(**wanting),
        )

    async def pause(self, who: Principal, asked: PauseWish) -> Done:
        """Stop all issuing for a while. A longer pause in force stays: resume first."""
        why = scrub(asked.reason)[:MAX_REASON]  # as the audit has it
        await self.ledger.pause(Reason.PAUSED, actor(who), timedelta(minutes=asked.minutes), why)
        return await self._paused()

    async def resume(self, _: Principal, __: Reasoned) -> Done:
        """End a pause, also one that began by itself."""
        await self.overview.resume()
        return await self._paused()

    async def _paused(self) -> Done:
        pause = await self.overview.pause_in_force()
        return Done(until=pause.until if pause else None)

    async def _dead_letters(self, now: datetime) -> NotedDepth | None:
        """How many wait; the rest of the status is worth showing without."""
        try:
            return NotedDepth(at=now, depth=await self.dead_letters.read())
        except Unavailable:
            return None

    # --- helpers ---

    async def _page(self, asked: CaseQuery) -> tuple[list[Case | Unreadable], str | None]:
        """Some heads, and the id of the last where there may be more; a key that is no case id cannot be that last."""
        found = await self.overview.heads(asked.state, asked.after, asked.limit)
        while len(found) >= asked.limit:
            last = found[-1]
            if isinstance(last, Case) or last.has_case_id:
                return found, last.id
            found = found + (further := await self.overview.heads(asked.state, last.id, 1))
            if not further:
                break
        return found, None

    async def _case(self, case_id: str) -> Case:
        case = await self.ledger.load(case_id) if case_id else None
        if case is None:
            raise NotFound("case-unknown")
        return case

    async def _story(self, case: Case) -> CaseStory:
        return CaseStory(case=view(case), history=[move_view(move) for move in await self.ledger.history(case.id)])

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

    async def _held(self, user_id: str) -> Case | None:
        """The case that took a person last; HR may have given it to somebody else since."""
        known = await self.overview.person(user_id)
        case = await self.ledger.load(known.open_case) if known and known.open_case else None
        return None if case and is_about_another(case, user_id) else case

    async def _cases_of(self, user_id: str) -> list[Case]:
        """Every case that names a person."""
        return [case async for case in self._every_case() if isinstance(case, Case) and is_about(case, user_id)]

    async def _everything(self, asked: ActOnPerson) -> tuple[str, Acquaintance | None, list[Case]]:
        """A person's id, what is kept of them across cases, and their cases."""
        user = asked.user.lower()
        known, held, named = await self.overview.person(user), await self._held(user), await self._cases_of(user)
        if known is None and not named:
            raise NotFound("person-unknown")
        return user, known, [*([held] if held and held.id not in {case.id for case in named} else []), *named]

    async def _every_case(self) -> AsyncIterator[Case | Unreadable]:
        after: str | None = None
        while page := await self.overview.heads(None, after, PAGE):
            for case in page:
                yield case
            after = page[-1].id


def still_needed(case: Case) -> str | None:
    """Why a case cannot be forgotten now, as a code: what it is the last to know would never be done."""
    reasons = (
        (case.forget_at is None or case.deletions_left > 0 or case.is_looked_at_again, "case-open"),
        (any(text.redact_at for text in case.texts), "texts-pending"),
    )
    return next((code for holds, code in reasons if holds), None)
