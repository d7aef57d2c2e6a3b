"""A case as a row of table storage, and back: one line per field, and one sealed column for what is personal."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from shared.adapters.seal import Seal, SealError
from shared.case import Case
from shared.contract import HIRE_EVENT
from shared.errors import Reason, UnreadableRow
from shared.events import Channel, Delivery, Version
from shared.ports import Move
from shared.states import CASE_ID, State, Text
from shared.wishes import vouched

HEAD: Final = "case"
"""RowKey of the head; the PartitionKey is the case id."""
HISTORY: Final = ("h", "i")
"""Row keys of the history: from the first, below the second."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one field is written to its column and read back; a wrong type or value is a TypeError or ValueError."""

    write: Callable[[Any], object]
    read: Callable[[Any], object]


def write_time(moment: datetime) -> str:
    """A moment as text of fixed width in UTC: sorts as time does, keeps microseconds, knows every year."""
    if moment.tzinfo is None:
        raise ValueError("naive-time")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read_time(value: object) -> datetime:
    """A moment written by `write_time`."""
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("naive-time")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no-such-time") from None


def _is(kind: type) -> Callable[[Any], Any]:
    def check(value: object) -> object:
        if type(value) is not kind:  # an exact type: to Python, True is an int
            raise TypeError("wrong-type")
        return value

    return check


_text = _is(str)
_count = _is(int)


def _case_id(value: object) -> str:
    if not CASE_ID.fullmatch(text := _text(value)):
        raise ValueError("no-case-id")
    return text


def _one_of(words: type[StrEnum]) -> Column:
    return Column(str, lambda value: words(_text(value)))


def _write_text(text: Text) -> list[object]:
    return [text.message_id, text.redact_at and write_time(text.redact_at), text.tries]


def _read_text(value: list[Any]) -> Text:
    message_id, redact_at, tries = value
    return Text(_text(message_id), None if redact_at is None else read_time(redact_at), _count(tries))


_TEXT = Column(str, _text)
_NUMBER = Column(int, _count)
_FLAG = Column(bool, _is(bool))
_TIME = Column(write_time, read_time)
_DATE = Column(date.isoformat, lambda value: date.fromisoformat(_text(value)))
_TIMES = Column(
    lambda moments: " ".join(map(write_time, moments)) or None,
    lambda value: tuple(map(read_time, _text(value).split())),
)
_WORDS = Column(
    lambda words: json.dumps(words) if words else None,
    lambda value: tuple(map(_text, json.loads(_text(value)))),
)
_TEXTS = Column(
    lambda texts: json.dumps(list(map(_write_text, texts))) if texts else None,
    lambda value: tuple(map(_read_text, json.loads(_text(value)))),
)

COLUMNS: Final[Mapping[str, Column]] = {
    "state": _one_of(State),
    "hire_date": _DATE,
    "number_changed_at": _TIME,
    "number_approved_at": _TIME,
    "number_sent": _TEXT,
    "number_shown": _TEXT,
    "number_approved": _TEXT,
    "methods_shown": _WORDS,
    "methods_approved": _WORDS,
    "first_opens_at": _TIME,
    "opens_at": _TIME,
    "deliver_at": _TIME,
    "not_before": _TIME,
    "lease_until": _TIME,
    "waits": _NUMBER,
    "issuance": _NUMBER,
    "attempt": _NUMBER,
    "sends": _NUMBER,
    "spent": _NUMBER,
    "unused_before": _FLAG,
    "by_sms": _FLAG,
    "replaced": _FLAG,
    "claims": _TIMES,
    "had": _WORDS,
    "reason": _one_of(Reason),
    "pass_id": _TEXT,
    "pass_starts_at": _TIME,
    "pass_ends_at": _TIME,
    "is_usable_once": _FLAG,
    "message_id": _TEXT,
    "channel": _one_of(Channel),
    "sent_at": _TIME,
    "receipt": _one_of(Delivery),
    "failure": _one_of(Reason),
    "guard_at": _TIME,
    "look_at": _TIME,
    "ask_at": _TIME,
    "asks": _NUMBER,
    "check_at": _TIME,
    "registered_at": _TIME,
    "texts": _TEXTS,
    "deletions_left": _NUMBER,
    "delete_at": _TIME,
    "rested_at": _TIME,
    "wipe_at": _TIME,
    "forget_at": _TIME,
    "moves": _NUMBER,
    "woken_at": _TIME,
}
"""Columns named as the fields of Case they hold; a field that is None has none. Not here: `id` and `etag`, which are
keys and metadata; `version`, which is two columns; `event`, `user_id` and `user_seen`, which share the sealed column
`contact`."""


