"""What the tests of real processes have in their hands: settings, hosts, faults, the ledger, the passage of time."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.data.tables.aio import TableServiceClient

from cli.passage import pass_time
from cli.stage import Stage, sample_settings
from sandbox.process import Service
from sandbox.stack import Stack
from shared.adapters.seal import Fingerprints, Seal
from shared.adapters.tables import TableLedger
from shared.case import Case
from tests.acceptance.people import SETTINGS, mobile

ROOT = Path(__file__).parent.parent.parent
FINGERPRINTS = Fingerprints(base64.b64decode(sample_settings()["CASE_KEY"]))
APP = "cli.host"


def values(stack: Stack, **changes: str) -> dict[str, str]:
    return {**sample_settings(), **stack.addresses, **SETTINGS, **changes}


def short_locks(folder: Path, seconds: int) -> dict[str, list[str]]:
    """Arguments for a Stack whose message locks end soon: a killed host's message comes again while we watch."""
    config = json.loads((ROOT / "sandbox" / "broker" / "config.json").read_text())
    for queue in config["UserConfig"]["Namespaces"][0]["Queues"]:
        queue["Properties"]["LockDuration"] = f"PT{seconds}S"
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    return {"broker": ["--config", str(file)]}


async def start_host(stage: Stage, **changes: str) -> Service:
    return await asyncio.to_thread(stage.stack.start_host, values(stage.stack, **changes), APP)


# --- cases ---


def case_id(number: int) -> str:
    return FINGERPRINTS.case_id("/hr/test", f"W-{number}")


def nudge(number: int) -> bytes:
    """What the wake row of a case becomes."""
    return json.dumps({"type": "case.nudge.v1", "data": {"caseId": case_id(number)}}).encode()


@asynccontextmanager
async def ledger_of(stack: Stack) -> AsyncGenerator[TableLedger]:
    """The ledger as the app writes it."""
    service = TableServiceClient.from_connection_string(stack.azurite.url)
    ledger = TableLedger(service, Seal([sample_settings()["SEAL_KEYS"]]), FINGERPRINTS, stack.clock)
    try:
        yield ledger
    finally:
        await ledger.close()


async def head(ledger: TableLedger, number: int) -> Case:
    case = await ledger.load(case_id(number))
    assert case is not None
    return case


async def messages(stage: Stage, number: int) -> list[dict[str, Any]]:
    """What the phone of this joiner received, oldest first."""
    return [message for message in await stage.inbox() if message["to"] == mobile(number)]


# --- time ---


async def pass_on(stage: Stage, ledger: TableLedger, until: str | datetime, within: float = 60) -> None:
    """Everything that has a time up to `until` happens."""
    moment = datetime.fromisoformat(until) if isinstance(until, str) else until
    await pass_time(stage, moment, [], ledger.next_wake, lambda _: None, within)


async def wait_until(is_so: Callable[[], Awaitable[bool]], what: str, within: float = 20) -> None:
    until = time.monotonic() + within
    while not await is_so():
        assert time.monotonic() < until, f"{what} did not happen within {within:g} s"
        await asyncio.sleep(0.05)


# --- faults ---


def faults_of(stage: Stage, service: str) -> str:
    ready = getattr(stage.stack, service).ready
    return f"{ready.get('control', ready['url'])}/sandbox/faults"


async def misbehave(stage: Stage, service: str, **fault: Any) -> None:
    async with stage.http.post(faults_of(stage, service), json=fault) as answer:
        assert answer.status == 201, await answer.text()


async def behave(stage: Stage, service: str) -> None:
    async with stage.http.delete(faults_of(stage, service)) as answer:
        assert answer.status == 204


async def slow(stage: Stage, service: str, operation: str) -> None:
    """The next call of this operation takes three seconds."""
    await misbehave(stage, service, operation=operation, kind="delay", seconds=3)


async def has_fired(stage: Stage, service: str) -> bool:
    return all(fault["fired"] for fault in await stage.get(faults_of(stage, service)))


async def under_way(stage: Stage, service: str) -> None:
    """Wait until the slow call has begun."""
    await wait_until(lambda: has_fired(stage, service), "the fault")
