"""What operators may do with dead letters: look, replay, discard. Who may do what is decided in api.py.

A letter is acted upon first and completed second, each under a lock of its own: dying in between makes it come again,
and what it then asks for is there already. So nothing is lost, and nothing is done twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.case import Case
from shared.errors import Moved, Unavailable, UnreadableRow
from shared.events import DevicePath
from shared.judging import RESOLVED, Known, Refusal, judge, kind, paths_of, read, reopening, reopenings
from shared.letter_models import (
    DiscardWish,
    Judgement,
    Judgements,
    LetterPage,
    LetterQuery,
    LetterStats,
    LetterView,
    OneLetter,
    ReasonCount,
    ReplayWish,
    SomeLetters,
)
from shared.operations import NotFound
from shared.oversight import Letter, Letters, Taken, Turns
from shared.permitted import NotAllowed, actor, check_purpose
from shared.plan import in_order
from shared.ports import Clock, Ledger
from shared.principal import OperatorRole, Principal
from shared.run import Rules, record
from shared.telemetry import Event, emit, scrub
from shared.wishes import Unable

WORKS_FOR: Final = 45.0
"""Seconds after which a request begins with no further letter: far less than a lock lasts, and proxies wait."""
TURN: Final = timedelta(minutes=2)
LOOKED_AT: Final = 1_000
"""Letters one query looks at, however few of them fit."""
LOT: Final = 20
"""Cases read from the ledger at once."""
REASON_LENGTH, DESCRIPTION_LENGTH = 128, 1_000

type _Act = Callable[[Taken], Awaitable[Judgement]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Every act of an operator on dead letters."""

    letters: Letters
    turns: Turns
    ledger: Ledger
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
                name = _reason(letter)
                known = reasons.get(name) or ReasonCount(reason=name, count=0, oldest=letter.written_at)
                oldest = min(known.oldest, letter.written_at)
                reasons[name] = ReasonCount(reason=name, count=known.count + 1, oldest=oldest)
        ordered = sorted(reasons.values(), key=lambda each: (-each.count, each.reason))
        return LetterStats(total=sum(each.count for each in ordered), reasons=ordered)

    async def show_letter(self, _: Principal, asked: OneLetter) -> LetterView:
        """One dead letter."""
        async with aclosing(self.letters.find([asked.sequence])) as found:
            async for letter in found:
                return _view(await self._known(letter))
        raise NotFound("letter-unknown")

    async def judge_letters(self, _: Principal, asked: SomeLetters) -> Judgements:
        """What a replay would do with each now."""
        told = {number: Judgement(sequence=number, outcome="gone") for number in asked.sequences}
        async with aclosing(self.letters.find(asked.sequences)) as found:
            async for some in _by_lots(found):
                for known in await asyncio.gather(*map(self._known, some)):
                    told[known.letter.sequence] = judge(known, self.rules, self.clock.now())
        return Judgements(letters=[told[number] for number in asked.sequences])

    # --- acting ---

    async def replay_letters(self, who: Principal, asked: ReplayWish) -> Judgements:
        """Bring cases back, send events again; the run ends at the first error.

        Raises:
            NotAllowed: force wants an approver.
        """
        if asked.force and not who.may(OperatorRole.APPROVER):
            raise NotAllowed("role-missing", needs=OperatorRole.APPROVER)

        async def replay(taken: Taken) -> Judgement:
            done = await self._replay(taken.letter, who, force=asked.force)
            emit(Event.LETTER_REPLAYED, reason=_reason(taken.letter), detail=_told(done))
            if done.outcome in ("reopen", "send") or done.why == RESOLVED:
                await _completed(taken, done)
            return done

        async with self._turn(asked.run, who):
            return await self._settle(asked.sequences, replay)

    async def discard_letters(self, who: Principal, asked: DiscardWish) -> Judgements:
        """Remove dead letters for good; the run ends at the first error."""

        async def discard(taken: Taken) -> Judgement:
            await taken.complete()
            done = Judgement(sequence=taken.letter.sequence, outcome="gone", why="discarded")
            emit(Event.LETTER_DISCARDED, reason=_reason(taken.letter), detail=_told(done))
            return done

        async with self._turn(asked.run, who):
            return await self._settle(asked.sequences, discard)

    async def _replay(self, letter: Letter, who: Principal, *, force: bool) -> Judgement:
        known = await self._known(letter)
        verdict = judge(known, self.rules, self.clock.now(), force=force)
        if verdict.outcome == "nothing" and known.case:
            await self.ledger.wake(known.case)  # who reopened it may have died before its wake row
        if verdict.outcome == "send":
            await self.letters.send_again(letter, letter.replays + 1)
        if verdict.outcome == "reopen" and isinstance(known.said, Refusal):
            return await self._reopen(known.said, verdict, who)
        return verdict

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

    async def _settle(self, sequences: Sequence[int], act: _Act) -> Judgements:
        """One letter after the other, until an error or our time ends it; letters not reached are left out."""
        told: dict[int, Judgement] = {}
        stopped, stop_at = None, self.clock.monotonic() + WORKS_FOR
        try:
            async with aclosing(self.letters.take(sequences, stop_at)) as walk:
                async for taken in walk:
                    told[taken.letter.sequence] = await act(taken)
            if self.clock.monotonic() < stop_at:
                told |= await self._not_met([number for number in sequences if number not in told])
        except _NotCompleted as error:
            told[error.done.sequence], stopped = error.done, str(error)
        except Unavailable as error:
            stopped = str(error)
        return Judgements(letters=[told[number] for number in sequences if number in told], stopped=stopped)

    async def _not_met(self, sequences: Sequence[int]) -> dict[int, Judgement]:
        """What became of letters the walk did not meet."""
        told = {number: Judgement(sequence=number, outcome="gone") for number in sequences}
        async with aclosing(self.letters.find(sequences)) as found:
            async for letter in found:
                told[letter.sequence] = Judgement(sequence=letter.sequence, outcome="locked")
        return told

    @asynccontextmanager
    async def _turn(self, run: str, who: Principal) -> AsyncGenerator[None]:
        if not await self.turns.begin(run, who.id, TURN):
            raise Unable("another-run")
        try:
            yield
        finally:
            with suppress(Unavailable):  # it ends by itself
                await self.turns.end(run)

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
            view = _view(await self._known(letter)) if _fits(letter, asked) else None
            return view if view and _fits_too(view, asked) else None

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


