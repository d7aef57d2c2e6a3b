"""The sandbox's directory, met as Firstpass meets it: through msgraph-sdk and azure-identity, and by raw requests."""

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from azure.identity.aio import ManagedIdentityCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.temporary_access_pass_authentication_method import (
    TemporaryAccessPassAuthenticationMethod as Tap,
)

from tests.sandbox.directory_world import (
    ADMINS,
    ANN,
    ASSIGNMENTS,
    BOB,
    BOSS,
    GROUPS,
    GUEST,
    HIS,
    KIND,
    METHODS,
    OUTER,
    PLAIN,
    SCOPE,
    TAPS,
    WORLD,
    Send,
    Time,
    clock,
    code_of,
    directory,
    graph,
    send,
    unknown,
)

pytestmark = [  # both are raised by the SDK's own request builders
    pytest.mark.filterwarnings("ignore:GetQueryParameters is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning"),
]
__all__ = ["clock", "directory", "graph", "send"]  # fixtures


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
    assert (person.id, person.mobile_phone, person.employee_id) == (ANN, "+491713920001", None)
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
