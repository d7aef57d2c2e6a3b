"""What operators may do with the worker's self-check: see the newest, and ask for another."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shared.checkup_models import CheckupView, FindingView
from shared.checkup_ports import Reports
from shared.findings import Finding
from shared.ports import Clock
from shared.principal import Principal
from shared.report import Report, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """The door cannot look itself, it has no right to: it asks the worker, which looks within a minute."""

    reports: Reports
    clock: Clock

    async def show_checkup(self, _: Principal, __: object) -> CheckupView:
        """The newest self-check of the worker."""
        newest, wish = await self.reports.newest(), await self.reports.wish()
        asked = {"asked": wish.id, "asked_at": wish.at} if wish else {}
        return CheckupView(now=self.clock.now(), **asked, **(_told(newest) if newest else {}))

    async def ask_for_checkup(self, who: Principal, asked: object) -> CheckupView:
        """Have the worker check itself with its next look at the agenda. It changes nothing, so it needs no reason."""
        await self.reports.ask(Wish(uuid4().hex, self.clock.now()))
        return await self.show_checkup(who, asked)


def _told(newest: Report) -> dict[str, Any]:
    return {
        "at": newest.at,
        "every_seconds": None if newest.every is None else int(newest.every.total_seconds()),
        "answers": newest.answers,
        "findings": tuple(map(_finding, newest.findings)),
        "last_known": tuple(map(_finding, newest.carried)),
    }


def _finding(one: Finding) -> FindingView:
    return FindingView(check=one.check, verdict=one.verdict, code=one.code, detail=one.detail)
