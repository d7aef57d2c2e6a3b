"""The sandbox's Service Bus broker, as the unmodified azure-servicebus SDK sees it."""

import asyncio
import json
import random
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus._pyamqp._decode import _DECODE_BY_CONSTRUCTOR  # pyright: ignore[reportMissingTypeStubs]
from azure.servicebus.aio import AutoLockRenewer, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusError,
    ServiceBusServerBusyError,
)
from hypothesis import given
from hypothesis import strategies as st

from sandbox.broker.broker import CONFIG, Broker
from sandbox.broker.codec import decode, described, encode, uint
from sandbox.broker.config import read_config
from sandbox.broker.messages import parse
from sandbox.broker.queues import Queue, open_database
from sandbox.clock import SandboxClock
from sandbox.process import Service, start

# The SDK leaves the sockets of connections that broke to the garbage collector, which may come during any test.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
on_one_loop = pytest.mark.asyncio(loop_scope="module")

QUEUES: dict[str, dict[str, Any]] = {
    "orders": {},
    "brief": {"LockDuration": "PT2S"},
    "joiners": {
        "MaxDeliveryCount": 2,
        "RequiresDuplicateDetection": True,
        "DuplicateDetectionHistoryTimeWindow": "PT10M",
        "DeadLetteringOnMessageExpiration": True,
        "ForwardDeadLetteredMessagesTo": "joiners-dead-letters",
    },
    "joiners-dead-letters": {},
    "fleeting": {"DefaultMessageTimeToLive": "PT1H"},
}


def write_config(folder: Path, queues: dict[str, dict[str, Any]]) -> Path:
    listed = [{"Name": name, "Properties": properties} for name, properties in queues.items()]
    path = folder / "config.json"
    path.write_text(json.dumps({"UserConfig": {"Namespaces": [{"Name": "sandbox", "Queues": listed}]}}))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="module")
def clock(folder: Path) -> SandboxClock:
    return SandboxClock(folder / "clock")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(folder: Path, clock: SandboxClock) -> AsyncIterator[Broker]:
    assert clock
    async with Broker(write_config(folder, QUEUES), clock=folder / "clock") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(broker: Broker) -> AsyncIterator[AsyncClient]:
    async with AsyncClient.from_connection_string(broker.connection_string, retry_total=0, try_timeout=5) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sender(client: AsyncClient) -> AsyncIterator[ServiceBusSender]:
    async with client.get_queue_sender("orders") as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver(client: AsyncClient) -> AsyncIterator[ServiceBusReceiver]:
    async with client.get_queue_receiver("orders") as opened:
        yield opened


@pytest.fixture(autouse=True)
def calm(broker: Broker) -> Iterator[None]:
    """Every test begins with empty queues and no faults."""
    broker.faults.faults.clear()
    broker._database.execute("DELETE FROM messages")
    yield
    broker.faults.faults.clear()


async def receive(receiver: ServiceBusReceiver, count: int = 1, wait: float = 2) -> list[ServiceBusReceivedMessage]:
    found: list[ServiceBusReceivedMessage] = []
    until = time.monotonic() + wait
    while len(found) < count and time.monotonic() < until:
        left = max(until - time.monotonic(), 0.1)
        found += await receiver.receive_messages(max_message_count=count - len(found), max_wait_time=left)
    return found


@asynccontextmanager
async def opened(*handlers: Any) -> AsyncGenerator[Any]:
    """Senders and receivers, opened and closed side by side: the SDK takes its time for each."""
    await asyncio.gather(*(handler.__aenter__() for handler in handlers))
    try:
        yield handlers
    finally:
        await asyncio.gather(*(handler.close() for handler in handlers))


def size(queue: Queue) -> int:
    return sum(queue.counts())


