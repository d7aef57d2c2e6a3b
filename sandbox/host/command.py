"""The host's command line; whoever hands the sandbox's clock to an app calls `main` with a way to do so."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.process import announce

from .app import GRACE_SECONDS, run
from .settings import ConfigurationError, read_settings

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def main(hand_over: Callable[[SandboxClock], None] | None = None) -> None:
    """Run the app named on the command line and end the process; `hand_over` gets the clock before indexing."""
    parser = argparse.ArgumentParser("sandbox.host")
    parser.add_argument("--app", type=Path, required=True, help="the folder of function_app.py and host.json")
    parser.add_argument("--settings", type=Path, required=True, help="a file like local.settings.json")
    parser.add_argument("--clock", type=Path, help="the sandbox's clock")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds for running functions at the end")
    options = parser.parse_args()
    # As the Python worker: everything from INFO up, except the chatter of the SDK and the runtime that we drive.
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, datefmt="%H:%M:%S")
    for name in ("azure.servicebus", "azure.functions"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(_run(options, hand_over))
    except ConfigurationError as error:
        sys.exit(str(error))


async def _run(options: argparse.Namespace, hand_over: Callable[[SandboxClock], None] | None) -> None:
    ready = partial(_announce, os.dup(1))
    os.dup2(2, 1)  # what the app prints goes to the log: it must not fill the pipe of our ready line
    clock = partial(hand_over, SandboxClock(options.clock)) if hand_over and options.clock else None
    settings = read_settings(options.settings)
    await run(options.app, settings, before_indexing=clock, on_ready=ready, grace=options.grace)
    logging.shutdown()
    os._exit(0)  # as in Azure, a function that still runs gets no chance to clean up, and cannot hold us up


def _announce(descriptor: int, names: list[str]) -> None:
    with os.fdopen(descriptor, "w") as stdout, contextlib.redirect_stdout(stdout):
        announce(url=None, functions=names)
