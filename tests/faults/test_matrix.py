"""Each row of the fault matrix by its name: played where it names a call, and shown by tests that are there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.faults.matrix import ROWS
from tests.faults.ports import Fault, faults_of
from tests.faults.rows import Row
from tests.faults.scenarios import ONE_WORKER
from tests.faults.schedules import Choice
from tests.faults.stories import story

ROOT = Path(__file__).parent.parent.parent
PLAY = story(ONE_WORKER["a plain hire"])
PROMISES = {f"I{number}" for number in range(1, 9)}


def faults(row: Row, name: str) -> list[Fault]:
    """The ways of this row in which that call goes wrong."""
    kinds = [fault for fault in faults_of(name) if fault.kind in row.kinds]
    return [fault for fault in kinds if row.saying in str(fault)]


@cache
def calls() -> list[str]:
    """The outside calls of a plain hire in which nothing goes wrong."""
    return [point.name for point in PLAY(())]


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("row", [row for row in ROWS if row.at], ids=lambda row: row.what)
def test_a_row_of_the_matrix_keeps_every_promise(row: Row) -> None:
    assert row.at
    name, number = row.at
    at = [place for place, call in enumerate(calls()) if call == name][number]
    ways = faults(row, name)
    assert {fault.kind for fault in ways} == set(row.kinds)
    for fault in ways:
        assert len(PLAY((Choice(at, fault),))) > 0  # the story itself asserts that the fault happened


@cache
def names_in(file: str) -> set[str]:
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_row_is_shown_by_tests_that_exist(row: Row) -> None:
    assert row.at or row.shown
    for node in row.shown:
        file, _, name = node.partition("::")
        assert name in names_in(file), node
    assert set(row.promises.split()) <= PROMISES


def test_every_promise_has_its_rows() -> None:
    assert {promise for row in ROWS for promise in row.promises.split()} == PROMISES
    assert len({row.what for row in ROWS}) == len(ROWS)
