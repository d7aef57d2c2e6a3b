"""A pass for somebody who works here and lost their means of signing in: operators ask for it, HR's queue never can."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Final
from uuid import uuid4

from shared.api_models import OpenedCase, OpenWish
from shared.case import Case
from shared.errors import Moved
from shared.events import OPERATORS, Channel, HireEvent, Purpose, UserRef, Version
from shared.permitted import actor, check_purpose
from shared.plan import When, in_order, today
from shared.ports import Clock, Ledger
from shared.principal import Principal
from shared.recording import record_hire
from shared.run import Rules, record
from shared.wishes import Unable

SAYS: Final[Mapping[Purpose, str]] = {
    Purpose.SPARE_KEY: "One sign-in within the hour, to register a spare FIDO2 key: done ten minutes after signing in.",
    Purpose.SECURITY_INFO: "One sign-in within the hour, to register security info: done ten minutes after signing in.",
    Purpose.AUTHENTICATOR: "One sign-in within the hour, to set up Authenticator: done ten minutes after signing in.",
    Purpose.SINGLE_DAY: "Works for nine hours (less where the tenant allows less), as often as wanted. Is reported.",
    Purpose.DEVICES: "Sized to the devices, to be begun within the hour.",
}
"""What the operator tells the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errands:
    """Opens cases that HR knows nothing of. `time_zone` is the deployer's; `name_case` as in Onboarding."""

    ledger: Ledger
    clock: Clock
    rules: Rules
    time_zone: str
    name_case: Callable[[str, str], str]

    async def open_case(self, who: Principal, asked: OpenWish) -> OpenedCase:
        """A pass for one purpose, to the number the directory has; the worker makes it within minutes.

        Raises:
            Unable: `single-day-off`; `devices-missing`, a pass for devices says which; `rehearsal`, nobody gets one.
            NotAllowed: a single day wants an approver.
        """
        if self.rules.rehearsal:
            raise Unable("rehearsal")
        check_purpose(who, asked.purpose, single_day_passes=self.rules.single_day_passes)
        if (asked.purpose is Purpose.DEVICES) != bool(asked.device_paths):
            raise Unable("devices-missing" if asked.purpose is Purpose.DEVICES else "devices-unwanted")
        event, now = self._event(asked), self.clock.now()
        case_id = self.name_case(event.source, event.subject)

        def opened(case: Case | None) -> Case | None:
            return record_hire(case, case_id, event, When(now, now), now)

        saved = await record(self.ledger, case_id, opened, actor(who))
        if saved is None:
            raise Moved
        return OpenedCase(case_id=saved.id, state=saved.state, tell=SAYS[asked.purpose])

    def _event(self, asked: OpenWish) -> HireEvent:
        now = self.clock.now()
        return HireEvent(
            source=OPERATORS,
            subject=uuid4().hex,
            version=Version(now, uuid4().hex),
            user=UserRef("id", asked.user.lower()),
            hire_date=today(self.time_zone, now),
            first_day=None,
            start_time=time(),
            time_zone=self.time_zone,
            device_paths=in_order(asked.device_paths),
            mobile_phone=None,
            channel=Channel.SMS,
            locale=None,
            purpose=asked.purpose,
        )
