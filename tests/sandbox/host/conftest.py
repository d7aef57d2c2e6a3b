"""The broker that the host's tests hang on, and an app of their own for each test that asks for one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from tests.sandbox.host.apps import ROOT, SENDERS, App

QUEUES = {  # lock, deliveries; a short lock ends within a test
    **dict.fromkeys(("echo", "talks", "sync", "clean", "many", "prefetched", "busy", "slow"), ("PT1M", 5)),
    **dict.fromkeys(("failing", "stuck"), ("PT1M", 3)),
    "strange": ("PT1M", 2),
    **dict.fromkeys(("renewed", "kept", "lost"), ("PT2S", 5)),
    **dict.fromkeys(("told", "killed"), ("PT3S", 5)),
}


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    queues = [
        {"Name": name, "Properties": {"LockDuration": lock, "MaxDeliveryCount": count}}
        for name, (lock, count) in QUEUES.items()
    ]
    file = tmp_path_factory.mktemp("broker") / "config.json"
    file.write_text(json.dumps({"UserConfig": {"Namespaces": [{"Name": "test", "Queues": queues}]}}))
    return file


@pytest.fixture(scope="session")
def broker(config: Path) -> Iterator[Service]:
    service = start("sandbox.broker", "--config", str(config), log=config.parent / "log", cwd=ROOT)
    yield service
    service.stop()


@pytest.fixture
def app(tmp_path: Path, broker: Service) -> Iterator[App]:
    app = App(tmp_path / "app", broker.url)
    yield app
    app.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bus(broker: Service) -> AsyncIterator[ServiceBusClient]:
    async with ServiceBusClient.from_connection_string(broker.url) as client:
        yield client
        await asyncio.gather(
            *(sender.close() for sender in SENDERS.get(client, {}).values())
        )  # each takes the SDK long
