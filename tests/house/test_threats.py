"""The threat model names only what exists, and no threat without what holds it and what shows that."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from shared.errors import Reason
from shared.findings import Code
from shared.settings import SETTINGS
from shared.telemetry import Event

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "threat-model.md"
TEXT = PAGE.read_text()
NAMES = re.findall(r"`([^`]+)`", TEXT)
TESTS = sorted({name for name in NAMES if "::" in name})
FILES = sorted({name for name in NAMES if re.fullmatch(r"[\w/]+\.(py|txt|md)", name)})
CHOSEN = sorted({name for name in NAMES if re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+(=.*)?|CLOUD|CHANNEL(=.*)?", name)})
CODES = sorted({name for name in NAMES if re.fullmatch(r"[a-z]+(-[a-z]+)+", name)})
NOT_OURS = "left to you"


def rows(heading: str) -> list[list[str]]:
    """The cells of each row of the table under a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


THREATS = rows("Who trusts whom") + rows("Threats")


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("test", TESTS)
def test_every_test_that_is_named_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert name.startswith("test_")
    assert name in functions(file)


@pytest.mark.parametrize("file", FILES)
def test_every_file_that_is_named_exists(file: str) -> None:
    assert (ROOT / file).is_file()


@pytest.mark.parametrize("chosen", CHOSEN)
def test_every_setting_that_is_named_exists_and_takes_the_value(chosen: str) -> None:
    name, equals, value = chosen.partition("=")
    assert name in SETTINGS
    if equals:
        SETTINGS[name].read(value)


def test_every_code_that_is_named_exists() -> None:
    paths = {"security-info", "spare-key"}
    assert set(CODES) <= {*map(str, Reason), *map(str, Code), *map(str, Event)} | paths


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0][:60])
def test_every_threat_is_held_and_shown_or_left_to_somebody(row: list[str]) -> None:
    threat, holds, shown, left = row
    assert threat
    assert len(holds) > 20
    assert left
    assert all(name.startswith("`tests/") for name in shown.split(" · ")) or NOT_OURS in shown


def test_the_tables_are_read() -> None:
    assert len(THREATS) >= 30
    assert len(TESTS) >= 50
    assert len(FILES) >= 10
    assert len(CHOSEN) >= 20
    assert len(CODES) >= 15


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "docs/architecture.md"])
def test_it_is_found_from_where_one_looks(page: str) -> None:
    assert re.search(r"\]\((docs/)?threat-model\.md", (ROOT / page).read_text())
