"""A tenant for the sandbox's directory, and the ways to reach it: the real SDK, and raw requests."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import httpx
import pytest
from azure.identity.aio import ManagedIdentityCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory

from sandbox.directory.server import Directory, running

ANN, BOB, GUEST, BOSS = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abcd")
PLAIN, ADMINS, OUTER, HIS = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "1234")
KIND = "#microsoft.graph.{}AuthenticationMethod"
SCOPE = "https://graph.microsoft.com/.default"
WORLD: dict[str, Any] = {
    "users": [
        {"id": ANN, "userPrincipalName": "ann@x.test", "employeeId": "7", "mobilePhone": "+491713920001",
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
