"""The agenda's rows: which one an open case must have, and how its keys say when it is due. Pure.

PartitionKey is the due hour in UTC (`2026113007`), RowKey the due minute and the case id (`05-1f0c…`): the timer reads
a few partitions, however many cases wait.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.case import Case

AHEAD: Final = timedelta(minutes=2)
"""How far ahead a new row lies at least: the timer must not pass its minute while it is being written."""
STILL_AHEAD: Final = timedelta(minutes=1)
"""A row nearer than this may be in the timer's hands already and is not counted on."""
_MINUTE: Final = timedelta(minutes=1)


def row_to_write(case: Case, now: datetime) -> datetime | None:
    """The full minute (UTC) for which a row must be written, or None when none is needed.

    None is needed when nothing will happen by itself, or when the row last written (`woken_at`) is still ahead and not
    later than the step: a nudge that finds nothing due writes the next row.
    """
    step = case.next_step()
    if step is None:
        return None
    wanted = _full_minute(max(step.due, now + AHEAD))
    written = case.woken_at
    if written is not None and now + STILL_AHEAD <= written <= wanted:
        return None
    return wanted


def row_keys(moment: datetime, case_id: str) -> tuple[str, str]:
    """PartitionKey and RowKey of the row that wakes a case at `moment`, a full minute."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y%m%d%H}", f"{utc:%M}-{case_id}"


def _full_minute(moment: datetime) -> datetime:
    whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return whole if whole == moment else whole + _MINUTE
