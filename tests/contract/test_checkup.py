"""What the self-check sees through the real adapters, against the sandbox's Graph, Twilio, queues and tables."""

import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from azure.data.tables.aio import TableServiceClient
from azure.servicebus.aio import ServiceBusClient

from sandbox.process import Service, start
from shared.access import AccessPolicy, Circles, on_access
from shared.adapters.checkup_table import TableReports
from shared.adapters.plumbing import AppPlumbing
from shared.adapters.twilio import Senders
from shared.adapters.twilio_account import TwilioAccountView
from shared.checks import NEEDED_ROLES, OPTIONAL_ROLES, SmsSender
from shared.checkup_ports import NotReadable, NotThere, Reports
from shared.errors import BusUnavailable, FirstpassError, LedgerUnavailable
from shared.findings import Check, Code, Finding, Verdict
from shared.report import Report, Wish
from tests.contract.courier_rig import NOW, Clock, at
from tests.contract.directory_worlds import SandboxToken
from tests.contract.ledger_worlds import Fault, TableWorld, run_azurite, table_world
from tests.fakes.checkup import FakeReports

with warnings.catch_warnings():  # the SDK warns of its own classes when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    from shared.adapters.entra_tenant import EntraTenant

SERVICE, NL, DE = f"MG{'0' * 32}", f"HX{'1' * 32}", f"HX{'2' * 32}"
ROLES = {row[0] for row in NEEDED_ROLES} | OPTIONAL_ROLES
SOON = NOW + 30
SECURITY_INFO = {"applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}}


async def put(url: str, document: object) -> None:
    async with ClientSession() as session, session.put(url, json=document) as answer:
        assert answer.ok, await answer.text()


async def fault(url: str, **asked: object) -> None:
    async with ClientSession() as session, session.post(f"{url}/sandbox/faults", json=asked) as answer:
        answer.raise_for_status()


# --- Entra ---


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = start("sandbox.directory", log=tmp_path_factory.mktemp("directory") / "directory.log")
    yield directory
    directory.stop()


@pytest.fixture
async def tenant(graph: Service) -> AsyncGenerator[EntraTenant]:
    await put(f"{graph.url}/sandbox/world", {"appRoles": sorted(ROLES)})
    tenant = EntraTenant(
        graph.url,
        SandboxToken(str(graph.ready["identity"])),
        Clock(),
        audience="https://graph.microsoft.com",
        back_off=0.01,
    )
    yield tenant
    await tenant.close()


async def test_our_roles_are_those_in_our_token(tenant: EntraTenant, graph: Service) -> None:
    assert await tenant.granted(SOON) == ROLES
    await put(f"{graph.url}/sandbox/world", {"appRoles": ["Mail.Send"]})
    assert await tenant.granted(SOON) == {"Mail.Send"}


async def test_the_pass_policy_comes_with_the_length_of_its_passes(tenant: EntraTenant, graph: Service) -> None:
    await put(f"{graph.url}/sandbox/world", {"policy": {"defaultLength": 14, "maximumLifetimeInMinutes": 600}})
    seen = await tenant.pass_policy(SOON)
    assert (seen.length, seen.policy.maximum_lifetime_in_minutes) == (14, 600)
    await put(f"{graph.url}/sandbox/world", {"policy": {"state": "disabled"}})
    assert not (await tenant.pass_policy(SOON)).policy.enabled  # as it is now, not as it was


ON_ALL = {"applications": {"includeApplications": ["All"], "excludeApplications": ["an-app"]}}
STRENGTH = {"id": "X", "allowedCombinations": ["fido2", "temporaryAccessPassMultiUse"]}
POLICIES: list[tuple[dict[str, Any], AccessPolicy | None]] = [
    (
        {"conditions": SECURITY_INFO, "grantControls": {"authenticationStrength": STRENGTH}},
        AccessPolicy(
            id="1",
            users=frozenset(),
            controls=frozenset({"strength"}),
            strength="x",
            combinations=frozenset({"fido2", "temporaryaccesspassmultiuse"}),
        ),
    ),
    (
        {"state": "enabledForReportingButNotEnforced", "conditions": SECURITY_INFO, "grantControls": None},
        AccessPolicy(id="1", state="enabledForReportingButNotEnforced", users=frozenset()),
    ),
    (
        {
            "conditions": ON_ALL
            | {
                "users": {"includeUsers": ["All"], "includeGroups": ["IN"], "excludeGroups": ["Out"]},
                "clientAppTypes": ["browser"],
                "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["iOS"]},
                "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]},
                "devices": {"deviceFilter": {"mode": "exclude", "rule": "device.isCompliant -eq True"}},
                "signInRiskLevels": [],
            },
            "grantControls": {"operator": "AND", "builtInControls": ["mfa", "compliantDevice"], "termsOfUse": ["t"]},
        },
        AccessPolicy(
            id="1",
            on_registering=False,
            excludes_apps=True,
            groups=frozenset({"in"}),
            excluded_groups=frozenset({"out"}),
            controls=frozenset({"mfa", "compliantdevice", "termsofuse"}),
            all_of=True,
            clients=frozenset({"browser"}),
            platforms=frozenset({"all"}),
            excluded_platforms=frozenset({"ios"}),
            locations=frozenset({"all"}),
            excludes_locations=True,
            filters_devices=True,
        ),
    ),
    (
        {"conditions": SECURITY_INFO | {"userRiskLevels": ["high"]}},
        AccessPolicy(id="1", users=frozenset(), on_occasion=True),
    ),
    (
        {"conditions": SECURITY_INFO | {"authenticationFlows": {"transferMethods": "deviceCodeFlow"}}},
        AccessPolicy(id="1", users=frozenset(), on_occasion=True),
    ),
    ({"conditions": {"applications": {"includeApplications": ["Office365"]}}}, None),
    ({"conditions": {"applications": None}}, None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "seen"), POLICIES)
async def test_policies_that_can_matter_to_joiners_are_seen(
    tenant: EntraTenant, graph: Service, given: dict[str, Any], seen: AccessPolicy | None
) -> None:
    policies = [{"id": "1", "state": "enabled"} | given]
    await put(f"{graph.url}/sandbox/world", {"accessPolicies": policies, "appRoles": sorted(ROLES)})
    assert await tenant.access_policies(SOON) == ([seen] if seen else [])


async def test_the_sandboxes_new_tenant_lets_joiners_register(tenant: EntraTenant) -> None:
    assert on_access(await tenant.access_policies(SOON), Circles()) == []


async def test_the_groups_a_group_is_in_are_seen(tenant: EntraTenant, graph: Service) -> None:
    joiners, staff, everybody = (f"{digit}1111111-0000-4000-8000-00000000000A" for digit in "123")
    nested = {"id": joiners, "memberOf": [{"id": staff, "memberOf": [{"id": everybody}]}]}
    await put(f"{graph.url}/sandbox/world", {"users": [{"groups": [nested]}], "appRoles": sorted(ROLES)})
    assert await tenant.circles(joiners, SOON) == Circles(frozenset(map(str.lower, (joiners, staff, everybody))))
    await put(f"{graph.url}/sandbox/world", {"appRoles": ["User.Read.All"]})
    with pytest.raises(FirstpassError, match="graph-denied"):
        await tenant.circles(joiners, SOON)


async def test_without_its_role_conditional_access_is_not_readable(tenant: EntraTenant, graph: Service) -> None:
    await put(f"{graph.url}/sandbox/world", {"appRoles": sorted(ROLES - OPTIONAL_ROLES)})
    with pytest.raises(NotReadable):
        await tenant.access_policies(SOON)


async def test_graphs_time_is_told_also_by_a_refusal(tenant: EntraTenant, graph: Service) -> None:
    now = datetime.now(UTC)
    assert abs(await tenant.time(SOON) - now) < timedelta(seconds=60)
    await put(f"{graph.url}/sandbox/world", {"appRoles": []})
    assert abs(await tenant.time(SOON) - now) < timedelta(seconds=60)


@pytest.mark.parametrize("body", [{}, {"state": "enabled"}, "no"])
async def test_an_answer_without_sense_is_none(tenant: EntraTenant, graph: Service, body: object) -> None:
    for operation, ask in (("policy", tenant.pass_policy), ("access", tenant.access_policies)):
        await fault(graph.url, operation=operation, status=200, body=body)
        with pytest.raises(FirstpassError):
            await ask(SOON)


POLICY = {
    "state": "enabled",
    "minimumLifetimeInMinutes": 60,
    "maximumLifetimeInMinutes": 480,
    "isUsableOnce": False,
    "includeTargets": [],
    "excludeTargets": [],
}


@pytest.mark.parametrize("length", ["12", "+491713920001", 12.0, True, 7, 49, None])
async def test_a_length_that_no_pass_can_have_is_no_answer(tenant: EntraTenant, graph: Service, length: object) -> None:
    for told, fits in ((12, True), (length, False)):
        await fault(graph.url, operation="policy", status=200, body=POLICY | {"defaultLength": told})
        if fits:
            assert (await tenant.pass_policy(SOON)).length == told
            continue
        with pytest.raises(FirstpassError, match="graph-unavailable"):
            await tenant.pass_policy(SOON)


# --- Twilio ---


@pytest.fixture(scope="module")
def twilio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    phone = start("sandbox.phone", "--instant", log=tmp_path_factory.mktemp("phone") / "phone.log")
    yield phone
    phone.stop()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def view(
    stack: AsyncExitStack, phone: Service, login: dict[str, Any] | None = None, **senders: Any
) -> TwilioAccountView:
    given: dict[str, Any] = {"messaging_service_sid": SERVICE} | senders
    chosen = Senders(**given)
    made = TwilioAccountView(at(phone, **login or {}), chosen, Clock())
    stack.push_async_callback(made.close)
    return made


async def test_a_key_that_twilio_takes_logs_in(stack: AsyncExitStack, twilio: Service) -> None:
    await view(stack, twilio).log_in(SOON)
    with pytest.raises(FirstpassError, match="twilio-denied"):
        await view(stack, twilio, {"api_key_secret": "wrong"}).log_in(SOON)
    with pytest.raises(FirstpassError, match="out-of-time"):
        await view(stack, twilio).log_in(NOW - 1)


async def test_a_messaging_service_is_found_and_its_smart_encoding(stack: AsyncExitStack, twilio: Service) -> None:
    assert await view(stack, twilio).sms_sender(SOON) == SmsSender(exists=True)
    rewriting = f"MG{'1' * 32}"
    await put(f"{twilio.url}/sandbox/records", {f"/v1/Services/{rewriting}": {"smart_encoding": True}})
    seen = await view(stack, twilio, messaging_service_sid=rewriting).sms_sender(SOON)
    assert seen == SmsSender(exists=True, smart_encoding=True, is_empty=True)
    codes = {"meta": {"key": "short_codes", "next_page_url": None}, "short_codes": [{"sid": "SC1"}]}
    await put(f"{twilio.url}/sandbox/records", {f"/v1/Services/{rewriting}/ShortCodes": codes})
    seen = await view(stack, twilio, messaging_service_sid=rewriting).sms_sender(SOON)
    assert seen == SmsSender(exists=True, smart_encoding=True)
    other = view(stack, twilio, messaging_service_sid=f"MG{'2' * 32}")
    assert await other.sms_sender(SOON) == SmsSender(exists=False)


async def test_a_number_is_found_and_whether_it_carries_sms(stack: AsyncExitStack, twilio: Service) -> None:
    async def seen(number: str) -> SmsSender | None:
        return await view(stack, twilio, messaging_service_sid=None, sms_from=number).sms_sender(SOON)

    assert await seen("+15005550006") == SmsSender(exists=True, sms=True)
    assert await seen("+15005550009") == SmsSender(exists=False, sms=False)
    assert await seen("Welcome") is None
    numbers = [{"phone_number": "+15005550006", "capabilities": {"SMS": False, "voice": True}}]
    await put(
        f"{twilio.url}/sandbox/records",
        {"/IncomingPhoneNumbers.json": {"incoming_phone_numbers": numbers, "next_page_uri": None}},
    )
    assert await seen("+15005550006") == SmsSender(exists=True, sms=False)


async def test_whatsapp_and_the_approval_of_its_templates(stack: AsyncExitStack, twilio: Service) -> None:
    await put(f"{twilio.url}/sandbox/templates", {NL: {"language": "nl"}, DE: {"language": "de", "status": "pending"}})
    templates = {"nl": NL, "de": DE, "en": f"HX{'9' * 32}"}
    seen = await view(stack, twilio, whatsapp_from="+15005550006", templates=templates).whatsapp_sender(SOON)
    assert seen
    assert seen.online
    assert seen.templates == {"nl": "approved", "de": "pending", "en": "unknown to Twilio"}
    other = await view(stack, twilio, whatsapp_from="+15005550008").whatsapp_sender(SOON)
    assert other
    assert not other.online
    assert await view(stack, twilio).whatsapp_sender(SOON) is None


async def test_the_countries_twilio_sends_to_are_those_switched_on(stack: AsyncExitStack, twilio: Service) -> None:
    assert await view(stack, twilio).countries(SOON) == {"AU", "DE", "GB", "NL", "NZ", "US"}


@pytest.mark.parametrize("status", [401, 403])
async def test_what_a_restricted_key_may_not_see_is_not_readable(
    stack: AsyncExitStack,
    twilio: Service,
    status: int,
) -> None:
    await fault(
        twilio.url, operation="look_at_account", status=status, body={"code": 20003, "message": "", "status": status}
    )
    with pytest.raises(NotReadable):
        await view(stack, twilio).countries(SOON)
    by_number = view(stack, twilio, messaging_service_sid=None, sms_from="+15005550006")
    by_whatsapp = view(stack, twilio, whatsapp_from="+15005550006")
    for operation, look in (("list_numbers", by_number.sms_sender), ("look_at_account", by_whatsapp.whatsapp_sender)):
        await fault(twilio.url, operation=operation, status=status, body={"code": 20003, "status": status})
        with pytest.raises(NotReadable):
            await look(SOON)


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 500},
        {"kind": "drop", "times": 9},
        *(
            {"status": 200, "body": {"permissions": told}}
            for told in (
                7,
                [7],
                [{"country_code": "NL"}],
                [{"country_code": "NL", "enabled": "no"}],
                [{"enabled": True}],
            )
        ),
    ],
)
async def test_no_answer_of_twilios_is_no_finding(
    stack: AsyncExitStack,
    twilio: Service,
    broken: dict[str, Any],
) -> None:
    await fault(twilio.url, operation="look_at_account", **broken)
    with pytest.raises(FirstpassError, match="twilio-busy"):
        await view(stack, twilio).countries(SOON)


