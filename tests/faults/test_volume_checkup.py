"""What the self-check reads, bad in great numbers: every check ends with a finding that names nothing personal."""

import base64
import json
import re
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from shared.adapters.twilio import Senders, TwilioAccount
from shared.adapters.twilio_account import TwilioAccountView
from shared.checks import NEEDED_ROLES
from shared.checkup import CHECK_SECONDS, Checkup
from shared.findings import Check, Code, Verdict
from tests.builders import NOW
from tests.contract.courier_rig import ACCOUNT, Clock
from tests.contract.directory_worlds import GivenToken
from tests.fakes.checkup import GROUP, MFA, FakeReports, Surroundings, checkup
from tests.fakes.clock import FakeClock
from tests.faults.loopback import Answer, Loopback, loopback
from tests.faults.mutants import NAME, PHONE, UPN, mutated, nasty, spoiled, written
from tests.faults.test_volume_graph import POLICY, STATUSES, WAITS
from tests.faults.volume import SHARE_BY_WIRE, Told, all_of, heard, tried, volume

with warnings.catch_warnings():  # the SDK warns of its own classes when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    from shared.adapters.entra_tenant import EntraTenant

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

SECURITY_INFO = "urn:user:registersecurityinfo"
DETAIL = re.compile("[A-Za-z0-9 .,:?_-]*")
"""Names of roles, countries, languages and states, numbers, and a mark for what has no such name."""
SECONDS = 0.9
"""A Retry-After of a second is not waited for."""


class Hurried(FakeClock):
    """The self-check's clock, far enough behind that no pause is worth beginning."""

    def monotonic(self) -> float:
        return super().monotonic() - CHECK_SECONDS + SECONDS


@dataclass(frozen=True)
class Asked:
    """One check, and what it is answered."""

    check: Check
    answer: Answer


async def found(one: Checkup, asked: Asked) -> Told:
    """What the check comes to; whatever is found, no check is a bug, and no detail says anything but names."""
    with heard() as lines:
        report = await one.run()
        said = lines.taken()
    for finding in report.findings:
        assert finding.code is not Code.BUG, said
        assert DETAIL.fullmatch(finding.detail), finding
    here = [finding for finding in report.findings if finding.check is asked.check]
    good = {finding.verdict for finding in here} == {Verdict.GOOD}
    if good and asked.check in RIGHT:
        assert RIGHT[asked.check](json.loads(asked.answer.body)), here
    return Told(f"{asked.check} {here[0].code}", said + repr(report))


def answered(checks: tuple[Check, ...], document: Any, dice: Random) -> Asked:
    """An answer of a service: mostly a success with something wrong in it."""
    status = 200 if dice.random() < 0.7 else dice.choice(STATUSES)
    headers = {"Content-Type": "application/json"}
    for name in ("Retry-After", "Date"):
        if dice.random() < 0.2:
            headers[name] = dice.choice(WAITS)
    error = {"error": {"code": "BadRequest", "message": f"{UPN} {PHONE}"}, "code": 20003, "message": UPN}
    body = mutated(document if status == 200 else error, dice) if dice.random() < 0.9 else document
    return Asked(dice.choice(checks), Answer(status, written(body, dice), headers))


# --- Entra ---

IN_ENTRA: Any = POLICY | {
    "defaultLength": 12,
    "maximumLifetimeInMinutes": 1440,
    "includeTargets": [{"id": GROUP}],
    "value": [
        {
            "id": "1", "displayName": NAME, "state": "enabled",
            "conditions": {
                "applications": {"includeUserActions": [SECURITY_INFO]}, "users": {"includeUsers": ["All", UPN]},
            },
            "grantControls": {"operator": "OR", "authenticationStrength": {"id": MFA, "displayName": NAME}},
        }
    ],
}  # fmt: skip
LEAST = [row[0] for row in NEEDED_ROLES]
COVERED = {"RoleEligibilitySchedule.Read.Directory"}
"""By another of the least."""


class OneToken(GivenToken):
    """Whatever token was put there."""

    token = "the-token"

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self.token, 0)


