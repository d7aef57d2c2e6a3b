"""Bad requests of operators in great numbers: each is answered, by JSON that repeats nothing of what was wrong."""

import base64
import json
import re
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from shared.principal import ENTRA, PRINCIPAL_HEADER, ROLES
from tests.builders import USER_ID, hired
from tests.fakes.door import APPROVER, READER, WHY, Door, principal
from tests.fakes.house import House
from tests.faults.mutants import CODE, NAME, PHONE, UPN, mutated, nasty, written
from tests.faults.volume import Told, all_of, heard, tried, volume

ACTS = Door().acts
CASE_ID = House().case_id
FIELDS: dict[str, Any] = {
    "caseId": CASE_ID, "reason": WHY, "user": USER_ID, "source": "/hr/workday", "subject": "W-10427", "minutes": 15,
    "sequences": [1, 2], "run": "5f1e" * 8, "force": True, "purpose": "spare-key", "devicePaths": ["autopilot"],
    "events": [hired({"user": {"userPrincipalName": UPN}, "mobilePhone": PHONE}, subject=NAME)], "sequence": 1,
    "limit": 10, "state": "sent", "after": CASE_ID, "minReplays": 0, "since": "2026-11-20T09:12:00Z",
    "code": "mobile-changed", "issuance": 1, "marks": [{"sequence": 1, "mark": "5f1e" * 4}], "act": "replay",
}  # fmt: skip
STATUSES = {200, 400, 401, 403, 404, 405, 409, 413, 415}
SEQUENCE = re.compile(r"\"sequence\":\d+|letters( \d+)+")
"""A number of digits is a good sequence number, whatever else it may be."""

UNKNOWABLE = re.compile(f"{re.escape(NAME)}|{re.escape(CODE)}")
"""Why something was done is kept as it was typed; of what is in it only numbers and user names have a form."""
WHY_IT_SAYS = re.compile(r'"why":"(?:[^"\\]|\\.)*"')
"""Where it is told again: by the audit, and of a pause."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: bytes

    @property
    def told(self) -> str:
        """Whom the platform names, as it stands there."""
        return self.headers.get(PRINCIPAL_HEADER, "")


def asked(dice: Random) -> Asked:
    act = dice.choice(ACTS)
    names = {info.alias or name for name, info in act.asks.model_fields.items()} & FIELDS.keys()
    fields = {name: FIELDS[name] for name in names if dice.random() < 0.9}
    fields = fields if dice.random() < 0.15 else mutated(fields, dice)
    body = written(fields, dice) if dice.random() < 0.9 else dice.randbytes(dice.randint(0, 99))
    pairs = {str(key): str(value) for key, value in fields.items()} if isinstance(fields, dict) else {}
    query = urlencode(pairs, errors="replace") if dice.random() < 0.8 else str(nasty(dice))
    method = act.method if dice.random() < 0.95 else dice.choice(("GET", "POST", "PUT", "", "get", UPN))
    return Asked(method, path(act.path, dice), query, headers(dice), body)


def path(pattern: str, dice: Random) -> str:
    """An act's path, mostly."""
    values = {"{caseId}": CASE_ID, "{sequence}": "1"}
    for name, value in values.items():
        right = dice.random() < 0.8
        pattern = pattern.replace(name, value if right else dice.choice((str(nasty(dice)), quote(UPN), CODE)))
    others = (f"/{pattern}//", pattern.upper(), f"{pattern}/{UPN}", f"../{pattern}", str(nasty(dice)))
    return dice.choice((pattern,) * 12 + others)


def headers(dice: Random) -> dict[str, str]:
    """Somebody who may, mostly; else somebody whom Entra does not vouch for, or not like this."""
    who = principal(
        dice.choice((READER, APPROVER, APPROVER, APPROVER)), dice.choice(("approver",) * 4 + ("reader", NAME))
    )
    if dice.random() < 0.15:
        claims = mutated(json.loads(base64.b64decode(who)), dice)
        who = base64.b64encode(written(claims, dice)).decode()
    found = {PRINCIPAL_HEADER: who, "Content-Type": "application/json"}
    if dice.random() < 0.1:
        found[dice.choice((PRINCIPAL_HEADER, "Content-Type", "Sec-Fetch-Site", "x-ms-client-principal-id"))] = str(
            nasty(dice)
        )
    return found


def vouched(told: str) -> set[str]:
    """The roles that Entra names there, by a reading as plain as can be; what cannot be read names none."""
    try:
        read = json.loads(base64.b64decode(told))
        claims = [claim for claim in read["claims"] if claim["typ"] in (*ROLES, read.get("role_typ"))]
        return {str(claim["val"]) for claim in claims} if read["auth_typ"] == ENTRA else set()
    except (ValueError, KeyError, TypeError):
        return set()


async def door_with_cases() -> Door:
    door = Door()
    await door.house.hire()
    return door


@volume(25_000)
async def test_requests_with_something_wrong_in_them(cases: int) -> None:
    door, count = await door_with_cases(), 0

    async def answered(given: Asked) -> Told:
        nonlocal door, count
        count += 1
        door = await door_with_cases() if count % 200 == 0 else door
        noted = len(door.audit.written)
        status, text = await door.api.answer(given.method, given.path, given.query, given.headers, given.body)
        assert status in STATUSES
        said = json.loads(text)
        assert isinstance(said, dict)
        assert status == 200 or {"status", "code", "title", "fields"} == set(said)
        if status == 200:
            assert vouched(given.told) & {"reader", "operator", "approver"}, "done for nobody Entra vouches for"
        audit = UNKNOWABLE.sub("", "\n".join(map(repr, door.audit.written[noted:])))
        text = WHY_IT_SAYS.sub(lambda why: UNKNOWABLE.sub("", why[0]), text)
        kind = "no-such-act" if status in {404, 405} and said["code"] == "no-such-act" else str(int(status))
        return Told(kind, re.sub(SEQUENCE, "", text) + lines.taken() + audit)

    with heard() as lines:
        kinds = await tried("request", cases, asked, answered)
    all_of(kinds, "200", "400", "401", "403", "404", "409", "415", "no-such-act")
