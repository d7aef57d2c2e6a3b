"""A stand-in for the Azure Functions host: the real Python runtime in this process, fed from Service Bus queues."""

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.process import serve_until_told

from .pump import Pump
from .runtime import ConfigurationError, index
from .settings import read_limits, read_settings, resolve_triggers


def main(hand_over: Callable[[SandboxClock], None] | None = None) -> None:
    """Run the app named on the command line and end the process; `hand_over` gets the clock before indexing."""
    parser = argparse.ArgumentParser("sandbox.host")
    parser.add_argument("--app", type=Path, required=True, help="the folder of function_app.py and host.json")
    parser.add_argument("--settings", type=Path, required=True, help="a file like local.settings.json")
    parser.add_argument("--clock", type=Path, help="the sandbox's clock")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds for running functions at the end")
    asked = parser.parse_args()
    # As the Python worker: everything from INFO up, except the chatter of the SDK and the runtime that we drive.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for name in ("azure.servicebus", "azure.functions"):
        logging.getLogger(name).setLevel(logging.WARNING)
    begin = partial(hand_over, SandboxClock(asked.clock)) if hand_over and asked.clock else lambda: None
    try:
        asyncio.Runner().run(run(asked.app.resolve(), read_settings(asked.settings), begin, asked.grace))
    except ConfigurationError as error:
        sys.exit(str(error))
    logging.shutdown()
    os._exit(0)  # as in Azure, a function that still runs gets no chance to clean up, and cannot hold us up


async def run(app: Path, settings: dict[str, str], before_indexing: Callable[[], None], grace: float) -> None:
    """Run the app in the folder `app` (absolute) until SIGTERM, SIGINT or the end of standard input; one per process.

    `settings` go into the environment; `before_indexing` is called before the app is imported. What still runs `grace`
    seconds after the signal stays unsettled: its locks end by time. ConfigurationError when the app cannot start.
    """
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the app prints goes to the log: it must not fill the pipe of our ready line
    limits = read_limits(app / "host.json")
    os.chdir(app)
    os.environ.update(settings)
    sys.path.insert(0, str(app))
    before_indexing()
    functions = await index(app)
    enabled = resolve_triggers(functions, settings)
    end = asyncio.get_running_loop().create_future()
    pumps = [Pump(function, limits, end) for function in enabled if "queueName" in function.trigger]
    running = [asyncio.create_task(pump.run()) for pump in pumps]
    await serve_until_told(stdout=stdout, url=None, functions=[function.name for function in functions])
    end.set_result(time.monotonic() + grace)
    await asyncio.wait([end, *running], timeout=grace + 2.0)  # two seconds to say good-bye to the broker