@asynccontextmanager
async def entra() -> AsyncGenerator[tuple[Loopback, OneToken, Checkup]]:
    clock, token = FakeClock(NOW), OneToken()
    async with loopback() as graph:
        tenant = EntraTenant(graph.url, token, clock, back_off=0)
        one = checkup(Surroundings(Hurried(NOW)), FakeReports())
        try:
            yield graph, token, replace(one, tenant=tenant)
        finally:
            await tenant.close()


@volume(4_000, SHARE_BY_WIRE)
async def test_what_entra_says_of_the_tenant(cases: int) -> None:
    checks = (Check.POLICY, Check.ACCESS, Check.CLOCK)
    async with entra() as (graph, _, one):

        async def asked(given: Asked) -> Told:
            graph.answers(given.answer, given.answer)
            return await found(replace(one, reports=FakeReports()), given)

        def make(dice: Random) -> Asked:
            return answered(checks, IN_ENTRA | {"state": dice.choice(("enabled", "enabled", "disabled"))}, dice)

        kinds = await tried("tenant", cases, make, asked)
    all_of(kinds, *(f"pass-policy {code}" for code in ("no-answer", "fine", "denied", "policy-disabled")))
    all_of(kinds, *(f"security-info-access {code}" for code in ("no-answer", "fine", "not-readable")))
    all_of(kinds, "security-info-access access-open")
    all_of(kinds, "clock clock-off")


def token(dice: Random) -> str:
    claims = {"roles": LEAST, "oid": "1", "upn": UPN, "name": NAME, "exp": 1}
    claims = mutated(claims, dice) if dice.random() < 0.9 else claims
    middle = base64.urlsafe_b64encode(written(claims, dice)).decode().rstrip("=")
    whole = f"e30.{middle}.sig"
    return whole if dice.random() < 0.9 else spoiled(whole.encode(), dice).decode("latin-1")


def inside(given: str) -> bytes:
    """What a token says, by a reading that minds nothing."""
    try:
        return base64.urlsafe_b64decode(given.split(".")[1].encode("latin-1") + b"==")
    except (ValueError, IndexError):
        return b""


class OurRoles(Surroundings):
    """All is as it should be but what stands in our token."""

    def __init__(self, tenant: EntraTenant) -> None:
        super().__init__(FakeClock(NOW))
        self.tenant = tenant

    async def granted(self, stop_at: float) -> frozenset[str]:
        return await self.tenant.granted(stop_at)


@volume(6_000)
async def test_the_roles_in_a_token(cases: int) -> None:
    credential = OneToken()
    tenant = EntraTenant("http://127.0.0.1:9", credential, FakeClock(NOW), back_off=0)

    async def asked(given: str) -> Told:
        credential.token = given
        return await found(checkup(OurRoles(tenant), FakeReports()), Asked(Check.ROLES, Answer(200, inside(given))))

    kinds = await tried("token", cases, token, asked)
    await tenant.close()
    all_of(kinds, *(f"graph-roles {code}" for code in ("no-answer", "fine", "roles-missing", "roles-that-write")))


# --- Twilio ---

SERVICE, TEMPLATE, NUMBER = f"MG{'0' * 32}", f"HX{'1' * 32}", "+15005550006"
IN_TWILIO: Any = {
    "sid": SERVICE, "status": "queued", "smart_encoding": False, "friendly_name": NAME, "account_sid": UPN,
    "senders": [{"sid": "XE1", "sender_id": f"whatsapp:{NUMBER}", "status": "ONLINE", "profile": {"name": NAME}}],
    "meta": {"key": "senders", "page": 0, "page_size": 50, "next_page_url": None},
    "whatsapp": {"category": "AUTHENTICATION", "status": "approved", "name": NAME},
    "permissions": [
        {"country_code": "DE", "country_name": NAME, "enabled": True},
        {"country_code": "NL", "country_name": NAME, "enabled": True},
        {"country_code": "FR", "country_name": NAME, "enabled": False},
    ],
}  # fmt: skip
NUMBERS: Any = {
    "incoming_phone_numbers": [{"phone_number": NUMBER, "capabilities": {"sms": True}, "friendly_name": NAME}],
    "next_page_uri": None,
}
BY_NUMBER = Senders(sms_from=NUMBER)
BY_SERVICE = Senders(messaging_service_sid=SERVICE, whatsapp_from=NUMBER, templates={"nl": TEMPLATE})


