"""A case's history in words, for a person: what happened, in the joiner's local time."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.api_models import MoveView
from shared.ports import Move
from shared.recording import EVENT, is_of_an_event
from shared.states import Act, State

OPERATOR: Final = "operator:"
APPROVER: Final = "approver"
OPENER: Final = "opener"
SENT: Final = "sent"

_WORDS: Final[Mapping[tuple[str, State], str]] = {
    (EVENT, State.ANNOUNCED): "HR's event is written down",
    (EVENT, State.CANCELLED): "HR calls it off",
    (SENT, State.ANNOUNCED): "an event that an operator sent is written down ({who})",
    (SENT, State.CANCELLED): "an operator's event calls it off ({who})",
    (Act.ISSUE, State.SENT): "pass {issuance} is made and sent by {channel}",
    (Act.ISSUE, State.ANNOUNCED): "waits: {reason}",
    (Act.ISSUE, State.REFUSED): "refused: {reason}",
    (Act.ISSUE, State.ONBOARDED): "has made it already",
    (Act.ISSUE, State.GAVE_UP): "no pass is left: given up",
    ("receipt", State.SENT): "Twilio reports: {receipt}",
    (Act.ASK, State.SENT): "asked, Twilio says: {receipt}",
    (Act.ASK, State.ANNOUNCED): "it did not arrive ({reason}): another pass",
    (Act.ASK, State.REFUSED): "refused: {reason}",
    (Act.LOOK, State.ANNOUNCED): "the pass is gone: another pass",
    (Act.GUARD, State.SENT): "second look before it opens: all is still right",
    (Act.GUARD, State.REFUSED): "second look before it opens: refused, {reason}",
    (Act.CHECK, State.ANNOUNCED): "the pass ran out unused: another one next working morning",
    (Act.CHECK, State.ONBOARDED): "a passwordless method is registered: onboarded",
    (Act.CHECK, State.REFUSED): "refused: {reason}",
    (Act.CHECK, State.GAVE_UP): "the last pass ran out unused: given up",
    (Act.LOOK, State.GAVE_UP): "the last pass is gone: given up",
    (Act.REVOKE, State.CANCELLED): "passes deleted",
    (Act.REVOKE, State.REFUSED): "passes deleted",
    (Act.REVOKE, State.ONBOARDED): "passes deleted",
    (Act.REVOKE, State.ANNOUNCED): "older passes deleted",
    (OPENER, State.ANNOUNCED): "an operator asks for it ({who})",
    (OPERATOR, State.ANNOUNCED): "an operator asks for another pass ({who})",
    (APPROVER, State.ANNOUNCED): "an approver vouches for it, {approved}: it goes on ({who})",
    (OPERATOR, State.CANCELLED): "an operator calls it off ({who})",
    **{(Act.WIPE, state): "what is personal is wiped" for state in State},
}
"""By who moved the case, and where to; what is not here interests nobody."""


def tell(history: Iterable[Move], zone: str) -> list[tuple[str, str]]:
    """When (local time) and what, oldest first."""
    return [(f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}", what) for at, what in happenings(history)]


def happenings(history: Iterable[Move | MoveView]) -> list[tuple[datetime, str]]:
    """When (UTC) and what, oldest first."""
    told: list[tuple[datetime, str]] = []
    for move in history:
        words = _WORDS.get((_who(move), move.to_state))
        if words is None or ("{receipt}" in words and move.receipt is None):
            continue
        what = words.format_map(_details(move))
        if not told or told[-1][1] != what:  # a wait that goes on is one
            told.append((move.at, what))
    return told


def _who(move: Move | MoveView) -> str:
    if move.approved:
        return APPROVER
    if is_of_an_event(move.actor):
        return EVENT if move.actor == EVENT else SENT
    if move.actor.startswith(OPERATOR):
        return OPENER if move.from_state is None else OPERATOR
    return move.actor


def _details(move: Move | MoveView) -> Mapping[str, object]:
    return {
        "issuance": move.issuance,
        "channel": move.channel or "",
        "reason": move.reason or "",
        "receipt": move.receipt,
        "approved": move.approved,
        "who": move.actor.partition(":")[2],
    }
