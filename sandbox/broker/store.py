"""What survives a kill: messages, sequence counters and the memory of duplicates, in SQLite (a file, or memory)."""

import sqlite3
from pathlib import Path

from sandbox.broker.messages import Message

_FIELDS = "sequence, message_id, ttl, enqueued_at, delivery_count, annotations, bare"
_TABLES = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS messages (queue, {_FIELDS}, PRIMARY KEY (queue, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (queue PRIMARY KEY, last) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (queue, message_id, at, PRIMARY KEY (queue, message_id)) WITHOUT ROWID;
"""


class Store:
    """One broker's database. Changes join one transaction until `commit`, which comes before any answer is sent.

    The calls block for microseconds: WAL with synchronous=NORMAL survives the end of the process without an fsync each.
    """

    def __init__(self, path: Path | None) -> None:
        self._database = sqlite3.connect(path or ":memory:")
        self._database.executescript(_TABLES)
        self.commit, self._do = self._database.commit, self._database.execute

    def load(self, queue: str) -> tuple[list[Message], int, list[tuple[str, int]]]:
        """A queue's messages by sequence number, its last sequence number, and the ids it has seen, oldest first."""
        rows = self._do(f"SELECT {_FIELDS} FROM messages WHERE queue = ? ORDER BY sequence", (queue,))  # noqa: S608 - our own names
        messages = [Message(**dict(zip(_FIELDS.split(", "), row, strict=True))) for row in rows]
        counter = self._do("SELECT last FROM counters WHERE queue = ?", (queue,)).fetchone()
        seen = self._do("SELECT message_id, at FROM seen WHERE queue = ? ORDER BY at", (queue,)).fetchall()
        return messages, counter[0] if counter else 0, seen

    def add(self, queue: str, message: Message) -> None:
        """Keep a new message, and its sequence number as the queue's last."""
        row = [getattr(message, field) for field in _FIELDS.split(", ")]
        self._do("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (queue, *row))
        self._do("INSERT OR REPLACE INTO counters VALUES (?, ?)", (queue, message.sequence))

    def count(self, queue: str, message: Message) -> None:
        """Keep a message's delivery count."""
        change = "UPDATE messages SET delivery_count = ? WHERE queue = ? AND sequence = ?"
        self._do(change, (message.delivery_count, queue, message.sequence))

    def remove(self, queue: str, message: Message) -> None:
        """Forget a message."""
        self._do("DELETE FROM messages WHERE queue = ? AND sequence = ?", (queue, message.sequence))

    def remember(self, queue: str, message_id: str, at: int) -> None:
        """Keep a message id for duplicate detection."""
        self._do("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (queue, message_id, at))

    def forget(self, queue: str, message_id: str) -> None:
        """Drop a message id from before the window."""
        self._do("DELETE FROM seen WHERE queue = ? AND message_id = ?", (queue, message_id))

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._database.close()
