"""What replaying dead letters costs beside doing nothing with them: `python -m bench.letters [--letters N]`.

In turns, a lot is replayed as a run does it, a request at a time, and a lot goes through the bare SDK: received, sent,
completed, one by one. Every letter has to arrive on the other queue exactly once. The memory is this process's, which
holds what the app would.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from bench.flow import joiner
from cli.stage import sample_settings
from sandbox.stack import Stack
from shared import wiring
from shared.letter_models import EndOfRun, ReplayWish
from shared.principal import OperatorRole, Principal

DEAD, EVENTS = "joiners-dead-letters", "joiners"
LOT, AT_ONCE = 1_000, 100
SOMEBODY = Principal("be4c0000-0000-4000-8000-000000000000", frozenset({OperatorRole.OPERATOR}))


class Queues:
    """The queue of dead letters and that of events, by the bare SDK."""

    def __init__(self, bus: ServiceBusClient) -> None:
        self._bus, self._put, self._number = bus, 0, 1

    async def fill(self, count: int) -> list[int]:
        """So many dead letters more; gives their numbers."""
        first, now = self._put + 1, datetime.now(UTC)
        async with self._bus.get_queue_sender(DEAD) as sender:
            for index in range(self._put, self._put + count):
                _, event = joiner(index % 2_000, now)
                message = ServiceBusMessage(json.dumps(event), message_id=f"hr-{index}")
                message.application_properties = {"DeadLetterReason": "TTLExpiredException"}
                await sender.send_messages(message)
        self._put += count
        return list(range(first, self._put + 1))

    async def move(self, numbers: list[int]) -> None:
        """What a replay does at least."""
        async with self._bus.get_queue_receiver(DEAD) as receiver, self._bus.get_queue_sender(EVENTS) as sender:
            for _ in numbers:
                (message,) = await receiver.receive_messages(1, max_wait_time=5)
                again = ServiceBusMessage(b"".join(message.body), message_id=f"{message.message_id}:bare")
                await sender.send_messages(again)
                await receiver.complete_message(message)

    async def count(self, queue: str) -> int:
        """How many lie there."""
        found, after = 0, 1
        async with self._bus.get_queue_receiver(queue) as receiver:
            while page := await receiver.peek_messages(250, sequence_number=after):
                found, after = found + len(page), (page[-1].sequence_number or 0) + 1
        return found


async def replay(numbers: list[int]) -> None:
    """A run, as the command asks for it."""
    letters, run = wiring.dead_letters(), uuid4().hex
    for at in range(0, len(numbers), AT_ONCE):
        left = numbers[at : at + AT_ONCE]
        while left:
            wish = ReplayWish(sequences=left, reason="measured", run=run)
            told = (await letters.replay_letters(SOMEBODY, wish)).letters
            if any(one.outcome != "send" or not one.removed for one in told):
                sys.exit(f"not replayed: {told}")
            left = left[len(told) :]
    await letters.end_run(SOMEBODY, EndOfRun(run=run))


async def timed(act: Callable[[list[int]], Awaitable[None]], numbers: list[int]) -> float:
    """Seconds."""
    began = time.perf_counter()
    await act(numbers)
    return time.perf_counter() - began


async def measure(bus_url: str, total: int) -> tuple[float, float, list[int]]:
    """Seconds of replaying, seconds of doing nothing, and the peak of memory after each lot in KB."""
    ours, bare, peaks = 0.0, 0.0, list[int]()
    async with ServiceBusClient.from_connection_string(bus_url) as bus:
        queues = Queues(bus)
        for lot in range(total // LOT):
            acts = [replay, queues.move] if lot % 2 else [queues.move, replay]
            for act in acts:
                took = await timed(act, await queues.fill(LOT))
                ours, bare = (ours + took, bare) if act is replay else (ours, bare + took)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        if (await queues.count(DEAD), await queues.count(EVENTS)) != (0, 2 * (total // LOT) * LOT):
            sys.exit("lost or doubled")
    return ours, bare, peaks


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    total = parser.parse_args().letters
    with Stack() as stack:
        os.environ.update({**sample_settings(), **stack.addresses})
        ours, bare, peaks = asyncio.run(measure(stack.broker.url, total))
    print(f"python -m bench.letters --letters {total}   ({platform.python_version()}, {os.cpu_count()} cores)")
    print(f"  {total / ours:.0f} letters/s replayed, {total / bare:.0f} moved by the bare SDK: ratio {bare / ours:.2f}")
    print(f"  memory: peak {peaks[0] / 1024:.0f} MB after {LOT} letters, {peaks[-1] / 1024:.0f} MB after {total}")


if __name__ == "__main__":
    main()
