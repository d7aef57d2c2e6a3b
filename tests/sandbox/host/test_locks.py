"""Locks, limits, stops and restarts: what the host does when time passes or something ends."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from tests.sandbox.host.apps import ROOT, App, send, state, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENT = """
    running = 0

    @queue("renewed")
    async def renewed(message: func.ServiceBusMessage):
        note(renewed=message.delivery_count)
        await asyncio.sleep(3)

    @queue("kept", auto_complete_messages=False)
    async def kept(message: func.ServiceBusMessage):
        note(kept=message.delivery_count)

    @queue("many")
    async def many(message: func.ServiceBusMessage):
        global running
        running += 1
        note(many=running)
        await asyncio.sleep(0.05)
        running -= 1

    @queue("busy")
    async def busy(message: func.ServiceBusMessage):
        note(busy=int(message.get_body()))
"""
STRICT = """
    running = 0

    @queue("lost")
    async def lost(message: func.ServiceBusMessage):
        note(lost=message.delivery_count)
        await asyncio.sleep(3 if message.delivery_count == 1 else 0)

    @queue("stuck")
    async def stuck(message: func.ServiceBusMessage):
        note(stuck=message.delivery_count)
        while message.delivery_count == 1:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

    @queue("prefetched")
    async def prefetched(message: func.ServiceBusMessage):
        global running
        running += 1
        note(prefetched=running)
        await asyncio.sleep(0.05)
        running -= 1
"""
STRICT_LIMITS = {"maxConcurrentCalls": 3, "prefetchCount": 20, "maxAutoLockRenewalDuration": "00:00:00"}


def noted(app: App, name: str) -> list[Any]:
    return [note[name] for note in app.notes if name in note]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def apps(
    tmp_path_factory: pytest.TempPathFactory, bus: ServiceBusClient, broker: Service
) -> AsyncIterator[tuple[App, App]]:
    """Two apps in their hosts, patient and strict, with messages under way: the tests' waits run side by side."""
    folder = tmp_path_factory.mktemp("apps")
    patient = App(folder / "patient", broker.url).write(
        PATIENT, {"extensions": {"serviceBus": {"maxConcurrentCalls": 3}}}
    )
    host_json = {"functionTimeout": "00:00:04", "extensions": {"serviceBus": STRICT_LIMITS}}
    strict = App(folder / "strict", broker.url).write(STRICT, host_json)
    thirty = [ServiceBusMessage(str(number)) for number in range(30)]
    await asyncio.gather(
        *(send(bus, queue) for queue in ("renewed", "kept", "lost", "stuck")),
        *(send(bus, queue, *thirty) for queue in ("many", "prefetched")),
    )
    patient.start()
    strict.start()
    yield patient, strict
    patient.stop()
    strict.stop()


type Apps = tuple[App, App]


@pytest.mark.parametrize(("which", "name"), [(0, "many"), (1, "prefetched")])
async def test_no_more_calls_at_once_than_host_json_allows(apps: Apps, broker: Service, which: int, name: str) -> None:
    await until(lambda: state(broker, name)["completed"] == 30)
    running = noted(apps[which], name)
    assert len(running) == 30
    assert max(running) == 3


async def test_lock_is_renewed_while_the_function_runs(apps: Apps, broker: Service) -> None:
    await until(lambda: state(broker, "renewed")["completed"] == 1)
    assert noted(apps[0], "renewed") == [1]


async def test_without_auto_complete_a_success_leaves_the_message_locked(apps: Apps, broker: Service) -> None:
    await until(lambda: 2 in noted(apps[0], "kept"))
    assert state(broker, "kept")["completed"] == 0


async def test_lock_lost_is_logged_and_the_message_comes_again(apps: Apps, broker: Service) -> None:
    await until(lambda: "could not complete: MessageLockLostError" in apps[1].log)
    await until(lambda: state(broker, "lost")["completed"] == 1)
    assert noted(apps[1], "lost") == [1, 2]


