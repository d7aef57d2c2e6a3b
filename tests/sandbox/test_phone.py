"""The sandbox's phone, seen through the real Twilio SDK (sync and async) and through its own control routes."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import ClientSession, ServerDisconnectedError, encode_basic_auth, web
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox import process
from sandbox.clock import SandboxClock
from sandbox.phone.rules import TWILIO
from sandbox.phone.server import running

# twilio 9.13 hands aiohttp 3.14 its login in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:.*(BasicAuth|auth).* deprecated:DeprecationWarning")

ACCOUNT = TWILIO["account"]
SID, TOKEN = ACCOUNT["accountSid"], ACCOUNT["authToken"]
LOGIN = {"Authorization": encode_basic_auth(SID, TOKEN)}
SERVICE = "MG" + "5c" * 16
TEMPLATE = "HX" + "7e" * 16
DUTCH = "HX" + "2b" * 16
JOINER, OTHER = "+491713920001", "+491713920002"
SENDER = "+12025550190"


@dataclass
class Heard:
    """What the app's callback address received: (URL as signed, fields, headers)."""

    url: str
    answers: list[int] = field(default_factory=list[int])
    calls: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list[Any])

    def statuses(self) -> list[str]:
        return [fields["MessageStatus"] for _, fields, _ in self.calls]


class Sandbox:
    def __init__(self, url: str, clock: SandboxClock, http: ClientSession) -> None:
        self.url, self.clock, self._http = url, clock, http
        self.session = http
        transport = AsyncTwilioHttpClient(pool_connections=False)
        transport.session = http
        self.twilio = self._client(Client(SID, TOKEN, http_client=transport))
        self.messages = self.twilio.messages

    def _client(self, client: Client) -> Client:
        client.api.base_url = self.url
        return client

    def sync(self, *login: str) -> Client:
        return self._client(Client(*(login or (SID, TOKEN)), http_client=TwilioHttpClient(timeout=5)))

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self._http.request(method, self.url + path, json=body) as answer:
            assert answer.status < 400, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else await answer.text()

    async def script(self, number: str, **fates: str) -> None:
        await self.ask("PUT", "/sandbox/phones", {number: fates})

    async def quiet(self) -> None:
        """Until nothing is under way."""
        async with asyncio.timeout(10):
            pending = {"messages": 1}
            while pending.get("messages") or pending.get("callbacks"):
                await asyncio.sleep(0.01)
                pending = await self.ask("GET", "/sandbox/pending")

    async def inbox(self) -> list[dict[str, Any]]:
        await self.quiet()
        return await self.ask("GET", "/sandbox/inbox")

    async def refusal(self, **parameters: Any) -> TwilioRestException:
        with pytest.raises(TwilioRestException) as refused:
            await self.messages.create_async(**{"to": JOINER, "from_": SENDER, "body": "H7k2Pq9w"} | parameters)
        assert not await self.inbox()
        return refused.value

    async def post(self, path: str = "", **form: str) -> tuple[int, Any, Any]:
        url = f"{self.url}/2010-04-01/Accounts/{SID}/Messages{path}.json"
        async with self._http.post(url, data=form, headers=LOGIN) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    clock = SandboxClock(tmp_path / "clock")
    async with running(now=clock.now, step_seconds=0.005) as url, ClientSession() as http:
        sandbox = Sandbox(url, clock, http)
        await sandbox.ask("PUT", "/sandbox/templates", {TEMPLATE: {"language": "en_GB"}, DUTCH: {"language": "nl"}})
        yield sandbox


