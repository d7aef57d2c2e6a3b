"""Takes each protection away, in a copy of this tree, and tells which tests notice: `python -m tests.faults.without`.

Names of protections as arguments choose some. Exits with 1 when nobody notices one.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.protections import PROTECTIONS, ROOT, Protection

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
SHOWN = 3


def copy(to: Path) -> Path:
    """The tree, with the installed things linked."""
    shutil.copytree(ROOT, to, ignore=LEFT_OUT)
    for name in (".venv", "node_modules"):
        if (ROOT / name).exists():
            (to / name).symlink_to((ROOT / name).resolve())
    return to


def noticed(protection: Protection) -> list[str]:
    """The tests that fail without it.

    Raises:
        RuntimeError: pytest could not run them.
    """
    with TemporaryDirectory() as folder:
        tree = copy(Path(folder) / "tree")
        for edit in protection.edits:
            edit.apply(tree)
        return _failed(tree, protection.tests)


def _failed(tree: Path, tests: Sequence[str]) -> list[str]:
    options = ["-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "--ignore=tests/faults/test_without.py"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    ended = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)  # noqa: S603 - our own tests
    failed = re.findall(r"^(?:FAILED|ERROR) (.+?::.+?)(?: - .*)?$", ended.stdout, re.MULTILINE)
    if ended.returncode > 1 or bool(failed) != bool(ended.returncode):
        raise RuntimeError(ended.stdout + ended.stderr)
    return failed


def main(names: Sequence[str]) -> int:
    """Print the table, a line for each protection."""
    unnoticed = 0
    for name in names or PROTECTIONS:
        failed = noticed(PROTECTIONS[name])
        unnoticed += not failed
        told = ", ".join(test.rpartition("::")[2] for test in failed[:SHOWN]) or "NOBODY NOTICES"
        print(f"{name:30} {len(failed):4}  {told}", flush=True)  # noqa: T201 - what it is for
    return min(unnoticed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
