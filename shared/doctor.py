"""What operators may do with the worker's self-check: see the newest, and ask for another."""

from dataclasses import dataclass

from shared.checkup import Reports
from shared.checkup_models import CheckupView, FindingView
from shared.ports import Clock
from shared.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """The door cannot look itself, it has no right to: it asks the worker, which looks within a minute."""

    reports: Reports
    clock: Clock

    async def show_checkup(self, _: Principal, __: object) -> CheckupView:
        """The newest self-check of the worker."""
        newest, asked = await self.reports.newest(), await self.reports.asked_at()
        findings = newest.findings if newest else ()
        return CheckupView(
            now=self.clock.now(),
            at=newest.at if newest else None,
            asked_at=asked,
            findings=tuple(
                FindingView(check=one.check, verdict=one.verdict, code=one.code, detail=one.detail) for one in findings
            ),
        )

    async def ask_for_checkup(self, who: Principal, asked: object) -> CheckupView:
        """Have the worker check itself with its next look at the agenda. It changes nothing, so it needs no reason."""
        await self.reports.ask(self.clock.now())
        return await self.show_checkup(who, asked)