def bodies(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]


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
            with client.get_queue_sender("orders") as sender:
                sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
            with client.get_queue_receiver("orders") as receiver:
                received = receiver.receive_messages(max_message_count=2, max_wait_time=3)
                receiver.complete_message(received[0])
                receiver.dead_letter_message(received[1], reason="Why", error_description="So")
            with client.get_queue_receiver("orders", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
                (dead,) = receiver.receive_messages(max_wait_time=3)
                receiver.complete_message(dead)
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
    client: AsyncClient, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    await sender.send_messages(ServiceBusMessage("bad", application_properties={"kept": 1}, message_id="x"))
    (message,) = await receive(receiver)
    await receiver.dead_letter_message(message, reason="malformed-event", error_description="data.user")
    async with client.get_queue_receiver("orders", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as graves:
        (dead,) = await receive(graves)
        assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("malformed-event", "data.user")
        assert dead.application_properties is not None
        assert (str(dead), dead.message_id, dead.application_properties[b"kept"]) == ("bad", "x", 1)
        assert dead.dead_letter_source is None
        await graves.complete_message(dead)
    assert await receiver.peek_messages(5, sequence_number=1) == []


@on_one_loop
async def test_forwarding_takes_dead_letters_of_every_cause(
    broker: Broker, client: AsyncClient, clock: SandboxClock
) -> None:
    async with opened(
        client.get_queue_sender("joiners"),
        client.get_queue_receiver("joiners"),
        client.get_queue_receiver("JOINERS-dead-letters"),
        client.get_queue_receiver("joiners-dead-letters", sub_queue=ServiceBusSubQueue.DEAD_LETTER),
    ) as (sender, receiver, graves, depth):
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
    broker: Broker, client: AsyncClient, clock: SandboxClock
) -> None:
    queue = broker.queues["fleeting"]
    async with opened(client.get_queue_sender("fleeting"), client.get_queue_receiver("fleeting")) as (sender, receiver):
        await sender.send_messages([ServiceBusMessage("held"), ServiceBusMessage("short"), ServiceBusMessage("long")])
        (held,) = await receive(receiver)
        clock.advance(timedelta(minutes=61))
        assert await receive(receiver, wait=0.6) == []
        assert size(queue) == 1
        await receiver.abandon_message(held)
        assert size(queue) == 0
        assert size(broker.queues["fleeting/$deadletterqueue"]) == 0


@on_one_loop
async def test_a_lock_ends_and_counts_unless_it_is_renewed(client: AsyncClient) -> None:
    async with opened(client.get_queue_sender("brief"), client.get_queue_receiver("brief")) as (sender, receiver):
        await sender.send_messages([ServiceBusMessage("kept"), ServiceBusMessage("lost")])
        kept, lost = await receive(receiver, 2)
        renewer = AutoLockRenewer()
        vars(renewer)["_sleep_time"] = 0.25  # its second between looks is too long for so short a lock
        renewer.register(receiver, kept, max_lock_renewal_duration=20)
        await asyncio.sleep(2.5)
        await receiver.complete_message(kept)
        await renewer.close()
        (again,) = await receive(receiver, 2, wait=0.5)
        assert (str(again), again.delivery_count) == ("lost", 1)
        with pytest.raises(MessageLockLostError):
            await receiver.complete_message(lost)
        with pytest.raises(MessageLockLostError):
            await receiver.renew_message_lock(lost)
        assert await receiver.renew_message_lock(again) > datetime.now(UTC) + timedelta(seconds=1.5)


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
    broker: Broker, client: AsyncClient, clock: SandboxClock
) -> None:
    queue = broker.queues["joiners"]
    async with client.get_queue_sender("joiners") as sender:
        for body in ("one", "two"):
            await sender.send_messages(ServiceBusMessage(body, message_id="same"))
        assert size(queue) == 1
        clock.advance(timedelta(minutes=9))
        await sender.send_messages(ServiceBusMessage("three", message_id="same"))
        assert size(queue) == 1
        clock.advance(timedelta(minutes=2))
        await sender.send_messages(ServiceBusMessage("four", message_id="same"))
        assert size(queue) == 2


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
    handlers = [
        client.get_queue_receiver("orders", session_id="s"),
        client.get_queue_receiver("orders", session_id=NEXT_AVAILABLE_SESSION),
        client.get_queue_receiver("orders", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE),
    ]
    for answer in await asyncio.gather(*(handler.__aenter__() for handler in handlers), return_exceptions=True):
        assert isinstance(answer, ServiceBusError)
        assert "not imitated" in str(answer)
    later = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(ServiceBusError, match="not imitated"):
        await sender.schedule_messages(ServiceBusMessage("later"), later)
    with pytest.raises(ServiceBusError, match="not imitated"):
        await sender.send_messages(ServiceBusMessage("later", scheduled_enqueue_time_utc=later))
    await sender.send_messages(ServiceBusMessage("now"))
    (message,) = await receive(receiver)
    with pytest.raises(ServiceBusError, match="not imitated"):
        await receiver.defer_message(message)


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
    assert (dead.lock, dead.max_delivery_count, dead.default_ttl) == (300_000, 10, None)


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


