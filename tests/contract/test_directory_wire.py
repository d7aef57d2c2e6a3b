"""The real adapter on the wire: what requests carry and where they go, what is loaded, what never leaks."""

import asyncio
import json
import subprocess
import sys
import textwrap
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from shared.events import UserRef
from tests.contract.directory_worlds import (
    DENIED,
    OPERATIONS,
    PARTS,
    TERMS,
    UNAVAILABLE,
    EntraDirectory,
    GivenToken,
    Outcome,
    SandboxWorld,
    call,
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


ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def recording(seen: list[web.Request], status: int = 503) -> AsyncGenerator[str]:
    """A server that notes every request and answers them all with `status`."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        return web.json_response({}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_requests_carry_a_token_for_graph_and_a_fresh_id_and_name_nobody_in_the_url() -> None:
    seen: list[web.Request] = []
    clock, token = FakeClock(datetime.now(UTC)), GivenToken()
    stop_at = clock.monotonic() + 30
    async with recording(seen) as url:
        directory = EntraDirectory(f"{url}/", token, clock, back_off=0.01)
        await outcome_of(directory.facts(UserRef("userPrincipalName", "jo.o'iner#1@sandbox.example"), stop_at))
        await outcome_of(directory.policy(stop_at))
        await outcome_of(directory.create_pass("an-id", TERMS, stop_at))
        await outcome_of(directory.passes("an-id", stop_at))
        await outcome_of(directory.delete_pass("an-id", "a-pass", stop_at))
        await outcome_of(directory.methods("an-id", stop_at))
        await directory.close()
    tried = {"$batch": 3, "temporaryAccessPass": 3, "temporaryAccessPassMethods": 4, "a-pass": 3, "methods": 3}
    assert {last: sum(one.path.endswith(f"/{last}") for one in seen) for last in tried} == tried
    assert token.scopes == {f"{url}/.default"}
    assert {one.headers["Authorization"] for one in seen} == {"Bearer the-token"}
    ids = [str(uuid.UUID(one.headers["client-request-id"])) for one in seen]
    assert len(set(ids)) == len(ids) == 16
    assert {one.version for one in seen} == {(1, 1)}
    assert not [one for one in seen if "jo." in one.raw_path or "sandbox.example" in str(one.headers)]


async def test_a_search_is_one_safe_filter_inside_the_batch() -> None:
    seen: list[web.Request] = []
    clock = FakeClock(datetime.now(UTC))
    async with recording(seen) as url:
        directory = EntraDirectory(url, GivenToken(), clock, back_off=0.01)
        await outcome_of(directory.facts(UserRef("employeeId", "o'x&$top=9 #+%"), clock.monotonic() + 30))
        await directory.close()
    (part,) = json.loads(await seen[0].text())["requests"]
    assert part["method"] == "GET"
    assert part["url"] == ("/users?$filter=employeeId%20eq%20%27o%27%27x%26%24top%3D9%20%23%2B%25%27&$select=id&$top=2")


async def test_casts_ask_for_the_index_they_need() -> None:
    seen: list[web.Request] = []
    clock = FakeClock(datetime.now(UTC))
    async with recording(seen) as url:
        directory = EntraDirectory(url, GivenToken(), clock, back_off=0.01)
        await outcome_of(directory.facts(reference("an-id"), clock.monotonic() + 30))
        await directory.close()
    parts = {part["id"]: part for part in json.loads(await seen[0].text())["requests"]}
    assert set(parts) == set(PARTS)
    for name, part in parts.items():
        cast = "/microsoft.graph." in part["url"]
        assert cast is (name in ("roles", "groups", "owned"))
        assert (part.get("headers") == {"ConsistencyLevel": "eventual"}) is cast
        assert ("$count=true" in part["url"]) is cast


async def test_a_redirect_is_not_followed_and_carries_the_token_nowhere() -> None:
    here: list[web.Request] = []
    there: list[web.Request] = []
    async with recording(there) as elsewhere, recording(here, HTTPStatus.TEMPORARY_REDIRECT) as url:
        clock = FakeClock(datetime.now(UTC))
        directory = EntraDirectory(url, GivenToken(), clock, back_off=0.01)
        await outcome_of(directory.facts(reference("an-id"), clock.monotonic() + 30))
        await outcome_of(directory.create_pass("an-id", TERMS, clock.monotonic() + 30))
        await directory.close()
        assert elsewhere
    assert (len(here), there) == (2, [])


# --- without a token ---


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ClientAuthenticationError(message="secret"), DENIED),
        (CredentialUnavailableError(message="secret"), DENIED),
        (ServiceRequestError("secret"), UNAVAILABLE),
        (HttpResponseError(message="secret"), UNAVAILABLE),
    ],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize("method", OPERATIONS)
async def test_an_identity_refused_halts_and_one_out_of_reach_waits_and_nothing_is_sent(
    sandbox: SandboxWorld, user_id: str, method: str, error: Exception, outcome: Outcome
) -> None:
    token = GivenToken(error)
    await sandbox.directory.close()
    sandbox.directory = EntraDirectory(sandbox.url, token, sandbox.clock, back_off=0.01)
    assert await outcome_of(call(sandbox, method, user_id, soon(sandbox))) == outcome
    assert token.scopes, "a token was asked for"
    assert (await sandbox.ask("GET", "requests"))["operations"] == {}


# --- what is loaded, and what leaks ---

FLOW = """
import asyncio, json, logging, sys, time, uuid, io
from datetime import UTC, datetime
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, written = InMemorySpanExporter(), io.StringIO()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
logging.basicConfig(level=logging.DEBUG, stream=written)
from shared.adapters.entra import EntraDirectory
from shared.events import UserRef
from shared.plan import Terms
from tests.fakes.clock import FakeClock
from azure.core.credentials import AccessToken

class Token:
    async def get_token(self, *scopes, **_):
        return AccessToken(sys.argv[2], int(time.time()) + 3600)

async def main():
    clock = FakeClock(datetime.now(UTC))
    directory = EntraDirectory(sys.argv[1], Token(), clock)
    stop_at = clock.monotonic() + 30
    facts = await directory.facts(UserRef("userPrincipalName", sys.argv[3]), stop_at)
    await directory.policy(stop_at)
    terms = Terms(start_date_time=None, lifetime_in_minutes=60, is_usable_once=False)
    made = await directory.create_pass(facts.user_id, terms, stop_at)
    await directory.passes(facts.user_id, stop_at)
    await directory.methods(facts.user_id, stop_at)
    await directory.delete_pass(facts.user_id, made.id, stop_at)
    try:
        await directory.create_pass(str(uuid.uuid4()), terms, stop_at)
    except Exception as error:
        said = str(error)
    await directory.close()
    spans = [json.loads(span.to_json()) for span in exporter.get_finished_spans()]
    modules = [name for name in sys.modules if name.split(".")[0] == "msgraph"]
    secret, log = made.secret.reveal(), written.getvalue()
    json.dump({"spans": spans, "log": log, "modules": modules, "secret": secret, "error": said}, sys.stdout)

asyncio.run(main())
"""


@pytest.fixture
async def flow(sandbox: SandboxWorld, user_id: str) -> dict[str, Any]:
    """A whole flow in a process of its own: its spans, its log, and the SDK's modules it loaded."""
    await sandbox.person(user_id, name="Jo.Iner@sandbox.example", mobile="+491713920001", employee_id="E-10427")
    token = (await sandbox.token.get_token("")).token
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(FLOW),
        sandbox.url,
        token,
        "Jo.Iner@sandbox.example",
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    return json.loads(out)


async def test_a_whole_flow_loads_little_of_the_sdk_and_leaks_nothing(flow: dict[str, Any]) -> None:
    assert len(flow["modules"]) <= 40
    assert not [one for one in flow["modules"] if "collection_response" in one or one.endswith("models.user")]
    spans = json.dumps(flow["spans"])
    assert len(flow["spans"]) > 5
    assert "url.full" not in spans
    for personal in ("iner@sandbox.example", "1713920001", "e-10427", flow["secret"].lower()):
        assert personal not in spans.lower()
        assert personal not in flow["log"].lower()
    assert flow["error"] == "user-not-found"
