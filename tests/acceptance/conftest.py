"""Whole runs as real processes: the command, the host, the stand-ins, Azurite."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent

type RunCohort = Callable[..., dict[str, Any]]


@pytest.fixture
def run_cohort(tmp_path: Path) -> RunCohort:
    """Runs a cohort with the command and gives what --json printed."""

    return partial(run_in, tmp_path)


def run_in(folder: Path, **cohort: Any) -> dict[str, Any]:
    """The same, with the cohort's file in `folder`."""
    file = folder / "cohort.json"
    file.write_text(json.dumps(cohort))
    done = firstpass("demo", "--cohort", str(file), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def firstpass(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it."""
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603
