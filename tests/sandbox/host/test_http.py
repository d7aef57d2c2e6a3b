"""HTTP functions behind the host's front: real processes, real runtime, raw requests."""

import asyncio
import base64
import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sandbox.process import NotReadyError, Service
from sandbox.stack import Stack
from tests.sandbox.host.apps import App, until

NOBODY = "Endpoint=sb://localhost:1;SharedAccessKeyName=a;SharedAccessKey=s"
SOURCE = """
    def route(path=None, *methods, **options):
        return app.route(path, methods=methods or None, auth_level=func.AuthLevel.ANONYMOUS, **options)

    @route("receipts", "POST")
    async def receipts(req: func.HttpRequest) -> func.HttpResponse:
        note(arrived=os.getpid())
        await asyncio.sleep(float(req.headers.get("x-takes", "0")))
        seen = {"method": req.method, "url": req.url, "headers": dict(req.headers), "query": dict(req.params),
                "params": dict(req.route_params), "body": req.get_body().hex(), "pid": os.getpid()}
        return func.HttpResponse(json.dumps(seen), status_code=202, mimetype="application/json", headers={"X-A": "b"})

    @route("cases/{case}/letters/{*rest}")
    def letters(req: func.HttpRequest) -> str:
        return f"{req.method} {req.route_params['case']} {req.route_params['rest']}"

    @route()
    async def plain(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(status_code=204)

    @route("boom")
    async def boom(req: func.HttpRequest) -> func.HttpResponse:
        raise ValueError("s3cret")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("http") / "app", NOBODY).write(SOURCE, {"functionTimeout": "00:00:02"})
    app.start()
    yield app
    app.stop()


type Answer = tuple[int, dict[str, str], bytes]


def ask(host: Service, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """A request exactly as written."""
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=10)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def receipt(host: Service, query: str = "", body: Any = b"x", headers: dict[str, str] | None = None) -> dict[str, Any]:
    status, _, answer = ask(host, "POST", f"/api/receipts{query}", body, headers)
    assert status == 202
    return json.loads(answer)


def test_the_query_reaches_the_function_exactly_as_it_came(app: App) -> None:
    query = "?ref=a%2fb+c%20d&ref=2&empty=&bare&plus=%2B&u=%C3%BC&sig=a/b=="
    seen = receipt(app.hosts[0], query)
    assert seen["url"] == f"{app.hosts[0].url}/api/receipts{query}"
    assert seen["query"] == {"ref": "a/b c d,2", "plus": "+", "u": "ü", "sig": "a/b=="}


def test_blank_form_fields_and_any_bytes_reach_the_function(app: App) -> None:
    form = b"MessageStatus=sent&ErrorCode=&Body=%00&To=%2B49"
    seen = receipt(app.hosts[0], body=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert parse_qsl(bytes.fromhex(seen["body"]).decode(), keep_blank_values=True)[1] == ("ErrorCode", "")
    for body in (b"", b"\xff\x00", "Grüße".encode(), bytes(2**20)):
        assert bytes.fromhex(receipt(app.hosts[0], body=body)["body"]) == body


def test_headers_both_ways(app: App) -> None:
    sent = {"X-Twilio-Signature": "Ab+/=", "X-Empty": "", "Host": "pass.example"}
    seen = receipt(app.hosts[0], "?a=1", headers=sent)
    assert seen["headers"]["x-twilio-signature"] == "Ab+/="
    assert seen["headers"]["x-empty"] == ""
    assert seen["url"] == "http://pass.example/api/receipts?a=1"
    _, headers, _ = ask(app.hosts[0], "POST", "/api/receipts", b"")
    assert (headers["content-type"], headers["x-a"]) == ("application/json", "b")


def test_who_asks_is_told_by_the_front_alone(app: App) -> None:
    def token(text: str) -> dict[str, str]:
        return {"Authorization": f"Bearer sandbox.{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}"}

    forged = {"X-MS-CLIENT-PRINCIPAL": "forged", "X-MS-CLIENT-PRINCIPAL-ID": "forged", "X-Ms-Token-Aad-Id-Token": "x"}
    assert not [name for name in receipt(app.hosts[0], headers=forged)["headers"] if name.startswith("x-ms-")]
    seen = receipt(app.hosts[0], headers=forged | token('{"oid": "1", "roles": ["reader"]}'))["headers"]
    told = json.loads(base64.b64decode(seen["x-ms-client-principal"]))
    assert [(claim["typ"].rpartition("/")[2], claim["val"]) for claim in told["claims"]] == [
        ("objectidentifier", "1"), ("roles", "reader"),
    ]  # fmt: skip
    assert (told["auth_typ"], told["role_typ"].rpartition("/")[2]) == ("aad", "role")
    for text in ("", "{", "[]", "7", '{"oid": 1}', '{"oid": "1", "roles": 7}'):
        assert ask(app.hosts[0], "POST", "/api/receipts", b"x", token(text))[0] == 401


def test_a_body_of_unknown_length_is_not_passed_on_as_in_azure(app: App) -> None:
    assert receipt(app.hosts[0], body=iter([b"chunk"]))["body"] == ""


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("PUT", "/api/cases/W-1/letters/a/b%20c", 200, b"PUT W-1 a/b c"),
        ("GET", "/api/plain", 204, b""),
        ("GET", "/api/receipts", 404, b""),
        ("HEAD", "/api/receipts", 404, b""),
        ("POST", "/api/nowhere", 404, b""),
        ("POST", "/receipts", 404, b""),
        ("GET", "/", 404, b""),
        ("GET", "/api/boom", 500, b""),
    ],
)
def test_routes_and_methods(app: App, method: str, target: str, status: int, body: bytes) -> None:
    answered, _, said = ask(app.hosts[0], method, target)
    assert (answered, said) == (status, body)


def test_an_error_is_in_the_log_and_not_in_the_answer(app: App) -> None:
    _, headers, said = ask(app.hosts[0], "GET", "/api/boom?ref=private")
    assert b"s3cret" not in said + json.dumps(headers).encode()
    assert "boom [GET] Failed in" in app.log
    assert "ValueError: s3cret" in app.log
    assert "private" not in app.log


def test_a_body_above_one_mebibyte_is_refused(app: App) -> None:
    before = len(app.notes)
    assert ask(app.hosts[0], "POST", "/api/receipts", bytes(2**20 + 1))[0] == 413
    assert len(app.notes) == before


def test_function_timeout_is_an_error(app: App) -> None:
    assert ask(app.hosts[0], "POST", "/api/receipts", b"x", {"x-takes": "30"})[0] == 500
    assert "receipts [POST] Failed in" in app.log
    assert "Timeout value of 2 s was exceeded" in app.log


def test_an_app_without_timers_says_so(app: App) -> None:
    status, _, said = ask(app.hosts[0], "GET", "/sandbox/timers")
    assert (status, json.loads(said)) == (200, {})


def test_the_prefix_of_host_json(tmp_path: Path) -> None:
    app = App(tmp_path / "app", NOBODY).write(SOURCE, {"extensions": {"http": {"routePrefix": ""}}})
    host = app.start()
    try:
        assert ask(host, "GET", "/plain")[0] == 204
        assert ask(host, "GET", "/api/plain")[0] == 404
    finally:
        app.stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [("", "does not imitate function keys"), ('"cases/{id:int}", auth_level="anonymous"', "{name} and {*name}")],
)
def test_what_is_not_imitated_is_refused(tmp_path: Path, options: str, said: str) -> None:
    source = f"""
    @app.route({options})
    async def receipts(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()
    """
    app = App(tmp_path / "app", NOBODY).write(source)
    with pytest.raises(NotReadyError):
        app.start()
    assert app.log.splitlines()[-1].startswith("function receipts: the sandbox ")
    assert said in app.log.splitlines()[-1]


async def test_at_sigterm_a_request_under_way_is_answered(tmp_path: Path) -> None:
    app = App(tmp_path / "app", NOBODY).write(SOURCE)
    host = app.start()
    asked = asyncio.create_task(asyncio.to_thread(receipt, host, headers={"x-takes": "0.5"}))
    await until(lambda: app.notes)
    host.child.send_signal(signal.SIGTERM)
    assert (await asked)["pid"] == host.child.pid
    assert await asyncio.to_thread(host.child.wait, 4) == 0
    app.stop()


async def test_hosts_of_a_stack_share_one_address_that_outlives_them(tmp_path: Path) -> None:
    App(tmp_path, NOBODY).write(SOURCE)
    with Stack() as stack:
        assert stack.addresses["PUBLIC_URL"] == stack.app_url
        first, second = [await asyncio.to_thread(stack.start_host, {}, app=tmp_path) for _ in range(2)]
        assert first.url == second.url == stack.app_url
        assert {receipt(first)["pid"] for _ in range(50)} == {first.child.pid, second.child.pid}
        first.kill()
        assert {receipt(first)["pid"] for _ in range(10)} == {second.child.pid}
        second.kill()
        with pytest.raises(ConnectionRefusedError):
            receipt(first)
        third = await asyncio.to_thread(stack.start_host, {}, app=tmp_path)
        assert third.url == stack.app_url
        assert receipt(third)["pid"] == third.child.pid
