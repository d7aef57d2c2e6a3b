"""The life of an app in the host: settings, index, triggers, pumps, end."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.process import serve_until_told

from . import runtime
from .pump import Pump
from .settings import read_limits
from .triggers import QueueTrigger, read_triggers

logger = logging.getLogger("sandbox.host")
GRACE_SECONDS = 5.0
CLOSE_SECONDS = 2.0  # to say good-bye to the broker


async def run(
    app_directory: Path,
    settings: Mapping[str, str],
    *,
    before_indexing: Callable[[], None] | None = None,
    on_ready: Callable[[list[str]], None] = lambda _: None,
    grace: float = GRACE_SECONDS,
) -> None:
    """Run the app in `app_directory` until SIGTERM, SIGINT or the end of standard input; one app per process.

    `settings` go into the environment; `before_indexing` is called before the app is imported; `on_ready` gets the
    names of its functions. What still runs `grace` seconds after the signal is left unsettled: its locks end by time.
    ConfigurationError when the app cannot start; nothing was received then.
    """
    os.environ.update(settings)
    os.chdir(app_directory)
    directory = Path.cwd()
    sys.path.insert(0, str(directory))
    limits = read_limits(directory)
    if before_indexing:
        before_indexing()
    functions = await runtime.index(directory)
    triggers = read_triggers(functions, settings, limits)
    pumps = [Pump(trigger, limits) for trigger in triggers if isinstance(trigger, QueueTrigger)]
    running = [asyncio.create_task(pump.run()) for pump in pumps]

    async def close() -> None:
        logger.info("stopping, with up to %g s for what runs", grace)
        for pump in pumps:
            pump.stop(grace)
        if running:
            await asyncio.wait(running, timeout=grace + CLOSE_SECONDS)

    serving = asyncio.create_task(serve_until_told(close))
    await asyncio.sleep(0)  # from here on a signal is heard, so whoever knows that we are ready can stop us
    on_ready([function.name for function in functions])
    await serving
