"""What only the real queue can show: thousands of letters, connections that break, and messages of any kind."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.amqp import AmqpAnnotatedMessage

from shared.errors import BusUnavailable
from tests.builders import NOW
from tests.contract.bus_worlds import EVENTS, QUEUE
from tests.contract.letter_worlds import (
    IMPATIENT,
    PATIENT,
    SOMEBODY,
    BrokerWorld,
    as_replay,
    everything,
    first_taken,
    found,
    noted,
    taken,
)

# A connection that breaks under the SDK leaves its socket to the collector, which says so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[BrokerWorld]:
    async with BrokerWorld(tmp_path) as there:
        yield there


@pytest.fixture
async def slow_locks(tmp_path: Path) -> AsyncGenerator[BrokerWorld]:
    async with BrokerWorld(tmp_path, lock=300) as there:
        yield there


@pytest.mark.slow
async def test_thousands_are_walked_by_lock_in_flat_memory(slow_locks: BrokerWorld) -> None:
    world = slow_locks
    await world.put(*[b"x" * 5_000] * 3_000)
    tracemalloc.start()
    began = time.monotonic()
    assert await taken(world, 2_990, 3_000) == [2_990, 3_000]
    assert time.monotonic() - began < 20
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6_000_000  # all bodies together are 15 MB
    assert await found(world, 1, 2_990, 2_999) == [1, 2_999]
    await world.letters.rest()
    (first,) = await world.peeked(1)
    assert first.delivery_count == 0
    await world.held_elsewhere(2_998)  # all are free


@pytest.mark.slow
async def test_thousands_are_looked_at_in_flat_memory(world: BrokerWorld) -> None:
    await world.put(*[b"x" * 5_000] * 3_000)
    tracemalloc.start()
    count = 0
    async with aclosing(world.letters.walk(0)) as walk:
        async for _ in walk:
            count += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 3_000
    assert peak < 6_000_000


async def test_a_run_is_one_connection_for_all_its_requests(world: BrokerWorld) -> None:
    await world.put(*[b"{}"] * 9)
    for number in (2, 3, 7):
        assert await taken(world, number) == [number]
    assert world.connected == 1
    await world.letters.rest()
    assert await taken(world, 8) == [8]
    assert world.connected == 2


async def test_a_run_that_says_nothing_more_rests_by_itself(world: BrokerWorld) -> None:
    letters = world.letters = world.letters_with(IMPATIENT, idle=0.5)
    await world.put(b"1", b"2")
    assert await taken(world, 2) == [2]
    await asyncio.sleep(1)
    await world.held_elsewhere(1)
    assert await taken(world, 1) == []
    assert world.letters is letters


async def test_letters_that_are_passed_by_again_and_again_are_not_delivered_too_often(world: BrokerWorld) -> None:
    await world.put(b"1", b"2", b"3")
    for _ in range(3):  # at 2,000 deliveries the queue would lay them aside once more
        assert await taken(world, 2, complete=False) == [2]
        await world.letters.rest()
    assert [message.delivery_count for message in await world.peeked(3)] == [0, 0, 0]


async def test_what_cannot_be_given_back_is_free_when_its_lock_ends(world: BrokerWorld) -> None:
    await world.put(b"1", b"2")
    assert await taken(world, 2) == [2]
    await world.fault(f"settle/{QUEUE}", kind="drop")
    await world.letters.rest()
    assert await world.fired()
    assert await taken(world, 1) == []
    await world.locks_end()
    assert await taken(world, 1) == [1]


async def test_a_use_is_one_connection(world: BrokerWorld) -> None:
    await world.put(b"1", b"2")
    await taken(world, 1, 2, complete=False)
    assert world.connected == 1
    walk, first = await first_taken(world, 1)
    for replays in (1, 2):
        await world.letters.send_again(first.letter, as_replay(first.letter, replays))
    await first.complete()
    await walk.aclose()
    assert world.connected == 3


async def test_a_lock_that_ended_meanwhile_is_a_code_and_the_letter_stays(world: BrokerWorld) -> None:
    await world.put(b"1")
    walk, first = await first_taken(world, 1)
    await world.locks_end()
    with pytest.raises(BusUnavailable, match=r"^bus-lock-lost$"):
        await first.complete()
    await walk.aclose()
    assert await taken(world, 1) == [1]


async def test_a_process_that_dies_between_sending_and_completing_doubles_nothing(world: BrokerWorld) -> None:
    await world.put(b"{}", message_id="hr-1")
    walk, first = await first_taken(world, 1)
    await world.letters.send_again(first.letter, as_replay(first.letter, 1))
    await walk.aclose()
    await world.fault(f"settle/{QUEUE}", kind="drop", times=9)  # it gives nothing back, either
    await world.letters.rest()
    assert await world.fired()
    await world.locks_end()
    walk, first = await first_taken(world, 1)
    await world.letters.send_again(first.letter, as_replay(first.letter, first.letter.replays + 1))
    await first.complete()
    await walk.aclose()
    assert [each.message_id for each in await world.sent()] == ["hr-1:replay:1"]
    assert await everything(world) == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_that_breaks_in_mid_send_is_bridged(slow_locks: BrokerWorld, when: str) -> None:
    world = slow_locks
    world.letters = world.letters_with(PATIENT)
    await world.put(b"1", b"2")
    await world.fault(f"send/{EVENTS}", kind="drop", when=when, times=2)
    walk, first = await first_taken(world, 1)
    await world.letters.send_again(first.letter, as_replay(first.letter, 1))
    await first.complete()
    await walk.aclose()
    assert await world.fired()
    assert [each.message_id for each in await world.sent()] == ["letter-1:replay:1"]
    assert [letter.sequence for letter in await everything(world)] == [2]


async def test_a_queue_that_is_not_there_or_gone_is_a_code(world: BrokerWorld) -> None:
    world.letters = world.letters_with(PATIENT, "nowhere")
    with pytest.raises(BusUnavailable, match=r"^bus-rejected$"):
        await everything(world)
    with pytest.raises(BusUnavailable, match=r"^bus-rejected$"):
        await taken(world, 1)
    assert world.connected == 2
    world.broker.kill()
    world.letters = world.letters_with(PATIENT)
    with pytest.raises(BusUnavailable, match=r"^bus-unavailable$"):
        await found(world, 1)


# --- messages of any kind ---


async def test_notes_of_an_earlier_replay_are_read_and_made_anew(world: BrokerWorld) -> None:
    notes: dict[str | bytes, Any] = {
        "OriginalMessageId": "hr-1",
        "ReplayCount": 2,
        "ReplayedReason": "TTLExpiredException",
        "OriginalEnqueued": "2026-11-30T08:00:00+00:00",
        "ReplayedBy": "aaaaaaaa-0000-4000-8000-000000000009",
        "ReplayedAt": "2026-11-30T09:00:00+00:00",
        "DeadLetterReason": "MaxDeliveryCountExceeded",
        "DeadLetterErrorDescription": "Message could not be consumed.",
        "Other": "thing",
    }
    again = ServiceBusMessage(b"{}", message_id="hr-1:replay:2", application_properties=notes)
    await world.put_as_it_is(again)
    (letter,) = await everything(world)
    assert (letter.original_id, letter.replays, letter.message_id) == ("hr-1", 2, "hr-1:replay:2")
    await world.letters.send_again(letter, as_replay(letter, 3))
    (sent,) = await world.messages()
    assert sent.message_id == "hr-1:replay:3"
    assert noted(sent) == {
        "OriginalMessageId": "hr-1",
        "OriginalEnqueued": "2026-11-30T08:00:00+00:00",
        "ReplayCount": 3,
        "ReplayedReason": "MaxDeliveryCountExceeded",
        "ReplayedBy": SOMEBODY,
        "ReplayedAt": NOW.isoformat(),
        "Other": "thing",
    }


async def test_what_hr_wrote_on_a_message_goes_with_it(world: BrokerWorld) -> None:
    notes: dict[str | bytes, Any] = {"tenant": "north", "wave": 7, "DeadLetterReason": "TTLExpiredException"}
    await world.put_as_it_is(
        ServiceBusMessage(
            b"{}",
            subject="joiner",
            correlation_id="job-7",
            session_id="W-1",
            reply_to="hr-answers",
            to="joiners",
            application_properties=notes,
        )
    )
    (letter,) = await everything(world)
    await world.letters.send_again(letter, as_replay(letter, 1))
    (sent,) = await world.messages()
    assert (sent.subject, sent.correlation_id, sent.session_id) == ("joiner", "job-7", "W-1")
    assert (sent.reply_to, sent.to) == ("hr-answers", "joiners")
    told = noted(sent)
    assert (told["tenant"], told["wave"]) == ("north", 7)
    assert "DeadLetterReason" not in told


@pytest.mark.parametrize("count", ["2", -1, 1.5, None])
async def test_a_count_that_makes_no_sense_is_none(world: BrokerWorld, count: object) -> None:
    notes: dict[str | bytes, Any] = {"ReplayCount": count}
    await world.put_as_it_is(ServiceBusMessage(b"{}", application_properties=notes))
    (letter,) = await everything(world)
    assert (letter.replays, letter.reason) == (0, "unknown")


async def test_two_letters_without_an_id_never_share_one(world: BrokerWorld) -> None:
    await world.put_as_it_is(ServiceBusMessage(b"1"), ServiceBusMessage(b"2"))
    for letter in await everything(world):
        await world.letters.send_again(letter, as_replay(letter, 1))
    assert [b"".join(message.body) for message in await world.messages()] == [b"1", b"2"]


@pytest.mark.parametrize(("value", "body"), [("{}", b"{}"), ("\u00e9", "\u00e9".encode()), (7, b"")])
async def test_a_body_that_is_a_single_value_is_its_text(world: BrokerWorld, value: object, body: bytes) -> None:
    await world.client.get_queue_sender(QUEUE).send_messages(AmqpAnnotatedMessage(value_body=value))
    (letter,) = await everything(world)
    assert letter.body == body


async def test_what_the_service_itself_forwards_is_a_letter_like_any_other(world: BrokerWorld) -> None:
    sender = world.client.get_queue_sender(EVENTS)
    await sender.send_messages(ServiceBusMessage(b"{}", message_id="hr-1"))
    async with world.client.get_queue_receiver(EVENTS) as receiver:
        for _ in range(10):
            (message,) = await receiver.receive_messages(1, max_wait_time=2)
            await receiver.abandon_message(message)
    await sender.close()
    (letter,) = await everything(world)
    assert (letter.reason, letter.message_id, letter.body) == ("MaxDeliveryCountExceeded", "hr-1", b"{}")
