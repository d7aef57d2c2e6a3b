"""What survives a kill, and what ten thousand messages cost."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import (
    ServiceBusMessage,
)
from azure.servicebus.aio import ServiceBusClient as AsyncClient

from sandbox.broker.broker import CONFIG
from sandbox.broker.codec import described
from sandbox.broker.config import read_config
from sandbox.broker.messages import parse
from sandbox.broker.queues import Queue, open_database
from sandbox.process import Service, start
from tests.sandbox.broker.sdk import QUEUES, bodies, opened, receive, size, write_config

# The SDK leaves the sockets of connections that broke to the garbage collector, which may come during any test.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
on_one_loop = pytest.mark.asyncio(loop_scope="module")


# ---------------------------------------------------------------------------------------------------- what survives


@asynccontextmanager
async def both(url: str) -> AsyncGenerator[Any]:
    async with AsyncClient.from_connection_string(url, retry_total=0) as client:
        graves = client.get_queue_receiver("joiners-dead-letters")
        async with opened(client.get_queue_sender("joiners"), client.get_queue_receiver("joiners"), graves) as handlers:
            yield handlers


def launch(folder: Path) -> Service:
    database, log = folder / "broker.sqlite", folder / "broker.log"
    return start("sandbox.broker", "--database", str(database), "--config", str(folder / "config.json"), log=log)


@on_one_loop
async def test_a_kill_loses_nothing_but_locks(tmp_path: Path) -> None:
    write_config(tmp_path, QUEUES)
    service = launch(tmp_path)
    try:
        async with both(service.url) as (sender, receiver, _):
            await sender.send_messages([ServiceBusMessage(text, message_id=text) for text in "abcd"])
            a, b, c = await receive(receiver, 3)
            await receiver.complete_message(a)
            await receiver.abandon_message(b)
            await receiver.dead_letter_message(c, reason="r")
            assert bodies(await receive(receiver, 2)) == ["b", "d"]  # both locked when the end comes
            service.kill()
        service = launch(tmp_path)
        async with both(service.url) as (sender, receiver, graves):
            await sender.send_messages([ServiceBusMessage(text, message_id=text) for text in "abcde"])
            found = [(str(m), m.delivery_count, m.sequence_number) for m in await receive(receiver, 4, wait=1)]
            assert found == [("b", 1, 2), ("d", 0, 4), ("e", 0, 5)]
            assert [(str(m), m.dead_letter_reason) for m in await receive(graves)] == [("c", "r")]
    finally:
        service.kill()


@on_one_loop
async def test_an_emptied_queue_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    rules = read_config(CONFIG)[0]

    def enqueue_and_complete(message_id: str) -> int:
        database = open_database(tmp_path / "broker.sqlite")
        queue = Queue(rules, database, lambda: 1_000_000)
        assert not size(queue)
        queue.enqueue(parse(described(0x73, [message_id]) + described(0x75, b"body")))
        number = 0
        if taken := queue.take():
            queue.settle(taken[1], "complete")
            number = taken[0].sequence
        database.commit()
        database.close()
        return number

    assert [enqueue_and_complete(message_id) for message_id in ("a", "b", "a", "c")] == [1, 2, 0, 3]


@on_one_loop
async def test_ten_thousand_messages_come_out_once_each_in_their_order(tmp_path: Path) -> None:
    rules, database = read_config(write_config(tmp_path, QUEUES))[2], open_database(None)
    queue = Queue(rules, database, lambda: 0)
    queue.dead_letters = Queue(replace(rules, name="graves"), database, lambda: 0)
    for number in range(10_000):
        queue.enqueue(parse(described(0x73, [f"m-{number}"]) + described(0x75, b"body")))
    order: list[int] = []
    while taken := queue.take():
        message, token = taken
        order.append(message.sequence)
        queue.renew(token)
        queue.settle(token, "complete" if message.sequence % 2 else "dead-letter")
        queue.sweep()
    assert len(order) == 10_000
    assert order == sorted(order)
    assert (queue.completed, queue.counts()) == (5_000, (0, 0))
    assert queue.dead_letters.counts()[0] == 5_000
    database.close()
