"""The phone as one server on loopback."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from aiohttp import ClientSession, web

from sandbox.faults import FaultScript, add_fault_routes, fault_middleware
from sandbox.phone.callbacks import Callbacks
from sandbox.phone.control import Control
from sandbox.phone.messages import Phones
from sandbox.phone.wire import Api

STEP_SECONDS = 0.03
REAL_TIME = partial(datetime.now, UTC)


@asynccontextmanager
async def running(
    port: int = 0, now: Callable[[], datetime] = REAL_TIME, step_seconds: float = STEP_SECONDS
) -> AsyncGenerator[str]:
    """Serve on 127.0.0.1 (port 0: a free one) and give the address.

    `now` is the sandbox's clock; `step_seconds` is real time between the states of a message, 0 is instant.
    """
    faults, phones = FaultScript(), Phones(now, step_seconds)
    app = web.Application()
    async with ClientSession() as session:
        callbacks = Callbacks(phones, faults, session)
        phones.report = callbacks.report
        api = Api(phones, app)
        Control(phones, callbacks, app)
        add_fault_routes(app, faults)
        app.middlewares.extend([fault_middleware(faults, lambda request: request.match_info.route.name), api.as_twilio])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        timer = asyncio.create_task(_watch(phones))
        try:
            yield site.name
        finally:
            await runner.cleanup()
            for task in (tasks := (timer, *phones.moving, *callbacks.sending)):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(phones: Phones) -> None:
    while True:
        await asyncio.sleep(0.25)
        phones.expire()