class _NotCompleted(Exception):  # noqa: N818 - as the errors of errors.py
    """`done` was done, and the letter is still there; the text is only a code."""

    def __init__(self, done: Judgement, code: str) -> None:
        super().__init__(code)
        self.done = done


async def _completed(taken: Taken, done: Judgement) -> None:
    try:
        await taken.complete()
    except Unavailable as error:
        raise _NotCompleted(done, str(error)) from None


def _fits(letter: Letter, asked: LetterQuery) -> bool:
    in_time = _utc(asked.since, letter.written_at) <= letter.written_at <= _utc(asked.until, letter.written_at)
    return in_time and asked.reason in (None, _reason(letter))


def _fits_too(shown: LetterView, asked: LetterQuery) -> bool:
    enough = shown.replays >= asked.min_replays
    return enough and (asked.device_path is None or asked.device_path in shown.device_paths)


def _utc(moment: datetime | None, otherwise: datetime) -> datetime:
    """A bound; without a zone it is UTC."""
    if moment is None:
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _view(known: Known) -> LetterView:
    """A letter without anything personal: texts on it are mostly ours, but anybody's could be."""
    letter, said = known.letter, known.said
    refusal = said if isinstance(said, Refusal) else None
    paths: list[DevicePath] = paths_of(known)
    return LetterView(
        sequence=letter.sequence,
        written_at=letter.written_at,
        reason=_reason(letter),
        description=scrub(letter.description[:DESCRIPTION_LENGTH]),
        replays=known.replays,
        kind=kind(said),
        case_id=refusal.case_id if refusal else None,
        issuance=refusal.issuance if refusal else None,
        device_paths=[str(path) for path in in_order(paths)],
    )


def _reason(letter: Letter) -> str:
    return scrub(letter.reason[:REASON_LENGTH])


def _told(done: Judgement) -> str:
    return f"letter {done.sequence}: {done.outcome}" + (f" ({done.why})" if done.why else "")