@pytest.mark.parametrize(("when", "stored"), [("before", 0), ("after", 1)])
@on_one_loop
async def test_a_send_can_lose_its_connection(broker: Broker, when: str, stored: int) -> None:
    fault = broker.faults.add(operation="send", kind="drop", when=when)
    async with (
        AsyncClient.from_connection_string(broker.connection_string, retry_total=0) as client,
        client.get_queue_sender("orders") as sender,
    ):
        with pytest.raises(ServiceBusError):
            await sender.send_messages(ServiceBusMessage("?"), timeout=3)
    assert fault.fired == 1
    assert size(broker.queues["orders"]) == stored


@on_one_loop
async def test_a_delivery_can_come_late(broker: Broker, sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    fault = broker.faults.add(operation="deliver", kind="delay", seconds=1.0)
    await sender.send_messages(ServiceBusMessage("late"))
    began = time.monotonic()
    (message,) = await receive(receiver, wait=4)
    assert (fault.fired, str(message)) == (1, "late")
    assert time.monotonic() - began > 0.7


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


@pytest.mark.parametrize("when", ["before", "after"])
@on_one_loop
async def test_a_settlement_can_lose_its_connection(broker: Broker, when: str, sender: ServiceBusSender) -> None:
    await sender.send_messages(ServiceBusMessage("settled once"))
    async with (
        AsyncClient.from_connection_string(broker.connection_string, retry_total=1, retry_backoff_factor=0.1) as client,
        client.get_queue_receiver("orders") as receiver,
    ):
        (message,) = await receive(receiver)
        fault = broker.faults.add(operation="settle", kind="drop", when=when)
        if when == "before":  # the SDK settles through the management link instead
            await receiver.complete_message(message)
        else:
            with pytest.raises(MessageLockLostError):
                await receiver.complete_message(message)
    assert fault.fired == 1
    assert size(broker.queues["orders"]) == 0


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
async def test_ten_thousand_messages_do_not_slow_a_queue_down(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        rules = read_config(write_config(tmp_path, QUEUES))[2]
        database = open_database(None)
        queue = Queue(rules, database, lambda: 0)
        queue.dead_letters = Queue(replace(rules, name="graves"), database, lambda: 0)
        began = time.process_time()
        for number in range(count):
            queue.enqueue(parse(described(0x73, [f"m-{number}"]) + described(0x75, b"body")))
        for _ in range(count):
            taken = queue.take()
            assert taken
            message, token = taken
            queue.renew(token)
            queue.settle(token, "complete" if message.sequence % 2 else "dead-letter")
            queue.sweep()
        database.close()
        return time.process_time() - began

    assert seconds(10_000) < 12 * max(seconds(1_000), 0.05)


# -------------------------------------------------------------------------------------------------- malformed input

HEADER = b"AMQP\x00\x01\x00\x00"


def frame(channel: int, body: bytes, *, offset: int = 2) -> bytes:
    return struct.pack(">IBBH", len(body) + 8, offset, 0, channel) + body


OPEN = frame(0, described(0x10, ["me", None, uint(65536)]))
BEGIN = frame(0, described(0x11, [None, uint(0), uint(100), uint(100)]))
ENDS = [described(0x28, ["me"]), described(0x29, ["orders"])]
ATTACH = frame(0, described(0x12, ["sender", uint(0), False, None, None, *ENDS, None, None, uint(0)]))
MESSAGE = described(0x73, ["id"]) + described(0x75, b"body")
TRANSFER = frame(0, described(0x14, [uint(0), uint(0), b"tag", uint(0), False, False]) + MESSAGE)
CONVERSATION = [HEADER, OPEN, BEGIN, ATTACH, TRANSFER]


async def answer_to(broker: Broker, *parts: bytes, ends: bool = False) -> bytes:
    """All the broker says before it closes the connection."""
    port = int(broker.connection_string.split(";")[0].rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"".join(parts))
        if ends:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        [bytes.fromhex("16030100f0010000ec0303") + bytes(60)],
        [HEADER, struct.pack(">IBBH", 2**31, 2, 0, 0)],
        [HEADER, struct.pack(">IBBH", 3, 2, 0, 0)],
        [HEADER, frame(0, described(0x10, ["me"]), offset=200)],
        [HEADER, frame(0, bytes(40))],
        [HEADER, BEGIN],
        [HEADER, OPEN, frame(0, b"\x00\x53\x99\x45")],
        [HEADER, OPEN, frame(7, described(0x16, [uint(0), True]))],
        [HEADER, OPEN, BEGIN, TRANSFER],
        [HEADER, OPEN, BEGIN, frame(0, described(0x12, [None]))],
        [HEADER, OPEN, BEGIN, frame(0, b"\x00\x53\x12\xc0\xff\xff" + b"\x45" * 60)],
        [HEADER, OPEN, BEGIN, frame(0, b"\x00" * 5000)],
        [HEADER, OPEN, BEGIN, frame(0, b"\x00\x53\x12\xf0" + struct.pack(">II", 9, 2**31) + b"\x40" * 5)],
        [HEADER, OPEN, BEGIN, ATTACH, TRANSFER.replace(b"\x53\x73\xc0", b"\x53\x73\xc7")],
    ],
)
@on_one_loop
async def test_malformed_input_ends_its_own_connection_and_is_logged(
    broker: Broker, sender: ServiceBusSender, caplog: pytest.LogCaptureFixture, parts: list[bytes]
) -> None:
    await answer_to(broker, *parts)
    assert "a connection is closed" in caplog.text
    await sender.send_messages(ServiceBusMessage("still here"))
    assert size(broker.queues["orders"]) == 1


