"""Locks, limits, stops and restarts: what the host does when time passes or something ends."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from tests.sandbox.host.apps import ROOT, App, send, state, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = """
    @queue("short")
    async def long(message: func.ServiceBusMessage):
        note(count=message.delivery_count)
        await asyncio.sleep(5)
"""
KEPT = """
    @queue("kept", auto_complete_messages=False)
    async def kept(message: func.ServiceBusMessage):
        note(kept=message.delivery_count)
"""


async def test_lock_is_renewed_while_the_function_runs(app: App, bus: ServiceBusClient, broker: Service) -> None:
    app.write(LONG).start()
    await send(bus, "short")
    await until(lambda: state(broker, "short")["completed"] == 1)
    assert app.notes == [{"count": 1}]


async def test_without_auto_complete_a_success_leaves_the_message_locked(
    app: App, bus: ServiceBusClient, broker: Service
) -> None:
    app.write(KEPT).start()
    await send(bus, "kept")
    await until(lambda: {"kept": 2} in app.notes)
    assert state(broker, "kept")["completed"] == 0


async def test_lock_lost_is_logged_and_the_message_comes_again(
    app: App, bus: ServiceBusClient, broker: Service
) -> None:
    source = """
    @queue("lost")
    async def lost(message: func.ServiceBusMessage):
        note(count=message.delivery_count)
        await asyncio.sleep(3 if message.delivery_count == 1 else 0)
    """
    app.write(source, {"extensions": {"serviceBus": {"maxAutoLockRenewalDuration": "00:00:00"}}}).start()
    await send(bus, "lost")
    await until(lambda: "could not complete: MessageLockLostError" in app.log)
    await until(lambda: state(broker, "lost")["completed"] == 1)
    assert [note["count"] for note in app.notes] == [1, 2]


@pytest.mark.parametrize("prefetch", [0, 20])
async def test_no_more_calls_at_once_than_host_json_allows(
    app: App, bus: ServiceBusClient, broker: Service, prefetch: int
) -> None:
    source = """
    running = 0

    @queue("many")
    async def many(message: func.ServiceBusMessage):
        global running
        running += 1
        note(running=running)
        await asyncio.sleep(0.05)
        running -= 1
    """
    limits = {"maxConcurrentCalls": 3, "prefetchCount": prefetch}
    app.write(source, {"extensions": {"serviceBus": limits}}).start()
    done = state(broker, "many")["completed"]
    await send(bus, "many", *(ServiceBusMessage(str(number)) for number in range(30)))
    await until(lambda: state(broker, "many")["completed"] == done + 30)
    assert len(app.notes) == 30
    assert max(note["running"] for note in app.notes) == 3


async def test_function_timeout_is_a_failure(app: App, bus: ServiceBusClient, broker: Service) -> None:
    source = """
    @queue("plain")
    async def stuck(message: func.ServiceBusMessage):
        note(count=message.delivery_count)
        while message.delivery_count == 1:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
    """
    app.write(source, {"functionTimeout": "00:00:01"}).start()
    done = state(broker, "plain")["completed"]
    await send(bus, "plain")
    await until(lambda: state(broker, "plain")["completed"] == done + 1)
    assert [note["count"] for note in app.notes] == [1, 2]
    assert "Timeout value of 0:00:01 was exceeded" in app.log


SLOW = """
    @queue("slow")
    async def slow(message: func.ServiceBusMessage):
        note(begun=message.get_body().decode())
        await asyncio.sleep(float(message.get_body()))
        note(ended=message.get_body().decode())
"""


async def test_at_sigterm_running_functions_finish_and_are_settled(
    app: App, bus: ServiceBusClient, broker: Service
) -> None:
    host = app.write(SLOW).start()
    done = state(broker, "slow")["completed"]
    await send(bus, "slow", ServiceBusMessage("1.5"))
    await until(lambda: app.notes)
    host.child.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    await send(bus, "slow", ServiceBusMessage("0"))
    assert await asyncio.to_thread(host.child.wait, 4) == 0
    assert app.notes == [{"begun": "1.5"}, {"ended": "1.5"}]
    assert state(broker, "slow")["completed"] == done + 1
    assert state(broker, "slow")["active"] == 1
    app.start()
    await until(lambda: state(broker, "slow")["completed"] == done + 2)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_outlives_the_grace_time_or_a_crash_stays_locked(
    app: App, bus: ServiceBusClient, broker: Service, how: signal.Signals
) -> None:
    host = app.write(LONG).start("--grace", "0.5")
    done = state(broker, "short")["completed"]
    await send(bus, "short")
    await until(lambda: app.notes)
    host.child.send_signal(how)
    assert await asyncio.to_thread(host.child.wait, 4) == (0 if how == signal.SIGTERM else -how)
    assert state(broker, "short")["locked"] == 1, "not abandoned half-way"
    app.start()
    await until(lambda: state(broker, "short")["completed"] == done + 1)
    assert [note["count"] for note in app.notes] == [1, 2]


async def test_a_restarted_broker_is_found_again(app: App, config: Path, tmp_path: Path) -> None:
    def begin(port: str) -> Service:
        options = ("--config", str(config), "--database", str(tmp_path / "queues.db"), "--port", port)
        return start("sandbox.broker", *options, log=tmp_path / "broker.log", cwd=ROOT)

    first = begin("0")
    app.bus = first.url
    app.write(SLOW).start()
    async with ServiceBusClient.from_connection_string(first.url) as bus:
        await send(bus, "slow", ServiceBusMessage("0.1"))
        await until(lambda: {"ended": "0.1"} in app.notes)
    first.kill()
    await until(lambda: "trying again" in app.log)
    second = begin(first.url.split(";")[0].rsplit(":", 1)[1].strip("/"))
    try:
        async with ServiceBusClient.from_connection_string(second.url) as bus:
            await send(bus, "slow", ServiceBusMessage("0.2"))
            await until(lambda: state(second, "slow")["completed"] >= 1 and {"ended": "0.2"} in app.notes, 30)
    finally:
        second.stop()


def cpu_seconds(*services: Service) -> float:
    """Processor time spent so far: unlike real time, it does not depend on what else this machine does."""
    spent = [
        Path(f"/proc/{service.child.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13] for service in services
    ]
    return sum(int(ticks) for pair in spent for ticks in pair) / os.sysconf("SC_CLK_TCK")


async def test_one_core_moves_150_messages_a_second_each_once(app: App, bus: ServiceBusClient, broker: Service) -> None:
    source = """
    @queue("many")
    async def many(message: func.ServiceBusMessage):
        note(body=message.get_body().decode())
    """
    host = app.write(source).start()
    done = state(broker, "many")["completed"]
    begun = cpu_seconds(host, broker)
    for part in range(5):
        await send(bus, "many", *(ServiceBusMessage(str(part * 100 + number)) for number in range(100)))
    await until(lambda: state(broker, "many")["completed"] == done + 500, 60)
    assert sorted(int(note["body"]) for note in app.notes) == list(range(500))
    assert 500 / (cpu_seconds(host, broker) - begun) > 150
