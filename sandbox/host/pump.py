"""Moves one queue's messages through one function: receives, invokes, renews locks, completes or abandons."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from .messages import deliver, delivery_number
from .runtime import Function, Outcome, log_end, logger, too_long

FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0  # between two tries to reach the broker
RENEW_BEFORE = 10.0  # a lock is renewed this long before its end, half-way when it is shorter (as the .NET SDK does)


@dataclass(slots=True, eq=False)
class _Delivery:
    """A locked message and its running function; times of the monotonic clock."""

    title: str
    message: ServiceBusReceivedMessage
    call: asyncio.Task[Outcome]
    started: float
    due: float  # when its lock must be renewed, or its time is over


class Pump:
    """One task, in `run`, does all the receiving and settling; functions run beside it.

    Two must not use one SDK link at once: its reads and writes share a lock, and a waiting read holds up every write.
    When `end` is done no more messages are taken: its result is the moment to leave even running functions.
    """

    def __init__(self, function: Function, limits: Mapping[str, Any], end: asyncio.Future[float]) -> None:
        self._function = function
        self._limits = {**limits, **function.trigger}  # the trigger's autoCompleteMessages wins
        self._end = end
        self._deliveries: list[_Delivery] = []

    async def run(self) -> None:
        """Pump until the end, through any loss of the broker."""
        name, queue, connection = self._function.name, self._limits["queueName"], self._limits["connection"]
        pause = FIRST_PAUSE
        while not self._over():
            bus = ServiceBusClient.from_connection_string(connection, retry_backoff_factor=0.1, try_timeout=10)
            link = bus.get_queue_receiver(queue, prefetch_count=self._limits["prefetchCount"])
            try:
                async with bus, link:
                    logger.info("%s listens to the queue %s", name, queue)
                    pause = FIRST_PAUSE
                    while not self._over():
                        await self._wait(link)
                        await self._tend(link)
            except Exception as error:  # noqa: BLE001 - the SDK raises many things when a link breaks; we try again
                logger.warning("%s: the queue is out of reach, trying again: %s", name, _line(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE)

    def _over(self) -> bool:
        return self._end.done() and (not self._deliveries or time.monotonic() >= self._end.result())

    async def _wait(self, link: ServiceBusReceiver) -> None:
        """Until a message comes, a function ends or has had its time, a lock is due for renewal, or the end comes.

        One message at a time: a larger call waits for more to come. A cancelled call loses nothing: what has arrived
        stays in the SDK's buffer for the next one.
        """
        ended, deliveries = self._end.done(), self._deliveries
        room = not ended and len(deliveries) < self._limits["maxConcurrentCalls"]
        receiving = [asyncio.ensure_future(link.receive_messages(1, max_wait_time=60))] if room else []
        until = min([self._end.result() if ended else inf, *(delivery.due for delivery in deliveries)])
        awaited = [*receiving, *(delivery.call for delivery in deliveries), *([] if ended else [self._end])]
        await asyncio.wait(awaited, timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
        for task in receiving:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                deliveries += [self._begin(message) for message in await task]

    def _begin(self, message: ServiceBusReceivedMessage) -> _Delivery:
        title = f"{self._function.name} [message {message.message_id}, delivery {delivery_number(message)}]"
        call, now = asyncio.create_task(deliver(self._function, message)), time.monotonic()
        return _Delivery(title, message, call, now, min(_renewal(message), now + self._limits["functionTimeout"]))

    async def _tend(self, link: ServiceBusReceiver) -> None:
        """Settle what has ended, renew the locks that are due."""
        for delivery in [*self._deliveries]:
            ends = delivery.started + self._limits["functionTimeout"]
            if delivery.call.done() or time.monotonic() >= ends:
                self._deliveries.remove(delivery)
                await self._settle(link, delivery)
            elif time.monotonic() >= delivery.due:
                wanted = time.monotonic() < delivery.started + self._limits["maxAutoLockRenewalDuration"]
                renewed = wanted and await _done("renew", link.renew_message_lock, delivery)
                delivery.due = min(_renewal(delivery.message), ends) if renewed else ends

    async def _settle(self, link: ServiceBusReceiver, delivery: _Delivery) -> None:
        call = delivery.call
        wrong = call.result().error if call.done() else too_long(self._limits["functionTimeout"])
        call.cancel()
        log_end(delivery.title, delivery.started, wrong)
        if wrong:
            await _done("abandon", link.abandon_message, delivery)
        elif self._limits["autoCompleteMessages"]:
            await _done("complete", link.complete_message, delivery)


async def _done(what: str, act: Callable[..., Awaitable[object]], delivery: _Delivery) -> bool:
    try:
        await act(delivery.message)
    except (ServiceBusError, ValueError) as error:
        logger.warning("%s could not %s: %s", delivery.title, what, _line(error))
        return False
    return True


def _renewal(message: ServiceBusReceivedMessage) -> float:
    """When to renew its lock, on the monotonic clock; the broker tells locks in real time."""
    until = message.locked_until_utc
    left = (until - datetime.now(UTC)).total_seconds() if until else inf
    return time.monotonic() + left - min(RENEW_BEFORE, left / 2)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
