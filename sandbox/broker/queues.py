"""What a queue does with messages: order, locks, delivery counts, expiry, duplicates, dead letters."""

import heapq
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from uuid import UUID, uuid4

from sandbox.broker.config import QueueRules
from sandbox.broker.messages import Message, RefusedError, dead
from sandbox.broker.store import Store

EXPIRED = "TTLExpiredException", "The message expired and was dead lettered."
EXHAUSTED = "MaxDeliveryCountExceeded", "Message could not be consumed after {} delivery attempts."


class Queue:
    """One queue, or one dead-letter sub-queue (`dead_letters` is None).

    Rules: Learn, "Message transfers, locks, and settlement", "Message expiration", "Duplicate detection". Locks run
    on the monotonic clock; `now` gives the sandbox's time in milliseconds for all else.
    """

    def __init__(self, rules: QueueRules, store: Store, now: Callable[[], int], dead_letters: "Queue | None") -> None:
        self.rules, self._store, self._now = rules, store, now
        self.dead_letters = dead_letters
        self.enqueued = self.completed = 0
        self.messages: dict[int, Message] = {}
        self.locked: OrderedDict[UUID, Message] = OrderedDict()  # all locks are equally long: the first ends first
        self._waiting: list[int] = []
        self._expiring: list[tuple[int, int]] = []
        loaded, self._last, seen = store.load(rules.name)
        self._seen = OrderedDict(seen)
        for message in loaded:
            self._hold(message)

    def enqueue(self, message: Message) -> None:
        """Accept a message; a duplicate is accepted and dropped."""
        now = self._now()
        if message.message_id is not None and self._is_duplicate(message.message_id, now):
            return
        self._last += 1
        self.enqueued += 1
        message.sequence, message.enqueued_at = self._last, now
        self._store.add(self.rules.name, message)
        self._hold(message)

    def _is_duplicate(self, message_id: str, now: int) -> bool:
        if self.rules.duplicate_window is None:
            return False
        oldest = now - self.rules.duplicate_window
        while self._seen and next(iter(self._seen.values())) <= oldest:
            self._store.forget(self.rules.name, self._seen.popitem(last=False)[0])
        if message_id in self._seen:
            return True
        self._seen[message_id] = now
        self._store.remember(self.rules.name, message_id, now)
        return False

    def _hold(self, message: Message) -> None:
        limits = [limit for limit in (message.ttl, self.rules.default_ttl) if limit is not None]
        if limits:
            message.expires_at = message.enqueued_at + min(limits)
            heapq.heappush(self._expiring, (message.expires_at, message.sequence))
        self.messages[message.sequence] = message
        heapq.heappush(self._waiting, message.sequence)

    def is_waiting(self) -> bool:
        """Whether a message waits for a receiver by now."""
        self.sweep()
        while self._waiting and self._waiting[0] not in self.messages:
            heapq.heappop(self._waiting)
        return bool(self._waiting)

    def take(self) -> tuple[Message, UUID]:
        """Lock the next waiting message, in order of sequence number."""
        message = self.messages[heapq.heappop(self._waiting)]
        message.token = uuid4()
        self.locked[message.token] = message
        self._start_lock(message)
        return message, message.token

    def _start_lock(self, message: Message) -> None:
        message.deadline = time.monotonic() + self.rules.lock / 1000
        message.locked_until = int(time.time() * 1000) + self.rules.lock

    def renew(self, token: UUID) -> int:
        """Start a lock afresh; when it ends, in real milliseconds since 1970."""
        message = self._held(token)
        self._start_lock(message)
        self.locked.move_to_end(token)
        return message.locked_until

    def _held(self, token: UUID) -> Message:
        message = self.locked.get(token)
        if message is None or message.deadline <= time.monotonic():
            raise RefusedError("com.microsoft:message-lock-lost", "The lock supplied is invalid or has expired.")
        return message

    def settle(self, token: UUID, outcome: str, reason: str | None = None, description: str | None = None) -> None:
        """End a lock by `complete`, `dead-letter`, `abandon` (counts a delivery) or `release` (does not).

        Raises:
            RefusedError: the lock is over, or the outcome is one we do not imitate.
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
        self._forget_lock(message)
        if counted:
            message.delivery_count += 1
            self._store.count(self.rules.name, message)
        limit = self.rules.max_delivery_count
        if message.expires_at is not None and message.expires_at <= self._now():
            self._expire(message)
        elif limit and message.delivery_count >= limit:
            self._bury(message, EXHAUSTED[0], EXHAUSTED[1].format(limit))
        else:
            heapq.heappush(self._waiting, message.sequence)

    def _expire(self, message: Message) -> None:
        if self.rules.dead_letter_expired:
            self._bury(message, *EXPIRED)
        else:
            self._remove(message)

    def _bury(self, message: Message, reason: str | None, description: str | None) -> None:
        if self.dead_letters is None:
            raise RefusedError("amqp:not-allowed", "A message in a dead-letter queue cannot be dead-lettered.")
        source = self.rules.name if self.rules.forward_dead_letters_to else None  # only forwarded ones carry it
        self._remove(message)
        self.dead_letters.enqueue(dead(message, source, reason, description))

    def _remove(self, message: Message) -> None:
        self._forget_lock(message)
        del self.messages[message.sequence]
        self._store.remove(self.rules.name, message)

    def _forget_lock(self, message: Message) -> None:
        if message.token:
            del self.locked[message.token]
            message.token = None

    def peek(self, first: int) -> Iterator[Message]:
        """Messages from a sequence number on, locked ones too."""
        self.sweep()
        order = list(self.messages)  # sequence numbers only grow, so this is sorted
        return (self.messages[sequence] for sequence in islice(order, bisect_left(order, first), None))

    def sweep(self) -> None:
        """End what is over by now: locks and times to live."""
        now = self._now()
        while self.locked and (message := next(iter(self.locked.values()))).deadline <= time.monotonic():
            self.unlock(message)
        while self._expiring and self._expiring[0][0] <= now:
            message = self.messages.get(heapq.heappop(self._expiring)[1])
            if message and message.token is None:
                self._expire(message)