def head_row(case: Case, seal: Seal) -> dict[str, Any]:
    """The head of a case as a row."""
    row: dict[str, Any] = {
        "PartitionKey": case.id,
        "RowKey": HEAD,
        "version_time": write_time(case.version.time),
        "version_id": case.version.id,
        "contact": _sealed_contact(case, seal),
    }
    for name, column in COLUMNS.items():
        if (value := getattr(case, name)) is not None:
            row[name] = column.write(value)
    return _without_none(row)


def history_row(before: Case | None, after: Case, actor: str, now: datetime) -> dict[str, Any]:
    """One move as a row: when (UTC), from where to where, why, by whom."""
    row = {
        "PartitionKey": after.id,
        "RowKey": f"h{after.moves:06}",
        "at": write_time(now),
        "from": str(before.state) if before else None,
        "to": str(after.state),
        "reason": str(after.reason) if after.reason else None,
        "actor": actor,
        "issuance": after.issuance,
        "attempt": after.attempt,
        **_told(before, after),
    }
    return _without_none(row)


def _told(before: Case | None, after: Case) -> dict[str, str | None]:
    """Of the message: which one, and what changed; of an approval what was approved."""
    news = before is None or after.receipt is not before.receipt
    return {
        "message_id": after.message_id if after.state is State.SENT else None,
        "channel": after.channel if after.state is State.SENT else None,
        "receipt": after.receipt if news else None,
        "approved": vouched(before, after),
    }


def move_of(row: Mapping[str, Any]) -> Move:
    """The move a history row tells of.

    Raises:
        UnreadableRow: whatever is wrong with it.
    """
    try:
        return Move(
            at=read_time(row["at"]),
            from_state=State(_text(row["from"])) if "from" in row else None,
            to_state=State(_text(row["to"])),
            reason=Reason(_text(row["reason"])) if "reason" in row else None,
            actor=_text(row["actor"]),
            issuance=_NUMBER.read(row["issuance"]),  # pyright: ignore[reportArgumentType]
            attempt=_NUMBER.read(row["attempt"]),  # pyright: ignore[reportArgumentType]
            message_id=_text(row["message_id"]) if "message_id" in row else None,
            channel=Channel(_text(row["channel"])) if "channel" in row else None,
            receipt=Delivery(_text(row["receipt"])) if "receipt" in row else None,
            approved=Reason(_text(row["approved"])) if "approved" in row else None,
        )
    except (KeyError, TypeError, ValueError):
        raise UnreadableRow from None


def case_of(row: Mapping[str, Any], etag: str | None, seal: Seal) -> Case:
    """The case a head row holds. Columns it does not know are left alone.

    Raises:
        UnreadableRow: whatever is wrong with it.
    """
    try:
        fields = {name: column.read(row[name]) for name, column in COLUMNS.items() if name in row}
        version = Version(read_time(row["version_time"]), _text(row["version_id"]))
        case = Case(id=_case_id(row["PartitionKey"]), version=version, etag=etag, **fields)  # pyright: ignore[reportArgumentType]
        return _with_contact(case, row["contact"], seal) if "contact" in row else case
    except (KeyError, TypeError, ValueError, SealError, RecursionError):
        raise UnreadableRow from None


def _sealed_contact(case: Case, seal: Seal) -> str | None:
    if case.event is None and case.user_id is None and case.user_seen is None:
        return None
    event = HIRE_EVENT.dump_python(case.event, mode="json") if case.event else None
    # The case id goes under the seal: a contact moved to another row is worth nothing there.
    told = {"case": case.id, "user_id": case.user_id, "user_seen": case.user_seen, "event": event}
    return seal.seal(json.dumps(told).encode("ascii"))


def _with_contact(case: Case, sealed: object, seal: Seal) -> Case:
    contact = json.loads(seal.open(_text(sealed)))
    if contact["case"] != case.id:
        raise ValueError("contact-of-another-case")
    event, user_id, user_seen = contact["event"], contact["user_id"], contact.get("user_seen")
    return replace(
        case,
        event=None if event is None else HIRE_EVENT.validate_python(event),
        user_id=None if user_id is None else _text(user_id),
        user_seen=None if user_seen is None else _text(user_seen),
    )


def _without_none(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
