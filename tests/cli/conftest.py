"""The command in this process, or as one of its own, against a stand-in of the API."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from tests.cli.standin import StandIn

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


type Command = Callable[..., Ran]


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standing:
        yield standing


@pytest.fixture
def firstpass(api: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command in this process, in Amsterdam, in a terminal of 80 columns unless told."""

    def run(*arguments: Any, **environment: str) -> Ran:
        for name, value in (
            {"FIRSTPASS_URL": api.url, "TZ": "Europe/Amsterdam", "COLUMNS": "80"} | environment
        ).items():
            monkeypatch.setenv(name, value)
        time.tzset()
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        else:
            code = 0
        said = capsys.readouterr()
        return Ran(code, "\n".join(line.rstrip() for line in said.out.splitlines()), said.err)

    yield run
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def begin(api: StandIn) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command as a process of its own."""

    def start(
        *arguments: Any,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cli", *map(str, arguments)]
        environment = {**os.environ, "FIRSTPASS_URL": api.url}
        return subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=environment, text=True, stdin=stdin, stdout=stdout, stderr=stderr
        )

    return start