@pytest.mark.parametrize(
    ("operation", "look", "body"),
    [
        ("look_at_account", "sms_sender", {"sid": SERVICE}),
        ("look_at_account", "sms_sender", {"sid": SERVICE, "smart_encoding": "no"}),
        ("list_numbers", "by_number", {"incoming_phone_numbers": [{"phone_number": "+15005550006"}]}),
        ("list_numbers", "by_number", {"incoming_phone_numbers": [{"phone_number": 7, "capabilities": {"sms": True}}]}),
        ("list_numbers", "by_number", {"incoming_phone_numbers": ["+15005550006"]}),
        (
            "list_numbers",
            "by_number",
            {"incoming_phone_numbers": [{"phone_number": "+15005550006", "capabilities": {"sms": "yes"}}]},
        ),
        ("look_at_account", "whatsapp_sender", {"senders": [{"sender_id": "whatsapp:+15005550006"}]}),
        ("look_at_account", "whatsapp_sender", {"senders": [{"sender_id": None, "status": "ONLINE"}]}),
        ("fetch_approval", "whatsapp_sender", {"whatsapp": "approved"}),
        ("fetch_approval", "whatsapp_sender", {"whatsapp": {"category": 7, "status": "approved"}}),
        ("fetch_approval", "whatsapp_sender", {"whatsapp": {"category": "AUTHENTICATION", "status": None}}),
    ],
)
async def test_what_makes_no_sense_is_neither_good_nor_bad(
    stack: AsyncExitStack, twilio: Service, operation: str, look: str, body: dict[str, Any]
) -> None:
    here = view(stack, twilio, whatsapp_from="+15005550006", templates={"nl": NL})
    by_number = view(stack, twilio, messaging_service_sid=None, sms_from="+15005550006")
    await fault(twilio.url, operation=operation, status=200, body=body)
    with pytest.raises(FirstpassError, match="twilio-busy"):
        await (by_number.sms_sender(SOON) if look == "by_number" else getattr(here, look)(SOON))