@asynccontextmanager
async def twilio(senders: Senders) -> AsyncGenerator[tuple[Loopback, Checkup]]:
    clock = Clock()
    async with loopback() as service:
        account = TwilioAccount(
            account_sid=ACCOUNT.account_sid, api_key_sid=ACCOUNT.api_key_sid, api_key_secret="k", base_url=service.url
        )
        view = TwilioAccountView(account, senders, clock)
        try:
            yield service, replace(checkup(Surroundings(FakeClock(NOW)), FakeReports()), account=view, clock=clock)
        finally:
            await view.close()


def linked(document: Any, dice: Random, service: Loopback) -> Any:
    """A list that leads on: to itself without end, or to a place where our key must not go."""
    link = dice.choice((None, None, f"{service.url}/on", "https://elsewhere.example/on", "/on", nasty(dice)))
    if "meta" in document:
        return document | {"meta": document["meta"] | {"next_page_url": link}}
    return document | {"next_page_uri": link}


CHECKS = (Check.LOGIN, Check.SENDER, Check.WHATSAPP, Check.COUNTRIES)


@pytest.mark.parametrize(
    ("senders", "document", "checks"), [(BY_SERVICE, IN_TWILIO, CHECKS), (BY_NUMBER, NUMBERS, (Check.SENDER,))]
)
@volume(3_000, SHARE_BY_WIRE)
async def test_what_twilio_says_of_the_account(
    cases: int, senders: Senders, document: Any, checks: tuple[Check, ...]
) -> None:
    async with twilio(senders) as (service, one):

        async def asked(given: Asked) -> Told:
            service.answers(given.answer, given.answer)
            return await found(replace(one, reports=FakeReports()), given)

        def make(dice: Random) -> Asked:
            return answered(checks, linked(document, dice, service), dice)

        kinds = await tried("account", cases, make, asked)
    all_of(kinds, *(f"twilio-sender {code}" for code in ("no-answer", "fine", "not-readable", "sender-missing")))
    if len(checks) > 1:
        all_of(kinds, "twilio-whatsapp no-answer", *OTHERS)


OTHERS = (
    *(f"twilio-whatsapp {code}" for code in ("fine", "whatsapp-sender-offline", "template-not-approved")),
    *(f"twilio-countries {code}" for code in ("fine", "no-answer", "countries-blocked")),
    "twilio-login denied",
)


# --- what is right, by a reading that knows nothing of ours ---


def _guarded(told: Any) -> bool:
    policies = [one for one in told["value"] if one["state"] == "enabled"]
    here = [one["conditions"] for one in policies if one["grantControls"]["authenticationStrength"]["id"] == MFA]
    guards = [one for one in here if SECURITY_INFO in one["applications"]["includeUserActions"]]
    return any("all" in map(str.lower, one["users"]["includeUsers"]) for one in guards)


def _fits(told: Any) -> bool:
    in_scope = GROUP in {target["id"].lower() for target in told["includeTargets"]}
    long_enough = told["maximumLifetimeInMinutes"] >= 615
    return told["state"] == "enabled" and told["isUsableOnce"] is False and in_scope and long_enough


def _sent_to(told: Any) -> set[str]:
    return {row["country_code"] for row in told["permissions"] if row["enabled"]}


RIGHT: dict[Check, Callable[[Any], bool]] = {
    Check.POLICY: lambda told: _fits(told) and 12 <= told["defaultLength"] <= 14,
    Check.ACCESS: _guarded,
    Check.ROLES: lambda told: set(LEAST) - COVERED <= set(told["roles"]) <= set(LEAST),
    Check.COUNTRIES: lambda told: _sent_to(told) == {"DE", "NL"},
    Check.WHATSAPP: lambda told: told["whatsapp"]["status"].lower() == "approved",
}
"""When a check that is good is rightly so."""
