"""Whatever a peer sends ends at worst its own connection; the codec agrees with the SDK's."""

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.servicebus import (
    ServiceBusMessage,
)
from azure.servicebus._pyamqp._decode import _DECODE_BY_CONSTRUCTOR  # pyright: ignore[reportMissingTypeStubs]
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.aio import ServiceBusSender
from hypothesis import given
from hypothesis import strategies as st

from sandbox.broker.broker import Broker
from sandbox.broker.codec import decode, described, encode, uint
from tests.sandbox.broker.sdk import QUEUES, size, write_config

# The SDK leaves the sockets of connections that broke to the garbage collector, which may come during any test.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
on_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sender(client: AsyncClient) -> AsyncIterator[ServiceBusSender]:
    async with client.get_queue_sender("orders") as opened:
        yield opened


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
