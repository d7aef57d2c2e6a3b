"""Faults on request, the control server, and what is refused with a sentence."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessage,
    ServiceBusReceiveMode,
)
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessagingEntityNotFoundError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from sandbox.broker.broker import CONFIG, Broker
from sandbox.broker.config import read_config
from tests.sandbox.broker.sdk import Links, receive, size, write_config

# The SDK leaves the sockets of connections that broke to the garbage collector, which may come during any test.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
on_one_loop = pytest.mark.asyncio(loop_scope="module")


# --------------------------------------------------------------------------------------- what is refused, and clearly


@on_one_loop
async def test_an_unknown_queue_is_said_to_be_unknown(client: AsyncClient) -> None:
    handlers = client.get_queue_sender("nowhere"), client.get_queue_receiver("nowhere")
    began = time.monotonic()
    answers = await asyncio.gather(*(handler.__aenter__() for handler in handlers), return_exceptions=True)
    assert time.monotonic() - began < 4
    for answer in answers:
        assert isinstance(answer, MessagingEntityNotFoundError)
        assert "'nowhere' could not be found" in str(answer)


@on_one_loop
async def test_what_is_not_imitated_is_refused_with_a_sentence(
    client: AsyncClient, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    await sender.send_messages(ServiceBusMessage("now"))
    (message,) = await receive(receiver)

    async def schedule() -> None:
        with pytest.raises(ServiceBusError, match="not imitated"):
            await sender.schedule_messages(ServiceBusMessage("later"), later)
        await sender.send_messages(ServiceBusMessage("later", scheduled_enqueue_time_utc=later))

    links = [
        client.get_queue_receiver("orders", session_id="s"),
        client.get_queue_receiver("orders", session_id=NEXT_AVAILABLE_SESSION),
        client.get_queue_receiver("orders", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE),
    ]
    attempts = [*(link.__aenter__() for link in links), schedule(), receiver.defer_message(message)]
    for answer in await asyncio.gather(*attempts, return_exceptions=True):
        assert isinstance(answer, ServiceBusError)
        assert "not imitated" in str(answer)


@pytest.mark.parametrize(
    ("queues", "complaint"),
    [
        ({"a": {"LockDuration": "5 minutes"}}, "LockDuration"),
        ({"a": {"LockDuration": "PT"}}, "LockDuration"),
        ({"a": {"ForwardDeadLetteredMessagesTo": "b"}}, "names no queue"),
        ({"a": {"RequiresSession": True}}, "RequiresSession"),
    ],
)
@on_one_loop
async def test_a_config_that_cannot_be_served_is_refused(tmp_path: Path, queues: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_config(write_config(tmp_path, queues))


@on_one_loop
async def test_the_repository_s_config_is_the_product_s() -> None:
    joiners, dead = read_config(CONFIG)
    assert (joiners.name, joiners.lock, joiners.max_delivery_count) == ("joiners", 300_000, 10)
    assert (joiners.detects_duplicates, joiners.duplicate_window, joiners.dead_letter_expired) == (True, 600_000, True)
    assert joiners.forward_dead_letters_to == dead.name == "joiners-dead-letters"
    assert (dead.lock, dead.max_delivery_count, dead.default_ttl) == (300_000, 2000, None)  # operators walk it


# ------------------------------------------------------------------------------------------------ faults, the control


@on_one_loop
async def test_the_control_server_counts_and_takes_faults(
    broker: Broker, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    async with aiohttp.ClientSession(broker.control) as http:
        before = (await (await http.get("/sandbox/queues")).json())["orders"]
        fault = {"operation": "send/orders", "status": 503}
        assert (await http.post("/sandbox/faults", json=fault)).status == 201
        with pytest.raises(ServiceBusServerBusyError):
            await sender.send_messages(ServiceBusMessage("refused"))
        await sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b"), ServiceBusMessage("c")])
        first, second = await receive(receiver, 2)
        await receiver.complete_message(first)
        await receiver.dead_letter_message(second)
        assert (await (await http.get("/sandbox/faults")).json())[0]["fired"] == 1
        after = (await (await http.get("/sandbox/queues")).json())["orders"]
    assert (after["active"], after["locked"], after["deadLetters"]) == (1, 0, 1)
    assert (after["completed"] - before["completed"], after["enqueued"] - before["enqueued"]) == (1, 3)


@on_one_loop
async def test_a_send_can_lose_its_connection_before_and_after_it_took_effect(broker: Broker) -> None:
    async def send(queue: str, when: str) -> tuple[int, int]:
        fault = broker.faults.add(operation=f"send/{queue}", kind="drop", when=when)
        async with (
            AsyncClient.from_connection_string(broker.connection_string, retry_total=0) as client,
            client.get_queue_sender(queue) as sender,
        ):
            with pytest.raises(ServiceBusError):
                await sender.send_messages(ServiceBusMessage("?"), timeout=3)
        return fault.fired, size(broker.queues[queue])

    assert await asyncio.gather(send("orders", "before"), send("plain", "after")) == [(1, 0), (1, 1)]


@on_one_loop
async def test_a_delivery_can_come_late(broker: Broker, sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    fault = broker.faults.add(operation="deliver", kind="delay", seconds=0.6)
    await sender.send_messages(ServiceBusMessage("late"))
    began = time.monotonic()
    (message,) = await receive(receiver, wait=4)
    assert (fault.fired, str(message)) == (1, "late")
    assert time.monotonic() - began > 0.4


@on_one_loop
async def test_a_delivery_can_lose_its_lock_and_come_twice(
    broker: Broker, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    await receive(receiver, wait=0.3)
    fault = broker.faults.add(operation="deliver/orders", kind="drop")
    await sender.send_messages(ServiceBusMessage("twice"))
    first, second = await receive(receiver, 2)
    assert fault.fired == 1
    assert [(str(each), each.delivery_count) for each in (first, second)] == [("twice", 0), ("twice", 1)]
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(first)
    await receiver.complete_message(second)


@on_one_loop
async def test_a_settlement_can_lose_its_connection_before_and_after_it_took_effect(
    broker: Broker, links: Links
) -> None:
    async def settle(queue: str, when: str) -> int:
        await links.senders[queue].send_messages(ServiceBusMessage("settled once"))
        url = broker.connection_string
        async with (
            AsyncClient.from_connection_string(url, retry_total=1, retry_backoff_factor=0.1) as client,
            client.get_queue_receiver(queue) as receiver,
        ):
            (message,) = await receive(receiver)
            fault = broker.faults.add(operation=f"settle/{queue}", kind="drop", when=when)
            if when == "before":  # the SDK settles through the management link instead
                await receiver.complete_message(message)
            else:
                with pytest.raises(MessageLockLostError):
                    await receiver.complete_message(message)
        return fault.fired

    assert await asyncio.gather(settle("plain", "before"), settle("once", "after")) == [1, 1]
    assert size(broker.queues["plain"]) == size(broker.queues["once"]) == 0
