"""Where the newest self-check is kept on Azure Table Storage: two rows of `control`."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from azure.data.tables.aio import TableServiceClient

from shared.adapters.case_rows import read_time, write_time
from shared.adapters.storage import Patience, Table
from shared.adapters.tables import CONTROL
from shared.checkup import Report
from shared.findings import LONGEST_DETAIL, Check, Code, Finding, Verdict
from shared.telemetry import scrub

_NEWEST, _ASKED = "checkup", "checkup-asked"
MOST: Final = 100
"""Findings kept: far more than there are codes to find."""


class TableReports:
    """Implements checkup.Reports."""

    def __init__(self, service: TableServiceClient) -> None:
        self._control = Table(service, "control", Patience())

    async def newest(self) -> Report | None:
        """See Reports. A report of another version, with words unknown here, is as good as none."""
        return _report_of(await self._control.get(CONTROL, _NEWEST))

    async def keep(self, report: Report) -> None:
        """See Reports."""
        told = [[one.check, one.verdict, one.code, one.detail[:LONGEST_DETAIL]] for one in report.findings[:MOST]]
        row = {"PartitionKey": CONTROL, "RowKey": _NEWEST, "at": write_time(report.at), "findings": json.dumps(told)}
        await self._control.put(row)

    async def asked_at(self) -> datetime | None:
        """See Reports."""
        return _asked_of(await self._control.get(CONTROL, _ASKED))

    async def ask(self, at: datetime) -> None:
        """See Reports."""
        await self._control.put({"PartitionKey": CONTROL, "RowKey": _ASKED, "at": write_time(at)})


def _report_of(row: Mapping[str, Any] | None) -> Report | None:
    try:
        return None if row is None else Report(read_time(row["at"]), _findings_in(row["findings"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _asked_of(row: Mapping[str, Any] | None) -> datetime | None:
    try:
        return None if row is None else read_time(row["at"])
    except (KeyError, TypeError, ValueError):
        return None


def _findings_in(text: str) -> tuple[Finding, ...]:
    rows: Any = json.loads(text)
    return tuple(
        Finding(Check(check), Verdict(verdict), Code(code), _detail(detail)) for check, verdict, code, detail in rows
    )


def _detail(value: object) -> str:
    """As it is kept: anything else did not come from a check. Nor does what looks like a number or a user name."""
    if not isinstance(value, str) or len(value) > LONGEST_DETAIL or not value.isprintable():
        raise ValueError("no-detail")
    return scrub(value)
