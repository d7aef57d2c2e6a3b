"""The rows of a CSV as events. The first line names the columns; a cell is data, whatever it looks like."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cli.exits import CommandError, Exit

ENVELOPE: Final = ("source", "subject", "id", "time", "type")
USERS: Final = {"userId": "id", "userPrincipalName": "userPrincipalName", "employeeId": "employeeId"}
DATA: Final = (
    "hireDate",
    "firstDay",
    "startTime",
    "timeZone",
    "devicePaths",
    "mobilePhone",
    "channel",
    "locale",
)
COLUMNS: Final = (*ENVELOPE, *USERS, *DATA)
HIRED: Final = "joiner.hired.v1"


@dataclass(frozen=True, slots=True)
class Wrong:
    """In the place of an event: why a row is none."""

    what: str


def rows_of(text: str, source: str | None, written: datetime) -> Iterator[tuple[int, dict[str, Any] | Wrong]]:
    """The event of every row that is not blank, or what is wrong with it, each with its line.

    `written` is the time of rows that give none: the same file says the same thing at the same time, however often.

    Raises:
        CommandError: the first line does not name columns, or quotes do not fit.
    """
    lines = _lines(text)
    columns = _columns(next(lines)[1], source)
    timeless: dict[tuple[str | None, str], int] = {}
    for line, cells in lines:
        if not any(cells):
            continue
        if len(cells) != len(columns):
            yield line, Wrong(f"{len(cells)} cells, where the first line names {len(columns)} columns")
            continue
        given = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
        hire = given.get("source", source), given.get("subject", "")
        first = line if "time" in given else timeless.setdefault(hire, line)
        again = Wrong(f"subject: stands in line {first} too; only with a time does one replace the other")
        yield line, _event(given, source, written) if first == line else again


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line each begins in; separated by semicolons if that is how the first line is."""
    first = text.partition("\n")[0]
    by = ";" if ";" in first and "," not in first else ","
    reader, line = csv.reader(io.StringIO(text, newline=""), delimiter=by, strict=True), 1
    try:
        for cells in reader:
            yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error:
        raise CommandError(f"line {line}: no row of a CSV: look at its quotes.", Exit.USAGE) from None


def _columns(names: Sequence[str], source: str | None) -> Sequence[str]:
    """The columns, by the first line. It may be a row of people by mistake, so nothing of it is repeated."""
    wrong = [f"column {at} is none we know" for at, name in enumerate(names, 1) if name not in COLUMNS]
    wrong += [f"{name} stands there twice" for name in COLUMNS if names.count(name) > 1]
    wrong += [] if "subject" in names else ["subject is missing"]
    wrong += [] if source or "source" in names else ["source is missing: a column, or --source"]
    if wrong:
        told = "".join(f"\n  line 1: {one}" for one in wrong)
        raise CommandError(f"The first line must name the columns, of {', '.join(COLUMNS)}:{told}", Exit.USAGE)
    return names


def _event(given: dict[str, str], source: str | None, written: datetime) -> dict[str, Any]:
    data: dict[str, Any] = {name: given[name] for name in DATA if name in given}
    if "devicePaths" in data:
        data["devicePaths"] = re.findall(r"[^\s;]+", data["devicePaths"])
    if user := {name: given[column] for column, name in USERS.items() if column in given}:
        data["user"] = user
    defaults = {"type": HIRED, "time": written.isoformat(timespec="microseconds")}
    envelope = (
        defaults | ({"source": source} if source else {}) | {name: given[name] for name in ENVELOPE if name in given}
    )
    event = {"specversion": "1.0", **envelope, "data": data}
    return {"id": sha256(json.dumps(event, sort_keys=True).encode()).hexdigest(), **event}