@asynccontextmanager
async def listening() -> AsyncGenerator[Heard]:
    heard = Heard("")

    async def hear(request: web.Request) -> web.Response:
        fields = dict(parse_qsl(await request.text(), keep_blank_values=True))
        heard.calls.append((f"http://{request.host}{request.raw_path}", fields, dict(request.headers)))
        status = heard.answers.pop(0) if heard.answers else 204
        if status == 0:
            assert request.transport
            request.transport.abort()
        return web.Response(status=status or 500)

    app = web.Application()
    app.router.add_post("/receipts", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.url = site.name + "/receipts?ref=a%2Fb&x="
    yield heard
    await runner.cleanup()


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    async with listening() as receiver:
        yield receiver


async def send(sandbox: Sandbox, **parameters: Any) -> Any:
    return await sandbox.messages.create_async(**{"to": JOINER, "from_": SENDER, "body": "H7k2Pq9w"} | parameters)


# 1: routes and logins


async def test_a_message_is_created_fetched_listed_redacted_and_deleted(sandbox: Sandbox) -> None:
    made = await send(sandbox)
    assert (made.status, made.body, made.to, made.from_, made.num_segments) == (
        "queued",
        "H7k2Pq9w",
        JOINER,
        SENDER,
        "1",
    )
    await sandbox.quiet()
    assert (await sandbox.messages(made.sid).fetch_async()).status == "delivered"
    assert [m.sid for m in await sandbox.messages.list_async()] == [made.sid]
    assert (await sandbox.messages(made.sid).update_async(body="")).body == ""
    assert (await sandbox.messages(made.sid).fetch_async()).body == ""
    (seen,) = await sandbox.inbox()
    assert (seen["body"], seen["redacted"]) == ("H7k2Pq9w", True)
    assert await sandbox.messages(made.sid).delete_async()
    with pytest.raises(TwilioRestException) as gone:
        await sandbox.messages(made.sid).fetch_async()
    assert (gone.value.status, gone.value.code) == (404, 20404)
    assert await sandbox.messages.list_async() == []
    assert [m["sid"] for m in await sandbox.inbox()] == [made.sid]


@pytest.mark.parametrize("login", [(SID, TOKEN), (ACCOUNT["apiKeySid"], ACCOUNT["apiKeySecret"], SID)])
async def test_the_sync_client_enters_with_the_token_and_with_an_api_key(
    sandbox: Sandbox, login: tuple[str, ...]
) -> None:
    messages = sandbox.sync(*login).messages
    made = await asyncio.to_thread(messages.create, to=JOINER, from_=SENDER, body="H7k2Pq9w")
    one = messages(str(made.sid))
    assert (await asyncio.to_thread(one.fetch)).to == JOINER
    assert (await asyncio.to_thread(one.update, body="")).body == ""
    assert [m.sid for m in await asyncio.to_thread(messages.list)] == [made.sid]


@pytest.mark.parametrize(
    "login",
    [
        (SID, "wrong"),
        (ACCOUNT["apiKeySid"], TOKEN, SID),
        (SID, ACCOUNT["apiKeySecret"]),
        (ACCOUNT["apiKeySid"], ACCOUNT["apiKeySecret"], "AC" + "0" * 32),
    ],
)
async def test_a_wrong_login_is_401_20003(sandbox: Sandbox, login: tuple[str, ...]) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await asyncio.to_thread(sandbox.sync(*login).messages.create, to=JOINER, from_=SENDER, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    assert await sandbox.inbox() == []


async def test_without_a_login_the_answer_has_twilios_shape(sandbox: Sandbox) -> None:
    async with sandbox.session.post(f"{sandbox.url}/2010-04-01/Accounts/{SID}/Messages.json") as answer:
        body = await answer.json()
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    more = "https://www.twilio.com/docs/errors/20003"
    assert body == {"code": 20003, "message": "Authenticate", "more_info": more, "status": 401}


async def test_an_unknown_path_or_method_is_refused_in_twilios_shape(sandbox: Sandbox) -> None:
    root = f"{sandbox.url}/2010-04-01/Accounts/{SID}"
    for method, path, code in (("GET", "/Messages/SM1/Media.json", 20404), ("PUT", "/Messages.json", 20004)):
        async with sandbox.session.request(method, root + path, headers=LOGIN) as answer:
            body = await answer.json()
            assert (body["code"], body["status"]) == (code, answer.status)


async def test_a_list_is_filtered_by_number_newest_first(sandbox: Sandbox) -> None:
    sids = [(await send(sandbox, to=JOINER if n % 2 else OTHER, body=str(n))).sid for n in range(7)]
    await sandbox.quiet()
    assert [m.sid for m in await sandbox.messages.list_async(page_size=2)] == sids[::-1]
    assert [m.body for m in await sandbox.messages.list_async(to=JOINER)] == ["5", "3", "1"]
    assert [m.body for m in await sandbox.messages.list_async(limit=3)] == ["6", "5", "4"]
    with pytest.raises(TwilioException) as refused:
        await sandbox.messages.list_async(date_sent="2026-12-01")
    assert "20001" in str(refused.value)


# 2: validation


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"to": "01713920001"}, 21211),
        ({"to": "+49 1713920001"}, 21211),
        ({"to": "+491713920001\n"}, 21211),
        ({"to": "telegram:+491713920001"}, 21211),
        ({"to": "whatsapp:491713920001", "from_": f"whatsapp:{SENDER}"}, 21211),
        ({"to": ""}, 21604),
        ({"from_": ""}, 21603),
        ({"from_": "A name far too long"}, 21212),
        ({"from_": JOINER}, 21266),
        ({"from_": f"whatsapp:{SENDER}"}, 21910),
        ({"messaging_service_sid": "MG12"}, 21705),
        ({"body": ""}, 21602),
        ({"body": "  "}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"validity_period": 0}, 21624),
        ({"validity_period": 36001}, 21624),
        ({"validity_period": "soon"}, 21624),
        ({"status_callback": "receipts"}, 21609),
        ({"status_callback": "https://bad_host.example/receipts"}, 21609),
        ({"content_retention": "discard"}, 30029),
        ({"address_retention": "obfuscate"}, 30030),
        ({"content_retention": "keep"}, 20001),
        ({"risk_check": "maybe"}, 20001),
        ({"schedule_type": "fixed"}, 20001),
        ({"media_url": ["https://example.com/cat.png"]}, 20001),
        ({"content_variables": '{"1": "H7k2"}'}, 21654),
        ({"content_sid": TEMPLATE}, 21655),
    ],
)
async def test_a_form_that_breaks_a_rule_is_refused_with_its_code(
    sandbox: Sandbox, parameters: dict[str, Any], code: int
) -> None:
    refused = await sandbox.refusal(**parameters)
    assert (refused.status, refused.code) == (400, code)


