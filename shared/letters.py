"""What operators may do with dead letters: look, replay, discard. Who may do what is decided in api.py.

A letter is acted upon first and completed second, each under a lock of its own: dying in between makes it come again,
and what it then asks for is there already. So nothing is lost, and nothing is done twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from shared.api_models import Done
from shared.case import Case
from shared.errors import Moved, Unavailable, UnreadableRow
from shared.judging import RESOLVED, Known, Refusal, judge, read, reopening, reopenings
from shared.letter_course import Course, OnLetter, completed, gone
from shared.letter_models import (
    DiscardWish,
    EndOfRun,
    Judgement,
    Judgements,
    JudgeWish,
    LetterPage,
    LetterQuery,
    LetterStats,
    LetterView,
    OneLetter,
    ReasonCount,
    ReplayWish,
    RunAct,
    SomeLetters,
)
from shared.letter_views import fits, fits_too, reason_of, tombstone, view
from shared.operations import NotFound
from shared.oversight import Audit, AuditEntry, Letter, Letters, Replay, ReplayIds, Taken, Turns
from shared.permitted import NotAllowed, actor, check_purpose
from shared.ports import Clock, Ledger
from shared.principal import OperatorRole, Principal
from shared.run import Rules, record
from shared.telemetry import Event, emit, scrub
from shared.wishes import Unable

WORKS_FOR: Final = 45.0
"""Seconds after which a request begins with no further letter: far less than a lock lasts, and proxies wait."""
TURN: Final = timedelta(minutes=2)
"""How long a run that says nothing keeps others out: it may have died, or go slowly."""
LOOKED_AT: Final = 1_000
"""Letters one query looks at, however few of them fit."""
LOT: Final = 20
"""Cases read from the ledger at once."""
_ACTED: Final = {"reopen", "send"}
"""The outcomes after which a replayed letter has nothing left to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Every act of an operator on dead letters."""

    letters: Letters
    turns: Turns
    replay_ids: ReplayIds
    ledger: Ledger
    audit: Audit
    clock: Clock
    rules: Rules

    # --- looking: nothing is locked ---

    async def list_letters(self, _: Principal, asked: LetterQuery) -> LetterPage:
        """Dead letters in their order, a page at a time."""
        found: list[LetterView] = []
        looked_at = 0
        async with aclosing(self.letters.walk(asked.after)) as walk:
            async for some in _by_lots(walk):
                for letter, shown in zip(some, await self._shown(some, asked), strict=True):
                    looked_at += 1
                    found += [shown] if shown else []
                    if len(found) == asked.limit or looked_at == LOOKED_AT:
                        return LetterPage(letters=found, next_after=letter.sequence)
        return LetterPage(letters=found, next_after=None)

    async def letter_stats(self, _: Principal, __: object) -> LetterStats:
        """How many there are, by reason."""
        reasons: dict[str, ReasonCount] = {}
        async with aclosing(self.letters.walk(0)) as walk:
            async for letter in walk:
                name = reason_of(letter)
                known = reasons.get(name) or ReasonCount(reason=name, count=0, oldest=letter.written_at)
                oldest = min(known.oldest, letter.written_at)
                reasons[name] = ReasonCount(reason=name, count=known.count + 1, oldest=oldest)
        ordered = sorted(reasons.values(), key=lambda each: (-each.count, each.reason))
        return LetterStats(total=sum(each.count for each in ordered), reasons=ordered)

    async def show_letter(self, _: Principal, asked: OneLetter) -> LetterView:
        """One dead letter."""
        async with aclosing(self.letters.find([asked.sequence])) as found:
            async for letter in found:
                return view(await self._known(letter))
        raise NotFound("letter-unknown")

    async def judge_letters(self, who: Principal, asked: JudgeWish) -> Judgements:
        """What would become of each now.

        Raises:
            NotAllowed: whoever asks could not do it.
        """
        _check(who, asked.act, force=asked.force)
        told = {number: gone(number) for number in asked.sequences}
        async with aclosing(self.letters.find(asked.sequences)) as found:
            async for some in _by_lots(found):
                for known in await asyncio.gather(*map(self._known, some)):
                    told[known.letter.sequence] = self._verdict(known, asked)
        return Judgements(letters=[told[number] for number in asked.sequences])

    def _verdict(self, known: Known, asked: JudgeWish) -> Judgement:
        number = known.letter.sequence
        if not asked.is_meant(number, known.letter.mark):
            return Judgement(sequence=number, outcome="changed")
        if asked.act == "discard":
            return Judgement(sequence=number, outcome="discard")
        return judge(known, self.rules, self.clock.now(), force=asked.force)

    # --- acting ---

    async def replay_letters(self, who: Principal, asked: ReplayWish) -> Judgements:
        """Bring cases back, send events again; it ends at the first error.

        Raises:
            NotAllowed: force wants an approver.
        """
        _check(who, "replay", force=asked.force)

        async def replay(taken: Taken) -> Judgement:
            done = await self._replay(taken.letter, who, force=asked.force)
            emit(Event.LETTER_REPLAYED, reason=reason_of(taken.letter), detail=_told(done))
            return await completed(taken, done) if done.outcome in _ACTED or done.why == RESOLVED else done

        return await self._settle(who, asked, asked.run, replay)

    async def discard_letters(self, who: Principal, asked: DiscardWish) -> Judgements:
        """Remove dead letters for good; it ends at the first error."""

        async def discard(taken: Taken) -> Judgement:
            await self._bury(taken, who, asked.reason)
            done = Judgement(sequence=taken.letter.sequence, outcome="gone", why="discarded", removed=True)
            emit(Event.LETTER_DISCARDED, reason=reason_of(taken.letter), detail=_told(done))
            return done

        return await self._settle(who, asked, asked.run, discard)

    async def end_run(self, who: Principal, asked: EndOfRun) -> Done:
        """Let others begin theirs, and whatever this one passed by be free."""
        if await self.turns.end(asked.run, who.id):
            await self.letters.rest()
        return Done()

    async def _bury(self, taken: Taken, who: Principal, why: str) -> None:
        """A letter goes for good, and the audit keeps which: before it goes, and again when that is not known."""
        said = read(taken.letter, self.rules, self.clock.now())
        target = tombstone(taken.letter, said.case_id if isinstance(said, Refusal) else None)
        entry = AuditEntry(
            at=self.clock.now(), who=who.id, act="discard_letter", target=target, allowed=True, why=scrub(why)
        )
        await self.audit.note(entry)
        try:
            await taken.complete()
        except Unavailable as error:
            await self.audit.note(replace(entry, ended=str(error)))
            raise

    async def _replay(self, letter: Letter, who: Principal, *, force: bool) -> Judgement:
        known = await self._known(letter)
        verdict = judge(known, self.rules, self.clock.now(), force=force)
        if verdict.outcome == "nothing" and known.case:
            await self.ledger.wake(known.case)  # who reopened it may have died before its wake row
        if verdict.outcome == "send":
            await self.letters.send_again(letter, await self._as_replay(letter, who))
        if verdict.outcome == "reopen" and isinstance(known.said, Refusal):
            return await self._reopen(known.said, verdict, who)
        return verdict

    async def _as_replay(self, letter: Letter, who: Principal) -> Replay:
        """How it goes out: under the plain id, unless another letter went out under that."""
        count = letter.replays + 1
        plain = letter.replay_id(count)
        is_ours = await self.replay_ids.claim(plain, letter.mark)
        message_id = plain if is_ours else letter.replay_id(count, marked=True)
        return Replay(count=count, message_id=message_id, by=who.id, at=self.clock.now())

    async def _reopen(self, refusal: Refusal, verdict: Judgement, who: Principal) -> Judgement:
        """Write it into the case, on whatever head that has by then."""
        plan, now = self.rules.plan, self.clock.now()

        def once_more(case: Case | None) -> Case:
            after = reopening(case, refusal, plan, now)
            check_purpose(who, after.purpose, single_day_passes=self.rules.single_day_passes)
            return after

        try:
            await record(self.ledger, refusal.case_id, once_more, actor(who))
        except (Unable, NotAllowed, Moved, UnreadableRow) as error:
            return Judgement(sequence=verdict.sequence, outcome="nothing", why=str(error))
        return verdict

    async def _settle(self, who: Principal, asked: SomeLetters, run: str, act: OnLetter) -> Judgements:
        """One letter after the other, until an error or our time ends it; letters not reached are left out."""
        if not await self.turns.begin(run, who.id, TURN):
            raise Unable("another-run")
        course, stop_at = Course(asked), self.clock.monotonic() + WORKS_FOR
        stopped = None
        try:
            async with aclosing(self.letters.take(asked.sequences, stop_at)) as walk:
                async for taken in walk:
                    await course.go(taken, act)
            if self.clock.monotonic() < stop_at:
                course.keep(await self._not_met(course.left))
        except Unavailable as error:
            stopped = str(error)
            course.fail(stopped)
        return Judgements(letters=course.letters, stopped=stopped)

    async def _not_met(self, sequences: Sequence[int]) -> Iterable[Judgement]:
        """What became of letters the walk did not meet."""
        told = {number: gone(number) for number in sequences}
        async with aclosing(self.letters.find(sequences)) as found:
            async for letter in found:
                told[letter.sequence] = Judgement(sequence=letter.sequence, outcome="locked")
        return told.values()

    # --- what is known of a letter ---

    async def _known(self, letter: Letter) -> Known:
        said = read(letter, self.rules, self.clock.now())
        if not isinstance(said, Refusal):
            return Known(letter, said, letter.replays)
        try:
            case = await self.ledger.load(said.case_id)
            history = await self.ledger.history(said.case_id) if case else []
        except UnreadableRow as error:  # one bad row must not hide the other letters
            return Known(letter, said, letter.replays, trouble=str(error))
        return Known(letter, said, max(letter.replays, reopenings(history)), case)

    async def _shown(self, letters: Sequence[Letter], asked: LetterQuery) -> list[LetterView | None]:
        """The letters that fit, None for the others; what a letter itself can tell is asked before its case."""

        async def shown(letter: Letter) -> LetterView | None:
            told = view(await self._known(letter)) if fits(letter, asked) else None
            return told if told and fits_too(told, asked) else None

        return await asyncio.gather(*map(shown, letters))


async def _by_lots(letters: AsyncIterator[Letter]) -> AsyncGenerator[list[Letter]]:
    """As they come, LOT by LOT: their cases are read together."""
    lot: list[Letter] = []
    async for letter in letters:
        lot.append(letter)
        if len(lot) == LOT:
            yield lot
            lot = []
    if lot:
        yield lot


def _check(who: Principal, act: RunAct | None, *, force: bool) -> None:
    """Replaying and discarding take an operator, force an approver; only to look takes nothing more than reading."""
    needed = OperatorRole.APPROVER if force else OperatorRole.OPERATOR if act else OperatorRole.READER
    if not who.may(needed):
        raise NotAllowed("role-missing", needs=needed)


def _told(done: Judgement) -> str:
    return f"letter {done.sequence}: {done.outcome}" + (f" ({done.why})" if done.why else "")
