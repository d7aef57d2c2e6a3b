"""Moves one queue's messages through one function: receives, invokes, renews locks, completes or abandons."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from uuid import uuid4

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from .message import body, delivery_number, metadata
from .runtime import Failure, invoke
from .settings import Limits
from .triggers import QueueTrigger

logger = logging.getLogger("sandbox.host")
IDLE_SECONDS = 60.0  # one wait for a message
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0  # between two tries to reach the broker
RENEW_BEFORE = 10.0  # a lock is renewed this long before its end, half-way when it is shorter (as the .NET SDK does)


@dataclass(slots=True, eq=False)
class _Delivery:
    """A locked message whose function runs; `renew_at` and `renew_until` in seconds of the monotonic clock."""

    message: ServiceBusReceivedMessage
    call: asyncio.Task[Failure | None]
    renew_at: float
    renew_until: float


class Pump:
    """One task, in `run`, does all the receiving and settling; functions run beside it and only wake it.

    Two must not use one SDK link at once: its reads and writes share a lock, and a waiting read holds up every write.
    """

    def __init__(self, trigger: QueueTrigger, limits: Limits) -> None:
        self._trigger = trigger
        self._limits = limits
        self._deliveries: set[_Delivery] = set()
        self._wake = asyncio.Event()
        self._stop_at = inf

    def stop(self, grace: float) -> None:
        """Take no more messages; `run` returns when those in hand are settled, or after `grace` seconds."""
        self._stop_at = time.monotonic() + grace
        self._wake.set()

    async def run(self) -> None:
        """Pump until stopped, through any loss of the broker."""
        name, pause = self._trigger.function.name, FIRST_PAUSE
        while not self._over():
            bus = ServiceBusClient.from_connection_string(
                self._trigger.connection, retry_backoff_factor=0.1, try_timeout=10
            )
            link = bus.get_queue_receiver(self._trigger.queue, prefetch_count=self._limits.prefetch)
            try:
                async with bus, link:
                    logger.info("%s listens to the queue %s", name, self._trigger.queue)
                    pause = FIRST_PAUSE
                    await self._pump(link)
            except Exception as error:  # noqa: BLE001 - the SDK raises many things when a link breaks; we try again
                logger.warning("%s: the queue is out of reach, trying again: %s", name, _line(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE)

    def _over(self) -> bool:
        return self._stop_at < inf and (not self._deliveries or time.monotonic() >= self._stop_at)

    async def _pump(self, link: ServiceBusReceiver) -> None:
        while True:
            self._wake.clear()
            await self._settle_finished(link)
            await self._renew_due(link)
            if self._over():
                return
            if self._stop_at == inf and len(self._deliveries) < self._limits.concurrent_calls:
                for message in await self._receive(link):
                    self._deliveries.add(self._deliver(message))
            else:
                await self._woken()

    async def _receive(self, link: ServiceBusReceiver) -> list[ServiceBusReceivedMessage]:
        """The next message, or none when there is other work. One at a time: a larger call waits for more to come.

        A cancelled call loses nothing: what has arrived stays in the SDK's buffer for the next one.
        """
        receiving = asyncio.ensure_future(link.receive_messages(1, max_wait_time=IDLE_SECONDS))
        woken = asyncio.ensure_future(self._woken())
        await asyncio.wait({receiving, woken}, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        receiving.cancel()
        try:
            return await receiving
        except asyncio.CancelledError:
            return []

    async def _woken(self) -> None:
        """Until a function ends, a lock is due for renewal, or we are to stop."""
        first = min([self._stop_at, time.monotonic() + IDLE_SECONDS, *(each.renew_at for each in self._deliveries)])
        try:
            async with asyncio.timeout(first - time.monotonic()):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _deliver(self, message: ServiceBusReceivedMessage) -> _Delivery:
        call = asyncio.create_task(self._call(message))
        call.add_done_callback(lambda _: self._wake.set())
        until = time.monotonic() + self._limits.renew_for.total_seconds()
        return _Delivery(message, call, _renewal(message.locked_until_utc), until)

    async def _call(self, message: ServiceBusReceivedMessage) -> Failure | None:
        function, limit, started = self._trigger.function, self._limits.timeout, time.monotonic()
        try:
            data = body(message, function.trigger.get("dataType", ""))
            call = asyncio.create_task(invoke(function, str(uuid4()), data, metadata(message)))
            done, _ = await asyncio.wait({call}, timeout=limit.total_seconds())
            call.cancel()
            failure = call.result() if done else Failure(f"Timeout value of {limit} was exceeded")
        except Exception as error:  # noqa: BLE001 - a message we cannot hand over fails, the pump goes on
            failure = Failure(_line(error))
        took = 1000 * (time.monotonic() - started)
        if failure:
            logger.error("%s Failed in %.0f ms: %s\n%s", self._title(message), took, failure.message, failure.stack)
        else:
            logger.info("%s Succeeded in %.0f ms", self._title(message), took)
        return failure

    async def _settle_finished(self, link: ServiceBusReceiver) -> None:
        for delivery in [delivery for delivery in self._deliveries if delivery.call.done()]:
            self._deliveries.remove(delivery)
            if delivery.call.result():
                await self._try("abandon", link.abandon_message, delivery.message)
            elif self._trigger.complete:
                await self._try("complete", link.complete_message, delivery.message)

    async def _renew_due(self, link: ServiceBusReceiver) -> None:
        now = time.monotonic()
        for delivery in [each for each in self._deliveries if each.renew_at <= now]:
            delivery.renew_at = inf
            if now < delivery.renew_until and await self._try("renew", link.renew_message_lock, delivery.message):
                delivery.renew_at = _renewal(delivery.message.locked_until_utc)

    async def _try(self, what: str, act: Callable[..., Awaitable[object]], message: ServiceBusReceivedMessage) -> bool:
        try:
            await act(message)
        except (ServiceBusError, ValueError) as error:
            logger.warning("%s could not %s: %s", self._title(message), what, _line(error))
            return False
        return True

    def _title(self, message: ServiceBusReceivedMessage) -> str:
        return f"{self._trigger.function.name} [message {message.message_id}, delivery {delivery_number(message)}]"


def _renewal(locked_until: datetime | None) -> float:
    """When to renew a lock, on the monotonic clock; the broker tells locks in real time."""
    left = (locked_until - datetime.now(UTC)).total_seconds() if locked_until else inf
    return time.monotonic() + left - min(RENEW_BEFORE, left / 2)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
