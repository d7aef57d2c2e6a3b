"""What the ledger keeps of a person across cases: which case holds them, and when each number was first seen. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from shared.adapters.case_rows import UnreadableRow, read_time, write_time
from shared.guard_rails import Person

PERSON: Final = "person"
"""RowKey; the PartitionKey is the person's fingerprint."""
NUMBERS_KEPT: Final = 20
"""The first number ever, and the latest; a forgotten one counts as new when it comes back, which holds it longer."""


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """`numbers`: fingerprints with their first-seen times (UTC), in the order they came."""

    open_case: str | None = None
    numbers: tuple[tuple[str, datetime], ...] = ()

    def shown(self, number: str, now: datetime) -> "Acquaintance":
        """The same with `number` (a fingerprint) among those seen."""
        if number in dict(self.numbers):
            return self
        numbers = (*self.numbers, (number, now))
        return replace(self, numbers=numbers if len(numbers) <= NUMBERS_KEPT else (numbers[0], *numbers[2:]))

    def as_person(self, number: str, *, other_case_open: bool = False, other_case_ending: bool = False) -> Person:
        """What guard rails ask, about one of `numbers`."""
        return Person(
            other_case_open=other_case_open,
            other_case_ending=other_case_ending,
            number=number,
            is_first_number=self.numbers[0][0] == number,
            number_first_seen=dict(self.numbers)[number],
        )


def person_row(fingerprint: str, known: Acquaintance) -> dict[str, Any]:
    """An acquaintance as a row."""
    numbers = json.dumps([(number, write_time(seen)) for number, seen in known.numbers])
    row = {"PartitionKey": fingerprint, "RowKey": PERSON, "numbers": numbers}
    return row if known.open_case is None else {**row, "open_case": known.open_case}


def acquaintance_of(row: Mapping[str, Any] | None) -> Acquaintance:
    """The acquaintance a row holds; nobody known yet when there is no row.

    Raises:
        UnreadableRow: whatever is wrong with it.
    """
    if row is None:
        return Acquaintance()
    try:
        numbers = tuple((str(number), read_time(seen)) for number, seen in json.loads(row["numbers"]))
        open_case = row.get("open_case")
        return Acquaintance(None if open_case is None else str(open_case), numbers)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UnreadableRow from None
