"""A broker per module, with the SDK's senders and receivers all opened side by side."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender

from sandbox.broker.broker import Broker
from sandbox.clock import SandboxClock
from tests.sandbox.broker.sdk import QUEUES, UNSHARED, Links, opened, write_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="module")
def clock(folder: Path) -> SandboxClock:
    return SandboxClock(folder / "clock")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(folder: Path, clock: SandboxClock) -> AsyncIterator[Broker]:
    assert clock
    async with Broker(write_config(folder, QUEUES | UNSHARED), clock=folder / "clock") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(broker: Broker) -> AsyncIterator[AsyncClient]:
    async with AsyncClient.from_connection_string(broker.connection_string, retry_total=0, try_timeout=5) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def links(client: AsyncClient) -> AsyncIterator[Links]:
    dead = ServiceBusSubQueue.DEAD_LETTER
    senders = {name: client.get_queue_sender(name) for name in QUEUES | UNSHARED}
    receivers = {name: client.get_queue_receiver(name.upper()) for name in QUEUES}
    graves = {name: client.get_queue_receiver(name, sub_queue=dead) for name in ("orders", "joiners-dead-letters")}
    async with opened(*senders.values(), *receivers.values(), *graves.values()):
        yield Links(senders, receivers, graves)


@pytest.fixture
def sender(links: Links) -> ServiceBusSender:
    return links.senders["orders"]


@pytest.fixture
def receiver(links: Links) -> ServiceBusReceiver:
    return links.receivers["orders"]


@pytest.fixture(autouse=True)
def calm(broker: Broker) -> Iterator[None]:
    """Every test begins with empty queues and no faults."""
    broker.faults.faults.clear()
    broker._database.execute("DELETE FROM messages")
    yield
    broker.faults.faults.clear()
