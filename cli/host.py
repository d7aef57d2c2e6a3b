"""The app on this machine: the sandbox's host, with the sandbox's clock handed to wiring before the app is indexed."""

import argparse
import asyncio
import json
from pathlib import Path

from sandbox.clock import SandboxClock
from sandbox.host import run
from shared import wiring


def main() -> None:
    """Read the command line and run until told to stop."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--app", type=Path, required=True)
    arguments.add_argument("--settings", type=Path, required=True)
    arguments.add_argument("--clock", type=Path, help="the sandbox's clock file; the machine's time without it")
    given = arguments.parse_args()
    settings = json.loads(given.settings.read_text())["Values"]
    hand_over = (lambda: wiring.use_clock(SandboxClock(given.clock))) if given.clock else None
    asyncio.run(run(given.app, settings, before_indexing=hand_over))


if __name__ == "__main__":
    main()
