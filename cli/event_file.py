"""A file of events that HR could have sent: a JSON array, one event a line (ndjson), or a CSV of an export."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cli.event_rows import Wrong, rows_of
from cli.exits import CommandError, Exit
from shared.sending_models import JudgeEvents

LARGEST: Final = 64 * 1024
"""Bytes of an event, by the contract."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An event, and where in its file it stands: `line 4`, or in an array `event 4`."""

    place: str
    event: dict[str, Any] = field(repr=False)


def read_events(file: Path, source: str | None) -> tuple[list[Placed], list[str]]:
    """The events of a file in their order, and what is wrong with the others; what an event says is the app's to judge.

    Raises:
        CommandError: it cannot be read, or holds nothing; no value is repeated.
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
    events, wrong = _sorted_out(found)
    if not events and not wrong:
        raise CommandError(f"{file} holds no event.", Exit.USAGE)
    return events, wrong


def _sorted_out(found: Iterable[tuple[str, object]]) -> tuple[list[Placed], list[str]]:
    """What can travel as an event, and what cannot, each with its place."""
    events: list[Placed] = []
    wrong: list[str] = []
    ids: dict[tuple[str, str], str] = {}
    for place, event in found:
        if what := _wrong_with(event) or _said_before(event, place, ids):
            wrong.append(f"{place}: {what}")
        elif isinstance(event, dict):
            events.append(Placed(place, event))
    return events, wrong


def _said_before(event: object, place: str, ids: dict[tuple[str, str], str]) -> str:
    """Whether an event has the id of an earlier one: which of the two counts, nobody could say."""
    match event:
        case {"source": str(source), "id": str(name)}:
            first = ids.setdefault((source, name), place)
            return f"id: stands in {first} too" if first != place else ""
        case _:
            return ""


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
    """One event a line; or one alone over many lines."""
    if isinstance(alone := _event_or_none(text), dict):
        yield f"line {text[: text.index('{')].count('\n') + 1}", alone
        return
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


class _Twice:
    """In the place of an object that has a name twice: which of the two is meant?"""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    return found if len(found := dict(pairs)) == len(pairs) else _Twice()


def _wrong_with(event: object) -> str:
    """What keeps an event from travelling at all."""
    if isinstance(event, Wrong):
        return event.what
    if not isinstance(event, dict):
        return "not a JSON object with every name once"
    try:
        json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        JudgeEvents.model_construct(events=[event]).model_dump(mode="json")
    except TypeError:
        return "not a JSON object with every name once"
    except (ValueError, RecursionError):
        return "holds what JSON cannot carry"
    return f"larger than {LARGEST} bytes" if len(json.dumps(event)) > LARGEST else ""
