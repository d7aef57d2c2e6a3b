"""Who may do this very thing, where the role of its act does not decide alone. Pure."""

from collections.abc import Iterable
from typing import Final

from shared.events import Purpose
from shared.ports import Move
from shared.principal import OperatorRole, Principal
from shared.recording import EVENT, is_of_an_event
from shared.states import CLOSED, State
from shared.wishes import Unable

_OVER: Final = CLOSED | {State.CANCELLED}


class NotAllowed(Exception):  # noqa: N818 - as the errors of errors.py
    """Not for whoever asks; the text is only a code. `needs` is the role that would do, if one would."""

    def __init__(self, code: str, needs: OperatorRole | None = None) -> None:
        super().__init__(code)
        self.needs = needs


def actor(who: Principal) -> str:
    """How an operator stands in a case's history."""
    return f"operator:{who.id}"


def check_purpose(who: Principal, purpose: Purpose, *, single_day_passes: bool) -> None:
    """Whether somebody may ask for a pass for this, the first one or another.

    Raises:
        Unable: `single-day-off`, by the setting.
        NotAllowed: a single day wants an approver.
    """
    if purpose is not Purpose.SINGLE_DAY:
        return
    if not single_day_passes:
        raise Unable("single-day-off")
    if not who.may(OperatorRole.APPROVER):
        raise NotAllowed("role-missing", needs=OperatorRole.APPROVER)


def check_hands(who: Principal, history: Iterable[Move]) -> None:
    """Whether somebody may vouch for a case: two people always stand behind that.

    Raises:
        NotAllowed: `own-change`, they had a hand in it, or sent an event of it, since HR announced this hire.
    """
    hands: set[str] = set()
    for move in history:
        if move.from_state in _OVER and is_of_an_event(move.actor):
            hands = set()  # another round: what they did in the one before is no part of it
        if move.approved is None:  # who vouched for one thing may vouch for the next
            hands.add(move.actor)
    if {actor(who), f"{EVENT}:{who.id}"} & hands:
        raise NotAllowed("own-change")
