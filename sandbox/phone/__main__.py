"""`python -m sandbox.phone`: serves until told to stop; its ready line holds the address and the account's keys."""

import asyncio
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.phone.rules import TWILIO
from sandbox.phone.server import REAL_TIME, STEP_SECONDS, running
from sandbox.process import serve_until_told


async def main(asked: Namespace) -> None:
    """Serve until the parent is gone or says so."""
    now = SandboxClock(asked.clock).now if asked.clock else REAL_TIME
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running(asked.port, now, asked.step_seconds))
        await serve_until_told(stack.aclose, url=url, **TWILIO["account"])


parser = ArgumentParser(prog="sandbox.phone")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--clock", type=Path, help="the sandbox's clock; real time without it")
parser.add_argument("--step-seconds", type=float, default=STEP_SECONDS, help="real time between a message's states")
parser.add_argument("--instant", dest="step_seconds", action="store_const", const=0.0)
asyncio.run(main(parser.parse_args()))
