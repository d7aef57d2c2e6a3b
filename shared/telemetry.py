"""What Firstpass tells about itself: a closed list of events with allow-listed fields, one JSON line each."""

import json
import logging
import re
from datetime import UTC, datetime
from enum import StrEnum

from shared.secret import Secret

_logger = logging.getLogger("firstpass")

QUIET_LOGGERS = ("azure", "httpx", "httpcore", "aiohttp", "kiota", "msal", "twilio", "urllib3")
"""These print URLs, headers or numbers at INFO: never below WARNING."""

_PERSONAL = re.compile(
    r"(?:\+|%2B)\d[\d ()./-]{6,}\d|[^\s@,;:<>()\"=/?&]{1,128}(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE
)
"""Phone numbers in international form, and anything shaped like an e-mail address or user principal name, also as they
stand in a URL."""


class Event(StrEnum):
    """Every event name; docs/architecture.md explains each."""

    RECORDED = "event-recorded"
    IGNORED = "event-ignored"
    MALFORMED = "event-malformed"
    CLAIMED = "issuance-claimed"
    PASS_CREATED = "pass-created"  # noqa: S105 - an event name
    PASS_DELETED = "pass-deleted"  # noqa: S105 - an event name
    LIFETIME_CUT = "lifetime-cut"
    SENT = "message-sent"
    WAITING = "case-waiting"
    UNCONFIRMED = "case-unconfirmed"
    REFUSED = "case-refused"
    HALTED = "issuing-halted"
    YIELDED = "run-yielded"
    FAILED = "run-failed"
    RECEIPT = "receipt-heard"
    FORGED = "receipt-forged"
    REDACTED = "message-redacted"
    NOT_REDACTED = "message-not-redacted"
    FELL_BACK = "whatsapp-fell-back"
    ISSUING_AGAIN = "issuing-again"
    WITHDRAWN = "pass-withdrawn"
    ONBOARDED = "joiner-onboarded"
    WIPED = "contact-wiped"
    FORGOTTEN = "case-forgotten"
    SWEPT = "agenda-swept"
    QUEUE_NOT_SEEN = "queue-not-seen"
    REHEARSED = "issuing-rehearsed"
    OPERATOR_ACTED = "operator-acted"
    OPERATOR_DENIED = "operator-denied"
    LETTER_REPLAYED = "letter-replayed"
    LETTER_DISCARDED = "letter-discarded"
    CHECKUP_CHANGED = "checkup-changed"
    AGENDA_ROW_UNREADABLE = "agenda-row-unreadable"


FIELDS = frozenset(
    {"case", "issuance", "attempt", "state", "step", "reason", "channel", "receipt"}
    | {"until", "minutes", "count", "error", "check", "detail"}
)
"""The only fields an event may carry: opaque ids, codes, counts and times."""


def emit(event: Event, level: int = logging.INFO, **fields: object) -> None:
    """Write one event. A field outside FIELDS is a TypeError: nothing personal slips in by habit."""
    if unknown := fields.keys() - FIELDS:
        raise TypeError(f"not an allowed telemetry field: {', '.join(sorted(unknown))}")
    _logger.log(level, event.value, extra={"firstpass": {"event": event.value, **fields}})


def scrub(text: str) -> str:
    """`text` on one line, without passes in memory, phone numbers or user names."""
    one_line = " ".join(Secret.redact(text).split())
    return _PERSONAL.sub("***", one_line)


class RedactingFormatter(logging.Formatter):
    """One JSON line per record. Free text is scrubbed; of an exception only type names and places are kept."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(_message(record)),
        }
        if isinstance(fields := getattr(record, "firstpass", None), dict):
            line |= {name: scrub(str(value)) for name, value in fields.items()}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = places(record.exc_info[1])
        return json.dumps(line)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - else logging prints the arguments, unscrubbed, to stderr
        return str(record.msg)


def places(error: BaseException) -> str:
    """An exception as its type and the lines it passed through; its text may hold anybody's data and is left out."""
    at: list[str] = []
    traceback = error.__traceback__
    while traceback:
        code = traceback.tb_frame.f_code
        at.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return f"{type(error).__name__} at {' > '.join(at)}"


def install() -> None:
    """Put the redacting formatter on every root handler (one is made when there is none) and quiet the SDKs."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(RedactingFormatter())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    _logger.setLevel(logging.INFO)