# --- queues, tables, the door ---


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start("sandbox.broker", log=tmp_path_factory.mktemp("broker") / "broker.log")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from run_azurite(tmp_path_factory.mktemp("azurite"))


@pytest.fixture
async def tables(azurite: str) -> AsyncGenerator[TableWorld]:
    async with table_world(azurite) as world:
        yield world


def plumbing(broker: Service, tables: TableServiceClient, *queues: str, door: str | None = None) -> AppPlumbing:
    def connect() -> ServiceBusClient:
        return ServiceBusClient.from_connection_string(broker.url, retry_total=0, try_timeout=10)

    names = queues or ("joiners", "joiners-dead-letters")
    return AppPlumbing(connect, names[0], names[1], tables, door)


@pytest.fixture
async def storage(azurite: str) -> AsyncGenerator[TableServiceClient]:
    async with TableServiceClient.from_connection_string(azurite) as service:
        yield service


async def test_queues_that_are_there_are_reached_without_touching_a_message(
    broker: Service, storage: TableServiceClient
) -> None:
    await plumbing(broker, storage).queues()
    async with ClientSession() as session, session.get(f"{broker.ready['control']}/sandbox/queues") as answer:
        counts = await answer.json()
    assert {(queue["enqueued"], queue["locked"], queue["completed"]) for queue in counts.values()} == {(0, 0, 0)}