@pytest.mark.parametrize(
    "parameters",
    [
        {"from_": "Firstpass"},
        {"from_": "12345"},
        {"validity_period": 1},
        {"validity_period": 36000},
        {"body": "x" * 1600},
        {"smart_encoded": False, "risk_check": "disable", "content_retention": "retain", "attempt": 1},
        {"provide_feedback": True, "message_intent": "otp", "address_retention": "retain"},
    ],
)
async def test_a_form_at_the_edge_of_the_rules_is_accepted(sandbox: Sandbox, parameters: dict[str, Any]) -> None:
    await send(sandbox, **parameters)
    assert len(await sandbox.inbox()) == 1


async def test_the_inbox_tells_where_the_receipts_of_a_message_go(sandbox: Sandbox, heard: Heard) -> None:
    await send(sandbox, status_callback=heard.url)
    await send(sandbox)
    assert [message["statusCallback"] for message in await sandbox.inbox()] == [heard.url, None]


async def test_an_unknown_parameter_is_named_in_the_refusal(sandbox: Sandbox) -> None:
    status, body, _ = await sandbox.post(To=JOINER, From=SENDER, Body="x", Boddy="y")
    assert (status, body["code"]) == (400, 20001)
    assert "Boddy" in body["message"]


async def test_a_body_that_is_no_form_counts_as_empty(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/2010-04-01/Accounts/{SID}/Messages.json"
    async with sandbox.session.post(url, json={"To": JOINER}, headers=LOGIN) as answer:
        assert (await answer.json())["code"] == 21604


WHATSAPP: dict[str, Any] = {
    "to": f"whatsapp:{JOINER}",
    "from_": f"whatsapp:{SENDER}",
    "body": None,
    "content_sid": TEMPLATE,
}


def whatsapp(variables: Any, **more: Any) -> dict[str, Any]:
    given = variables if isinstance(variables, str) else json.dumps(variables)
    parameters = WHATSAPP | {"content_variables": given} | more
    return {name: value for name, value in parameters.items() if value is not None}


@pytest.mark.parametrize(
    "variables",
    [
        *("H7k2", "[]", '"H7k2"', "null", ""),
        *({"1": text} for text in ("", " ", "a\nb", "a\tb", "a     b", None, 5)),
        {"1": "x" * 15},
        {"1": "H7k2", "2": ""},
    ],
)
async def test_bad_template_variables_are_21656(sandbox: Sandbox, variables: Any) -> None:
    refused = whatsapp(variables)
    with pytest.raises(TwilioRestException) as wrong:
        await sandbox.messages.create_async(**refused)
    assert wrong.value.code == 21656
    assert await sandbox.inbox() == []


@pytest.mark.parametrize("sid", ["HX" + "0" * 32, "HX1"])
async def test_a_template_nobody_made_is_21655(sandbox: Sandbox, sid: str) -> None:
    with pytest.raises(TwilioRestException) as wrong:
        await sandbox.messages.create_async(**whatsapp({"1": "H7k2"}, content_sid=sid))
    assert wrong.value.code == 21655


async def test_a_template_shows_the_code_in_its_language(sandbox: Sandbox) -> None:
    await sandbox.messages.create_async(**whatsapp({"1": "x" * 14}))
    await sandbox.messages.create_async(**whatsapp({"1": "H7k2Pq9w"}, content_sid=DUTCH))
    english, dutch = await sandbox.inbox()
    assert english["body"] == "x" * 14 + " is your verification code."
    assert (dutch["code"], dutch["body"]) == ("H7k2Pq9w", "H7k2Pq9w is je verificatiecode.")
    assert (dutch["channel"], dutch["to"]) == ("whatsapp", JOINER)


@pytest.mark.parametrize("given", [{}, {"code": "H7k2Pq9w"}, {"2": "H7k2Pq9w"}])
async def test_a_variable_left_out_delivers_the_sample(sandbox: Sandbox, given: dict[str, str]) -> None:
    await sandbox.ask("PUT", "/sandbox/templates", {TEMPLATE: {"language": "en", "sample": "654321"}})
    await sandbox.messages.create_async(**whatsapp(given))
    (seen,) = await sandbox.inbox()
    assert (seen["code"], seen["body"]) == ("654321", "654321 is your verification code.")


async def test_free_text_on_whatsapp_is_accepted_and_then_undelivered(sandbox: Sandbox, heard: Heard) -> None:
    made = await sandbox.messages.create_async(
        **WHATSAPP | {"body": "H7k2Pq9w", "content_sid": "", "status_callback": heard.url}
    )
    assert (made.status, made.error_code) == ("queued", None)
    (seen,) = await sandbox.inbox()
    assert (seen["status"], seen["errorCode"], seen["deliveredAt"]) == ("undelivered", 63016, None)
    assert heard.calls[-1][1]["ErrorCode"] == "63016"


async def test_retention_is_honoured_once_redaction_is_enabled(sandbox: Sandbox) -> None:
    await sandbox.ask("PUT", "/sandbox/account", {"redactionEnabled": True})
    made = await send(sandbox, content_retention="discard")
    await sandbox.quiet()
    assert (await sandbox.messages(made.sid).fetch_async()).body == ""
    assert (await sandbox.inbox())[0]["code"] == "H7k2Pq9w"


# 3: magic and scripted numbers


@pytest.mark.parametrize(
    ("name", "digit", "code"),
    [
        *(("to", digit, code) for digit, code in ((1, 21211), (2, 21612), (3, 21408), (4, 21610), (9, 21614))),
        *(("from_", digit, code) for digit, code in ((1, 21212), (7, 21606), (8, 21611))),
    ],
)
async def test_magic_numbers_refuse(sandbox: Sandbox, name: str, digit: int, code: int) -> None:
    assert (await sandbox.refusal(**{name: f"+1500555000{digit}"})).code == code


@pytest.mark.parametrize("code", ["21610", "21211", "20429", "20503", "30030"])
async def test_a_number_scripted_with_a_code_of_the_api_refuses_the_create(sandbox: Sandbox, code: str) -> None:
    await sandbox.script(JOINER, sms=code)
    refused = await sandbox.refusal()
    assert refused.code == int(code)
    assert refused.status == {"20429": 429, "20503": 503}.get(code, 400)


@pytest.mark.parametrize("code", ["30003", "30005", "30006", "30007", "30008", "63003", "63024"])
async def test_a_number_scripted_with_a_later_code_is_undelivered(sandbox: Sandbox, heard: Heard, code: str) -> None:
    await sandbox.script(JOINER, sms="delivered", whatsapp=code)
    made: Any = await sandbox.messages.create_async(**whatsapp({"1": "H7k2Pq9w"}, status_callback=heard.url))
    await send(sandbox)
    there, arrived = await sandbox.inbox()
    assert (there["status"], there["errorCode"], there["deliveredAt"]) == ("undelivered", int(code), None)
    assert arrived["deliveredAt"]
    assert heard.statuses() == ["sending", "sent", "undelivered"]
    assert heard.calls[-1][1]["ErrorCode"] == code
    assert (await sandbox.messages(made.sid).fetch_async()).error_code == int(code)


@pytest.mark.parametrize(
    ("word", "states", "reached"),
    [
        ("delivered", ["sending", "sent", "delivered"], True),
        ("read", ["sending", "sent", "delivered", "read"], True),
        ("undelivered", ["sending", "sent", "undelivered"], False),
        ("failed", ["sending", "failed"], False),
        ("sent", ["sending", "sent"], False),
        ("silent", [], False),
        ("off", ["sending", "sent"], False),
    ],
)
async def test_a_script_decides_the_states(
    sandbox: Sandbox, heard: Heard, word: str, states: list[str], reached: bool
) -> None:
    await sandbox.script(JOINER, whatsapp=word)
    made: Any = await sandbox.messages.create_async(**whatsapp({"1": "H7k2Pq9w"}, status_callback=heard.url))
    (seen,) = await sandbox.inbox()
    assert heard.statuses() == states
    assert bool(seen["deliveredAt"]) == reached
    assert (await sandbox.messages(made.sid).fetch_async()).status == (states[-1] if states else "sent")


async def test_an_sms_without_receipts_reaches_its_phone(sandbox: Sandbox) -> None:
    await sandbox.script(JOINER, sms="sent")
    await send(sandbox)
    (seen,) = await sandbox.inbox()
    assert (seen["status"], bool(seen["deliveredAt"])) == ("sent", True)


@pytest.mark.parametrize(
    ("what", "name", "value"),
    [
        *(("phones", JOINER, script) for script in ({"sms": "delivred"}, {"mms": "sent"}, {"sms": "303"}, "sent")),
        *(("templates", TEMPLATE, slip) for slip in ({"sample": "1"}, {"language": 5}, {"language": "nl", "x": "y"})),
        *(("account", name, value) for name, value in (("raet", 2), ("rate", "2"), ("redactionEnabled", "yes"))),
    ],
)
async def test_a_setting_with_a_slip_is_refused_and_changes_nothing(
    sandbox: Sandbox, what: str, name: str, value: Any
) -> None:
    async with sandbox.session.put(f"{sandbox.url}/sandbox/{what}", json={name: value}) as answer:
        assert (answer.status, (await answer.json())["names"]) == (400, [name])
    await send(sandbox)
    await sandbox.messages.create_async(**whatsapp({"1": "H7k2Pq9w"}))
    assert [seen["status"] for seen in await sandbox.inbox()] == ["delivered", "delivered"]


# 4: states, the clock and callbacks


async def test_callbacks_are_signed_and_skip_the_first_state(sandbox: Sandbox, heard: Heard) -> None:
    made = await send(sandbox, from_=None, messaging_service_sid=SERVICE, status_callback=heard.url + "#rc=2&rp=all")
    assert (made.status, made.num_segments, made.from_) == ("accepted", "0", None)
    await sandbox.quiet()
    assert heard.statuses() == ["sending", "sent", "delivered"]
    assert "" in heard.calls[0][1].values()
    for url, fields, headers in heard.calls:
        assert url == heard.url
        assert headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        assert RequestValidator(TOKEN).validate(url, fields, headers["X-Twilio-Signature"])
        assert not RequestValidator("other").validate(url, fields, headers["X-Twilio-Signature"])
        assert (fields["MessageSid"], fields["AccountSid"], fields["To"]) == (made.sid, SID, JOINER)
        assert fields["MessagingServiceSid"] == SERVICE
        assert "Body" not in fields
        assert "ErrorCode" not in fields
    fetched = await sandbox.messages(made.sid).fetch_async()
    assert fetched.num_segments == "1"
    assert fetched.from_ == heard.calls[0][1]["From"]


async def test_callbacks_can_double_and_come_backwards(sandbox: Sandbox, heard: Heard) -> None:
    await sandbox.ask("PUT", "/sandbox/account", {"doubleCallbacks": True, "reorderCallbacks": True})
    await send(sandbox, status_callback=heard.url)
    await sandbox.quiet()
    assert heard.statuses() == ["delivered", "delivered", "sent", "sent", "sending", "sending"]


@pytest.mark.parametrize(
    ("overrides", "answers", "calls"),
    [
        ("", [503], 3),
        ("#rc=3&rp=5xx", [503, 500, 503], 6),
        ("#rc=3&rp=all", [404, 503, 0], 6),
        ("#rc=1&rp=4xx,5xx", [503, 503, 503], 5),
        ("#rc=3&rp=4xx", [503], 3),
        ("#rc=2&rp=rt", [0], 4),
        ("#rc=0&rp=all", [503], 3),
        ("#rc=9&rp=all", [503] * 6, 8),
        ("#rc=x&rp=all", [503], 4),
    ],
)
async def test_a_failed_callback_is_retried_as_the_fragment_says(
    sandbox: Sandbox, heard: Heard, overrides: str, answers: list[int], calls: int
) -> None:
    heard.answers = answers
    await send(sandbox, status_callback=heard.url + overrides)
    await sandbox.quiet()
    assert len(heard.calls) == calls
    tokens: dict[str, set[str]] = {}
    for _, fields, headers in heard.calls:
        tokens.setdefault(fields["MessageStatus"], set()).add(headers["I-Twilio-Idempotency-Token"])
    assert [len(seen) for seen in tokens.values()] == [1, 1, 1]
    assert len(set.union(*tokens.values())) == 3


async def test_a_slow_receiver_is_given_up_after_the_read_timeout(sandbox: Sandbox) -> None:
    calls: list[str] = []

    async def stall(request: web.Request) -> web.Response:
        calls.append(request.path)
        await asyncio.sleep(0.4)
        return web.Response()

    app = web.Application()
    app.router.add_post("/slow", stall)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await sandbox.script(JOINER, sms="failed")
    await send(sandbox, status_callback=site.name + "/slow#rc=1&rp=rt&rt=100")
    await sandbox.quiet()
    await runner.cleanup()
    assert len(calls) == 4


async def test_nothing_is_called_beyond_this_machine(sandbox: Sandbox) -> None:
    await send(sandbox, status_callback="https://firstpass.example/receipts")
    assert (await sandbox.inbox())[0]["status"] == "delivered"


async def test_a_phone_that_is_off_ends_with_its_validity_by_the_sandboxs_clock(sandbox: Sandbox, heard: Heard) -> None:
    await sandbox.script(JOINER, sms="off")
    await sandbox.script(OTHER, sms="silent")
    made = await send(sandbox, validity_period=3600, status_callback=heard.url)
    mute = await send(sandbox, to=OTHER, validity_period=60, status_callback=heard.url)
    await sandbox.quiet()
    pending = await sandbox.ask("GET", "/sandbox/pending")
    due = datetime.fromisoformat(pending["nextExpiry"])
    assert timedelta(minutes=59) < due - sandbox.clock.now() <= timedelta(hours=1)
    sandbox.clock.advance(timedelta(minutes=58))
    assert (await sandbox.messages(made.sid).fetch_async()).status == "sent"
    sandbox.clock.advance(timedelta(minutes=3))
    assert (await sandbox.ask("GET", "/sandbox/pending"))["callbacks"] == 1
    ended = await sandbox.messages(made.sid).fetch_async()
    assert (ended.status, ended.error_code) == ("undelivered", 30036)
    assert ended.date_updated == sandbox.clock.now().replace(microsecond=0)
    await sandbox.quiet()
    assert heard.statuses() == ["sending", "sent", "undelivered"]
    assert (await sandbox.messages(mute.sid).fetch_async()).status == "sent"
    assert [seen["deliveredAt"] for seen in await sandbox.inbox()] == [None, None]


async def test_the_end_of_a_validity_is_noticed_without_anyone_looking(sandbox: Sandbox, heard: Heard) -> None:
    await sandbox.script(JOINER, sms="off")
    await send(sandbox, validity_period=60, status_callback=heard.url)
    await sandbox.quiet()
    sandbox.clock.advance(timedelta(minutes=2))
    async with asyncio.timeout(5):
        while heard.statuses()[-1] != "undelivered":  # noqa: ASYNC110 - no route is asked: only the callback counts
            await asyncio.sleep(0.02)


# 5: redaction and deletion


async def test_only_an_empty_body_redacts(sandbox: Sandbox) -> None:
    made = await send(sandbox)
    for form, code in (({"Body": "x"}, 30400), ({"Body": "", "Status": "canceled"}, 30400), ({}, 30400)):
        status, body, _ = await sandbox.post(f"/{made.sid}", **form)
        assert (status, body["code"]) == (400, code)
    with pytest.raises(TwilioRestException) as refused:
        await sandbox.messages(made.sid).update_async(status="canceled")
    assert refused.value.code == 30409
    assert (await sandbox.messages(made.sid).fetch_async()).body == "H7k2Pq9w"


async def test_a_message_under_way_is_not_deleted(sandbox: Sandbox) -> None:
    await sandbox.script(JOINER, sms="sent")
    made = await send(sandbox)
    await sandbox.quiet()
    with pytest.raises(TwilioRestException) as refused:
        await sandbox.messages(made.sid).delete_async()
    assert (refused.value.status, refused.value.code) == (409, 20009)
    assert (await sandbox.messages(made.sid).update_async(body="")).body == ""


# 6: faults


async def fault(sandbox: Sandbox, operation: str, **how: Any) -> Callable[[], Any]:
    await sandbox.ask("POST", "/sandbox/faults", {"operation": operation, **how})

    async def fired() -> int:
        return sum(one["fired"] for one in await sandbox.ask("GET", "/sandbox/faults"))

    return fired


async def test_a_create_can_take_effect_and_still_lose_its_answer(sandbox: Sandbox, heard: Heard) -> None:
    fired = await fault(sandbox, "create_message", kind="drop", when="after")
    with pytest.raises(ServerDisconnectedError):
        await send(sandbox, status_callback=heard.url)
    assert await fired() == 1
    (seen,) = await sandbox.inbox()
    assert heard.calls[-1][1]["MessageSid"] == seen["sid"]
    assert [m.sid for m in await sandbox.messages.list_async(to=JOINER)] == [seen["sid"]]


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"status": 429, "body": {"code": 20429, "message": "Too Many Requests", "status": 429}}, 429, 20429),
        ({"status": 500, "body": {"code": 20500, "message": "Internal", "status": 500}}, 500, 20500),
        ({"status": 503, "body": "<html>Service Unavailable</html>"}, 503, None),
    ],
)
async def test_a_create_can_be_answered_with_an_error(
    sandbox: Sandbox, how: dict[str, Any], status: int, code: int | None
) -> None:
    fired = await fault(sandbox, "create_message", **how)
    refused = await sandbox.refusal()
    assert (refused.status, refused.code) == (status, code or status)
    assert await fired() == 1


