"""What a played row of the fault matrix leaves, and what has become of it by night, as anybody could see it.

The words of a row are for people; these are its figures. docs/reliability.md prints them, test_aftermath.py plays them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.states import State
from tests.faults.ports import Kind

MINUTE: Final = timedelta(minutes=1)
AT_ONCE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the case stands (None: there is none), and what it counts; passes Entra made, messages that left."""

    state: State | None
    attempt: int = 0
    sends: int = 0
    passes: int = 0
    messages: int = 0
    issuance: int = 1


@dataclass(frozen=True, slots=True)
class Aftermath:
    """`left` when the run has ended, or died; `then` by night. `after` the first try it came to that."""

    left: Seen
    then: Seen
    after: timedelta


NOBODY: Final = Seen(None)
ANNOUNCED: Final = Seen(State.ANNOUNCED)
CLAIMED: Final = Seen(State.ISSUING, attempt=1)
MADE: Final = Seen(State.ISSUING, attempt=1, passes=1)
COUNTED: Final = Seen(State.ISSUING, attempt=1, sends=1, passes=1)
OUT: Final = Seen(State.ISSUING, attempt=1, sends=1, passes=1, messages=1)
PUT_OFF: Final = Seen(State.ANNOUNCED, attempt=1)
GOT_NOTHING: Final = Seen(State.ANNOUNCED, attempt=1, passes=1)
SENT: Final = Seen(State.SENT, attempt=1, sends=1, passes=1, messages=1)
SECOND_TRY: Final = Seen(State.SENT, attempt=2, sends=1, passes=1, messages=1)
SECOND_PASS: Final = Seen(State.SENT, attempt=2, sends=1, passes=2, messages=1)
SECOND_SEND: Final = Seen(State.SENT, attempt=2, sends=2, passes=2, messages=1)
ANOTHER_MESSAGE: Final = Seen(State.SENT, attempt=1, sends=1, passes=3, messages=2, issuance=2)
REFUSED: Final = Seen(State.REFUSED, attempt=1, sends=1, passes=1)


def _each(kinds: Sequence[Kind], left: Seen, then: Seen, after: timedelta) -> dict[Kind, Aftermath]:
    return dict.fromkeys(kinds, Aftermath(left, then, after))


AFTERMATHS: Final[Mapping[str, Mapping[Kind, Aftermath]]] = {
    "dies before anything is written": _each([Kind.DIES], NOBODY, SENT, 5 * MINUTE),
    "dies after the event is recorded": _each([Kind.DIES], ANNOUNCED, SENT, 2 * MINUTE),
    "dies after the person and the policy were read": _each([Kind.DIES], ANNOUNCED, SENT, 2 * MINUTE),
    "dies after the claim": _each([Kind.DIES], CLAIMED, SECOND_TRY, 4 * MINUTE),
    "stands still with the lease, longer than it lasts": _each([Kind.SLOW], CLAIMED, SECOND_TRY, 4 * MINUTE),
    "the pass is made, the answer is lost": {
        **_each([Kind.LOST], MADE, SECOND_PASS, 3 * MINUTE),
        **_each([Kind.LATE], CLAIMED, SECOND_PASS, 3 * MINUTE),
    },
    "the pass is made minutes after its run gave up": _each([Kind.LATER], CLAIMED, ANOTHER_MESSAGE, 18 * MINUTE),
    "dies after the pass was made, before the send is written down": _each(
        [Kind.DIES], MADE, SECOND_PASS, 4 * MINUTE
    ),
    "dies after the send is written down, before sending": _each([Kind.DIES], COUNTED, SECOND_SEND, 4 * MINUTE),
    "Twilio took the message, the answer is lost, its report comes": _each([Kind.LOST], OUT, SENT, MINUTE),
    "Twilio says slow down, or is not reached": _each([Kind.FAILS], GOT_NOTHING, SECOND_PASS, 2 * MINUTE),
    "Twilio will not send to this number": _each([Kind.FAILS], REFUSED, REFUSED, AT_ONCE),
    "Twilio refuses the account or its sender": _each([Kind.FAILS], GOT_NOTHING, SECOND_PASS, 30 * MINUTE),
    "somebody else wrote the case after the message went out": _each([Kind.FAILS], SENT, SENT, AT_ONCE),
    "somebody else wrote the case before the claim": _each([Kind.FAILS], ANNOUNCED, SENT, AT_ONCE),
    "the ledger does not take the claim": _each([Kind.FAILS, Kind.LATER], ANNOUNCED, SENT, MINUTE / 3),
    "the ledger takes the claim, the answer is lost": {
        **_each([Kind.LOST], CLAIMED, SECOND_TRY, 3 * MINUTE),
        **_each([Kind.LATE], ANNOUNCED, SECOND_TRY, 3 * MINUTE),
    },
    "the ledger does not answer after the message": {
        **_each([Kind.FAILS], OUT, SENT, MINUTE),
        **_each([Kind.LOST], SENT, SENT, AT_ONCE),
        **_each([Kind.LATE], OUT, SENT, MINUTE / 6),
        **_each([Kind.LATER], OUT, SENT, MINUTE * 5 / 6),
    },
    "the wake row is written and the head is not": _each([Kind.DIES], NOBODY, SENT, 5 * MINUTE),
    "all is done, and the message cannot be settled": _each(
        [Kind.FAILS, Kind.LOST, Kind.DIES], SENT, SENT, AT_ONCE
    ),
    "Graph says slow down": _each([Kind.FAILS], ANNOUNCED, SENT, 2 * MINUTE),
    "Graph refuses the app, or the policy is off or only allows one-time passes": _each(
        [Kind.FAILS], PUT_OFF, SECOND_TRY, 30 * MINUTE
    ),
}  # fmt: skip
"""By the row's name, and by the way in which its call goes wrong."""


def figures(what: str) -> str:
    """A row's figures in words; nothing for one that is not played."""
    told = {kind: _told(aftermath) for kind, aftermath in AFTERMATHS.get(what, {}).items()}
    if len(set(told.values())) <= 1:
        return next(iter(told.values()), "")
    return "<br>".join(f"{kind}: {words}" for kind, words in told.items())


def _told(aftermath: Aftermath) -> str:
    then = aftermath.then
    return f"{then.state} {_after(aftermath.after)}; {_many(then.passes, 'pass')}, {_many(then.messages, 'message')}"


def _after(wait: timedelta) -> str:
    if not wait:
        return "at once"
    return f"after {wait // MINUTE} min" if wait >= MINUTE else f"after {wait.seconds} s"


def _many(number: int, what: str) -> str:
    ending = "" if number == 1 else "es" if what.endswith("s") else "s"
    return f"{number or 'no'} {what}{ending}"
