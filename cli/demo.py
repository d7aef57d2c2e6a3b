"""Runs a cohort: the stand-ins and the app as processes, the events one after the other, and what became of each."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import MessageSizeExceededError

from cli.cohort import Cohort
from cli.outcome import CaseOutcome, DeadLetter, Outcome, case_outcome
from sandbox.process import NotReadyError
from sandbox.stack import Stack
from shared import wiring
from shared.settings import Settings, SettingsError

ROOT: Final = Path(__file__).parent.parent
SETTLE_SECONDS: Final = 60
LOOK_EVERY: Final = 0.02

type Progress = Callable[[int, int, str], None]


class DemoError(Exception):
    """The run could not be made; the text says what to do."""


def run_cohort(cohort: Cohort, progress: Progress, keep: Path | None = None) -> Outcome:
    """Start everything, send every event when the one before is settled, look at the result, end everything.

    `keep` is a folder for the logs of all processes.

    Raises:
        DemoError: settings are wrong, a process did not start, or the world was refused.
    """
    try:
        with Stack() as stack:
            try:
                return asyncio.run(_run(cohort, stack, progress))
            finally:
                if keep:
                    shutil.copytree(stack.folder, keep, dirs_exist_ok=True)
    except (NotReadyError, SettingsError) as error:
        raise DemoError(str(error)) from None


def settings_for(cohort: Cohort, stack: Stack) -> dict[str, str]:
    """The app's settings: the sample's, the stand-ins' addresses, the cohort's wishes."""
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    return {**sample, **stack.addresses, **cohort.settings}


async def _run(cohort: Cohort, stack: Stack, progress: Progress) -> Outcome:
    stack.clock.set_now(cohort.now or datetime.now(UTC))
    values = settings_for(cohort, stack)
    checked = Settings(values)
    async with AsyncExitStack() as open_things:
        http = await open_things.enter_async_context(aiohttp.ClientSession(raise_for_status=False))
        await _furnish(http, stack, cohort, checked)
        await asyncio.to_thread(stack.start_host, values, "cli.host")
        bus = await open_things.enter_async_context(ServiceBusClient.from_connection_string(stack.broker.url))
        await _send_all(http, bus, stack, cohort, checked["JOINERS_QUEUE"], progress)
        return await _look(http, bus, stack, cohort, values)


async def _furnish(http: aiohttp.ClientSession, stack: Stack, cohort: Cohort, settings: Settings) -> None:
    templates = {
        sid: {"language": tag if tag != "default" else "en"}
        for tag, sid in (settings["WHATSAPP_TEMPLATES"] or {}).items()
    }
    for url, document in (
        (f"{stack.directory.url}/sandbox/world", cohort.world()),
        (f"{stack.phone.url}/sandbox/phones", cohort.phones),
        (f"{stack.phone.url}/sandbox/templates", templates),
    ):
        async with http.put(url, json=document) as answer:
            if not answer.ok:
                raise DemoError(f"the cohort was refused: {await answer.text()}")


async def _send_all(
    http: aiohttp.ClientSession, bus: ServiceBusClient, stack: Stack, cohort: Cohort, queue: str, progress: Progress
) -> None:
    async with bus.get_queue_sender(queue) as sender:
        for number, body in enumerate(cohort.bodies(), 1):
            progress(number, len(cohort.events), _subject(body))
            try:
                await sender.send_messages(ServiceBusMessage(body, message_id=str(uuid4())))
            except MessageSizeExceededError:
                raise DemoError(f"event {number} is larger than the queue takes") from None
            await _settled(http, stack, queue)


async def _settled(http: aiohttp.ClientSession, stack: Stack, queue: str) -> None:
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        async with http.get(f"{stack.broker.ready['control']}/sandbox/queues") as answer:
            counts = (await answer.json())[queue]
        if not counts["active"] and not counts["locked"]:
            return
        await asyncio.sleep(LOOK_EVERY)
    raise DemoError(f"a message was not settled within {SETTLE_SECONDS} s; see the host's log (--keep FOLDER)")


def _subject(body: bytes) -> str:
    try:
        return str(json.loads(body)["subject"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "(not an event)"


# --- what became of it ---


async def _look(
    http: aiohttp.ClientSession, bus: ServiceBusClient, stack: Stack, cohort: Cohort, values: dict[str, str]
) -> Outcome:
    os.environ.update(values)  # this process reads the ledger as the app writes it
    wiring.use_clock(stack.clock)
    inbox = await _get(http, f"{stack.phone.url}/sandbox/inbox")
    ledger = wiring.ledger()
    cases: list[CaseOutcome] = []
    for case_id, subject in _cases(cohort).items():
        if case := await ledger.load(case_id):
            sent = {move.message_id for move in await ledger.history(case_id)}
            cases.append(case_outcome(subject, case, [message for message in inbox if message["sid"] in sent]))
    await ledger.close()
    return Outcome(
        now=stack.clock.now(),
        cases=cases,
        dead_letters=await _dead_letters(bus, values["DEAD_LETTERS_QUEUE"]),
        passes=await _get(http, f"{stack.directory.url}/sandbox/passes"),
        users={str(user.get("id", "")).lower(): user for user in cohort.users},
    )


def _cases(cohort: Cohort) -> dict[str, str]:
    """Case ids and subjects of the cohort, in the order of their first events."""
    name_case = wiring.fingerprints().case_id
    return {
        name_case(event["source"], event["subject"]): event["subject"]
        for event in (event for event in cohort.events if isinstance(event, dict))
        if isinstance(event.get("source"), str) and isinstance(event.get("subject"), str)
    }


async def _get(http: aiohttp.ClientSession, url: str) -> Any:  # noqa: ANN401 - JSON
    async with http.get(url) as answer:
        return await answer.json()


async def _dead_letters(bus: ServiceBusClient, queue: str) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    async with bus.get_queue_receiver(queue) as receiver:
        while page := await receiver.peek_messages(
            100, sequence_number=(found[-1].sequence_number + 1) if found else 1
        ):
            found += [_dead_letter(message) for message in page]
    return found


def _dead_letter(message: ServiceBusReceivedMessage) -> DeadLetter:
    said = {_text(name): _text(value) for name, value in (message.application_properties or {}).items()}
    return DeadLetter(
        sequence_number=message.sequence_number or 0,
        reason=said.get("DeadLetterReason"),
        description=said.get("DeadLetterErrorDescription"),
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
