"""Sending, receiving and settling, as the unmodified azure-servicebus SDK sees it."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from operator import methodcaller
from typing import Any
from uuid import UUID

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import AutoLockRenewer, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    ServiceBusError,
)

from sandbox.broker.broker import Broker
from sandbox.clock import SandboxClock
from tests.sandbox.broker.sdk import Links, bodies, receive, size

# The SDK leaves the sockets of connections that broke to the garbage collector, which may come during any test.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
on_one_loop = pytest.mark.asyncio(loop_scope="module")


# ------------------------------------------------------------------------------------------------- sending, receiving


@on_one_loop
async def test_a_message_arrives_as_it_was_sent(
    sender: ServiceBusSender, receiver: ServiceBusReceiver, clock: SandboxClock
) -> None:
    clock.set_now(datetime(2031, 5, 6, 7, 8, tzinfo=UTC))
    properties: dict[str | bytes, Any] = {"count": 7, "yes": True, "half": 0.5, "id": UUID(int=5)}
    sent = ServiceBusMessage(
        b"\x00body", message_id="m-1", subject="s", content_type="text/plain", correlation_id="c", partition_key="p"
    )
    sent.application_properties = properties
    await sender.send_messages(sent)
    (message,) = await receive(receiver)
    assert b"".join(message.body) == b"\x00body"
    assert (message.message_id, message.subject, message.content_type) == ("m-1", "s", "text/plain")
    assert (message.correlation_id, message.partition_key) == ("c", "p")
    assert message.application_properties == {key.encode(): value for key, value in properties.items()}  # type: ignore[union-attr]
    assert message.delivery_count == 0
    assert message.enqueued_time_utc is not None
    assert timedelta(0) <= message.enqueued_time_utc - datetime(2031, 5, 6, 7, 8, tzinfo=UTC) < timedelta(seconds=20)
    assert message.locked_until_utc is not None
    assert abs(message.locked_until_utc - datetime.now(UTC) - timedelta(minutes=1)) < timedelta(seconds=5)
    await receiver.complete_message(message)


@on_one_loop
async def test_single_list_and_batch_come_in_order(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    await sender.send_messages(ServiceBusMessage("one"))
    await sender.send_messages([ServiceBusMessage("two"), ServiceBusMessage("three")])
    batch = await sender.create_message_batch()
    for text in ("four", "five"):
        batch.add_message(ServiceBusMessage(text))
    await sender.send_messages(batch)
    messages = await receive(receiver, 5)
    assert bodies(messages) == ["one", "two", "three", "four", "five"]
    numbers = [message.sequence_number or 0 for message in messages]
    assert numbers == sorted(set(numbers))
    for message in messages:
        await receiver.complete_message(message)
    assert await receiver.peek_messages(10, sequence_number=1) == []


@on_one_loop
async def test_prefetch_delivers_ahead_and_close_gives_back_uncounted(
    broker: Broker, client: AsyncClient, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    await sender.send_messages([ServiceBusMessage(str(number)) for number in range(30)])
    async with client.get_queue_receiver("orders", prefetch_count=20) as eager:
        first = await receive(eager, 1)
        await eager.complete_message(first[0])
        assert broker.queues["orders"].counts()[1] > 5
    rest = await receive(receiver, 29, wait=5)
    assert {message.delivery_count for message in rest} == {0}
    assert sorted(map(int, bodies(first + rest))) == list(range(30))


@on_one_loop
async def test_a_message_of_many_frames_and_one_too_large(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    large = random.Random(1).randbytes(200_000)  # noqa: S311 - no secret
    await sender.send_messages(ServiceBusMessage(large))
    with pytest.raises(MessageSizeExceededError):
        await sender.send_messages(ServiceBusMessage(b"x" * 262_145), timeout=5)
    with pytest.raises(MessageSizeExceededError):
        await sender.send_messages(ServiceBusMessage(b"x" * 900_000), timeout=5)
    await sender.send_messages(ServiceBusMessage("after"))
    first, second = await receive(receiver, 2)
    assert b"".join(first.body) == large
    assert str(second) == "after"


@on_one_loop
async def test_the_synchronous_client_works_too(broker: Broker) -> None:
    def round_trip() -> list[str]:
        with ServiceBusClient.from_connection_string(broker.connection_string, retry_total=0) as client:
            sender, receiver = client.get_queue_sender("plain"), client.get_queue_receiver("plain")
            graves = client.get_queue_receiver("plain", sub_queue=ServiceBusSubQueue.DEAD_LETTER)
            with ThreadPoolExecutor() as pool:  # opened and closed side by side: the SDK takes its time for each
                list(pool.map(methodcaller("__enter__"), (sender, receiver, graves)))
                sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
                received = receiver.receive_messages(max_message_count=2, max_wait_time=3)
                receiver.complete_message(received[0])
                receiver.dead_letter_message(received[1], reason="Why", error_description="So")
                (dead,) = graves.receive_messages(max_wait_time=3)
                graves.complete_message(dead)
                list(pool.map(methodcaller("close"), (sender, receiver, graves)))
            return [*map(str, received), str(dead), str(dead.dead_letter_reason)]

    assert await asyncio.to_thread(round_trip) == ["a", "b", "b", "Why"]


# ----------------------------------------------------------------------------------- settlement, locks, dead letters


@on_one_loop
async def test_abandon_counts_a_delivery_and_keeps_the_place(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    await sender.send_messages([ServiceBusMessage("first"), ServiceBusMessage("second")])
    (message,) = await receive(receiver)
    await receiver.abandon_message(message)
    again, second = await receive(receiver, 2)
    assert (str(again), again.delivery_count, str(second)) == ("first", 1, "second")
    assert again.sequence_number == message.sequence_number


@on_one_loop
async def test_dead_letters_without_forwarding_lie_in_the_sub_queue(
    links: Links, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    await sender.send_messages(ServiceBusMessage("bad", application_properties={"kept": 1}, message_id="x"))
    (message,) = await receive(receiver)
    await receiver.dead_letter_message(message, reason="malformed-event", error_description="data.user")
    graves = links.graves["orders"]
    (dead,) = await receive(graves)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("malformed-event", "data.user")
    assert dead.application_properties is not None
    assert (str(dead), dead.message_id, dead.application_properties[b"kept"]) == ("bad", "x", 1)
    assert dead.dead_letter_source is None
    await graves.complete_message(dead)
    assert await receiver.peek_messages(5, sequence_number=1) == []


@on_one_loop
async def test_forwarding_takes_dead_letters_of_every_cause(broker: Broker, links: Links, clock: SandboxClock) -> None:
    sender, receiver = links.senders["joiners"], links.receivers["joiners"]
    graves, depth = links.receivers["joiners-dead-letters"], links.graves["joiners-dead-letters"]
    await sender.send_messages([ServiceBusMessage("refused"), ServiceBusMessage("hopeless")])
    refused, hopeless = await receive(receiver, 2)
    await receiver.dead_letter_message(refused, reason="not-a-joiner", error_description="case 1")
    await receiver.abandon_message(hopeless)
    await receiver.abandon_message((await receive(receiver))[0])
    await sender.send_messages(ServiceBusMessage("late", time_to_live=timedelta(hours=1)))
    clock.advance(timedelta(hours=2))
    dead = await receive(graves, 3)
    found = {str(message): (message.dead_letter_reason, message.dead_letter_source) for message in dead}
    assert found == {
        "refused": ("not-a-joiner", "joiners"),
        "hopeless": ("MaxDeliveryCountExceeded", "joiners"),
        "late": ("TTLExpiredException", "joiners"),
    }
    assert {message.delivery_count for message in dead} == {0}
    assert dead[0].enqueued_sequence_number == refused.sequence_number
    await graves.dead_letter_message(dead[0], reason="again")
    with pytest.raises(ServiceBusError, match="cannot be dead-lettered"):
        await depth.dead_letter_message((await receive(depth))[0])
    assert {name: size(queue) for name, queue in broker.queues.items() if "/" in name and size(queue)} == {
        "joiners-dead-letters/$deadletterqueue": 1
    }


@on_one_loop
async def test_time_to_live_spares_the_locked_and_drops_where_not_dead_lettered(
    broker: Broker, links: Links, clock: SandboxClock
) -> None:
    queue = broker.queues["fleeting"]
    sender, receiver = links.senders["fleeting"], links.receivers["fleeting"]
    await sender.send_messages([ServiceBusMessage("held"), ServiceBusMessage("short"), ServiceBusMessage("long")])
    (held,) = await receive(receiver)
    clock.advance(timedelta(minutes=61))
    assert await receive(receiver, wait=0.6) == []
    assert size(queue) == 1
    await receiver.abandon_message(held)
    assert size(queue) == 0
    assert size(broker.queues["fleeting/$deadletterqueue"]) == 0


@on_one_loop
async def test_a_lock_ends_and_counts_unless_it_is_renewed(links: Links) -> None:
    sender, receiver = links.senders["brief"], links.receivers["brief"]
    await sender.send_messages([ServiceBusMessage("kept"), ServiceBusMessage("lost")])
    kept, lost = await receive(receiver, 2)
    renewer = AutoLockRenewer()
    vars(renewer)["_sleep_time"] = 0.25  # its second between looks is too long for so short a lock
    renewer.register(receiver, kept, max_lock_renewal_duration=20)
    await asyncio.sleep(1.5)
    await receiver.complete_message(kept)
    await renewer.close()
    (again,) = await receive(receiver, 2, wait=0.5)
    assert (str(again), again.delivery_count) == ("lost", 1)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(lost)
    with pytest.raises(MessageLockLostError):
        await receiver.renew_message_lock(lost)
    assert await receiver.renew_message_lock(again) > datetime.now(UTC) + timedelta(seconds=0.5)


@on_one_loop
async def test_peek_goes_through_everything_by_sequence_number(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    await sender.send_messages([ServiceBusMessage(str(number)) for number in range(25)])
    (locked,) = await receive(receiver)
    pages: list[list[str]] = []
    at = 1
    while page := await receiver.peek_messages(10, sequence_number=at):
        pages.append(bodies(page))
        at = (page[-1].sequence_number or 0) + 1
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [text for page in pages for text in page] == [str(number) for number in range(25)]
    await receiver.complete_message(locked)


@on_one_loop
async def test_a_duplicate_is_accepted_and_dropped_within_the_window(
    broker: Broker, links: Links, clock: SandboxClock
) -> None:
    queue, sender = broker.queues["once"], links.senders["once"]
    for body in ("one", "two"):
        await sender.send_messages(ServiceBusMessage(body, message_id="same"))
    assert size(queue) == 1
    clock.advance(timedelta(minutes=9))
    await sender.send_messages(ServiceBusMessage("three", message_id="same"))
    assert size(queue) == 1
    clock.advance(timedelta(minutes=2))
    await sender.send_messages(ServiceBusMessage("four", message_id="same"))
    assert size(queue) == 2
