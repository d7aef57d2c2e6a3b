"""What a command shows: the same rows as a table for a person, or as json, ndjson or csv for a program.

Data goes to stdout, everything else to stderr. Colour only on a terminal, and not with NO_COLOR (rich sees to both).
"""

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Final, get_args

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

WIDE: Final = 140
"""Columns of a terminal from which tables show everything."""


class Output(StrEnum):
    """In which form data is printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


STREAMED: Final = {Output.NDJSON, Output.CSV}
"""The forms that are printed row by row, as they come."""


@dataclass(frozen=True, slots=True)
class Column[Row]:
    """A column of a table: how a row fills it. `whole` is never broken; `wide` is left out where there is no room."""

    heading: str
    cell: Callable[[Row], str]
    whole: bool = False
    wide: bool = False
    right: bool = False


@dataclass(frozen=True, slots=True)
class Sheet[Row: BaseModel]:
    """How rows of one kind are shown."""

    kind: type[Row]
    columns: Sequence[Column[Row]]


def messages() -> Console:
    """Where a person is told things: stderr. A line is never broken: it may be data, on its way past a bar."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """Tell a person something, as it is."""
    messages().print(Text(clean(text), style=style), soft_wrap=True)


def clean(text: str) -> str:
    """A text that cannot command a terminal: whoever may put messages on a queue chose some of its letters."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def progress(console: Console) -> Progress:
    """A bar on stderr, where somebody looks; what goes to stdout meanwhile stays there."""
    columns = SpinnerColumn(), TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn()
    return Progress(
        *(*columns, TimeElapsedColumn()),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        disable=not console.is_terminal,
    )


def show[Row: BaseModel](rows: Iterable[Row], sheet: Sheet[Row], output: Output) -> None:
    """Print rows; ndjson and csv as they come, the others when all are there."""
    match output:
        case Output.TABLE:
            console = Console(highlight=False)
            console.print(table(list(rows), sheet.columns, wide=console.width >= WIDE))
        case Output.JSON:
            put(_harmless(json.dumps([plain(row) for row in rows], indent=2, ensure_ascii=False)))
        case Output.NDJSON:
            for row in rows:
                put(_harmless(row.model_dump_json(by_alias=True)))
        case Output.CSV:
            for line in csv_lines(sheet.kind, rows):
                put(line)


def show_one(thing: BaseModel, output: Output, as_table: Callable[[Console], None]) -> None:
    """Print one thing; csv is its fields as one row."""
    match output:
        case Output.TABLE:
            as_table(Console(highlight=False))
        case Output.JSON:
            put(_harmless(json.dumps(plain(thing), indent=2, ensure_ascii=False)))
        case Output.NDJSON:
            put(_harmless(thing.model_dump_json(by_alias=True)))
        case Output.CSV:
            for line in csv_lines(type(thing), [thing]):
                put(line)


def table[Row](rows: Sequence[Row], columns: Sequence[Column[Row]], *, wide: bool) -> Table:
    """Rows as a table of the house."""
    shown = [column for column in columns if wide or not column.wide]
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in shown:
        justify = "right" if column.right else "left"
        made.add_column(column.heading, overflow="fold", no_wrap=column.whole, justify=justify)
    for row in rows:
        made.add_row(*(Text(clean(column.cell(row))) for column in shown))
    return made


def facts(pairs: Mapping[str, str]) -> Table:
    """Names and values, one a line; empty values are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        if value:
            made.add_row(name, Text(clean(value)))
    return made


def csv_lines(kind: type[BaseModel], rows: Iterable[BaseModel]) -> Iterator[str]:
    """A line of names, then a line for each row; what is nested has dotted names, lists are joined by blanks."""
    paths = list(_paths(kind))
    yield _csv_line(".".join(path) for path in paths)
    for row in rows:
        document = plain(row)
        yield _csv_line(_value(document, path) for path in paths)


def plain(thing: BaseModel) -> dict[str, Any]:
    """As it stands in JSON."""
    return thing.model_dump(mode="json", by_alias=True)


def put(line: str) -> None:
    """A line of data, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def hush() -> None:
    """Nobody reads any more: what still comes goes nowhere, so that the command can end as it should."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _harmless(text: str) -> str:
    """JSON that cannot command a terminal: the same, with what is not to be seen written as JSON writes it."""
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)


def _paths(kind: type[BaseModel], under: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the values of a kind of thing stand in its JSON."""
    for name, field in kind.model_fields.items():
        kinds = get_args(field.annotation) if isinstance(field.annotation, UnionType) else (field.annotation,)
        nested = [one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)]
        path = (*under, field.alias or name)
        yield from _paths(nested[0], path) if nested else [path]


def _value(document: Any, path: Sequence[str]) -> str:  # noqa: ANN401 - JSON
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    if isinstance(document, bool):
        return str(document).lower()
    if isinstance(document, dict):
        return " ".join(f"{key}={value}" for key, value in document.items())
    if isinstance(document, list):
        return " ".join(json.dumps(one) if isinstance(one, dict) else str(one) for one in document)
    return "" if document is None else _no_formula(clean(str(document)))


def _no_formula(text: str) -> str:
    """A text that a spreadsheet takes for one, whoever wrote it; numbers stay as they are."""
    return f"'{text}" if re.match(r"[=@\t\r]|[+-](?![\d.]+$)", text) else text


def _csv_line(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
