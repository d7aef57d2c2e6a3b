"""The broker that the host's tests hang on, and an app of their own for each."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from tests.sandbox.host.apps import ROOT, App

QUEUES = {  # lock, deliveries
    "plain": ("PT1M", 3),
    "failing": ("PT1M", 3),
    "strange": ("PT1M", 2),
    "short": ("PT2S", 5),
    "kept": ("PT2S", 5),
    "lost": ("PT2S", 5),
    "slow": ("PT1M", 5),
    "many": ("PT1M", 5),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    queues = [
        {"Name": name, "Properties": {"LockDuration": lock, "MaxDeliveryCount": count}}
        for name, (lock, count) in QUEUES.items()
    ]
    file = tmp_path_factory.mktemp("broker") / "config.json"
    file.write_text(json.dumps({"UserConfig": {"Namespaces": [{"Name": "test", "Queues": queues}]}}))
    return file


@pytest.fixture(scope="module")
def broker(config: Path) -> Iterator[Service]:
    service = start("sandbox.broker", "--config", str(config), log=config.parent / "log", cwd=ROOT)
    yield service
    service.stop()


@pytest.fixture
def app(tmp_path: Path, broker: Service) -> Iterator[App]:
    app = App(tmp_path / "app", broker.url)
    yield app
    for host in app.hosts:
        host.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(broker: Service) -> AsyncIterator[ServiceBusClient]:
    async with ServiceBusClient.from_connection_string(broker.url) as client:
        yield client
