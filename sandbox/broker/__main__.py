"""`python -m sandbox.broker [--config FILE] [--port 0] [--control-port 0] [--database FILE] [--clock FILE]`."""

import argparse
import asyncio
from pathlib import Path

from sandbox.broker.broker import CONFIG, Broker
from sandbox.process import announce, serve_until_told


async def _serve(options: argparse.Namespace) -> None:
    ports = options.port, options.control_port
    async with Broker(options.config, ports=ports, database=options.database, clock=options.clock) as broker:
        announce(url=broker.connection_string, control=broker.control)
        await serve_until_told(lambda: asyncio.sleep(0))


parser = argparse.ArgumentParser("sandbox.broker")
parser.add_argument("--config", type=Path, default=CONFIG)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--control-port", type=int, default=0)
parser.add_argument("--database", type=Path)
parser.add_argument("--clock", type=Path)
asyncio.run(_serve(parser.parse_args()))
