"""The queues, in SQLite (a file, or memory): order, locks, delivery counts, expiry, duplicates, dead letters."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from .config import QueueRules
from .messages import Message, RefusedError

EXPIRED = "TTLExpiredException", "The message expired and was dead lettered."
EXHAUSTED = "MaxDeliveryCountExceeded", "Message could not be consumed after {} delivery attempts."
_FIELDS = ", ".join(Message._fields)
_INSERT = f"INSERT INTO messages VALUES (?{', ?' * len(Message._fields)})"  # noqa: S608 - our own words


def open_database(path: Path | None) -> sqlite3.Connection:
    """The queues' database. Changes join one transaction until `commit`, which comes before any answer is sent.

    The calls block for microseconds.
    """
    database = sqlite3.connect(path or ":memory:")
    database.executescript(Path(__file__).with_name("schema.sql").read_text())
    return database


class Queue:
    """One queue, or one dead-letter sub-queue (`dead_letters` is None).

    Rules: Learn, "Message transfers, locks, and settlement", "Message expiration", "Duplicate detection". Locks run
    on the real clock; `now` gives the sandbox's time in milliseconds for all else.
    """

    def __init__(self, rules: QueueRules, database: sqlite3.Connection, now: Callable[[], int]) -> None:
        self.rules, self._database, self._now = rules, database, now
        self.dead_letters: Queue | None = None
        self.enqueued = self.completed = 0
        self._do("INSERT OR IGNORE INTO queues VALUES (?, 0)")

    def _do(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._database.execute(statement, (self.rules.name, *values))

    def _find(self, condition: str, *values: Any) -> list[Message]:
        found = self._do(f"SELECT {_FIELDS} FROM messages {condition}", *values)  # noqa: S608 - our own words
        return [Message(*row) for row in found]

    def _change(self, message: Message, **columns: Any) -> Message:
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        this_one = {"queue": self.rules.name, "sequence": message.sequence}
        update = f"UPDATE messages SET {changes} WHERE queue = :queue AND sequence = :sequence"  # noqa: S608 - as above
        self._database.execute(update, columns | this_one)
        return message._replace(**columns)

    def enqueue(self, message: Message) -> None:
        """Accept a message; a duplicate is accepted and dropped."""
        now = self._now()
        if self.rules.detects_duplicates and message.message_id is not None:
            self._do("DELETE FROM seen WHERE queue = ? AND at <= ?", now - self.rules.duplicate_window)
            if not self._do("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", message.message_id, now).rowcount:
                return
        self.enqueued += 1
        ((number,),) = self._do("UPDATE queues SET last = last + 1 WHERE name = ? RETURNING last")
        limits = [limit for limit in (message.ttl, self.rules.default_ttl) if limit]
        expires_at = now + min(limits) if limits else None
        row = message._replace(sequence=number, enqueued_at=now, expires_at=expires_at)
        self._do(_INSERT, *row)

    def take(self) -> tuple[Message, UUID] | None:
        """Lock the next waiting message, in order of sequence number; None when there is none."""
        waits = "token IS NULL AND coalesce(expires_at > ?, true) ORDER BY sequence LIMIT 1"
        found = self._find(f"INDEXED BY waiting WHERE queue = ? AND {waits}", self._now())
        token = uuid4()
        return (self._lock(found[0], token), token) if found else None

    def _lock(self, message: Message, token: UUID) -> Message:
        return self._change(message, token=token.bytes, locked_until=_real_time() + self.rules.lock)

    def renew(self, token: UUID) -> int:
        """Start a lock afresh; when it ends, in real milliseconds since 1970."""
        return self._lock(self._held(token), token).locked_until or 0

    def _held(self, token: UUID) -> Message:
        is_ours = "INDEXED BY waiting WHERE queue = ? AND token = ? AND locked_until > ?"
        found = self._find(is_ours, token.bytes, _real_time())
        if not found:
            raise RefusedError("The lock supplied is invalid or has expired.", "com.microsoft:message-lock-lost")
        return found[0]

    def settle(self, token: UUID, outcome: str, reason: str | None = None, description: str | None = None) -> None:
        """End a lock by `complete`, `dead-letter`, `abandon` (counts a delivery) or `release` (does not).

        Raises:
            RefusedError: the lock is over, or the message is a dead letter already.
        """
        message = self._held(token)
        if outcome == "complete":
            self._remove(message)
            self.completed += 1
        elif outcome == "dead-letter":
            self._bury(message, reason, description)
        else:
            self.unlock(message, counted=outcome == "abandon")

    def unlock(self, message: Message, *, counted: bool = True) -> None:
        """End a message's lock unsettled: it waits again, unless it has expired or was delivered often enough."""
        limit, count = self.rules.max_delivery_count, message.delivery_count + counted
        if message.expires_at is not None and message.expires_at <= self._now():
            self._expire(message)
        elif limit and count >= limit:
            self._bury(message, EXHAUSTED[0], EXHAUSTED[1].format(limit))
        else:
            self._change(message, token=None, locked_until=None, delivery_count=count)

    def _expire(self, message: Message) -> None:
        if self.rules.dead_letter_expired:
            self._bury(message, *EXPIRED)
        else:
            self._remove(message)

    def _bury(self, message: Message, reason: str | None, description: str | None) -> None:
        if self.dead_letters is None:
            raise RefusedError("A message in a dead-letter queue cannot be dead-lettered.", "amqp:not-allowed")
        source = self.rules.name if self.rules.forward_dead_letters_to else None  # only forwarded ones carry it
        self._remove(message)
        self.dead_letters.enqueue(message.dead(source, DeadLetterReason=reason, DeadLetterErrorDescription=description))

    def _remove(self, message: Message) -> None:
        self._do("DELETE FROM messages WHERE queue = ? AND sequence = ?", message.sequence)

    def peek(self, first: int, count: int) -> list[Message]:
        """At most `count` messages from a sequence number on, locked ones too."""
        self.sweep()
        return self._find("WHERE queue = ? AND sequence >= ? ORDER BY sequence LIMIT ?", first, count)

    def sweep(self) -> None:
        """End what is over by now: locks and times to live."""
        for message in self._find("WHERE queue = ? AND locked_until <= ?", _real_time()):
            self.unlock(message)
        for message in self._find("WHERE queue = ? AND expires_at <= ? AND token IS NULL", self._now()):
            self._expire(message)

    def counts(self) -> tuple[int, int]:
        """How many messages wait, and how many are locked."""
        (found,) = self._do("SELECT count(*) - count(token), count(token) FROM messages WHERE queue = ?")
        return found


def _real_time() -> int:
    return int(time.time() * 1000)
