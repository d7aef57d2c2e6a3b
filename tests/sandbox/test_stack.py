"""The whole sandbox: started together, told apart by addresses, always ended."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from azure.data.tables import TableServiceClient
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from sandbox.__main__ import PORTS, table
from sandbox.process import NotReadyError, start
from sandbox.stack import Stack

ROOT = Path(__file__).parents[2]
APP = """
import os
import azure.functions as func
from azure.data.tables import TableServiceClient
app = func.FunctionApp()

@app.service_bus_queue_trigger("message", queue_name="%QUEUE%", connection="ServiceBusConnection")
def joiner(message: func.ServiceBusMessage):
    with TableServiceClient.from_connection_string(os.environ["LedgerConnection"]) as tables:
        row = {"PartitionKey": "p", "RowKey": message.get_body().decode()}
        tables.create_table_if_not_exists("rows").create_entity(row)
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


def test_an_app_is_told_only_addresses(stack: Stack) -> None:
    addresses = stack.addresses
    assert set(addresses) == {
        *("ServiceBusConnection", "LedgerConnection", "AzureWebJobsStorage", "GRAPH_URL", "IDENTITY_ENDPOINT"),
        *("IDENTITY_HEADER", "TWILIO_URL", "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"),
        *("TWILIO_AUTH_TOKEN", "PUBLIC_URL"),
    }
    assert all(addresses.values())
    assert addresses["ServiceBusConnection"].startswith("Endpoint=sb://")
    assert addresses["GRAPH_URL"].startswith("http://127.0.0.1:")
    assert addresses["IDENTITY_ENDPOINT"].endswith("/msi/token")
    assert addresses["TWILIO_ACCOUNT_SID"].startswith("AC")
    assert addresses["TWILIO_API_KEY_SID"].startswith("SK")


async def test_a_hosted_app_works_with_the_stand_ins(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    host = stack.start_host({"QUEUE": "joiners"}, app=tmp_path)
    assert host.ready["functions"] == ["joiner"]
    with ServiceBusClient.from_connection_string(stack.broker.url) as bus, bus.get_queue_sender("joiners") as sender:
        sender.send_messages(ServiceBusMessage("row-1"))

    def rows() -> list[str]:
        with TableServiceClient.from_connection_string(stack.azurite.url) as tables:
            client = tables.create_table_if_not_exists("rows")
            return [entity["RowKey"] for entity in client.list_entities()]

    for _ in range(100):
        if rows() == ["row-1"]:
            break
        await asyncio.sleep(0.1)
    assert rows() == ["row-1"]
    assert "joiner" in host.log.read_text()


def test_a_host_that_cannot_start_leaves_the_rest_running(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"host\.json"):
        stack.start_host({}, app=tmp_path)
    assert stack.broker.child.poll() is None


def test_services_share_the_clock(stack: Stack) -> None:
    stack.clock.set_now(datetime(2031, 5, 6, tzinfo=UTC))
    with ServiceBusClient.from_connection_string(stack.broker.url) as bus:
        with bus.get_queue_sender("joiners-dead-letters") as sender:
            sender.send_messages(ServiceBusMessage("later"))
        with bus.get_queue_receiver("joiners-dead-letters") as receiver:
            (message,) = receiver.receive_messages(max_wait_time=5)
            assert message.enqueued_time_utc
            assert message.enqueued_time_utc.date().isoformat() == "2031-05-06"
            receiver.complete_message(message)
    stack.clock.set_now(datetime.now(UTC))


def children() -> set[int]:
    """The ids of our child processes."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(number) for file in found for number in file.read_text().split()}


def test_nothing_is_left_when_a_start_fails_half_way() -> None:
    before = children()
    stack = Stack(arguments={"broker": ("--config", "/nonexistent.json")})
    with pytest.raises(NotReadyError, match=r"sandbox\.broker did not start"), stack:
        pytest.fail("it started")
    assert children() == before
    assert not stack.folder.exists()


def test_nothing_is_left_at_the_end_even_of_a_failed_test() -> None:
    before = children()
    stack = Stack()

    def interrupted() -> None:
        with stack:
            assert len(children() - before) == 4
            stack.phone.kill()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert children() == before
    assert not stack.folder.exists()


@pytest.mark.parametrize("name", ["sandbox.phone", "sandbox.azurite"])
def test_whoever_says_ready_can_be_stopped_at_once(tmp_path: Path, name: str) -> None:
    service = start(name, log=tmp_path / "log", cwd=ROOT)
    service.child.terminate()
    service.reap()
    assert service.child.returncode == 0


def run(*command: str) -> subprocess.Popen[str]:
    """A command as a person runs it, all it says in one stream."""
    return subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(
    ("command", "how", "last"),
    [
        ("sandbox", signal.SIGTERM, "Stop with Ctrl-C"),
        ("cli sandbox", signal.SIGINT, "The app runs; its log: "),
        ("cli sandbox --practice", signal.SIGINT, "works here and lost the key"),
    ],
)
def test_the_command_shows_where_everything_is(command: str, how: signal.Signals, last: str) -> None:
    with run(*command.split(), "--free-ports") as running:
        assert running.stdout
        shown: list[str] = []
        while not shown or last not in shown[-1]:
            shown.append(running.stdout.readline())
            assert shown[-1], f"it ended: {shown}"
        running.send_signal(how)
        rest, _ = running.communicate(timeout=20)
    assert running.returncode == 0
    assert rest.splitlines()[-1] == "The sandbox has ended."
    for beginning in ("broker     Azure Service Bus", "ServiceBusConnection=Endpoint=sb://", "TWILIO_URL=http"):
        assert any(line.startswith(beginning) for line in shown), beginning


@pytest.mark.parametrize("command", ["sandbox", "cli sandbox"])
def test_a_busy_port_is_named(command: str) -> None:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # somebody else holds it: just as good
            held.enter_context(socket.create_server(("127.0.0.1", PORTS["phone"])))
        with run(*command.split()) as running:
            said, _ = running.communicate(timeout=20)
    assert running.returncode == 1
    assert f"Port {PORTS['phone']} (phone) is busy." in said
    assert "--free-ports" in said
    assert "Traceback" not in said


def test_the_port_of_the_app_is_fixed_when_given_and_must_be_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotReadyError, match=rf"Port {port} \(app\) is busy"), Stack({"app": port}):
            pytest.fail("it started")
    with Stack({"app": port}) as stack:
        assert stack.app_url == f"http://127.0.0.1:{port}"
        socket.create_server(("127.0.0.1", port)).close()  # not held: `func start` may take it


def test_the_pages_it_shows_are_there(stack: Stack) -> None:
    def answer(url: str) -> int:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback addresses
            return int(response.status)

    pages = [word for line in table(stack).splitlines()[1:5] for word in line.split() if word.startswith("http://")]
    assert len(pages) == 3
    assert [answer(page) for page in pages] == [200, 200, 200]
