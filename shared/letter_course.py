"""What becomes of the letters of one request, one after the other, until an error ends it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from shared.errors import Unavailable
from shared.letter_models import Judgement, SomeLetters
from shared.oversight import Taken

NOT_COMPLETED: Final = "not-completed"
"""Why a letter may still be there whose replay was done: it is asked for again, and that does nothing twice."""

type OnLetter = Callable[[Taken], Awaitable[Judgement]]


@dataclass(slots=True)
class Course:
    """What is known so far; `in_hand` is the letter that is acted on just now."""

    asked: SomeLetters
    in_hand: int | None = None
    told: dict[int, Judgement] = field(default_factory=dict[int, Judgement])

    async def go(self, taken: Taken, act: OnLetter) -> None:
        """Act on a letter, if it is the one that was meant.

        Raises:
            Unavailable: that ends it.
        """
        self.in_hand = taken.letter.sequence
        if self.asked.is_meant(self.in_hand, taken.letter.mark):
            await self._act(taken, act)
        else:
            self.keep([Judgement(sequence=self.in_hand, outcome="changed")])
        self.in_hand = None

    async def _act(self, taken: Taken, act: OnLetter) -> None:
        try:
            self.keep([await act(taken)])
        except NotCompletedError as error:
            self.keep([error.done])
            raise

    def keep(self, some: Iterable[Judgement]) -> None:
        """Tell of these."""
        self.told |= {each.sequence: each for each in some}

    def fail(self, code: str) -> None:
        """The letter at which it ended says so, unless it has more to say: the one in hand, or else the next."""
        at = min(self.left, default=None) if self.in_hand is None else self.in_hand
        if at is not None and at not in self.told:
            self.keep([Judgement(sequence=at, outcome="failed", why=code)])

    @property
    def left(self) -> list[int]:
        """Letters of which nothing is known yet."""
        return [number for number in self.asked.sequences if number not in self.told]

    @property
    def letters(self) -> list[Judgement]:
        """What is known, in the order asked."""
        return [self.told[number] for number in self.asked.sequences if number in self.told]


class NotCompletedError(Unavailable):
    """`done` was done, and the letter is still there as far as we know; the text is only a code."""

    def __init__(self, done: Judgement, code: str) -> None:
        super().__init__(code)
        self.done = done


async def completed(taken: Taken, done: Judgement) -> Judgement:
    """A letter that was acted on goes.

    Raises:
        NotCompletedError: nobody knows whether it went.
    """
    try:
        await taken.complete()
    except Unavailable as error:
        raise NotCompletedError(done.model_copy(update={"why": NOT_COMPLETED}), str(error)) from None
    return done.model_copy(update={"removed": True})


def gone(sequence: int) -> Judgement:
    """There is no letter at this number."""
    return Judgement(sequence=sequence, outcome="gone", removed=True)
