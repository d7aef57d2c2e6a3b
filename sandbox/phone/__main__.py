"""`python -m sandbox.phone`: serves until told to stop; its ready line holds the address and the account's keys."""

import asyncio
from argparse import ArgumentParser
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.phone.rules import TWILIO
from sandbox.phone.server import STEP_SECONDS, running
from sandbox.process import announce, serve_until_told


async def main() -> None:
    """Read the command line and serve."""
    parser = ArgumentParser(prog="sandbox.phone")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--clock", type=Path, help="the sandbox's clock; real time without it")
    parser.add_argument("--step-seconds", type=float, default=STEP_SECONDS, help="real time between a message's states")
    parser.add_argument("--instant", dest="step_seconds", action="store_const", const=0.0)
    asked = parser.parse_args()
    options = {"now": SandboxClock(asked.clock).now} if asked.clock else {}
    async with AsyncExitStack() as stack:
        serving = running(asked.port, step_seconds=asked.step_seconds, **options)
        announce(url=await stack.enter_async_context(serving), **TWILIO["account"])
        await serve_until_told(stack.aclose)


asyncio.run(main())
