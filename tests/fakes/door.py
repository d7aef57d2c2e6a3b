"""The operators' door over a House: requests in, answers out, and what the audit says."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.acts import Act, every_act
from shared.adapters.seal import Fingerprints
from shared.api import Api
from shared.api_document import with_document
from shared.audited import Targets
from shared.doctor import Doctor
from shared.errands import Errands
from shared.errors import Reason
from shared.letters import DeadLetters
from shared.operations import Operations
from shared.principal import OBJECT_ID, PRINCIPAL_HEADER
from shared.records import Records
from shared.run import Rules
from shared.sendings import Sendings
from shared.wishes import VOUCHED
from tests.builders import body, hired
from tests.fakes.checkup import FakeReports
from tests.fakes.house import House
from tests.fakes.letters import FakeLetters, FakeReplayIds, FakeTurns
from tests.fakes.overview import FakeAudit, FakeOverview
from tests.fakes.queues import FakeGauge

READER, OPERATOR, APPROVER = (f"aaaaaaaa-0000-4000-8000-00000000000{digit}" for digit in "123")
ROLE_OF = {READER: "reader", OPERATOR: "operator", APPROVER: "approver"}
FINGERPRINTS = Fingerprints(b"k" * 32)
TARGETS = Targets(name_case=FINGERPRINTS.case_id, name_person=FINGERPRINTS.person)
JSON = {"Content-Type": "application/json"}
WHY = "the joiner called the desk"


def principal(oid: str, *roles: str, **changes: Any) -> str:
    """The header App Service puts there for somebody Entra vouches for."""
    claims = [{"typ": OBJECT_ID[0], "val": oid}, *({"typ": "roles", "val": role} for role in roles)]
    told = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "http://schemas/role"} | changes
    return base64.b64encode(json.dumps(told).encode()).decode()


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return self.json["code"]


def operations_of(house: House, overview: FakeOverview, dead_letters: FakeGauge, rules: Rules) -> Operations:
    return Operations(
        ledger=house.ledger,
        overview=overview,
        clock=house.clock,
        rules=rules,
        hourly_budget=house.ledger.budget,
        joiners_queue=house.depth_notes,
        dead_letters=dead_letters,
        reports=FakeReports(),
        name_case=FINGERPRINTS.case_id,
    )


def acts_over(door: "Door", rules: Rules) -> tuple[Act, ...]:
    """The acts as wiring.py has them."""
    house, name_case = door.house, door.house.onboarding.name_case
    errands = Errands(
        ledger=house.ledger,
        clock=house.clock,
        rules=rules,
        time_zone="Europe/Amsterdam",
        name_case=name_case,
    )
    sendings = Sendings(bus=house.bus, ledger=house.ledger, clock=house.clock, rules=rules, name_case=name_case)
    letters = FakeLetters(house.clock)
    letters.put(body(hired()), "TTLExpiredException")
    dead_letters = DeadLetters(
        letters=letters,
        turns=FakeTurns(house.clock),
        replay_ids=FakeReplayIds(),
        ledger=house.ledger,
        audit=FakeAudit(),
        clock=house.clock,
        rules=rules,
    )
    operations = replace(operations_of(house, door.overview, door.dead_letters, rules), reports=door.reports)
    doctor = Doctor(reports=door.reports, clock=house.clock)
    records = Records(audit=door.audit, clock=house.clock)
    return with_document(every_act(operations, dead_letters, errands, sendings, doctor, records))


class Door:
    """What operators reach, over the fakes of `house`."""

    def __init__(self, house: House | None = None, *, vouches: bool = True, single_day_passes: bool = True) -> None:
        self.house = house or House()
        self.overview = FakeOverview(self.house.ledger, self.house.clock)
        self.audit = FakeAudit()
        self.dead_letters = FakeGauge(self.house.clock)
        self.reports = FakeReports()
        rules = replace(self.house.onboarding.outside.rules, single_day_passes=single_day_passes)
        self.acts = acts_over(self, rules)
        self.api = Api(
            acts=self.acts,
            audit=self.audit,
            targets=TARGETS,
            clock=self.house.clock,
            platform_vouches=vouches,
        )

    async def ask(
        self,
        path: str,
        body: object = None,
        *,
        who: str = OPERATOR,
        method: str | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Said:
        """A GET without a body, a POST with one (bytes go as they are)."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        vouched = {PRINCIPAL_HEADER: principal(who, ROLE_OF[who])}
        told = (JSON if body is not None else {}) | dict(vouched if headers is None else headers)
        chosen = method or ("GET" if body is None else "POST")
        status, text = await self.api.answer(chosen, path, query, told, sent)
        return Said(int(status), text)

    async def approve(self, who: str = APPROVER, why: str = WHY, **changes: Any) -> Said:
        """A yes to what the house's one case was refused for, as whoever looks at it now sees it."""
        case = self.house.case
        code = case.reason if case.reason in VOUCHED else Reason.MOBILE_CHANGED
        wish = {"reason": why, "code": code, "issuance": case.issuance or 1} | changes
        return await self.ask(f"cases/{self.house.case_id}/approve", wish, who=who)

    async def act(self, name: str, who: str = OPERATOR, why: str = WHY) -> Said:
        """An act on the house's one case."""
        return await self.ask(f"cases/{self.house.case_id}/{name}", {"reason": why}, who=who)