@pytest.mark.parametrize("queues", [("nowhere", "joiners-dead-letters"), ("joiners", "nowhere")])
async def test_a_queue_that_is_not_there_is_named(
    broker: Service, storage: TableServiceClient, queues: tuple[str, str]
) -> None:
    with pytest.raises(NotThere, match=r"^nowhere$"):
        await plumbing(broker, storage, *queues).queues()


async def test_a_broker_that_is_gone_is_no_missing_queue(storage: TableServiceClient, tmp_path: Path) -> None:
    gone = start("sandbox.broker", log=tmp_path / "broker.log")
    gone.stop()
    with pytest.raises(BusUnavailable, match="bus-unavailable"):
        await plumbing(gone, storage).queues()


async def test_tables_are_read(broker: Service, tables: TableWorld) -> None:
    through = TableServiceClient.from_connection_string(tables._string)
    async with through:
        await plumbing(broker, through).tables()
        tables.proxy.add(Fault(operation="read people", kind="status", status=403, times=99))
        with pytest.raises(LedgerUnavailable, match="ledger-denied"):
            await plumbing(broker, through).tables()
    assert tables.fired()


async def test_the_door_is_looked_at_from_outside(broker: Service, storage: TableServiceClient) -> None:
    assert await plumbing(broker, storage).door() is None
    control = str(broker.ready["control"])
    assert await plumbing(broker, storage, door=f"{control}/nothing").door() == 404
    with pytest.raises(NotThere, match="ClientConnectorError"):
        await plumbing(broker, storage, door="http://127.0.0.1:9/").door()


