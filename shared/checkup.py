"""The worker's self-check: looks at everything Firstpass needs from outside, keeps what it found, tells what changed.

It runs with the agenda's timer, in the worker, because only the worker has the rights to see. Nothing here changes
anything outside but a row of the ledger, and no check can spoil another.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from logging import ERROR, INFO, WARNING
from typing import Final

from shared.access import Circles, on_access
from shared.checks import Expected, on_clock, on_countries, on_policy, on_roles, on_sender, on_settings, on_whatsapp
from shared.checkup_ports import Account, NotReadable, NotThere, Plumbing, Reports, Tenant
from shared.errors import FirstpassError, Halted, Unavailable
from shared.findings import Check, Code, Finding, Findings, Verdict, findings_of
from shared.numbers import no_countries
from shared.ports import Clock
from shared.report import Report, Wish, changed, following
from shared.telemetry import Event, emit, places

CHECK_SECONDS: Final = 20.0
"""The longest any check may take; all run at once."""


@dataclass(slots=True, kw_only=True)
class Checkup:
    """The self-check of this app. `every` is how often it runs by itself; zero is only when asked.

    `last` is the last report of this process, for as long as the ledger cannot be asked.
    """

    tenant: Tenant
    account: Account
    plumbing: Plumbing
    reports: Reports
    clock: Clock
    expected: Expected
    discards_content: bool
    every: timedelta
    last: Report | None = None

    async def when_due(self) -> None:
        """Run the check when its hour has come, or somebody asked."""
        before, wish = await self._known()
        if self._is_due(before, wish):
            await self._run(before, wish)

    async def run(self) -> Report:
        """Check everything now, tell what changed, and keep it."""
        return await self._run(*await self._known())

    async def _run(self, before: Report | None, wish: Wish | None) -> Report:
        """What is wrong is told before it is kept: the ledger may be what is wrong."""
        at, answers = self.clock.now(), wish.id if wish else before and before.answers
        groups = await asyncio.gather(*(self._settled(check, look) for check, look in self._looks().items()))
        findings = tuple(finding for group in groups for finding in group)
        self.last = report = following(before, Report(at, findings, every=self.every, answers=answers))
        for one in changed(before, report):
            level = LEVELS[one.verdict]
            emit(Event.CHECKUP_CHANGED, level, check=one.check, state=one.verdict, reason=one.code, detail=one.detail)
        await self.reports.keep(report)
        return report

    async def _known(self) -> tuple[Report | None, Wish | None]:
        """The newest report and wish; while the ledger gives no answer, or took none, what this process found last."""
        try:
            kept, wish = await self.reports.newest(), await self.reports.wish()
        except Unavailable:
            return self.last, None
        return max((one for one in (kept, self.last) if one), key=lambda one: one.at, default=None), wish

    def _is_due(self, before: Report | None, wish: Wish | None) -> bool:
        if wish and (before is None or before.answers != wish.id):
            return True
        return self.every > timedelta(0) and (before is None or self.clock.now() - before.at >= self.every)

    def _looks(self) -> dict[Check, Callable[[float], Awaitable[Findings]]]:
        """How each check is made."""
        return {
            Check.SETTINGS: self._settings,
            Check.ROLES: self._roles,
            Check.POLICY: self._policy,
            Check.ACCESS: self._access,
            Check.QUEUES: self._queues,
            Check.TABLES: self._tables,
            Check.LOGIN: self._login,
            Check.SENDER: self._sender,
            Check.WHATSAPP: self._whatsapp,
            Check.COUNTRIES: self._countries,
            Check.REDACTION: self._redaction,
            Check.PUBLIC_URL: self._public_url,
            Check.CLOCK: self._clock,
        }

    async def _settled(self, check: Check, look: Callable[[float], Awaitable[Findings]]) -> list[Finding]:
        """One check; every outcome it can have is decided here."""
        silent = Verdict.FAILED if check in VITAL else Verdict.UNKNOWN
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                found = await look(self.clock.monotonic() + CHECK_SECONDS)
        except NotReadable:
            found = [(Verdict.UNKNOWN, Code.NOT_READABLE, "")]
        except NotThere as missing:
            found = [(Verdict.FAILED, ABSENT[check], str(missing))]
        except Halted as halted:
            found = [(Verdict.FAILED, Code.DENIED, str(halted))]
        except (FirstpassError, Unavailable) as error:
            denied = str(error).endswith("-denied")
            verdict, code = (Verdict.FAILED, Code.DENIED) if denied else (silent, Code.NO_ANSWER)
            found = [(verdict, code, str(error))]
        except TimeoutError:
            found = [(silent, Code.NO_ANSWER, "")]
        except Exception as error:  # noqa: BLE001 - no check may spoil another
            emit(Event.FAILED, ERROR, reason=type(error).__name__, error=places(error))
            found = [(Verdict.UNKNOWN, Code.BUG, "")]
        return findings_of(check, found)

    async def _settings(self, _: float) -> Findings:
        return on_settings(self.expected, no_countries(self.expected.countries))

    async def _roles(self, stop_at: float) -> Findings:
        return on_roles(await self.tenant.granted(stop_at))

    async def _policy(self, stop_at: float) -> Findings:
        return on_policy(await self.tenant.pass_policy(stop_at), self.expected, await self._circles(stop_at))

    async def _access(self, stop_at: float) -> Findings:
        return on_access(await self.tenant.access_policies(stop_at), await self._circles(stop_at))

    async def _circles(self, stop_at: float) -> Circles:
        """The joiners' groups. Where they cannot be seen the findings are less sure, and no check fails for it."""
        group = self.expected.joiners_group
        if group is None:
            return Circles(are_all=False)
        try:
            return await self.tenant.circles(group, stop_at)
        except FirstpassError:
            return Circles(frozenset({group}), are_all=False)

    async def _queues(self, _: float) -> Findings:
        await self.plumbing.queues()
        return []

    async def _tables(self, _: float) -> Findings:
        await self.plumbing.tables()
        return []

    async def _login(self, stop_at: float) -> Findings:
        await self.account.log_in(stop_at)
        return []

    async def _sender(self, stop_at: float) -> Findings:
        seen = await self.account.sms_sender(stop_at)
        return on_sender(seen) if seen else [(Verdict.UNKNOWN, Code.SENDER_BY_NAME, "")]

    async def _whatsapp(self, stop_at: float) -> Findings:
        seen = await self.account.whatsapp_sender(stop_at)
        return on_whatsapp(seen) if seen else _NOT_USED

    async def _countries(self, stop_at: float) -> Findings:
        return on_countries(await self.account.countries(stop_at), self.expected)

    async def _redaction(self, _: float) -> Findings:
        """Emptying a text works on every account; whether Twilio may drop it at once, no API says."""
        return [(Verdict.UNKNOWN, Code.NOT_READABLE, "")] if self.discards_content else _NOT_USED

    async def _public_url(self, _: float) -> Findings:
        status = await self.plumbing.door()
        if status is None:
            return _NOT_USED
        return [] if status == HERE else [(Verdict.FAILED, Code.URL_NOT_OURS, f"status {status}")]

    async def _clock(self, stop_at: float) -> Findings:
        theirs = await self.tenant.time(stop_at)
        return on_clock(self.clock.now() - theirs)


HERE: Final = 204
"""What the receipts' door says to HEAD."""
_NOT_USED: Final[Findings] = [(Verdict.GOOD, Code.NOT_USED, "")]
ABSENT: Final = {Check.QUEUES: Code.QUEUE_MISSING, Check.PUBLIC_URL: Code.URL_UNREACHABLE}
"""What it is called when that which should be there is not."""
VITAL: Final = frozenset({Check.QUEUES, Check.TABLES})
"""What the app stands on: no answer there is no bad moment of somebody else's, nothing goes on without."""
LEVELS: Final = {Verdict.FAILED: ERROR, Verdict.WARNING: WARNING, Verdict.GOOD: INFO}
"""How loud a change is told."""
