"""What Twilio's codes and words mean: one table, for answers to requests and for receipts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from shared.errors import FirstpassError, Halted, Later, Reason, Refused, Unconfirmed
from shared.events import Delivery, Word

BUSY: Final = timedelta(seconds=60)
MESSAGE_SID: Final = re.compile("(SM|MM)[0-9a-fA-F]{32}")
NO_RECORD: Final = (404, "20404")  # an HTTP status and Twilio's code: a 404 of somebody else's proves nothing
UNREACHABLE: Final = timedelta(minutes=15)  # page 30450: a block on SMS pumping takes 15 to 30 minutes


class Kind(StrEnum):
    """What a code says about the message, and about whose fault it is."""

    RETRY = "retry"
    AMBIGUOUS = "ambiguous"
    CONFIGURATION = "configuration"
    PERMANENT = "recipient-permanent"
    TRANSIENT = "recipient-transient"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A refusal in our words; `code` is its page in Twilio's error dictionary, None when a status alone spoke."""

    kind: Kind
    reason: Reason
    code: int | None = None


UNKNOWN: Final = Verdict(Kind.AMBIGUOUS, Reason.MESSAGE_UNCONFIRMED)
NOT_TAKEN: Final = Verdict(Kind.RETRY, Reason.TWILIO_BUSY)
AGAIN: Final = NOT_TAKEN  # of what is safe to repeat, it does not matter whether it was taken
OUT_OF_TIME: Final = Verdict(Kind.RETRY, Reason.OUT_OF_TIME)
DENIED: Final = Verdict(Kind.CONFIGURATION, Reason.TWILIO_DENIED)
AWAY: Final = Verdict(Kind.TRANSIENT, Reason.TWILIO_BUSY)

# fmt: off
_RULINGS: tuple[tuple[Verdict, tuple[int, ...]], ...] = (
    (NOT_TAKEN, (20429, 21611)),  # too many requests, the sender's queue is full
    (UNKNOWN, (20500, 20503)),
    (DENIED, (20003, 20005, 20404)),  # login, account closed, no such account
    (DENIED, (21212, 21601, 21603, 21606, 21659, 21660, 21661, 21703, 21704, 21705, 21910)),  # sender, or its service
    (DENIED, (21608,)),  # trial account
    (DENIED, (21602, 21609, 21619, 21624, 21654, 21655, 21656, 30012, 90007, 90014)),  # content, callback, validity
    (DENIED, (30002, 30018, 30024, 30032, 30034, 30035)),  # account suspended, sender not registered
    (DENIED, (30007, 30029, 30030)),  # filtered: change the sender, not the number; asked to discard without the right
    (DENIED, (63001, 63007, 63008, 63016, 63020, 63027, 63028, 63040, 63041, 63042, 63051)),  # WhatsApp, our side
    (Verdict(Kind.PERMANENT, Reason.OPTED_OUT), (21610,)),
    (Verdict(Kind.PERMANENT, Reason.MOBILE_INVALID), (21201, 21211, 21217, 21266, 21604, 21614)),
    (Verdict(Kind.PERMANENT, Reason.MOBILE_COUNTRY_BLOCKED), (21408,)),  # geo permissions: one joiner, not everybody
    (Verdict(Kind.PERMANENT, Reason.MOBILE_NOT_MOBILE), (21268, 21635)),  # premium rate, landline
    (Verdict(Kind.PERMANENT, Reason.UNDELIVERABLE), (30005, 30006, 63003, 63013, 63024, 63032)),
    (AWAY, (21612, 30001, 30003, 30004, 30008, 30017, 30036, 30410)),  # route, queue, phone, carrier, validity over
    (AWAY, (30450, 63009, 63010, 63012, 63018)),  # a block on SMS pumping, WhatsApp itself
)
# fmt: on

CODES: Final[Mapping[int, Verdict]] = {
    code: replace(verdict, code=code) for verdict, codes in _RULINGS for code in codes
}
"""Twilio's error dictionary (twilio.com/docs/api/errors) as far as it concerns a message of ours."""
STATUSES: Final[Mapping[int, Verdict]] = {401: DENIED, 403: DENIED, 429: NOT_TAKEN}  # where no known code is named


def verdict_on(code: object) -> Verdict | None:
    """The table's verdict on a code as Twilio writes it, a number or its digits; None when it has none."""
    digits = str(code)
    return CODES.get(int(digits)) if re.fullmatch("[0-9]{5}", digits) else None


def judge(status: int, code: object) -> Verdict:
    """The verdict on an HTTP refusal: a server's own failure is ambiguous, then the code speaks, then the status."""
    if status >= 500:  # noqa: PLR2004 - RFC 9110
        return UNKNOWN
    return verdict_on(code) or STATUSES.get(status, UNKNOWN)


REPEATABLE: Final[Mapping[Kind, Verdict]] = {
    Kind.RETRY: AGAIN,
    Kind.AMBIGUOUS: AGAIN,
    Kind.CONFIGURATION: DENIED,
    Kind.PERMANENT: AWAY,
    Kind.TRANSIENT: AWAY,
}
"""What the kinds come to for a request that concerns no number and is safe to repeat."""


def judge_repeatable(status: int, code: object) -> Verdict:
    """As `judge`, of what is safe to repeat: what is no refusal is worth another try, an unknown refusal a wait."""
    if status // 100 != 4:  # noqa: PLR2004 - RFC 9110
        return AGAIN
    verdict = STATUSES.get(status) or verdict_on(code)
    return REPEATABLE[verdict.kind] if verdict else AWAY


def word_of(status: str, code: object) -> Word:
    """Twilio's status of a message ("Message Status Values") in our words; what we have no word for is on its way."""
    delivery = Delivery(status) if status in Delivery else Delivery.QUEUED
    did_not_arrive = delivery.is_final and not delivery.has_arrived
    return Word(delivery, why_undelivered(code) if did_not_arrive else None)


def why_undelivered(code: object) -> Reason:
    """Why a message did not arrive: the number is at fault, or we are; else the phone was not to be reached."""
    verdict = verdict_on(code)
    return verdict.reason if verdict and verdict.kind in BLAMED else Reason.PHONE_UNREACHABLE


BLAMED: Final = frozenset({Kind.PERMANENT, Kind.CONFIGURATION})
"""The kinds whose own reason says why a message did not arrive."""

OUTCOMES: Final[Mapping[Kind, Callable[[Verdict], FirstpassError]]] = {
    Kind.RETRY: lambda verdict: Later(verdict.reason, BUSY),
    Kind.AMBIGUOUS: lambda verdict: Unconfirmed(verdict.reason),
    Kind.CONFIGURATION: lambda verdict: Halted(verdict.reason),
    Kind.PERMANENT: lambda verdict: Refused(verdict.reason, f"Twilio {verdict.code}"),
    Kind.TRANSIENT: lambda verdict: Later(verdict.reason, UNREACHABLE),
}
"""How a create that ended so ends for the flow: a synchronous refusal means that nothing was sent."""
