"""Bad rows in which self-checks are kept, in great numbers: a report that operators can be shown, or none."""

import re
from random import Random
from typing import Any

from shared.adapters.checkup_table import _report_of, _wish_of
from shared.doctor import Doctor
from shared.findings import LONGEST_DETAIL, Check
from shared.principal import OperatorRole, Principal
from tests.builders import NOW
from tests.fakes.checkup import FakeReports
from tests.fakes.clock import FakeClock
from tests.faults.mutants import CODE, NAME, mutated, written
from tests.faults.volume import Told, all_of, tried, volume

UNKNOWABLE = re.compile(f"{re.escape(NAME)}|{re.escape(CODE)}", re.IGNORECASE)
"""A detail is free text for whoever can write the row; only numbers and user names have a form."""
WHO = Principal("1", frozenset({OperatorRole.READER}))


def kept(dice: Random) -> Any:
    told = [[str(check), "failed", "denied", "graph-denied"] for check in (Check.ROLES, Check.POLICY)]
    told = mutated(told, dice) if dice.random() < 0.8 else told
    words = written(told, dice).decode("utf-8", "replace")
    row: Any = {"at": NOW.isoformat(), "findings": words, "carried": words, "every": 3600, "wish": "a" * 32}
    row |= {"blind": '{"pass-policy": 2}', "answers": "b" * 32}
    return mutated(row, dice) if dice.random() < 0.5 else row


@volume(10_000)
async def test_reports_as_operators_see_them(cases: int) -> None:
    async def shown(given: Any) -> Told:
        row = given if isinstance(given, dict) else {}
        reports = FakeReports()
        reports.kept, reports.wished = _report_of(row), _wish_of(row)
        seen = await Doctor(reports=reports, clock=FakeClock(NOW)).show_checkup(WHO, None)
        assert all(len(one.detail) <= LONGEST_DETAIL and one.detail.isprintable() for one in seen.findings)
        told = seen.model_dump_json(by_alias=True)
        return Told("none" if seen.at is None else "report", UNKNOWABLE.sub("", told))

    all_of(await tried("report", cases, kept, shown), "report", "none")
