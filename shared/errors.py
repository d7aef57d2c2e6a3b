"""How a run can end, as errors.

FirstpassError
├── Later         nothing was sent; the case waits `after` that long
├── Unconfirmed   a pass may have been made, or a message sent: the lease decides when to look again
├── Refused       this case gets no pass; a dead letter says why
└── Halted        the tenant or an account is at fault, not the joiner: everything pauses
Moved             somebody else wrote the case first (HTTP 412): let go, the message comes again
Unavailable       storage or the queue of dead letters gives no answer: the message comes again
├── LedgerUnavailable
└── BusUnavailable
UnreadableRow     a row of the ledger makes no sense: a person must look
Forged            a callback is not Twilio's: the door answers 403
IllegalMove       a bug: the case cannot go there

Anything else that escapes is a bug. Texts of these errors are codes: they reach host logs and dead letters.
"""

from datetime import timedelta
from enum import StrEnum


class Reason(StrEnum):
    """Every reason an outcome can have; docs/runbook.md says what each means and what to do."""

    # Later
    USER_NOT_FOUND = "user-not-found"
    ACCOUNT_DISABLED = "account-disabled"
    PAUSED = "paused"
    QUIET_HOURS = "quiet-hours"
    GRAPH_THROTTLED = "graph-throttled"
    GRAPH_UNAVAILABLE = "graph-unavailable"
    FOREIGN_PASS = "foreign-pass"  # noqa: S105 - a code, not a pass
    TWILIO_BUSY = "twilio-busy"
    OUT_OF_TIME = "out-of-time"
    PHONE_UNREACHABLE = "phone-unreachable"
    PASS_GONE = "pass-gone"  # noqa: S105 - a code, not a pass
    EXPIRED_UNUSED = "expired-unused"
    REHEARSAL = "rehearsal"
    # Unconfirmed
    PASS_UNCONFIRMED = "pass-unconfirmed"  # noqa: S105 - a code, not a pass
    MESSAGE_UNCONFIRMED = "message-unconfirmed"
    # Refused
    MALFORMED_EVENT = "malformed-event"
    UNKNOWN_TYPE = "unknown-type"
    EVENT_TOO_OLD = "event-too-old"
    USER_AMBIGUOUS = "user-ambiguous"
    USER_CHANGED = "user-changed"
    EXTERNAL_GUEST = "external-guest"
    PRIVILEGED = "privileged"
    ALREADY_REGISTERED = "already-registered"
    NOT_A_JOINER = "not-a-joiner"
    HIRE_DATE_MISMATCH = "hire-date-mismatch"
    MOBILE_MISSING = "mobile-missing"
    MOBILE_INVALID = "mobile-invalid"
    MOBILE_NOT_MOBILE = "mobile-not-mobile"
    MOBILE_COUNTRY_BLOCKED = "mobile-country-blocked"
    MOBILE_MISMATCH = "mobile-mismatch"
    MOBILE_CHANGED = "mobile-changed"
    POLICY_EXCLUDES_USER = "policy-excludes-user"
    POLICY_TOO_SHORT = "policy-too-short"
    PASS_UNUSABLE = "pass-unusable"  # noqa: S105 - a code, not a pass
    OPTED_OUT = "opted-out"
    UNDELIVERABLE = "undeliverable"
    PASSES_EXHAUSTED = "passes-exhausted"
    REGISTERED_NOT_PASSWORDLESS = "registered-not-passwordless"
    SEND_UNCONFIRMED = "send-unconfirmed"
    ANOTHER_CASE_OPEN = "another-case-open"
    # Halted
    POLICY_DISABLED = "policy-disabled"
    POLICY_ONE_TIME_ONLY = "policy-one-time-only"
    GRAPH_DENIED = "graph-denied"
    TWILIO_DENIED = "twilio-denied"
    BUDGET = "budget"


class FirstpassError(Exception):
    """The root: every error of ours carries a `reason` and prints as nothing but that code."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Later(FirstpassError):  # noqa: N818 - the flow reads better without "Error"
    """Nothing was sent; try again `after` that long (from now)."""

    def __init__(self, reason: Reason, after: timedelta) -> None:
        super().__init__(reason)
        self.after = after


class Unconfirmed(FirstpassError):  # noqa: N818 - as Later
    """The call may have taken effect. The case stays `issuing`; the end of its lease wakes it."""


class Refused(FirstpassError):  # noqa: N818 - as Later
    """No pass for this case. `detail` adds what is wrong without repeating anybody's data (field names, limits)."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class Halted(FirstpassError):  # noqa: N818 - as Later
    """The fault is the tenant's or an account's: issuing pauses (for `lasts`, else the usual time), with one alert.

    This case waits.
    """

    def __init__(self, reason: Reason, lasts: timedelta | None = None) -> None:
        super().__init__(reason)
        self.lasts = lasts


class Moved(Exception):  # noqa: N818 - as Later
    """Somebody else wrote this row since it was read."""

    def __init__(self) -> None:
        super().__init__("case-moved")


class IllegalMove(Exception):  # noqa: N818 - as Later
    """A bug in the flow: the table of legal moves has no such move."""


class Forged(Exception):  # noqa: N818 - as Later
    """A callback that Twilio did not sign."""

    def __init__(self) -> None:
        super().__init__("receipt-forged")


class Unavailable(RuntimeError):  # noqa: N818 - as Later
    """What the app keeps or writes itself gave no usable answer; nobody knows whether a write landed. Text: a code."""


class LedgerUnavailable(Unavailable):
    """The ledger could not be read or written.

    The codes: `ledger-unavailable` (no answer in time), `ledger-denied` (our identity may not), `ledger-rejected` (a
    request the service does not take: a bug of ours), `ledger-contended` (others wrote the same row again and again).
    """


class BusUnavailable(Unavailable):
    """A message is not known to be in the queue, or out of it; it may be.

    The codes: `bus-unavailable` (no answer in time), `bus-denied` (our identity may not send or receive),
    `bus-rejected` (no such queue, a disabled one, or a message too large for it), `bus-lock-lost` (a message we held is
    no longer ours: it comes again).
    """


class UnreadableRow(RuntimeError):  # noqa: N818 - as Later
    """A row of the ledger nobody can read: an unknown word, a wrong type, a seal without its key. Text: a code."""

    def __init__(self) -> None:
        super().__init__("row-unreadable")
