"""`python -m sandbox.directory [--port 0] [--clock FILE] [--world FILE]`."""

import argparse
import asyncio
import json
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.directory.server import running
from sandbox.process import announce, serve_until_told


async def main(options: argparse.Namespace) -> None:
    """Serve until the parent is gone or says so."""
    now = SandboxClock(options.clock).now if options.clock else None
    async with running(options.world, now=now, port=options.port) as directory:
        announce(url=directory.url, identity=directory.identity)
        await serve_until_told(lambda: asyncio.sleep(0))  # leaving the block closes it


parser = argparse.ArgumentParser(prog="sandbox.directory")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--clock", type=Path)
parser.add_argument("--world", type=lambda path: json.loads(Path(path).read_text()))
asyncio.run(main(parser.parse_args()))
