"""The search for what must be nowhere: the pass, the number, the user name, after whole runs at DEBUG."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.data.tables.aio import TableServiceClient

from cli.stage import Stage, on_stage
from sandbox.stack import Stack
from shared.adapters.tables import TableLedger
from shared.settings import Settings
from tests.acceptance.canaries import leaks, packed, written_to
from tests.acceptance.conftest import firstpass
from tests.acceptance.hands import behave, case_id, has_fired, head, ledger_of, messages, misbehave, pass_on, values
from tests.acceptance.people import NOW, hired, mobile, user, user_id

UPN = "canary.bird@firstpass.example"
PEOPLE = range(1, 13)
HELLO = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod"
WHY = ("--reason", "the search for what must be nowhere")
SHORT = {"MAX_PASSES": "2", "KEEP_CONTACT_DAYS": "1"}
BROKER = "broker.sqlite"
"""The queues on disk: what HR sent is in it, as it would be in Service Bus."""
LIVED_THROUGH = (
    *("message-sent", "receipt-heard", "receipt-forged", "whatsapp-fell-back", "message-redacted", "issuing-again"),
    *("case-unconfirmed", "case-refused", "joiner-onboarded", "pass-deleted", "contact-wiped", "run-failed"),
)


async def everything_stored(stage: Stage) -> str:
    """All rows of all tables and all messages of all queues, as text."""
    found: list[str] = []
    async with TableServiceClient.from_connection_string(stage.stack.azurite.url) as tables:
        async for table in tables.list_tables():
            rows = tables.get_table_client(table.name).list_entities()
            found += [json.dumps(dict(row), default=str) async for row in rows]
    for queue in (stage.queue, stage.dead_letters_queue):
        async with stage.bus.get_queue_receiver(queue) as receiver:
            found += [
                str(message) + str(message.application_properties) for message in await receiver.peek_messages(100)
            ]
    return "\n".join(found)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[Stage]:
    monkeypatch.setenv("LOUD_FOLDER", str(tmp_path))
    kept = {"azurite": ["--location", str(tmp_path / "tables")], "broker": ["--database", str(tmp_path / BROKER)]}
    with Stack(arguments=kept) as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        settings = values(stack, **SHORT)
        async with on_stage(stack, settings) as stage:
            stack.start_host(settings, "tests.acceptance.loud_host")
            yield stage


async def fail_a_run(stage: Stage, number: int, log: Path) -> None:
    """A joiner whose refusal cannot be written: the run fails, and the runtime answers the host with its error."""
    await misbehave(stage, "broker", operation="send/joiners-dead-letters", status=503, times=1000)
    await stage.send([json.dumps(hired(number, {"mobilePhone": mobile(number)})).encode()])
    async with asyncio.timeout(60):
        while "RunFailed" not in log.read_text():  # noqa: ASYNC110, ASYNC240 - another process writes this small file
            await asyncio.sleep(0.2)
    await behave(stage, "broker")
    await stage.settled()


async def at_twilio(stage: Stage) -> list[dict[str, Any]]:
    """Every message as Twilio keeps it, newest first."""
    keys = stage.stack.phone.ready
    url = f"{stage.stack.phone.url}/2010-04-01/Accounts/{keys['accountSid']}/Messages.json"
    login = {"Authorization": aiohttp.encode_basic_auth(keys["apiKeySid"], keys["apiKeySecret"])}
    async with stage.http.get(url, headers=login) as answer:
        return (await answer.json())["messages"]


async def what_the_command_prints(stage: Stage, ledger: TableLedger) -> str:
    """An operator looks at everything that is shown without a reason, and acts once."""
    case = (await head(ledger, 3)).id
    asked = (("status", "-o", "json"), ("cases", "show", case), ("dlq", "list"), ("pause", "--minutes", "1", *WHY))
    runs = [await asyncio.to_thread(firstpass, "--url", stage.stack.app_url, *words) for words in asked]
    assert [run.returncode for run in runs] == [0] * len(asked)
    return "\n".join(run.stdout + run.stderr for run in runs)


async def send(stage: Stage, event: dict[str, Any]) -> None:
    await stage.send([json.dumps(event).encode()])
    await stage.settled()


async def begin(stage: Stage) -> None:
    """Twelve joiners, and whatever can go wrong on their first day."""
    people = [user(1, userPrincipalName=UPN), *(user(number) for number in PEOPLE if number not in (1, 8))]
    await stage.world({"users": [*people, user(8, employeeHireDate=None)]})
    fates = {3: {"sms": "21211"}, 4: {"sms": "21610"}, 9: {"whatsapp": "63003"}, 10: {"sms": "off"}}
    templates = Settings(values(stage.stack))["WHATSAPP_TEMPLATES"]
    await stage.phones({mobile(number): fate for number, fate in fates.items()}, templates)
    told = {"error": {"code": "UnknownError", "message": f"{UPN} {mobile(5)} went wrong"}}
    await misbehave(stage, "directory", operation="create_pass", status=500, body=told, skip=3)
    await misbehave(stage, "phone", operation="create_message", kind="drop", when="after", skip=4)
    await send(stage, hired(1, {"user": {"userPrincipalName": UPN}}))
    for number in range(2, 8):
        await send(stage, hired(number))
    await send(stage, hired(9, {"channel": "whatsapp"}))
    for number in (10, 11, 12):
        await send(stage, hired(number))
    assert await has_fired(stage, "directory")
    assert await has_fired(stage, "phone")


async def go_on(stage: Stage, ledger: TableLedger) -> None:
    """One makes it, one is called off, the others go from pass to pass until there is none left; then days."""
    (message,) = await messages(stage, 11)
    assert await stage.sign_in(user_id(11), message["code"], HELLO)
    off = {name: value for name, value in hired(12).items() if name != "data"}
    await send(stage, off | {"type": "joiner.cancelled.v1", "id": "off-12", "time": "2026-11-30T07:00:01Z"})
    forged = {"MessageSid": message["sid"], "MessageStatus": "read", "To": mobile(11), "Body": message["code"]}
    async with stage.http.post(f"{stage.stack.app_url}/api/receipts?ref={UPN}", data=forged) as answer:
        assert answer.status == 403
    await pass_on(stage, ledger, "2026-12-03T08:00:00Z")


async def test_a_pass_is_on_the_phone_and_nowhere_else(stage: Stage, tmp_path: Path) -> None:
    await begin(stage)
    await fail_a_run(stage, 8, tmp_path / "raw.log")
    first_day = await everything_stored(stage)
    async with ledger_of(stage.stack) as ledger:
        printed = await what_the_command_prints(stage, ledger)
        await go_on(stage, ledger)
        ends = {number: (await head(ledger, number)).state for number in PEOPLE}
    assert ends == dict.fromkeys(PEOPLE, "gave_up") | dict.fromkeys((3, 4, 8, 10), "refused") | {
        11: "onboarded",
        12: "cancelled",
    }

    inbox, last_day, kept = await stage.inbox(), await everything_stored(stage), await at_twilio(stage)
    await asyncio.to_thread(stage.stack.azurite.stop)  # it saves what it holds
    files = written_to((stage.stack.folder, tmp_path))
    raw, redacted, spans = (files[str(tmp_path / name)] for name in ("raw.log", "redacted.log", "spans.json"))
    for event in LIVED_THROUGH:
        assert b'"event": "%b"' % event.encode() in redacted, event
    answers = b"\n".join(line for line in raw.splitlines() if b"RunFailed" in line)
    assert b"bus-unavailable" in answers  # what the runtime answered the host for the failed run
    assert b"azure.data.tables" in raw or b"azure.core" in raw
    assert b'"trace_id"' in spans
    assert_everything_is_searched(files)

    told = {name: text.encode() for name, text in (("first", first_day), ("last", last_day), ("printed", printed))}
    codes = {message["code"] for message in inbox} - {""}
    assert len(codes) == len(inbox) >= 14, "no pass was sent twice"
    assert leaks(files | told, codes) == []
    known = {file: text for file, text in files.items() if not file.endswith(KNOWN)}
    personal = (UPN, UPN.split("@", maxsplit=1)[0], *(mobile(number)[1:] for number in PEOPLE))
    assert leaks(known | told | {"answers": answers}, personal) == []
    assert '"contact"' in first_day
    assert '"contact"' not in last_day, "who is gone is not kept, not even sealed"
    assert '"why": "the search for what must be nowhere"' in last_day
    assert len(kept) == len(inbox)
    assert {message["body"] for message in kept} == {""}


KNOWN = ("raw.log", BROKER, f"{BROKER}-wal")
"""Where a person may be named: in the SDKs' own lines, which no host at INFO writes, and in what HR sent."""


def assert_everything_is_searched(files: dict[str, bytes]) -> None:
    """Each of the processes left something, and the tables and queues are on disk as they were used."""
    names = [Path(file).name for file in files]
    for service in ("azurite", "broker", "directory", "phone", "host-1"):
        assert f"{service}.log" in names
    tables = b"".join(raw for file, raw in files.items() if "/tables/" in file)
    assert case_id(1).encode() in tables
    queues = b"".join(raw for file, raw in files.items() if BROKER in file)
    assert b"case.refused.v1" in queues


@pytest.mark.parametrize("text", ["Kx7-canary=Q2", UPN, mobile(1)[1:]])
def test_the_search_finds_a_text_in_every_form(text: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    hidden = packed(text)
    for number, raw in enumerate(hidden.values()):
        (tmp_path / "deep" / str(number)).write_bytes(raw)
    found = {place for place, _, _ in leaks(written_to([tmp_path]), [text])}
    assert len(found) == len(hidden)
    assert leaks(written_to([tmp_path]), ["Lm4-another-R9"]) == []
