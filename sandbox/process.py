"""Services as child processes: started with their standard input held open, ready when they say so, ended by id."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

START_SECONDS = 30
STOP_SECONDS = 10


class NotReadyError(RuntimeError):
    """A service ended, or kept silent, before it announced itself; the text ends with what it wrote to its log."""


@dataclass(slots=True)
class Service:
    """A running child and the addresses it announced (`ready["url"]`, `ready["control"]`, …)."""

    name: str
    child: subprocess.Popen[str]
    ready: Mapping[str, Any]
    log: Path

    @property
    def url(self) -> str:
        """The address the app is told."""
        return str(self.ready["url"])

    def kill(self) -> None:
        """End it at once (SIGKILL): what a crash looks like."""
        self.child.kill()
        self.reap()

    def stop(self) -> None:
        """Ask it to end (SIGTERM), then insist."""
        self.child.terminate()
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
        self.reap()

    def reap(self) -> None:
        """Wait for the end and close its pipes."""
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            if stream:
                stream.close()


def start(
    name: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Service:
    """Run `python -m NAME ARGUMENTS` and wait for its ready line: one JSON object, alone on the first line of stdout.

    Its stderr and logs go to the file `log`. `environment` replaces the inherited one when given.

    Raises:
        NotReadyError: it ended or was silent for START_SECONDS.
    """
    with log.open("a") as sink:
        child = subprocess.Popen(  # noqa: S603 - our own modules, with this interpreter
            [sys.executable, "-m", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=dict(environment) if environment is not None else None,
            cwd=cwd,
            text=True,
        )
    assert child.stdout is not None  # noqa: S101 - Popen was asked for a pipe
    line = _first_line(child.stdout)
    if not line.startswith("{"):
        child.kill()
        Service(name, child, {}, log).reap()
        raise NotReadyError(f"{name} did not start:\n{log.read_text()[-2000:]}")
    return Service(name, child, json.loads(line), log)


def _first_line(stream: IO[str]) -> str:
    readable, _, _ = select.select([stream], [], [], START_SECONDS)
    return stream.readline() if readable else ""


def announce(stdout: IO[str] | None = None, **ready: Any) -> None:
    """Say on stdout that this service is ready and where; the first and only line a service prints there."""
    print(json.dumps(ready), file=stdout, flush=True)


async def serve_until_told(
    close: Callable[[], Awaitable[None]] | None = None, stdout: IO[str] | None = None, **ready: Any
) -> None:
    """Announce `ready`, if given, wait for SIGTERM, SIGINT or the end of standard input (our parent is gone), close.

    Whoever reads the announcement can stop us: we listen before we speak.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_reader(sys.stdin.fileno(), _note_end_of_input, told)
    if ready:
        announce(stdout, **ready)
    await told.wait()
    loop.remove_reader(sys.stdin.fileno())
    if close:
        await close()


def _note_end_of_input(told: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        told.set()