@pytest.mark.parametrize("operation", ["fetch_message", "redact_message", "delete_message", "list_messages"])
async def test_every_other_operation_can_fail_by_name(sandbox: Sandbox, operation: str) -> None:
    made = await send(sandbox)
    await sandbox.quiet()
    fired = await fault(sandbox, operation, status=503)
    one = sandbox.messages(made.sid)
    calls = {
        "fetch_message": one.fetch_async,
        "redact_message": lambda: one.update_async(body=""),
        "delete_message": one.delete_async,
        "list_messages": sandbox.messages.list_async,
    }
    with pytest.raises(TwilioException):
        await calls[operation]()
    assert await fired() == 1
    await calls[operation]()


async def test_a_create_can_hang(sandbox: Sandbox) -> None:
    fired = await fault(sandbox, "create_message", kind="delay", seconds=30)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await send(sandbox)
    assert await fired() == 1


@pytest.mark.parametrize(
    ("how", "heard_states"),
    [
        ({"kind": "drop"}, ["sent", "delivered"]),
        ({"kind": "status", "status": 502}, ["sending", "sent", "delivered"]),
        ({"kind": "drop", "when": "after"}, ["sending", "sending", "sent", "delivered"]),
        ({"kind": "status", "status": 502, "when": "after"}, ["sending", "sending", "sent", "delivered"]),
        ({"kind": "delay", "seconds": 0.05}, ["sending", "sent", "delivered"]),
    ],
)
async def test_callbacks_can_be_lost_retried_doubled_or_late(
    sandbox: Sandbox, heard: Heard, how: dict[str, Any], heard_states: list[str]
) -> None:
    fired = await fault(sandbox, "callback", **how)
    await send(sandbox, status_callback=heard.url + "#rc=3&rp=all")
    await sandbox.quiet()
    assert (heard.statuses(), await fired()) == (heard_states, 1)


