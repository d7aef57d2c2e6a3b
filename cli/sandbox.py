"""`firstpass sandbox`: the stand-ins and the app, kept until Ctrl-C."""

import json
import signal
from pathlib import Path

import typer
from rich.console import Console

from sandbox.__main__ import PORTS, table
from sandbox.process import NotReadyError
from sandbox.stack import Stack

FAILED = 1


def keep_sandbox(settings: Path, messages: Console, *, free_ports: bool) -> None:
    """Start everything, say where it is, wait for Ctrl-C or SIGTERM, end everything."""
    values = json.loads(settings.read_text())["Values"]
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        with Stack({} if free_ports else PORTS) as stack:
            host = stack.start_host({**values, **stack.addresses}, "cli.host")
            said = f"{table(stack)}\n\nThe app runs; its log: {host.log}"
            messages.print(said, markup=False, highlight=False, soft_wrap=True)
            signal.pause()
    except NotReadyError as error:
        messages.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        messages.print("The sandbox has ended.")
