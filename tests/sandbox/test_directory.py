"""The sandbox's directory, met as Firstpass meets it: through msgraph-sdk and azure-identity, and by raw requests."""

import base64
import json
import string
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
import pytest
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RetryHandlerOption
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.temporary_access_pass_authentication_method import (
    TemporaryAccessPassAuthenticationMethod as Tap,
)
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory

from sandbox.clock import SandboxClock
from sandbox.directory.server import Directory, running
from sandbox.process import start

# Both are raised by the SDK's own request builders.
pytestmark = [
    pytest.mark.filterwarnings("ignore:GetQueryParameters is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning"),
]
ANN, BOB, GUEST, BOSS = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abcd")
PLAIN, ADMINS, OUTER, HIS = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "1234")
KIND = "#microsoft.graph.{}AuthenticationMethod"
SCOPE = "https://graph.microsoft.com/.default"
WORLD: dict[str, Any] = {
    "users": [
        {"id": ANN, "userPrincipalName": "ann@x.test", "employeeId": "7", "mobilePhone": "+31612345678",
         "employeeHireDate": "2026-12-01T00:00:00Z"},
        {"id": BOB, "employeeId": "7", "methods": [KIND.format("fido2"), {
            "@odata.type": KIND.format("hardwareOath"), "createdDateTime": "2026-01-02T03:04:05Z"}]},
        {"id": GUEST, "userPrincipalName": "eve_y.test#EXT#@x.test", "userType": "Guest"},
        {"id": BOSS, "roles": ["Global Administrator", {"displayName": "Own", "isBuiltIn": False}],
         "eligibleRoles": ["User Administrator"],
         "groups": [{"id": PLAIN, "memberOf": [{"id": OUTER, "memberOf": [
             {"id": ADMINS, "isAssignableToRole": True, "roles": ["Helpdesk Administrator"]}]}]},
             {"id": HIS, "owner": True, "isAssignableToRole": True}]},
    ]
}  # fmt: skip
TAPS = f"users/{ANN}/authentication/temporaryAccessPassMethods"
METHODS = f"users/{ANN}/authentication/methods"
ASSIGNMENTS = "roleManagement/directory/roleAssignments"
GROUPS = f"users/{BOSS}/transitiveMemberOf/microsoft.graph.group"

type Send = Callable[..., Any]


