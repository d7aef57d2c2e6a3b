"""Runs a cohort: the stand-ins and the app as processes, the events one after the other, and what became of each."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from azure.servicebus.exceptions import MessageSizeExceededError

from cli.cohort import Cohort
from cli.outcome import CaseOutcome, Outcome, case_outcome
from cli.stage import Stage, StageError, on_stage, sample_settings
from sandbox.process import NotReadyError
from sandbox.stack import Stack
from shared import wiring
from shared.settings import Settings, SettingsError

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
    except (NotReadyError, SettingsError, StageError) as error:
        raise DemoError(str(error)) from None


async def _run(cohort: Cohort, stack: Stack, progress: Progress) -> Outcome:
    stack.clock.set_now(cohort.now or datetime.now(UTC))
    values = {**sample_settings(), **stack.addresses, **cohort.settings}
    settings = Settings(values)
    async with on_stage(stack, values) as stage:
        await stage.world(cohort.world())
        await stage.phones(cohort.phones, settings["WHATSAPP_TEMPLATES"] or {})
        await asyncio.to_thread(stack.start_host, values, "cli.host")
        for number, body in enumerate(cohort.bodies(), 1):
            progress(number, len(cohort.events), _subject(body))
            await _send(stage, number, body)
        return await _look(stage, cohort, values)


async def _send(stage: Stage, number: int, body: bytes) -> None:
    try:
        await stage.send([body])
    except MessageSizeExceededError:
        raise StageError(f"event {number} is larger than the queue takes") from None
    await stage.settled()


def _subject(body: bytes) -> str:
    try:
        return str(json.loads(body)["subject"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "(not an event)"


async def _look(stage: Stage, cohort: Cohort, values: dict[str, str]) -> Outcome:
    os.environ.update(values)  # this process reads the ledger as the app writes it
    wiring.use_clock(stage.stack.clock)
    return Outcome(
        now=stage.stack.clock.now(),
        cases=await _cases(cohort, await stage.inbox()),
        dead_letters=await stage.dead_letters(),
        passes=await stage.passes(),
    )


async def _cases(cohort: Cohort, inbox: list[dict[str, str]]) -> list[CaseOutcome]:
    ledger, found = wiring.ledger(), list[CaseOutcome]()
    try:
        for case_id, subject in _subjects(cohort).items():
            if case := await ledger.load(case_id):
                sent = {move.message_id for move in await ledger.history(case_id)}
                found.append(case_outcome(subject, case, [message for message in inbox if message["sid"] in sent]))
    finally:
        await ledger.close()
    return found


def _subjects(cohort: Cohort) -> dict[str, str]:
    """Subjects by case id, in the order of their first events."""
    name_case = wiring.fingerprints().case_id
    return {
        name_case(event["source"], event["subject"]): event["subject"]
        for event in cohort.events
        if isinstance(event, dict) and isinstance(event.get("source"), str) and isinstance(event.get("subject"), str)
    }
