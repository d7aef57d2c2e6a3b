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
    """`numbers`: fingerprints with their first-seen times (UTC), in the order they came.

    `forgotten_at` is when an operator dropped what was here before; it is all that is left of that.
    """

    open_case: str | None = None
    numbers: tuple[tuple[str, datetime], ...] = ()
    forgotten_at: datetime | None = None

    @property
    def is_nobody(self) -> bool:
        """Whether nothing is kept but that somebody was forgotten."""
        return self.open_case is None and not self.numbers

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
            forgotten_at=self.forgotten_at,
        )


def person_row(fingerprint: str, known: Acquaintance) -> dict[str, Any]:
    """An acquaintance as a row."""
    numbers = json.dumps([(number, write_time(seen)) for number, seen in known.numbers])
    forgotten_at = known.forgotten_at and write_time(known.forgotten_at)
    more = {"open_case": known.open_case, "forgotten_at": forgotten_at}
    row = {"PartitionKey": fingerprint, "RowKey": PERSON, "numbers": numbers}
    return row | {name: text for name, text in more.items() if text is not None}


def acquaintance_of(row: Mapping[str, Any] | None) -> Acquaintance:
    """The acquaintance a row holds; nobody known yet when there is no row.

    Raises:
        UnreadableRow: whatever is wrong with it.
    """
    if row is None:
        return Acquaintance()
    try:
        numbers = tuple((str(number), read_time(seen)) for number, seen in json.loads(row["numbers"]))
        open_case, forgotten_at = row.get("open_case"), row.get("forgotten_at")
        return Acquaintance(
            None if open_case is None else str(open_case),
            numbers,
            None if forgotten_at is None else read_time(forgotten_at),
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UnreadableRow from None