# --- where reports are kept ---


@pytest.fixture(params=["fake", "tables"])
async def reports(request: pytest.FixtureRequest) -> AsyncGenerator[Reports]:
    if request.param == "fake":
        yield FakeReports()
        return
    async with (
        table_world(request.getfixturevalue("azurite")) as world,
        TableServiceClient.from_connection_string(world._string) as service,
    ):
        yield TableReports(service)


REPORT = Report(
    datetime(2026, 12, 1, 7, 0, 1, 250, tzinfo=UTC),
    (
        Finding(Check.ROLES, Verdict.FAILED, Code.ROLES_MISSING, "User.Read.All"),
        Finding(Check.POLICY, Verdict.UNKNOWN, Code.NO_ANSWER, "graph-throttled"),
        Finding(Check.CLOCK, Verdict.GOOD, Code.FINE),
    ),
    carried=(Finding(Check.POLICY, Verdict.FAILED, Code.POLICY_DISABLED),),
    blind={Check.POLICY: 2},
    every=timedelta(hours=6),
    answers="a" * 32,
)


async def test_the_newest_report_is_kept_whole(reports: Reports) -> None:
    assert await reports.newest() is None
    await reports.keep(Report(REPORT.at, ()))
    assert await reports.newest() == Report(REPORT.at, ())
    await reports.keep(REPORT)
    assert await reports.newest() == REPORT


async def test_who_asked_last_counts(reports: Reports) -> None:
    assert await reports.wish() is None
    for minute in (1, 2):
        await reports.ask(Wish(f"{minute}" * 32, REPORT.at + timedelta(minutes=minute)))
    assert await reports.wish() == Wish("2" * 32, REPORT.at + timedelta(minutes=2))


@pytest.mark.parametrize("findings", ["[", "{}", "[[1]]", '[["no-such-check","good","fine",""]]'])
async def test_a_report_nobody_can_read_is_as_good_as_none(tables: TableWorld, findings: str) -> None:
    async with TableServiceClient.from_connection_string(tables._string) as service:
        reports = TableReports(service)
        await reports.keep(REPORT)
        (row,) = [row for row in await tables.rows("control") if row["RowKey"] == "checkup"]
        await tables.edit("control", row | {"findings": findings})
        if findings != "{}":
            assert await reports.newest() is None
        else:
            assert await reports.newest() == replace(REPORT, findings=())