async def test_too_many_creates_a_second_are_429_and_not_sent(sandbox: Sandbox) -> None:
    await sandbox.ask("PUT", "/sandbox/account", {"rate": 2})
    answers = [await sandbox.post(To=JOINER, From=SENDER, Body=str(n)) for n in range(4)]
    assert [status for status, _, _ in answers] == [201, 201, 429, 429]
    assert (answers[2][1]["code"], "Twilio-Concurrent-Requests" in answers[2][2]) == (20429, True)
    await sandbox.ask("PUT", "/sandbox/account", {"rate": None})
    await send(sandbox)
    assert len(await sandbox.inbox()) == 3


# 7: shapes


async def test_a_record_is_written_as_twilio_writes_it(sandbox: Sandbox) -> None:
    sandbox.clock.set_now(datetime(2026, 12, 1, 7, 0, 30, tzinfo=UTC))
    _, body, _ = await sandbox.post(To=JOINER, From=SENDER, Body="H7k2Pq9w")
    assert body["date_created"] == "Tue, 01 Dec 2026 07:00:30 +0000"
    assert (body["date_sent"], body["error_code"], body["num_media"]) == (None, None, "0")
    assert body["uri"] == f"/2010-04-01/Accounts/{SID}/Messages/{body['sid']}.json"
    assert len(body["sid"]) == 34
    assert body["sid"].startswith("SM")


