"""The worker's self-check: looks at everything Firstpass needs from outside, keeps what it found, tells what changed.

It runs with the agenda's timer, in the worker, because only the worker has the rights to see. Nothing here changes
anything outside but a row of the ledger, and no check can spoil another.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import ERROR, INFO, WARNING
from typing import Final, Protocol

from shared.checks import (
    AccessPolicy,
    Expected,
    PassPolicy,
    SmsSender,
    WhatsAppSender,
    on_access,
    on_clock,
    on_countries,
    on_policy,
    on_roles,
    on_sender,
    on_settings,
    on_whatsapp,
)
from shared.errors import FirstpassError, Halted, Unavailable
from shared.findings import Check, Code, Finding, Findings, Verdict, changed, findings_of
from shared.ports import Clock
from shared.telemetry import Event, emit, places

CHECK_SECONDS: Final = 20.0
"""The longest any check may take; all run at once."""


class NotReadable(Exception):  # noqa: N818 - as the errors of errors.py
    """Our identity may not look at this, which nothing but this check needs."""


class NotThere(Exception):  # noqa: N818 - as above
    """What should be there is not; the text names what, and is nothing personal."""


class Tenant(Protocol):
    """What Entra shows of the tenant. Raises Halted (`graph-denied`) and Later as Directory does."""

    async def granted(self, stop_at: float) -> frozenset[str]:
        """The app roles in our own token."""
        ...

    async def pass_policy(self, stop_at: float) -> PassPolicy:
        """The pass policy as it is now."""
        ...

    async def access_policies(self, stop_at: float) -> list[AccessPolicy]:
        """The Conditional Access policies on registering security information.

        Raises:
            NotReadable: that needs the app role Policy.Read.ConditionalAccess.
        """
        ...

    async def time(self, stop_at: float) -> datetime:
        """What time Graph has it (UTC), to a second."""
        ...


class Account(Protocol):
    """What Twilio shows of the account. Raises Halted (`twilio-denied`), Later, or NotReadable: a restricted key."""

    async def log_in(self, stop_at: float) -> None:
        """Nothing, when Twilio takes our key for the account's messages."""
        ...

    async def sms_sender(self, stop_at: float) -> SmsSender | None:
        """The sender of SMS; None when it is a name, which no list shows."""
        ...

    async def whatsapp_sender(self, stop_at: float) -> WhatsAppSender | None:
        """The sender of WhatsApp messages and its templates; None when there is none."""
        ...

    async def countries(self, stop_at: float) -> frozenset[str]:
        """The countries (two letters) the account may send SMS to."""
        ...


class Plumbing(Protocol):
    """Queues, tables, and our own door. Raises Unavailable, and NotThere."""

    async def queues(self) -> None:
        """Nothing, when we can receive events, send nudges and send dead letters."""
        ...

    async def tables(self) -> None:
        """Nothing, when every table can be read."""
        ...

    async def door(self) -> int | None:
        """The status with which the receipts' door answers HEAD over its public address; None without an address.

        Raises:
            NotThere: nothing answers there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What a self-check found, and when (UTC)."""

    at: datetime
    findings: tuple[Finding, ...]


class Reports(Protocol):
    """Where the newest report is kept, and whether somebody asked for another. Raises LedgerUnavailable."""

    async def newest(self) -> Report | None:
        """The newest report; None before the first one, and for one that nobody can read."""
        ...

    async def keep(self, report: Report) -> None:
        """Keep a report in place of the one before."""
        ...

    async def asked_at(self) -> datetime | None:
        """When somebody last asked for a report (UTC)."""
        ...

    async def ask(self, at: datetime) -> None:
        """Ask for a report."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """The self-check of this app. `every` is how often it runs by itself; zero is only when asked."""

    tenant: Tenant
    account: Account
    plumbing: Plumbing
    reports: Reports
    clock: Clock
    expected: Expected
    discards_content: bool
    every: timedelta

    async def when_due(self) -> None:
        """Run the check when its hour has come, or somebody asked."""
        if await self._is_due():
            await self.run()

    async def run(self) -> Report:
        """Check everything now, keep it, and tell what changed."""
        before = await self.reports.newest()
        groups = await asyncio.gather(*(self._settled(check, look) for check, look in self._looks().items()))
        report = Report(self.clock.now(), tuple(finding for group in groups for finding in group))
        await self.reports.keep(report)
        for finding in changed(before.findings if before else (), report.findings):
            emit(
                Event.CHECKUP_CHANGED,
                LEVELS[finding.verdict],
                detail=finding.check,
                state=finding.verdict,
                reason=finding.code,
            )
        return report

    async def _is_due(self) -> bool:
        newest, asked = await self.reports.newest(), await self.reports.asked_at()
        if asked and (newest is None or newest.at < asked):
            return True
        return self.every > timedelta(0) and (newest is None or self.clock.now() - newest.at >= self.every)

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
            verdict, code = (Verdict.FAILED, Code.DENIED) if denied else (Verdict.UNKNOWN, Code.NO_ANSWER)
            found = [(verdict, code, str(error))]
        except TimeoutError:
            found = [(Verdict.UNKNOWN, Code.NO_ANSWER, "")]
        except Exception as error:  # noqa: BLE001 - no check may spoil another
            emit(Event.FAILED, ERROR, reason=type(error).__name__, error=places(error))
            found = [(Verdict.UNKNOWN, Code.BUG, "")]
        return findings_of(check, found)

    async def _settings(self, _: float) -> Findings:
        return on_settings(self.expected)

    async def _roles(self, stop_at: float) -> Findings:
        return on_roles(await self.tenant.granted(stop_at))

    async def _policy(self, stop_at: float) -> Findings:
        return on_policy(await self.tenant.pass_policy(stop_at), self.expected)

    async def _access(self, stop_at: float) -> Findings:
        return on_access(await self.tenant.access_policies(stop_at))

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
LEVELS: Final = {Verdict.FAILED: ERROR, Verdict.WARNING: WARNING, Verdict.GOOD: INFO}
"""How loud a change is told."""
