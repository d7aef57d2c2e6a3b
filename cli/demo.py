"""Runs a cohort: the stand-ins and the app as processes, everything in it at its time, and what became of each."""

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.servicebus.exceptions import MessageSizeExceededError

from cli.cohort import Cohort, Sending, SignIn
from cli.outcome import CaseOutcome, Outcome, SignInOutcome, case_outcome
from cli.passage import Happening, pass_time
from cli.stage import Stage, StageError, on_stage, sample_settings
from sandbox.process import NotReadyError
from sandbox.stack import Stack
from shared import wiring
from shared.adapters.tables import TableLedger
from shared.settings import Settings, SettingsError

type Progress = Callable[[int, int, str], None]


class DemoError(Exception):
    """The run could not be made; the text says what to do."""


def run_cohort(cohort: Cohort, progress: Progress, keep: Path | None = None) -> Outcome:
    """Start everything, let the cohort's time pass, look at the result, end everything.

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
    values = {**sample_settings(), **stack.addresses, "CHECKUP_EVERY": "0", **cohort.settings}
    settings = Settings(values)
    async with on_stage(stack, values) as stage:
        await stage.world(cohort.world())
        await stage.phones(cohort.phones, settings["WHATSAPP_TEMPLATES"] or {})
        await asyncio.to_thread(stack.start_host, values, "cli.host")
        os.environ.update(values)  # this process reads the ledger as the app writes it
        wiring.use_clock(stack.clock)
        ledger = wiring.ledger()
        try:
            return await _play(cohort, stage, ledger, progress)
        finally:
            await ledger.close()


async def _play(cohort: Cohort, stage: Stage, ledger: TableLedger, progress: Progress) -> Outcome:
    sendings, sign_ins = cohort.sendings(), list[SignInOutcome]()
    for number, sending in enumerate(one for one in sendings if one.at is None):
        progress(number, len(sendings), sending.subject)
        await _send(stage, sending)
    await stage.quiet()
    if (end := cohort.end()) and end > stage.stack.clock.now():
        happenings = [Happening(one.at, one.subject, lambda one=one: _send(stage, one)) for one in sendings if one.at]
        happenings += [
            Happening(one.at, one.user, lambda one=one: _sign_in(stage, cohort, one, sign_ins))
            for one in cohort.sign_ins
        ]
        await pass_time(stage, end, happenings, ledger.next_wake, lambda at: progress(len(sendings), 0, at))
    return Outcome(
        now=stage.stack.clock.now(),
        cases=await _cases(cohort, ledger, await stage.inbox()),
        dead_letters=await stage.dead_letters(),
        passes=await stage.passes(),
        sign_ins=sign_ins,
    )


async def _send(stage: Stage, sending: Sending) -> None:
    try:
        await stage.send([sending.body])
    except MessageSizeExceededError:
        raise StageError(f"the event {sending.subject} is larger than the queue takes") from None
    await stage.settled()


async def _sign_in(stage: Stage, cohort: Cohort, wish: SignIn, sign_ins: list[SignInOutcome]) -> None:
    """The person tries what their phone received last."""
    numbers = cohort.numbers_of(wish.user)
    received = [message for message in await stage.inbox() if message["to"] in numbers and message["deliveredAt"]]
    newest = max(received, key=lambda message: message["deliveredAt"], default=None)
    worked = newest is not None and await stage.sign_in(wish.user, newest["code"], wish.registers)
    sign_ins.append(SignInOutcome(wish.user, wish.at, worked))


async def _cases(cohort: Cohort, ledger: TableLedger, inbox: list[dict[str, Any]]) -> list[CaseOutcome]:
    found: list[CaseOutcome] = []
    for case_id, subject in _subjects(cohort).items():
        if case := await ledger.load(case_id):
            zone = cohort.zone_of(subject, wiring.settings()["TIME_ZONE"])
            found.append(case_outcome(subject, case, await ledger.history(case_id), inbox, zone))
    return found


def _subjects(cohort: Cohort) -> dict[str, str]:
    """Subjects by case id, in the order of their first events."""
    name_case = wiring.fingerprints().case_id
    return {
        name_case(event["source"], event["subject"]): event["subject"]
        for event in cohort.documents()
        if isinstance(event.get("source"), str) and isinstance(event.get("subject"), str)
    }
