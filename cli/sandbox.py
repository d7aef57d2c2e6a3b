"""`firstpass sandbox`: the stand-ins and the app, kept until Ctrl-C."""

import asyncio
import json
import signal
from pathlib import Path

import typer
from rich.console import Console

from cli.cohort import Cohort
from cli.practice import SOURCE, STAFF, practice, user_id
from cli.stage import StageError, on_stage
from sandbox.__main__ import PORTS, table
from sandbox.process import NotReadyError, Service
from sandbox.stack import Stack
from shared.settings import Settings, SettingsError

COMMANDS = """For the operators' commands in another terminal (you hold every role there; --as makes you somebody else):

  export FIRSTPASS_URL={url}
  ./firstpass status"""
FAILED = 1
USAGE = 2


PRACTICE = """
To practise on ({source}): W-1001 has a pass, W-1002 a phone that is off, W-1003 is privileged, W-1004 no joiner,
W-1005 begins next week, W-1006 has changed the number, W-1007 is malformed. {staff} works here and lost the key."""


def keep_sandbox(file: Path, messages: Console, *, free_ports: bool, to_practise: bool) -> None:
    """Start everything, say where it is, wait for Ctrl-C or SIGTERM, end everything."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background job inherits it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        given = json.loads(file.read_text())["Values"]
        with Stack({} if free_ports else PORTS) as stack:
            cohort = practice(stack.clock.now()) if to_practise else Cohort(events=[])
            host = asyncio.run(_start(stack, {**given, **cohort.settings, **stack.addresses}, cohort))
            said = f"{table(stack)}\n\nThe app runs; its log: {host.log}\n{COMMANDS.format(url=stack.app_url)}"
            said += PRACTICE.format(source=SOURCE, staff=user_id(STAFF)) if to_practise else ""
            messages.print(said, markup=False, highlight=False, soft_wrap=True)
            signal.pause()
    except (OSError, ValueError, KeyError, TypeError):
        messages.print(f"{file} is not a file like local.settings.json", style="red", markup=False)
        raise typer.Exit(USAGE) from None
    except (NotReadyError, SettingsError, StageError) as error:
        messages.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        messages.print("The sandbox has ended.")


async def _start(stack: Stack, values: dict[str, str], cohort: Cohort) -> Service:
    """The app, once the phone knows the WhatsApp templates its settings speak of; then HR's events, one by one."""
    templates = Settings(values)["WHATSAPP_TEMPLATES"] or {}
    async with on_stage(stack, values) as stage:
        if cohort.users:
            await stage.world(cohort.world())
        await stage.phones(cohort.phones, templates)
        host = await asyncio.to_thread(stack.start_host, values, "cli.host")
        for sending in cohort.sendings():
            await stage.send([sending.body])
            await stage.settled()
    return host
