"""Where the newest self-check is kept on Azure Table Storage: two rows of `control`."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from azure.data.tables.aio import TableServiceClient

from shared.adapters.case_rows import read_time, write_time
from shared.adapters.storage import Patience, Table
from shared.adapters.tables import CONTROL
from shared.findings import LONGEST_DETAIL, Check, Code, Finding, Verdict
from shared.report import Report, Wish
from shared.telemetry import scrub

_NEWEST, _ASKED = "checkup", "checkup-asked"
_WISH: Final = re.compile("[0-9a-f]{32}")
MOST: Final = 100
"""Findings kept: far more than there are codes to find."""


class TableReports:
    """Implements checkup_ports.Reports."""

    def __init__(self, service: TableServiceClient) -> None:
        self._control = Table(service, "control", Patience())

    async def newest(self) -> Report | None:
        """See checkup_ports.Reports. A report of another version, with words unknown here, is as good as none."""
        return _report_of(await self._control.get(CONTROL, _NEWEST))

    async def keep(self, report: Report) -> None:
        """See checkup_ports.Reports."""
        row = {
            "at": write_time(report.at),
            "findings": _written(report.findings),
            "carried": _written(report.carried),
            "blind": json.dumps(report.blind),
            "every": None if report.every is None else int(report.every.total_seconds()),
            "answers": report.answers,
        }
        told = {name: value for name, value in row.items() if value is not None}
        await self._control.put({"PartitionKey": CONTROL, "RowKey": _NEWEST} | told)

    async def wish(self) -> Wish | None:
        """See checkup_ports.Reports."""
        return _wish_of(await self._control.get(CONTROL, _ASKED))

    async def ask(self, wish: Wish) -> None:
        """See checkup_ports.Reports."""
        told = {"at": write_time(wish.at), "wish": wish.id}
        await self._control.put({"PartitionKey": CONTROL, "RowKey": _ASKED} | told)


def _written(findings: Sequence[Finding]) -> str:
    return json.dumps([[one.check, one.verdict, one.code, one.detail[:LONGEST_DETAIL]] for one in findings[:MOST]])


def _report_of(row: Mapping[str, Any] | None) -> Report | None:
    try:
        return None if row is None else _report_in(row)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError):
        return None


def _report_in(row: Mapping[str, Any]) -> Report:
    every = row.get("every")
    return Report(
        read_time(row["at"]),
        _findings_in(row["findings"]),
        carried=_findings_in(row.get("carried", "[]")),
        blind={Check(check): int(times) for check, times in json.loads(row.get("blind", "{}")).items()},
        every=None if every is None else timedelta(seconds=every),
        answers=_id(row["answers"]) if "answers" in row else None,
    )


def _wish_of(row: Mapping[str, Any] | None) -> Wish | None:
    try:
        return None if row is None else Wish(_id(row["wish"]), read_time(row["at"]))
    except (KeyError, TypeError, ValueError):
        return None


def _id(value: object) -> str:
    """The id of a wish as doctor.py makes it: nobody else's words reach operators by this way."""
    if not isinstance(value, str) or not _WISH.fullmatch(value):
        raise ValueError("no-wish")
    return value


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