class Time:
    def __init__(self) -> None:
        self.present = datetime(2026, 11, 30, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.present

    def pass_by(self, minutes: float) -> None:
        self.present += timedelta(minutes=minutes)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def directory(clock: Time, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Directory]:
    async with running(WORLD, now=clock.now) as one:
        monkeypatch.setenv("IDENTITY_ENDPOINT", one.identity)
        monkeypatch.setenv("IDENTITY_HEADER", "any")
        yield one


@pytest.fixture
async def graph(directory: Directory) -> AsyncIterator[Any]:
    """The real SDK; its model types are left aside, which say every property may be missing."""
    async with ManagedIdentityCredential() as credential, httpx.AsyncHTTPTransport() as transport:
        auth = AzureIdentityAuthenticationProvider(credential, scopes=[SCOPE], allowed_hosts=["127.0.0.1"])
        client = GraphClientFactory.create_with_default_middleware(client=httpx.AsyncClient(transport=transport))
        adapter = GraphRequestAdapter(auth, client)
        adapter.base_url = f"{directory.url}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)


@pytest.fixture
async def send(directory: Directory) -> AsyncIterator[Send]:
    """Send a raw request with a token, to Graph or to control; gives its status and JSON."""
    async with aiohttp.ClientSession(directory.url) as session, ManagedIdentityCredential() as credential:

        async def one(verb: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
            given = {"Authorization": f"Bearer {(await credential.get_token(SCOPE)).token}"} | headers
            url = path if path.startswith("/sandbox") else f"/v1.0/{path}"
            async with session.request(verb, url, json=body, headers=given) as answer:
                return answer.status, json.loads(await answer.read() or b"null")

        yield one


def unknown(*models: Any) -> set[str]:
    return {name for one in models for name in one.additional_data if not name.startswith("@odata")}


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


async def test_the_sdk_makes_reads_and_deletes_a_pass(graph: Any, clock: Time) -> None:
    passes = graph.users.by_user_id(ANN).authentication.temporary_access_pass_methods
    opens = clock.now() + timedelta(hours=20)
    made = await passes.post(Tap(start_date_time=opens, lifetime_in_minutes=475, is_usable_once=False))
    assert (made.start_date_time, made.created_date_time, made.lifetime_in_minutes) == (opens, clock.now(), 475)
    assert (made.is_usable, made.is_usable_once, made.method_usability_reason) == (False, False, "NotYetValid")
    assert len(made.temporary_access_pass) == 8
    assert not set(made.temporary_access_pass) & set("0O1lI+")
    one = passes.by_temporary_access_pass_authentication_method_id(made.id)
    listed, read = (await passes.get()).value, await one.get()
    assert [(tap.id, tap.temporary_access_pass) for tap in [*listed, read]] == [(made.id, None)] * 2
    assert unknown(made, read, *listed) == set()
    await one.delete()
    assert (await passes.get()).value == []


async def test_the_sdk_reads_everything_else_without_unknown_names(graph: Any) -> None:
    user = graph.users.by_user_id(BOSS)
    person = await graph.users.by_user_id("ann@x.test").get()
    assert (person.id, person.mobile_phone, person.employee_id) == (ANN, "+31612345678", None)
    methods = (await graph.users.by_user_id(BOB).authentication.methods.get()).value
    assert [one.odata_type for one in methods] == [KIND.format(kind) for kind in ("password", "fido2", "hardwareOath")]
    assert methods[2].created_date_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    roles = (await user.transitive_member_of.graph_directory_role.get()).value
    assert {one.display_name for one in roles} == {"Global Administrator", "Helpdesk Administrator"}
    groups = (await user.transitive_member_of.graph_group.get()).value
    assert {one.id: one.is_assignable_to_role for one in groups} == {PLAIN: None, OUTER: None, ADMINS: True}
    owned = (await user.owned_objects.graph_group.get()).value
    assert [one.id for one in owned] == [HIS]
    configurations = graph.policies.authentication_methods_policy.authentication_method_configurations
    policy = await configurations.by_authentication_method_configuration_id("temporaryAccessPass").get()
    assert (policy.maximum_lifetime_in_minutes, policy.include_targets[0].id) == (480, "all_users")
    assert unknown(person, *methods, *roles, *groups, *owned, policy) == set()


async def test_the_sdk_reads_role_assignments_and_eligibility(graph: Any) -> None:
    async def of(collection: Any, query: Any) -> Any:
        return (
            await collection.get(RequestConfiguration(query_parameters=query(filter=f"principalId eq '{BOSS}'")))
        ).value

    assigned = graph.role_management.directory.role_assignments
    held = await of(assigned, assigned.RoleAssignmentsRequestBuilderGetQueryParameters)
    assert held[0].role_definition_id == "62e90394-69f5-4237-9190-012177145e10"
    eligible = graph.role_management.directory.role_eligibility_schedule_instances
    could = await of(eligible, eligible.RoleEligibilityScheduleInstancesRequestBuilderGetQueryParameters)
    assert [(one.principal_id, one.member_type) for one in could] == [(BOSS, "Direct")]
    assert (len(held), unknown(*held, *could)) == (2, set())


async def test_an_error_is_graphs_own(graph: Any) -> None:
    with pytest.raises(ODataError) as raised:
        await graph.users.by_user_id(PLAIN).get()
    error: Any = raised.value.error
    assert (raised.value.response_status_code, error.code) == (404, "Request_ResourceNotFound")
    assert raised.value.response_headers["request-id"] == error.inner_error.request_id  # pyright: ignore[reportOptionalSubscript]
    assert error.inner_error.date == datetime(2026, 11, 30, 12, tzinfo=error.inner_error.date.tzinfo)


LIFETIME = "Invalid LifetimeInMinutes specified. The valid range between 60 and 480."
PAST = "Invalid StartDateTime specified. It can not be a time in the past."


@pytest.mark.parametrize(("user", "body", "code", "text"), [
    (ANN, {"lifetimeInMinutes": 59}, "badRequest", LIFETIME),
    (ANN, {"lifetimeInMinutes": 481}, "badRequest", LIFETIME),
    (ANN, {"startDateTime": "2026-11-30T11:59:59Z"}, "badRequest", PAST),
    (ANN, {"startDateTime": "2026-11-30T13:59:59+02:00"}, "badRequest", PAST),
    (GUEST, {}, "badRequest", "Temporary Access Pass cannot be added to an external guest user."),
    (ANN, {"startDateTime": "2026-12-01T09:00:00"}, "BadRequest", "type"),
    (ANN, {"startDateTime": 5}, "BadRequest", "type"),
    (ANN, {"lifetimeInMinutes": True}, "BadRequest", "type"),
    (ANN, {"lifetime": 60}, "BadRequest", "unknown"),
    (ANN, [], "BadRequest", "JSON"),
])  # fmt: skip
async def test_what_a_create_may_not_ask(send: Send, user: str, body: object, code: str, text: str) -> None:
    status, answer = await send("POST", TAPS.replace(ANN, user), body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert text in answer["error"]["message"]
    assert await send("GET", "/sandbox/passes") == (200, {})


async def test_a_new_pass_replaces_the_old_unless_the_tenant_says_otherwise(send: Send, clock: Time) -> None:
    first, second = [(await send("POST", TAPS, {}))[1]["id"] for _ in range(2)]
    assert [one["id"] for one in (await send("GET", TAPS))[1]["value"]] == [second] != [first]
    assert [(await send(verb, f"{TAPS}/{first}"))[0] for verb in ("GET", "DELETE")] == [404, 404]
    await send("PATCH", "/sandbox/world", {"replaceExisting": False})
    assert code_of(await send("POST", TAPS, {})) == (400, "badRequest")
    clock.pass_by(60)
    assert (await send("GET", f"{TAPS}/{second}"))[1]["methodUsabilityReason"] == "Expired"
    assert (await send("POST", TAPS, {}))[0] == 201
    counted = (await send("GET", "/sandbox/requests"))[1]
    assert (counted["passesCreated"], counted["operations"]["create_pass"]) == ({ANN: 3}, 4)


@pytest.mark.parametrize(("user", "policy", "reason"), [
    (ANN, {"includeTargets": [{"targetType": "group", "id": OUTER}]}, "DisabledByPolicy"),
    (ANN, {"excludeTargets": [{"targetType": "user", "id": ANN}]}, "DisabledByPolicy"),
    (ANN, {"includeTargets": [{"targetType": "user", "id": ANN}]}, "EnabledByPolicy"),
    (BOSS, {"includeTargets": [{"targetType": "group", "id": ADMINS}]}, "EnabledByPolicy"),
])  # fmt: skip
async def test_the_policy_says_who_can_use_a_pass(send: Send, user: str, policy: object, reason: str) -> None:
    await send("PATCH", "/sandbox/world", {"policy": policy})
    status, made = await send("POST", TAPS.replace(ANN, user), {})
    assert (status, made["methodUsabilityReason"], made["isUsable"]) == (201, reason, reason == "EnabledByPolicy")
    signed = await send("POST", "/sandbox/sign-ins", {"user": user, "pass": made["temporaryAccessPass"]})
    assert signed[1] == {"worked": made["isUsable"], "reason": reason}


async def test_the_policy_sets_terms(send: Send) -> None:
    policy = {"defaultLength": 12, "isUsableOnce": True, "minimumLifetimeInMinutes": 10, "defaultLifetimeInMinutes": 15}
    old = (await send("POST", TAPS, {"isUsableOnce": False}))[1]
    await send("PATCH", "/sandbox/world", {"policy": policy})
    assert (await send("GET", f"{TAPS}/{old['id']}"))[1]["methodUsabilityReason"] == "DisabledByPolicy"
    made = (await send("POST", TAPS, {"isUsableOnce": False}))[1]
    assert (made["isUsableOnce"], made["lifetimeInMinutes"], len(made["temporaryAccessPass"])) == (True, 15, 12)
    await send("PATCH", "/sandbox/world", {"policy": {"state": "disabled"}})
    assert code_of(await send("POST", TAPS, {})) == (400, "badRequest")


async def test_a_joiner_signs_in_within_the_window_and_registers(send: Send, clock: Time) -> None:
    odd = "".join(sorted(set(string.printable) - set(string.whitespace)))
    await send("PATCH", "/sandbox/world", {"nextCodes": [odd]})
    wish = {"startDateTime": "2026-11-30T13:00:00Z", "isUsableOnce": True}
    assert (await send("POST", TAPS, wish))[1]["temporaryAccessPass"] == odd

    async def tried(code: str = odd, user: str = ANN, **more: str) -> str:
        answer = (await send("POST", "/sandbox/sign-ins", {"user": user, "pass": code, **more}))[1]
        assert answer["worked"] is (answer["reason"] == "EnabledByPolicy")
        return answer["reason"]

    refused = [await tried(), await tried("x"), await tried(user=BOB), await tried(user=PLAIN)]
    assert refused == ["NotYetValid", "WrongPass", "NoPass", "UserNotFound"]
    clock.pass_by(60)
    hello = KIND.format("windowsHelloForBusiness")
    assert [await tried(registers=hello), await tried()] == ["EnabledByPolicy", "OneTimeUsed"]
    _, registered, tap = (await send("GET", METHODS))[1]["value"]
    assert (registered["@odata.type"], registered["createdDateTime"]) == (hello, "2026-11-30T13:00:00Z")
    assert (tap["@odata.type"], tap["temporaryAccessPass"]) == (KIND.format("temporaryAccessPass"), None)
    await send("POST", "/sandbox/users", {"id": ANN, "userPrincipalName": "ann@x.test", "accountEnabled": False})
    assert await tried() == "AccountDisabled"
    assert json.dumps(odd)[1:-1] not in json.dumps(
        [await send("GET", one) for one in ("/sandbox/passes", TAPS, METHODS)]
    )


async def test_users_are_found_and_selected(send: Send) -> None:
    both = (await send("GET", "users?$filter=employeeId%20eq%20'7'&$select=id&$top=1"))[1]
    rest = (await send("GET", both["@odata.nextLink"].partition("/v1.0/")[2]))[1]
    assert both["value"] + rest["value"] == [{"id": ANN}, {"id": BOB}]
    assert "@odata.nextLink" not in rest
    one = await send("GET", "users?$filter=userPrincipalName+eq+'ANN@x.test'&$select=id,employeeHireDate")
    assert one[1]["value"] == [{"id": ANN, "employeeHireDate": "2026-12-01T00:00:00Z"}]
    found = [(await send("GET", f"users?$filter={one}"))[1]["value"] for one in (f"id eq '{BOB}'", "employeeId eq '8'")]
    assert [[user["id"] for user in users] for users in found] == [[BOB], []]
    guest = (await send("GET", f"users/{quote('eve_y.test#EXT#@x.test')}?$select=creationType,identities,userType"))[1]
    assert (guest["creationType"], guest["identities"][1]["issuer"]) == ("Invitation", "ExternalAzureAD")


async def test_groups_come_in_pages_and_only_as_ids_to_who_may_not_read_them(send: Send) -> None:
    path = f"{GROUPS}?$select=id,isAssignableToRole&$top=2&$count=true"
    first = (await send("GET", path, ConsistencyLevel="eventual"))[1]
    second = (await send("GET", first["@odata.nextLink"].partition("/v1.0/")[2]))[1]
    assert (first["@odata.count"], len(first["value"])) == (3, 2)
    assert second["value"] == [{"id": ADMINS, "isAssignableToRole": True}]
    await send("PUT", "/sandbox/world", WORLD | {"appRoles": ["User.Read.All"]})
    async with ManagedIdentityCredential() as fresh:
        blind = {"Authorization": f"Bearer {(await fresh.get_token(SCOPE)).token}"}
    hidden = (await send("GET", path.replace("$top=2", "$top=3"), **blind))[1]["value"]
    assert hidden[2] == {"id": ADMINS, "isAssignableToRole": None}
    denied = [
        code_of(await send("GET", one, **blind)) for one in (TAPS, f"{ASSIGNMENTS}?$filter=principalId eq '{ANN}'")
    ]
    assert denied == [(403, "accessDenied"), (403, "Authorization_RequestDenied")]


@pytest.mark.parametrize("path", [
    "nothing", f"users/{ANN}/manager", "users", "users?$filter=displayName eq 'x'", "users?$filter=employeeId ne '7'",
    "users?$filter=employeeId eq 7", f"users/{ANN}?$expand=manager", f"users/{ANN}?$select=shoeSize", ASSIGNMENTS,
    f"{GROUPS}?$top=1000", f"{GROUPS}?$top=0", f"{GROUPS}?$filter=isAssignableToRole eq true",
])  # fmt: skip
async def test_what_is_not_supported_is_refused(send: Send, path: str) -> None:
    status, answer = await send("GET", path)
    assert status == 400
    assert all(answer["error"][name] for name in ("code", "message", "innerError"))


async def test_without_pim_there_is_no_eligibility(send: Send) -> None:
    await send("PATCH", "/sandbox/world", {"pimLicensed": False})
    path = f"roleManagement/directory/roleEligibilityScheduleInstances?$filter=principalId eq '{ANN}'"
    assert code_of(await send("GET", path)) == (400, "AadPremiumLicenseRequired")


def parts(*urls: str) -> dict[str, Any]:
    return {"requests": [{"id": str(at), "method": "GET", "url": url} for at, url in enumerate(urls)]}


async def test_each_part_of_a_batch_is_judged_by_itself(send: Send, directory: Directory) -> None:
    late = directory.faults.add(operation="batch.methods", status=429, headers={"Retry-After": "7"}, body={"error": {}})
    gone = directory.faults.add(operation="batch.owned", kind="drop")
    batch = parts(
        f"/users/{ANN}?$select=id", METHODS, "/bad", f"/users/{PLAIN}", f"/users/{BOSS}/ownedObjects/graph.group"
    )
    post: dict[str, Any] = {"method": "POST", "url": TAPS, "body": {}}
    batch["requests"] += [
        {"id": "made", "dependsOn": ["0"], "headers": {"content-type": "application/json"}} | post,
        {"id": "bare"} | post,
        {"id": "none"},
    ]
    answers = [(await send("POST", "$batch", batch))[1]["responses"] for _ in range(12)]
    found = {one["id"]: one for one in answers[0]}
    statuses = {"0": 200, "1": 429, "2": 400, "3": 404, "made": 201, "bare": 400, "none": 400}
    assert {key: one["status"] for key, one in found.items()} == statuses
    assert (late.fired, gone.fired, found["1"]["headers"]["Retry-After"]) == (1, 1, "7")
    assert (found["0"]["body"]["id"], found["3"]["body"]["error"]["code"]) == (ANN, "Request_ResourceNotFound")
    assert len({tuple(one["id"] for one in answer) for answer in answers}) > 3


@pytest.mark.parametrize(("body", "code"), [
    ({}, "BadRequest"), ([], "BadRequest"), ({"requests": []}, "BadRequest"), ({"requests": [1]}, "BadRequest"),
    ({"requests": [{"id": "a"}, {"id": "A"}]}, "BadRequest"), (parts(*["/users"] * 21), "MaximumValueExceeded"),
])  # fmt: skip
async def test_a_batch_that_cannot_be_read_is_refused_whole(send: Send, body: object, code: str) -> None:
    assert code_of(await send("POST", "$batch", body)) == (400, code)


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Bearer a.b.c", "Basic x"])
async def test_no_token_of_ours_is_401(send: Send, authorization: str) -> None:
    answer = await send("GET", f"users/{ANN}", Authorization=authorization)
    assert code_of(answer) == (401, "InvalidAuthenticationToken")


async def test_the_platforms_identity_protocol(directory: Directory, send: Send) -> None:
    async with DefaultAzureCredential() as credential:
        given, other = [await credential.get_token(one) for one in (SCOPE, "https://vault.azure.net/.default")]
    assert "User.Read.All" in json.loads(base64.urlsafe_b64decode(given.token.split(".")[1] + "=="))["roles"]
    assert 23 * 3600 < given.expires_on - time.time() <= 24 * 3600
    assert (await send("GET", f"users/{ANN}", Authorization=f"Bearer {other.token}"))[0] == 401
    whole = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
    header = {"X-IDENTITY-HEADER": "any"}
    async with aiohttp.ClientSession() as session:
        for query, headers, status in ((whole, {}, 401), ({}, header, 400), (whole, header, 200)):
            async with session.get(directory.identity, params=query, headers=headers) as answer:
                assert answer.status == status


async def test_a_claims_challenge_makes_the_sdk_ask_again(directory: Directory, graph: Any) -> None:
    claims = base64.b64encode(b'{"access_token":{"nbf":{"essential":true}}}').decode()
    challenge = {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{claims}"'}
    fault = directory.faults.add(operation="user", status=401, headers=challenge)
    assert (await graph.users.by_user_id(ANN).get()).id == ANN
    assert (fault.fired, directory.counts["user"], directory.counts["token"]) == (1, 2, 2)


@pytest.mark.parametrize(("fault", "answers", "made"), [
    ({"status": 503}, APIError, 0), ({"status": 503, "when": "after"}, APIError, 1),
    ({"kind": "drop"}, httpx.HTTPError, 0), ({"kind": "drop", "when": "after"}, httpx.HTTPError, 1),
    ({"kind": "empty", "when": "after"}, type(None), 1), ({"kind": "delay", "seconds": 0.05}, Tap, 1),
])  # fmt: skip
async def test_faults_before_and_after_a_pass_is_made(
    graph: Any,
    directory: Directory,
    fault: dict[str, Any],
    answers: type,
    made: int,
) -> None:
    script = directory.faults.add(operation="create_pass", **fault)
    passes = graph.users.by_user_id(ANN).authentication.temporary_access_pass_methods
    try:
        answer = await passes.post(Tap(), RequestConfiguration(options=[RetryHandlerOption(max_retries=0)]))
    except (APIError, httpx.HTTPError) as error:
        answer = error
    assert isinstance(answer, answers)
    assert (script.fired, directory.world.created[ANN]) == (1, made)


async def test_throttling_says_when_to_come_again(send: Send) -> None:
    limit = {"requests": 2, "seconds": 1.9, "operations": ["methods"]}
    await send("PATCH", "/sandbox/world", {"throttle": limit})
    answers = (await send("POST", "$batch", parts(*[METHODS] * 3)))[1]["responses"]
    assert sorted(one["status"] for one in answers) == [200, 200, 429]
    late = next(one for one in answers if one["status"] == 429)
    assert (late["headers"]["Retry-After"], late["body"]["error"]["code"]) == ("1", "TooManyRequests")
    assert [(await send("GET", one))[0] for one in (METHODS, f"users/{ANN}")] == [429, 200]


@pytest.mark.parametrize(("document", "named"), [
    ({"users": [{"id": "7"}]}, "users[0].id"), ({"users": [{"shoe": 1}]}, "users[0].shoe"), ([], "world"),
    ({"policy": {"state": 1}}, "policy.state"), ({"policy": {"defaultLength": 4}}, "policy.defaultLength"),
    ({"policy": {"maximumLifetimeInMinutes": 50}}, "maximumLifetimeInMinutes"), ({"nextCodes": [""]}, "nextCodes"),
    ({"policy": {"includeTargets": [{}]}}, "policy.includeTargets[0].id"),
    ({"throttle": {"requests": 1}}, "throttle.seconds"),
    ({"users": [{}, {"roles": [{"isBuiltIn": True}]}]}, "users[1].roles[0].displayName"), ({"x": 1}, "world.x"),
    ({"users": [{"methods": [{}]}]}, "users[0].methods[0].@odata.type"), ({"users": [7]}, "world.users"),
    ({"users": [{"groups": [{"memberOf": [{"id": 1}]}]}]}, "users[0].groups[0].memberOf[0].id"),
    ({"users": [{"employeeHireDate": "2026-12-01"}]}, "users[0].employeeHireDate"),
])  # fmt: skip
async def test_a_bad_world_is_refused_by_field_and_changes_nothing(send: Send, document: object, named: str) -> None:
    for verb in ("PUT", "PATCH"):
        status, answer = await send(verb, "/sandbox/world", document)
        assert status == 400
        assert named in answer["error"]
    assert (await send("GET", f"users/{ANN}"))[0] == 200


async def test_people_come_and_go(send: Send) -> None:
    made = (await send("POST", "/sandbox/users", {"userPrincipalName": "New@x.test"}))[1]
    assert (await send("GET", "users/new@X.test"))[1]["id"] == made["id"]
    assert (await send("POST", "/sandbox/users", {"userPrincipalName": "new@x.test"}))[0] == 400
    assert await send("DELETE", f"/sandbox/users/{made['id']}") == (200, {"removed": True})
    assert (await send("GET", "users/new@x.test"))[0] == 404


async def test_as_a_process_with_a_shared_clock(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text(json.dumps(WORLD))
    files = ("--world", str(tmp_path / "world.json"), "--clock", str(tmp_path / "clock"))
    service = start("sandbox.directory", *files, log=tmp_path / "log")
    query = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
    try:
        SandboxClock(tmp_path / "clock").set_now(datetime(2030, 1, 1, tzinfo=UTC))
        async with aiohttp.ClientSession(service.url, headers={"X-IDENTITY-HEADER": "any"}) as session:
            async with session.get(service.ready["identity"], params=query) as answer:
                bearer = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
            async with session.post(f"/v1.0/{TAPS}", json={}, headers=bearer) as answer:
                assert (await answer.json())["startDateTime"].startswith("2030-01-01T00:0")
    finally:
        service.stop()
    assert "Traceback" not in (tmp_path / "log").read_text()
