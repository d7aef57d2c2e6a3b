"""What a self-check looks at, in memory: everything is as it should be until a test says otherwise."""
# ruff: noqa: ARG002 - the protocols' signatures

from datetime import datetime, timedelta
from typing import Any

from shared.access import AccessPolicy, Circles
from shared.checks import NEEDED_ROLES, Expected, PassPolicy, SmsSender, WhatsAppSender
from shared.checkup import Checkup
from shared.errors import LedgerUnavailable
from shared.plan import Policy
from shared.report import Report, Wish
from tests.fakes.clock import FakeClock

GROUP = "11111111-0000-4000-8000-000000000001"
MFA = "00000000-0000-0000-0000-000000000002"
EXPECTED = Expected(
    steps_minutes=255, plan_minutes=615, joiners_group=GROUP, countries=frozenset({"DE", "NL"}), whatsapp=True
)


def policy(**changes: Any) -> Policy:
    """A policy that fits EXPECTED."""
    fits: dict[str, Any] = {
        "enabled": True,
        "minimum_lifetime_in_minutes": 10,
        "maximum_lifetime_in_minutes": 1440,
        "is_usable_once": False,
        "include_targets": frozenset({GROUP}),
        "exclude_targets": frozenset(),
    }
    return Policy(**fits | changes)


class Surroundings:
    """Tenant, account and plumbing of a Checkup. `troubles` are raised by the method of that name."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.roles = frozenset(row[0] for row in NEEDED_ROLES)
        self.policy = PassPolicy(policy(), 12)
        self.access = [AccessPolicy(id="1", controls=frozenset({"strength"}), strength=MFA)]
        self.above: frozenset[str] = frozenset()
        """The groups that the joiners' group is in."""
        self.sender: SmsSender | None = SmsSender(exists=True)
        self.whatsapp: WhatsAppSender | None = WhatsAppSender(True, {"nl": "approved"})
        self.open_to = frozenset({"DE", "NL"})
        self.status: int | None = 204
        self.their_time: datetime | None = None
        self.troubles: dict[str, Exception] = {}
        self.fired: list[str] = []

    async def granted(self, stop_at: float) -> frozenset[str]:
        return self._say("granted", self.roles)

    async def pass_policy(self, stop_at: float) -> PassPolicy:
        return self._say("pass_policy", self.policy)

    async def access_policies(self, stop_at: float) -> list[AccessPolicy]:
        return self._say("access_policies", self.access)

    async def circles(self, group: str, stop_at: float) -> Circles:
        return self._say("circles", Circles(self.above | {group}))

    async def time(self, stop_at: float) -> datetime:
        return self._say("time", self.their_time or self.clock.now())

    async def log_in(self, stop_at: float) -> None:
        self._say("log_in", None)

    async def sms_sender(self, stop_at: float) -> SmsSender | None:
        return self._say("sms_sender", self.sender)

    async def whatsapp_sender(self, stop_at: float) -> WhatsAppSender | None:
        return self._say("whatsapp_sender", self.whatsapp)

    async def countries(self, stop_at: float) -> frozenset[str]:
        return self._say("countries", self.open_to)

    async def queues(self) -> None:
        self._say("queues", None)

    async def tables(self) -> None:
        self._say("tables", None)

    async def door(self) -> int | None:
        return self._say("door", self.status)

    def _say[T](self, method: str, told: T) -> T:
        if trouble := self.troubles.get(method):
            self.fired.append(method)
            raise trouble
        return told


class FakeReports:
    """Implements checkup_ports.Reports; while `gone`, nothing of it answers."""

    def __init__(self) -> None:
        self.kept: Report | None = None
        self.wished: Wish | None = None
        self.gone = False
        self.refused = 0

    async def newest(self) -> Report | None:
        return self._say(self.kept)

    async def keep(self, report: Report) -> None:
        self._say(None)
        self.kept = report

    async def wish(self) -> Wish | None:
        return self._say(self.wished)

    async def ask(self, wish: Wish) -> None:
        self._say(None)
        self.wished = wish

    def _say[T](self, told: T) -> T:
        if self.gone:
            self.refused += 1
            raise LedgerUnavailable("ledger-unavailable")
        return told


def checkup(around: Surroundings, reports: FakeReports, **changes: Any) -> Checkup:
    """A Checkup over these."""
    given: dict[str, Any] = {"expected": EXPECTED, "discards_content": False, "every": timedelta(hours=1)} | changes
    given = {"plumbing": around} | given
    return Checkup(tenant=around, account=around, reports=reports, clock=around.clock, **given)
