"""What the worker noted of the queue of events: one row of table storage, beside the heartbeat."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from azure.data.tables.aio import TableServiceClient

from shared.adapters.case_rows import read_time, write_time
from shared.adapters.storage import Patience, Table
from shared.adapters.tables import CONTROL
from shared.errors import UnreadableRow
from shared.oversight import Depth, NotedDepth

_DEPTH: Final = "joiners-depth"


class TableDepthNotes:
    """Implements oversight.DepthNotes."""

    def __init__(self, service: TableServiceClient, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        self._control = Table(service, "control", patience)

    async def note(self, noted: NotedDepth) -> None:
        """See DepthNotes."""
        depth = noted.depth
        row = {
            "PartitionKey": CONTROL,
            "RowKey": _DEPTH,
            "at": write_time(noted.at),
            "count": depth.count,
            "is_more": depth.is_more,
        }
        await self._control.put(row | ({"oldest": write_time(depth.oldest)} if depth.oldest else {}))

    async def noted(self) -> NotedDepth | None:
        """See DepthNotes."""
        row = await self._control.get(CONTROL, _DEPTH)
        return None if row is None else _noted(row)


def _noted(row: Mapping[str, Any]) -> NotedDepth:
    try:
        oldest = read_time(row["oldest"]) if "oldest" in row else None
        return NotedDepth(at=read_time(row["at"]), depth=_depth(row["count"], row["is_more"], oldest))
    except (KeyError, TypeError, ValueError):
        raise UnreadableRow from None


def _depth(count: object, is_more: object, oldest: datetime | None) -> Depth:
    if type(count) is not int or count < 0 or not isinstance(is_more, bool):  # an exact type: to Python, True is an int
        raise ValueError("no-depth")
    return Depth(count=count, is_more=is_more, oldest=oldest)