async def test_every_printable_character_arrives_as_sent_unless_smart_encoding_is_asked_for(sandbox: Sandbox) -> None:
    code = "".join(map(chr, range(0x20, 0x7F)))
    made = await send(sandbox, body=code, smart_encoded=False)
    await send(sandbox, body="a`b", smart_encoded=True)
    exact, smart = await sandbox.inbox()
    assert made.body == exact["body"] == exact["code"] == code
    assert smart["body"] == "a'b"


# 8 and 9: the inbox, and the process


async def test_the_page_shows_what_phones_received_and_escapes_it(sandbox: Sandbox) -> None:
    await send(sandbox, body="<script>alert(1)</script>", from_="A & B")
    await sandbox.script(OTHER, sms="30003")
    await send(sandbox, to=OTHER, body="never-seen")
    await sandbox.messages.create_async(**whatsapp({"1": "H7k2Pq9w"}))
    await sandbox.quiet()
    page = await sandbox.ask("GET", "/")
    assert f"WhatsApp from {SENDER}" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in page
    assert "SMS from A &amp; B" in page
    assert "never-seen" not in page
    assert "30003" in page
    assert page.index(JOINER) < page.index(OTHER)


async def test_the_inbox_can_be_emptied_while_twilio_keeps_its_records(sandbox: Sandbox) -> None:
    made = await send(sandbox)
    await sandbox.quiet()
    await sandbox.ask("DELETE", "/sandbox/inbox")
    assert await sandbox.inbox() == []
    assert (await sandbox.messages(made.sid).fetch_async()).status == "delivered"


