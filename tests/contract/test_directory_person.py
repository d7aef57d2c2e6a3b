"""The real adapter's reading of a person: guests, numbers, methods, passes; what is missing or wrong never counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.directory_worlds import (
    FIDO2,
    UNAVAILABLE,
    EntraDirectory,
    Outcome,
    SandboxToken,
    SandboxWorld,
    fired,
    outcome_of,
    reference,
    sandbox,
    service,
    soon,
    user_id,
)
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

__all__ = ["sandbox", "service", "user_id"]  # fixtures


TAP = "#microsoft.graph.temporaryAccessPassAuthenticationMethod"

USER: dict[str, Any] = {
    "id": "",
    "accountEnabled": True,
    "userType": "Member",
    "employeeHireDate": None,
    "creationType": None,
    "externalUserState": None,
    "identities": [{"signInType": "userPrincipalName", "issuer": "sandbox.example", "issuerAssignedId": "j@x"}],
    "userPrincipalName": "joiner@sandbox.example",
    "mobilePhone": None,
}


@pytest.mark.parametrize(
    ("told", "external"),
    [
        ({}, False),
        ({"userType": "Guest"}, False),  # an internal guest
        ({"userType": None}, False),
        ({"creationType": "EmailVerified"}, False),
        ({"creationType": "Invitation"}, True),
        ({"creationType": "SelfServiceSignUp"}, True),
        ({"externalUserState": "PendingAcceptance"}, True),
        ({"externalUserState": "Accepted"}, True),
        ({"userPrincipalName": "ann_other.example#EXT#@sandbox.example"}, True),
        ({"userPrincipalName": "ann_other.example#ext#@sandbox.example"}, True),
        ({"identities": [{"signInType": "federated", "issuer": "ExternalAzureAD"}]}, True),
        ({"identities": []}, False),
    ],
    ids=str,
)
async def test_an_external_guest_is_known_by_more_than_user_type(
    sandbox: SandboxWorld, user_id: str, told: dict[str, Any], *, external: bool
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("batch.user", status=200, body=USER | {"id": user_id} | told)
    facts = await sandbox.directory.facts(reference(user_id), soon(sandbox))
    assert facts
    assert facts.is_external_guest is external
    assert await fired(sandbox) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: ...} for name in USER),
        {"id": "00000000-0000-4000-8000-00000000dead"},
        {"accountEnabled": None},
        {"accountEnabled": "true"},
        {"identities": None},
        {"identities": {}},
        {"employeeHireDate": "soon"},
        {"employeeHireDate": "2026-12-01T00:00:00"},
        {"employeeHireDate": "0001-01-01T00:00:00+14:00"},
        {"employeeHireDate": 1764547200},
        {"creationType": 1},
        {"mobilePhone": 491713920001},
        {"userPrincipalName": None},
    ],
    ids=str,
)
async def test_a_user_with_anything_missing_or_wrong_is_malformed(
    sandbox: SandboxWorld, user_id: str, wrong: dict[str, Any]
) -> None:
    await sandbox.person(user_id)
    body = {name: value for name, value in (USER | {"id": user_id} | wrong).items() if value is not ...}
    await sandbox.fault("batch.user", status=200, body=body)
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


EXTENSION = "onPremisesExtensionAttributes/extensionAttribute15"
HOLDER = "onPremisesExtensionAttributes"


@pytest.mark.parametrize(
    ("attribute", "told", "number"),
    [
        ("mobilePhone", {"mobilePhone": "+49 1713920001"}, "+49 1713920001"),
        ("businessPhones", {"businessPhones": ["+49 1713920001", "+49 1713920002"]}, "+49 1713920001"),
        ("businessPhones", {"businessPhones": []}, None),
        (
            EXTENSION,
            {HOLDER: {"extensionAttribute15": "+49 1713920001"}},
            "+49 1713920001",
        ),
        (EXTENSION, {HOLDER: {"extensionAttribute15": None}}, None),
        (EXTENSION, {HOLDER: None}, None),
        (EXTENSION, {HOLDER: {"extensionAttribute1": "+49 1713920001"}}, UNAVAILABLE),
        (EXTENSION, {HOLDER: "+49 1713920001"}, UNAVAILABLE),
        ("businessPhones", {}, UNAVAILABLE),
        ("businessPhones", {"businessPhones": [491713920001]}, UNAVAILABLE),
    ],
    ids=str,
)
async def test_the_number_comes_from_the_attribute_that_was_chosen(
    sandbox: SandboxWorld, user_id: str, attribute: str, told: dict[str, Any], number: str | Outcome | None
) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("batch.user", status=200, body=USER | {"id": user_id} | told)
    directory = EntraDirectory(sandbox.url, sandbox.token, sandbox.clock, number_attribute=attribute)
    try:
        if isinstance(number, tuple):
            assert await outcome_of(directory.facts(reference(user_id), soon(sandbox))) == number
        else:
            facts = await directory.facts(reference(user_id), soon(sandbox))
            assert facts
            assert facts.mobile_phone == number
    finally:
        await directory.close()
    assert await fired(sandbox) == 1


@pytest.mark.parametrize("attribute", ["", "password", "mobilePhone/x", "extensionAttribute16", "mobilePhone,mail"])
def test_an_unknown_number_attribute_is_refused_at_once(attribute: str) -> None:
    with pytest.raises(ValueError, match="number_attribute"):
        EntraDirectory("http://127.0.0.1:1", SandboxToken(""), FakeClock(datetime.now(UTC)), number_attribute=attribute)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FIDO2, "fido2"),
        ("#microsoft.graph.windowsHelloForBusinessAuthenticationMethod", "windowsHelloForBusiness"),
        ("#microsoft.graph.platformCredentialAuthenticationMethod", "platformCredential"),
        ("#microsoft.graph.authenticationMethod", "authenticationMethod"),
        ("#microsoft.graph.somethingNew", "somethingNew"),
        ("#other.vendor.keyAuthenticationMethod", "#other.vendor.key"),
    ],
)
async def test_methods_go_by_their_short_names(sandbox: SandboxWorld, user_id: str, kind: str, name: str) -> None:
    await sandbox.ask("POST", "users", {"id": user_id, "methods": [kind]})
    facts = await sandbox.directory.facts(reference(user_id), soon(sandbox))
    assert facts
    assert facts.methods == ("password", name)


@pytest.mark.parametrize("method", [{"id": "1"}, {"@odata.type": None}, {"@odata.type": ""}, {"@odata.type": 3}, "x"])
async def test_a_method_without_a_type_is_malformed(sandbox: SandboxWorld, user_id: str, method: object) -> None:
    await sandbox.person(user_id)
    await sandbox.fault("batch.methods", status=200, body={"value": [method]})
    assert await outcome_of(sandbox.directory.facts(reference(user_id), soon(sandbox))) == UNAVAILABLE
    assert await fired(sandbox) == 1


def ago(**by: float) -> str:
    return (datetime.now(UTC) - timedelta(**by)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("told", "live"),
    [
        ({"isUsable": True, "methodUsabilityReason": "EnabledByPolicy"}, True),
        ({"isUsable": False, "methodUsabilityReason": "NotYetValid"}, True),
        ({"isUsable": False, "methodUsabilityReason": "SomethingNew"}, True),
        ({"isUsable": True}, True),
        ({"isUsable": False, "methodUsabilityReason": "Expired"}, False),
        ({"isUsable": False, "methodUsabilityReason": "OneTimeUsed"}, False),
        ({"isUsable": False, "methodUsabilityReason": "DisabledByPolicy"}, False),
        ({"methodUsabilityReason": "Expired"}, False),
        ({}, True),
        ({"startDateTime": ago(hours=3), "lifetimeInMinutes": 60}, False),
        ({"startDateTime": ago(hours=3), "lifetimeInMinutes": 600}, True),
        ({"startDateTime": ago(hours=-3), "lifetimeInMinutes": 60}, True),
        ({"createdDateTime": ago(hours=3), "lifetimeInMinutes": 60}, False),
        ({"createdDateTime": ago(hours=3), "startDateTime": None, "lifetimeInMinutes": 600}, True),
        ({"startDateTime": ago(hours=3)}, True),
        ({"isUsable": False, "methodUsabilityReason": None}, True),
    ],
    ids=[f"told-{number}" for number in range(16)],
)
async def test_whether_a_pass_is_live_is_worked_out_and_in_doubt_it_is(
    sandbox: SandboxWorld, user_id: str, told: dict[str, Any], *, live: bool
) -> None:
    await sandbox.person(user_id)
    tap = {"id": "a-pass"} | told
    await sandbox.fault("batch.methods", status=200, body={"value": [{"@odata.type": TAP} | tap]})
    await sandbox.fault("list_passes", status=200, body={"value": [tap]})
    facts = await sandbox.directory.facts(reference(user_id), soon(sandbox))
    assert facts
    assert (facts.live_pass is not None) is live
    assert [one.id for one in await sandbox.directory.passes(user_id, soon(sandbox))] == (["a-pass"] if live else [])
    assert await fired(sandbox) == 2
