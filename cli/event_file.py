"""A file of events that HR could have sent: a JSON array, one event a line (ndjson), or a CSV of an export."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cli.event_rows import rows_of
from cli.exits import CommandError, Exit
from shared.sending_models import JudgeEvents

LARGEST: Final = 64 * 1024
"""Bytes of an event, by the contract."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An event, and where in its file it stands: `line 4`, or in an array `event 4`."""

    place: str
    event: dict[str, Any] = field(repr=False)


def read_events(file: Path, source: str | None) -> list[Placed]:
    """The events of a file, none if one of them is none; whether they are right is the app's to judge.

    Raises:
        CommandError: it cannot be read, holds nothing, or holds what is no event; places and fields are named, and no
            value is repeated.
    """
    text, written = _read(file)
    begins = text.lstrip()[:1]
    if source and begins in {"[", "{"}:
        raise CommandError("--source is for a CSV: events as JSON name their own.", Exit.USAGE)
    match begins:
        case "":
            raise CommandError(f"{file} is empty.", Exit.USAGE)
        case "[":
            found = _of_array(text)
        case "{":
            found = _of_lines(text)
        case _:
            found = ((f"line {line}", event) for line, event in rows_of(text, source, written))
    placed = list(found)
    refuse([f"{place}: {wrong}" for place, event in placed if (wrong := _wrong_with(event))], len(placed))
    if not placed:
        raise CommandError(f"{file} holds no event.", Exit.USAGE)
    return [Placed(place, event) for place, event in placed if isinstance(event, dict)]


def refuse(wrong: Sequence[str], total: int) -> None:
    """Go on only when nothing is wrong.

    Raises:
        CommandError: something is; each line of `wrong` says where and what.
    """
    if wrong:
        lines = "".join(f"\n  {line}" for line in wrong)
        count = len({line.partition(":")[0] for line in wrong})
        raise CommandError(f"{count} of {total} events are wrong, so none is sent:{lines}", Exit.USAGE)


def _read(file: Path) -> tuple[str, datetime]:
    """The text of a file, and when it was written."""
    try:
        raw, written = file.read_bytes(), file.stat().st_mtime
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", Exit.USAGE) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{file}, line {line}: not UTF-8. Save it as UTF-8, then try again.", Exit.USAGE) from None
    return text, min(datetime.fromtimestamp(written, UTC), datetime.now(UTC))


def _of_array(text: str) -> Iterator[tuple[str, object]]:
    try:
        events = _json(text)
    except json.JSONDecodeError as error:
        raise CommandError(f"line {error.lineno}: not JSON.", Exit.USAGE) from None
    except (ValueError, RecursionError):
        raise CommandError("The file is no array of events as JSON.", Exit.USAGE) from None
    return ((f"event {number}", event) for number, event in enumerate(events, 1))


def _of_lines(text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _event_or_none(line)


def _event_or_none(line: str) -> object:
    try:
        return _json(line)
    except (ValueError, RecursionError):
        return None


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError
    return found


def _wrong_with(event: object) -> str:
    """What keeps an event from travelling at all; a text is what is wrong with a row already."""
    if isinstance(event, str):
        return event
    if not isinstance(event, dict):
        return "not a JSON object with every name once"
    try:
        json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        JudgeEvents.model_construct(events=[event]).model_dump(mode="json")
    except (ValueError, RecursionError):
        return "holds what JSON cannot carry"
    return f"larger than {LARGEST} bytes" if len(json.dumps(event)) > LARGEST else ""
