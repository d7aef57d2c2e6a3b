"""What an app sees of the host, and what becomes of its messages: real processes, real runtime, real SDK."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service
from tests.sandbox.host.apps import App, send, state, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    print("at import")

    @queue("echo")
    async def echo(message: func.ServiceBusMessage, context: func.Context):
        seen = {name: getattr(message, name) for name in dir(type(message))
                if name[0] != "_" and name not in ("get_body", "force_persistence", "metadata")}
        note(echo=message.message_id, body=message.get_body().hex(), seen=seen, metadata=message.metadata,
             id=context.invocation_id)

    @queue("failing")
    async def fails(message: func.ServiceBusMessage):
        note(failing=message.delivery_count)
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("boom") from error

    @queue("strange")
    async def strange(message: func.ServiceBusMessage):
        note(strange=message.get_body().decode(), count=message.delivery_count)
        if message.get_body() == b"exit":
            raise SystemExit(3)
        if message.get_body() == b"cancel":
            raise asyncio.CancelledError
        return "a value"

    @queue("sync")
    def sync(message: func.ServiceBusMessage):
        if message.delivery_count == 1:
            raise SystemExit(4)
        note(sync=message.delivery_count)

    @queue("talks")
    def talks(message: func.ServiceBusMessage):
        for _ in range(3000):
            print("x" * 100)
        os.system("echo a child of its own")
        note(talked=True)
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, broker: Service) -> Iterator[App]:
    """One app in its host, for the whole module."""
    house = App(tmp_path_factory.mktemp("house") / "app", broker.url).write(SOURCE)
    house.start()
    yield house
    house.stop()


def echoes(house: App, name: str) -> list[dict[str, Any]]:
    return [note for note in house.notes if note.get("echo") == name]


async def test_message_arrives_with_the_metadata_of_the_real_host_and_no_other(
    house: App, bus: ServiceBusClient
) -> None:
    everything = ServiceBusMessage(
        "Grüße",
        message_id="m1",
        subject="s",
        content_type="application/json",
        correlation_id="c",
        to="t",
        reply_to="r",
        reply_to_session_id="rs",
        session_id="p",
        partition_key="p",
        time_to_live=timedelta(hours=1),
        application_properties={"text": "ö", "number": 7, "truth": True, "id": UUID(int=1)},
    )
    await send(bus, "echo", everything)
    await until(lambda: echoes(house, "m1"))
    (note,) = echoes(house, "m1")
    assert bytes.fromhex(note["body"]).decode() == "Grüße"
    always = {
        *("MessageId", "DeliveryCount", "LockToken", "ExpiresAtUtc", "ExpiresAt", "EnqueuedTimeUtc", "EnqueuedTime"),
        *("SequenceNumber", "ApplicationProperties", "UserProperties"),
    }
    set_here = {"ContentType", "ReplyTo", "ReplyToSessionId", "To", "Subject", "Label", "CorrelationId", "SessionId"}
    assert set(note["metadata"]) == always | set_here | {"PartitionKey"}
    seen = note["seen"]
    assert (seen["message_id"], seen["delivery_count"], seen["label"], seen["to"]) == ("m1", 1, "s", "t")
    assert seen["application_properties"] == {
        "text": "ö",
        "number": 7,
        "truth": True,
        "id": "00000000-0000-0000-0000-000000000001",
    }
    assert seen["user_properties"] == seen["application_properties"]
    for never_sent in ("locked_until", "time_to_live", "dead_letter_reason", "scheduled_enqueue_time_utc", "state"):
        assert seen[never_sent] is None
    assert "+00:00" not in seen["enqueued_time_utc"], "the host sends a DateTime without zone"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"{}", "漢".encode()])
async def test_any_body_arrives_unchanged_and_what_is_not_set_is_not_sent(
    house: App, bus: ServiceBusClient, broker: Service, body: bytes
) -> None:
    done, name = state(broker, "echo")["completed"], str(uuid4())
    await send(bus, "echo", ServiceBusMessage(body, message_id=name))
    await until(lambda: state(broker, "echo")["completed"] == done + 1)
    (note,) = echoes(house, name)
    assert bytes.fromhex(note["body"]) == body
    assert "Subject" not in note["metadata"]
    assert note["seen"]["expires_at_utc"].startswith("9999-12-31")


async def test_failures_are_abandoned_until_they_are_dead_letters(
    house: App, bus: ServiceBusClient, broker: Service
) -> None:
    await send(bus, "failing")
    await until(lambda: state(broker, "failing")["deadLetters"] == 1)
    assert [note["failing"] for note in house.notes if "failing" in note] == [1, 2, 3]
    assert "delivery 1] Failed" in house.log
    assert "ValueError: boom" in house.log
    assert "KeyError: 'inner'" in house.log, "the host logs the whole chain"
    async with bus.get_queue_receiver("failing", sub_queue="deadletter") as receiver:
        (letter,) = await receiver.receive_messages(max_wait_time=5)
        assert letter.dead_letter_reason == "MaxDeliveryCountExceeded"
        await receiver.complete_message(letter)


async def test_what_escapes_the_runtime_is_a_failure_and_the_host_goes_on(
    house: App, bus: ServiceBusClient, broker: Service
) -> None:
    await send(bus, "strange", *(ServiceBusMessage(what) for what in ("exit", "cancel", "value")))
    await send(bus, "sync")
    await until(lambda: state(broker, "strange")["deadLetters"] == 3 and state(broker, "sync")["completed"] == 1)
    seen = sorted((note["strange"], note["count"]) for note in house.notes if "strange" in note)
    assert seen == [(what, count) for what in ("cancel", "exit", "value") for count in (1, 2)]
    for words in ("SystemExit: 3", "SystemExit: 4", "CancelledError", "non-None value"):
        assert words in house.log
    assert {"sync": 2} in house.notes
    assert house.hosts[0].child.poll() is None


async def test_what_the_app_prints_goes_to_the_log(house: App, bus: ServiceBusClient) -> None:
    names = ["echo", "fails", "strange", "sync", "talks"]
    assert house.hosts[0].ready["functions"] == names
    await send(bus, "talks")
    await until(lambda: {"talked": True} in house.notes)
    assert "at import" in house.log
    assert "a child of its own" in house.log


async def test_the_clock_is_handed_over_before_indexing(app: App) -> None:
    (app.folder / "with_clock.py").write_text(
        "from sandbox import host\nimport seam\nhost.main(lambda clock: setattr(seam, 'now', clock.now))\n"
    )
    (app.folder / "seam.py").write_text("now = None\n")
    source = """
    import seam
    note(year=seam.now().year, cwd=os.getcwd(), setting=os.environ["TELL"])
    queue("plain")(lambda message: None)
    """
    app.write(source).start("--clock", str(app.folder / "clock"), settings={"TELL": "told"}, module="with_clock")
    (note,) = app.notes
    assert note["year"] >= 2024
    assert (note["cwd"], note["setting"]) == (str(app.folder), "told")
