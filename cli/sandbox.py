"""`firstpass sandbox`: the stand-ins and the app, kept until Ctrl-C."""

import asyncio
import json
import signal
from pathlib import Path

import typer
from rich.console import Console

from cli.stage import on_stage
from sandbox.__main__ import PORTS, table
from sandbox.process import NotReadyError, Service
from sandbox.stack import Stack
from shared.settings import Settings, SettingsError

COMMANDS = """For the operators' commands in another terminal (you hold every role there; --as makes you somebody else):

  export FIRSTPASS_URL={url}
  ./firstpass status"""
FAILED = 1
USAGE = 2


def keep_sandbox(file: Path, messages: Console, *, free_ports: bool) -> None:
    """Start everything, say where it is, wait for Ctrl-C or SIGTERM, end everything."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background job inherits it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        given = json.loads(file.read_text())["Values"]
        with Stack({} if free_ports else PORTS) as stack:
            host = asyncio.run(_start(stack, {**given, **stack.addresses}))
            said = f"{table(stack)}\n\nThe app runs; its log: {host.log}\n{COMMANDS.format(url=stack.app_url)}"
            messages.print(said, markup=False, highlight=False, soft_wrap=True)
            signal.pause()
    except (OSError, ValueError, KeyError, TypeError):
        messages.print(f"{file} is not a file like local.settings.json", style="red", markup=False)
        raise typer.Exit(USAGE) from None
    except (NotReadyError, SettingsError) as error:
        messages.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        messages.print("The sandbox has ended.")


async def _start(stack: Stack, values: dict[str, str]) -> Service:
    """The app, once the phone knows the WhatsApp templates its settings speak of."""
    templates = Settings(values)["WHATSAPP_TEMPLATES"] or {}
    async with on_stage(stack, values) as stage:
        await stage.phones({}, templates)
    return await asyncio.to_thread(stack.start_host, values, "cli.host")
