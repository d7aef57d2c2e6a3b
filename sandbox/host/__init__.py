"""A stand-in for the Azure Functions host: the real Python runtime in this process, fed by queues, a clock and HTTP."""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.process import serve_until_told

from .front import Front
from .pump import Pump
from .runtime import ConfigurationError, index
from .settings import read_limits, read_settings, resolve_triggers
from .timers import Timer


def main(hand_over: Callable[[SandboxClock], None] | None = None) -> None:
    """Run the app named on the command line and end the process; `hand_over` gets the clock before indexing."""
    parser = argparse.ArgumentParser("sandbox.host")
    parser.add_argument("--app", type=Path, required=True, help="the folder of function_app.py and host.json")
    parser.add_argument("--settings", type=Path, required=True, help="a file like local.settings.json")
    parser.add_argument("--clock", type=Path, help="the sandbox's clock; real time without it")
    parser.add_argument("--port", type=int, default=0, help="for HTTP functions, on 127.0.0.1; 0: a free one")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds for running functions at the end")
    asked = parser.parse_args()
    # As the Python worker: everything from INFO up, except the chatter of the SDK and the runtime that we drive.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for name in ("azure.servicebus", "azure.functions"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="firstpass-host-") as own:
        clock = SandboxClock((asked.clock or Path(own) / "clock").resolve())
        begin = partial(hand_over, clock) if hand_over and asked.clock else lambda: None
        try:
            asyncio.Runner().run(run(asked, clock, begin))
        except ConfigurationError as error:
            sys.exit(str(error))
    logging.shutdown()
    os._exit(0)  # as in Azure, a function that still runs gets no chance to clean up, and cannot hold us up


async def run(asked: argparse.Namespace, clock: SandboxClock, before_indexing: Callable[[], None]) -> None:
    """Run the app until SIGTERM, SIGINT or the end of standard input; one per process.

    Its settings go into the environment; `before_indexing` is called before the app is imported. What still runs
    `grace` seconds after the signal is left: its locks end by time. ConfigurationError when the app cannot start.
    """
    app: Path = asked.app.resolve()
    settings, limits = read_settings(asked.settings), read_limits(app / "host.json")
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the app prints goes to the log: it must not fill the pipe of our ready line
    os.chdir(app)
    os.environ.update({"WEBSITE_AUTH_ENABLED": "True"} | settings)  # as App Service says that it checks who asks
    sys.path.insert(0, str(app))
    before_indexing()
    functions = await index(app)
    enabled = resolve_triggers(functions, settings)
    end = asyncio.get_running_loop().create_future()
    pumps = [Pump(function, limits, end) for function in enabled if "queueName" in function.trigger]
    timers = {each.name: Timer(each, limits, end, clock) for each in enabled if "schedule" in each.trigger}
    front = Front([function for function in enabled if "route" in function.trigger], timers, limits, asked.grace)
    url = await front.open(asked.port)
    pumping = [asyncio.create_task(pump.run()) for pump in pumps]
    ticking = [asyncio.create_task(timer.run()) for timer in timers.values()]
    await serve_until_told(stdout=stdout, url=url, functions=[function.name for function in functions])
    end.set_result(time.monotonic() + asked.grace)
    await asyncio.wait([asyncio.create_task(front.close()), *ticking, *pumping], timeout=asked.grace)
    await asyncio.wait([end, *pumping], timeout=2.0)  # to say good-bye to the broker