async def test_the_process_announces_itself_follows_the_clock_and_tells_no_code(tmp_path: Path) -> None:
    clock = SandboxClock(tmp_path / "clock")
    clock.set_now(datetime(2026, 12, 1, 7, 0, tzinfo=UTC))
    arguments = ("--clock", str(tmp_path / "clock"), "--instant")
    service = await asyncio.to_thread(process.start, "sandbox.phone", *arguments, log=tmp_path / "log")
    try:
        assert service.url.startswith("http://127.0.0.1:")
        assert {name: service.ready[name] for name in ACCOUNT} == ACCOUNT
        async with ClientSession() as http:
            sandbox = Sandbox(service.url, clock, http)
            await sandbox.ask("PUT", "/sandbox/templates", {DUTCH: {"language": "nl"}})
            await send(sandbox)
            await sandbox.messages.create_async(**whatsapp({"1": "Zz8Yy7Xx"}, content_sid=DUTCH))
            inbox = await sandbox.inbox()
        assert [seen["deliveredAt"][:16] for seen in inbox] == ["2026-12-01T07:00"] * 2
    finally:
        await asyncio.to_thread(service.stop)
    assert service.child.returncode == 0
    assert not {"H7k2Pq9w", "Zz8Yy7Xx"} & set((tmp_path / "log").read_text().split())
    assert "H7k2Pq9w" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("callbacks", [False, True])
async def test_creates_that_come_all_at_once_are_all_taken(sandbox: Sandbox, heard: Heard, callbacks: bool) -> None:
    form = {"To": JOINER, "From": SENDER, "Body": "H7k2Pq9w"} | ({"StatusCallback": heard.url} if callbacks else {})
    for _ in range(5):
        await asyncio.gather(*(sandbox.post(**form) for _ in range(20)))
    await sandbox.quiet()
    assert len(heard.calls) == (300 if callbacks else 0)
    assert len(await sandbox.inbox()) == 100
