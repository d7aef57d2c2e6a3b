"""The agenda's rows: which one an open case must have, and how its keys say when it is due. Pure.

PartitionKey is the due hour in UTC (`2026113007`), RowKey the due minute and the case id (`05-1f0c…`): the timer reads
a few partitions, however many cases wait.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from shared.case import Case
from shared.ports import WakeRow

AHEAD: Final = timedelta(minutes=2)
"""How far ahead a new row lies at least: the timer must not pass its minute while it is being written."""
STILL_AHEAD: Final = timedelta(minutes=1)
"""A row nearer than this may be in the timer's hands already and is not counted on."""
FAR_AHEAD: Final = timedelta(minutes=5)
"""The same for a nudge that goes: if it came early, the timer's clock is ahead of ours and its row is gone."""
_MINUTE: Final = timedelta(minutes=1)
_ROW_KEY: Final = re.compile(r"[0-5][0-9]-[0-9a-f]{32}")


def row_to_write(case: Case, now: datetime, still_ahead: timedelta = STILL_AHEAD) -> datetime | None:
    """The full minute (UTC) for which a row must be written, or None when none is needed.

    None is needed when nothing will happen by itself, or when the row last written (`woken_at`) is still ahead and not
    later than the step: a nudge that finds nothing due writes the next row.
    """
    step = case.next_step()
    if step is None:
        return None
    wanted = _full_minute(max(step.due, now + AHEAD))
    written = case.woken_at
    if written is not None and now + still_ahead <= written <= wanted:
        return None
    return wanted


def row_keys(moment: datetime, case_id: str) -> tuple[str, str]:
    """PartitionKey and RowKey of the row that wakes a case at `moment`, a full minute."""
    return hour_key(moment), f"{moment.astimezone(UTC):%M}-{case_id}"


def hour_key(moment: datetime) -> str:
    """PartitionKey of the hour a moment lies in. Keys of earlier hours sort before it."""
    return f"{moment.astimezone(UTC):%Y%m%d%H}"


def minute_after(moment: datetime) -> str:
    """What sorts after the RowKeys of this minute and of those before it, and before all later ones of its hour."""
    return f"{moment.astimezone(UTC).minute + 1:02}"


def wake_row(partition_key: str, row_key: str, etag: str | None) -> WakeRow | None:
    """A row of the agenda, or None for one whose keys are not those of a due hour, a due minute and a case."""
    minute, _, case_id = row_key.partition("-")
    try:
        due = datetime.strptime(partition_key + minute, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    if etag is None or row_keys(due, case_id) != (partition_key, row_key) or not _ROW_KEY.fullmatch(row_key):
        return None
    version = sha256(f"{partition_key}\n{row_key}\n{etag}".encode()).hexdigest()
    return WakeRow(id=version, case_id=case_id, due=due, etag=etag)


def _full_minute(moment: datetime) -> datetime:
    whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return whole if whole == moment else whole + _MINUTE
