"""The directory as a service: batches, tokens, faults, throttling, the control routes, the process."""

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from azure.identity.aio import DefaultAzureCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_http.middleware.options import RetryHandlerOption
from msgraph.generated.models.temporary_access_pass_authentication_method import (
    TemporaryAccessPassAuthenticationMethod as Tap,
)

from sandbox.clock import SandboxClock
from sandbox.directory.server import Directory
from sandbox.process import start
from tests.sandbox.directory_world import (
    ANN,
    BOSS,
    METHODS,
    PLAIN,
    SCOPE,
    TAPS,
    WORLD,
    Send,
    clock,
    code_of,
    directory,
    graph,
    send,
)

pytestmark = [  # both are raised by the SDK's own request builders
    pytest.mark.filterwarnings("ignore:GetQueryParameters is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning"),
]
__all__ = ["clock", "directory", "graph", "send"]  # fixtures


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
    assert (fault.fired, directory.world.counts["user"], directory.world.counts["token"]) == (1, 2, 2)


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
    ({"users": [{"employeeHireDate": "5"}]}, "users[0].employeeHireDate"),
    ({"users": [{"roles": [7]}]}, "users[0].roles[0]"), ({"users": [{"methods": [[]]}]}, "users[0].methods[0]"),
    ({"users": [{"id": ANN}, {"userPrincipalName": f"{ANN}@sandbox.example"}]}, "users[1].userPrincipalName"),
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