@on_one_loop
async def test_a_well_formed_stranger_is_served(broker: Broker) -> None:
    said = await answer_to(broker, *CONVERSATION, frame(0, described(0x18, [])))
    assert said.startswith(HEADER)
    assert said.endswith(frame(0, described(0x18, [])))
    assert size(broker.queues["orders"]) == 1


@on_one_loop
async def test_damaged_conversations_never_hurt_the_broker(broker: Broker, sender: ServiceBusSender) -> None:
    chance = random.Random(20261201)  # noqa: S311 - no secret
    for _ in range(300):
        damaged = bytearray(b"".join(CONVERSATION))
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        await answer_to(broker, bytes(damaged[: chance.randrange(1, len(damaged) + 1)]), ends=True)
    await sender.send_messages(ServiceBusMessage("still here", message_id="last"))
    assert [message.message_id for message in broker.queues["orders"].peek(1, 1000)][-1] == "last"


@on_one_loop
async def test_a_client_that_never_opens_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with Broker(handshake_seconds=0.2) as broker:
        began = time.monotonic()
        await answer_to(broker, HEADER)
        assert time.monotonic() - began < 2
    assert "TimeoutError" in caplog.text


@on_one_loop
async def test_a_broker_closes_quietly_while_a_fault_holds_something_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Broker(write_config(tmp_path, QUEUES)) as broker:
        fault = broker.faults.add(operation="send", kind="delay", seconds=0.3)
        talk = asyncio.create_task(answer_to(broker, *CONVERSATION))
        await asyncio.sleep(0.1)
    await talk
    await asyncio.sleep(0.4)
    assert fault.fired == 1
    assert not [record for record in caplog.records if record.name == "asyncio"]


# -------------------------------------------------------------------------------------------------------- the codec

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary() | st.uuids(),
    lambda inner: st.lists(inner, max_size=300) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def in_sdk_terms(value: Any) -> Any:
    """The SDK's decoder leaves strings as bytes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [in_sdk_terms(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {in_sdk_terms(key): in_sdk_terms(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


@given(VALUES)
def test_what_is_encoded_is_read_the_same_by_us_and_by_the_sdk(value: Any) -> None:
    data = encode(value)
    assert decode(data) == (value, len(data))
    assert _DECODE_BY_CONSTRUCTOR[data[0]](memoryview(data)[1:])[1] == in_sdk_terms(value)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_misbehave(data: bytes) -> None:
    try:
        _, end = decode(data)
    except (IndexError, KeyError, struct.error, ValueError, TypeError):
        return
    assert 0 < end <= len(data)