async def test_function_timeout_is_a_failure(apps: Apps, broker: Service) -> None:
    await until(lambda: state(broker, "stuck")["completed"] == 1)
    assert noted(apps[1], "stuck") == [1, 2]
    assert "Timeout value of 4 s was exceeded" in apps[1].log


async def test_five_hundred_messages_are_handled_once_each(apps: Apps, bus: ServiceBusClient, broker: Service) -> None:
    for part in range(5):
        await send(bus, "busy", *(ServiceBusMessage(str(part * 100 + number)) for number in range(100)))
    await until(lambda: state(broker, "busy")["completed"] == 500, 60)
    assert sorted(noted(apps[0], "busy")) == list(range(500))


SLOW = """
    @queue(os.environ["QUEUE"])
    async def slow(message: func.ServiceBusMessage):
        note(begun=message.get_body().decode(), count=message.delivery_count)
        await asyncio.sleep(float(message.get_body()) if message.delivery_count == 1 else 0)
        note(ended=message.get_body().decode())
"""


async def test_at_sigterm_running_functions_finish_and_are_settled(
    app: App, bus: ServiceBusClient, broker: Service
) -> None:
    host = app.write(SLOW).start(settings={"QUEUE": "clean"})
    await send(bus, "clean", ServiceBusMessage("1"))
    await until(lambda: app.notes)
    host.child.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    await send(bus, "clean", ServiceBusMessage("0"))
    assert await asyncio.to_thread(host.child.wait, 4) == 0
    assert app.notes == [{"begun": "1", "count": 1}, {"ended": "1"}]
    found = state(broker, "clean")
    assert (found["completed"], found["active"], found["locked"]) == (1, 1, 0)


async def test_what_outlives_the_grace_time_or_a_crash_stays_locked(
    tmp_path: Path, bus: ServiceBusClient, broker: Service
) -> None:
    ends = {"told": signal.SIGTERM, "killed": signal.SIGKILL}
    apps = {queue: App(tmp_path / queue, broker.url).write(SLOW) for queue in ends}
    try:
        for queue, app in apps.items():
            app.start("--grace", "0.5", settings={"QUEUE": queue})
        await asyncio.gather(*(send(bus, queue, ServiceBusMessage("60")) for queue in ends))
        await until(lambda: all(app.notes for app in apps.values()))
        for queue, how in ends.items():
            apps[queue].hosts[0].child.send_signal(how)
        for queue, code in (("killed", -signal.SIGKILL), ("told", 0)):
            assert await asyncio.to_thread(apps[queue].hosts[0].child.wait, 4) == code
            assert state(broker, queue)["locked"] == 1, "not abandoned half-way"
        for queue, app in apps.items():
            app.start(settings={"QUEUE": queue})
        await until(lambda: all(state(broker, queue)["completed"] == 1 for queue in ends))
        assert [noted(app, "count") for app in apps.values()] == [[1, 2], [1, 2]]
    finally:
        for app in apps.values():
            app.stop()


async def test_a_restarted_broker_is_found_again(app: App, config: Path, tmp_path: Path) -> None:
    def begin(port: str) -> Service:
        options = ("--config", str(config), "--database", str(tmp_path / "queues.db"), "--port", port)
        return start("sandbox.broker", *options, log=tmp_path / "broker.log", cwd=ROOT)

    first = begin("0")
    app.bus = first.url
    app.write(SLOW).start(settings={"QUEUE": "slow"})
    async with ServiceBusClient.from_connection_string(first.url) as bus:
        await send(bus, "slow", ServiceBusMessage("0.1"), ServiceBusMessage("0.2"))
        await until(lambda: state(first, "slow")["completed"] == 2)
    first.kill()
    await until(lambda: "trying again" in app.log)
    second = begin(first.url.split(";")[0].rsplit(":", 1)[1].strip("/"))
    try:
        async with ServiceBusClient.from_connection_string(second.url) as bus:
            await send(bus, "slow", ServiceBusMessage("0.3"))
            await until(lambda: state(second, "slow")["completed"] >= 1 and {"ended": "0.3"} in app.notes, 30)
    finally:
        second.stop()
