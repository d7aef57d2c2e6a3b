"""What only Twilio's adapter can get wrong: the wire, the table of codes, and keeping what it must forget."""

import asyncio
import gc
import json
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tenacity import wait_fixed

from sandbox.process import Service
from shared.adapters.twilio import Senders, TwilioAccount, TwilioCourier
from shared.adapters.twilio_codes import CODES, OUTCOMES, Kind
from shared.errors import FirstpassError, Halted, Later, Reason, Refused, Unconfirmed
from shared.events import Channel, Message
from tests.contract.courier_rig import (
    ACCOUNT,
    BRAZIL,
    HALVES,
    NL,
    NOW,
    NUMBER,
    OTHER,
    PT,
    SENDERS,
    Build,
    Clock,
    CountedWait,
    account,
    at,
    build,
    joined,
    phone,
    places_of_the_pass,
    send,
    service,
    until,
)
from tests.contract.phone_driver import Phone

__all__ = ["account", "build", "phone", "service"]  # fixtures


# --- a server that writes requests down ---


class Tape:
    """Answers creates like Twilio and keeps their forms; `answer` may be replaced."""

    def __init__(self) -> None:
        self.url = ""
        self.forms: list[dict[str, str]] = []
        self.answer: Callable[[], Coroutine[Any, Any, web.StreamResponse]] = self._created

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.path == f"/2010-04-01/Accounts/{ACCOUNT.account_sid}/Messages.json"
        self.forms.append({name: str(text) for name, text in (await request.post()).items()})
        return await self.answer()

    async def _created(self) -> web.StreamResponse:
        return web.json_response({"sid": f"SM{'0' * 32}", "status": "queued", "error_code": None}, status=201)

    def account(self, **changes: Any) -> TwilioAccount:
        return replace(ACCOUNT, **{"base_url": self.url} | changes)


@pytest.fixture
async def tape() -> AsyncIterator[Tape]:
    tape = Tape()
    app = web.Application()
    app.router.add_post("/{path:.*}", tape.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tape.url = site.name
    yield tape
    await runner.cleanup()


# --- what is sent ---

CALLBACK = "https://receipts.example/twilio/receipts"


async def test_the_form_of_an_sms(tape: Tape, build: Build) -> None:
    senders = Senders(sms_from="Firstpass", callback_url=CALLBACK, validity=timedelta(minutes=30))
    message = await send(build(tape.account(), senders), "6aX!k9#p", ref="a/b c-1-2")
    assert message == Message(f"SM{'0' * 32}", Channel.SMS)
    assert tape.forms == [
        {
            "To": NUMBER,
            "From": "Firstpass",
            "Body": "6aX!k9#p",
            "SmartEncoded": "false",
            "ValidityPeriod": "1800",
            "StatusCallback": f"{CALLBACK}?ref=a%2Fb%20c-1-2#rc=3&rp=all",
        }
    ]


async def test_the_form_of_an_sms_by_a_messaging_service(tape: Tape, build: Build) -> None:
    service = f"MG{'7' * 32}"
    await send(build(tape.account(discard_content=True), Senders(messaging_service_sid=service)))
    assert tape.forms == [
        {
            "To": NUMBER,
            "MessagingServiceSid": service,
            "Body": "6aXk9p2B",
            "SmartEncoded": "false",
            "ValidityPeriod": "3600",
            "ContentRetention": "discard",
        }
    ]


async def test_the_form_of_a_whatsapp_message(tape: Tape, build: Build) -> None:
    senders = Senders(
        sms_from="+15005550006", whatsapp_from="+15005550007", templates={"default": OTHER}, callback_url=CALLBACK
    )
    message = await send(build(tape.account(), senders), channel=Channel.WHATSAPP)
    assert message.channel is Channel.WHATSAPP
    (form,) = tape.forms
    assert json.loads(form.pop("ContentVariables")) == {"1": "6aXk9p2B"}
    assert form == {
        "To": f"whatsapp:{NUMBER}",
        "From": "whatsapp:+15005550007",
        "ContentSid": OTHER,
        "ValidityPeriod": "3600",
        "StatusCallback": f"{CALLBACK}?ref=case-1-1#rc=3&rp=all",
    }


@pytest.mark.parametrize(
    ("locale", "template"),
    [
        ("nl", NL),
        ("nl-BE", NL),
        ("NL", NL),
        ("pt-BR", BRAZIL),
        ("pt_br", BRAZIL),
        ("pt-PT", PT),
        ("fr", OTHER),
        (None, OTHER),
        ("", OTHER),
    ],
)
async def test_the_template_follows_the_locale(tape: Tape, build: Build, locale: str | None, template: str) -> None:
    templates = {"nl": NL, "pt": PT, "pt-BR": BRAZIL, "default": OTHER}
    senders = Senders(sms_from="+15005550006", whatsapp_from="+15005550006", templates=templates)
    await send(build(tape.account(), senders), channel=Channel.WHATSAPP, locale=locale)
    assert tape.forms[0]["ContentSid"] == template


async def test_without_a_whatsapp_sender_it_goes_by_sms(tape: Tape, build: Build) -> None:
    senders = Senders(sms_from="+15005550006", templates={"default": OTHER})
    message = await send(build(tape.account(), senders), channel=Channel.WHATSAPP)
    assert message.channel is Channel.SMS
    assert tape.forms[0]["To"] == NUMBER
    assert "ContentSid" not in tape.forms[0]


async def test_an_sms_never_uses_a_template(tape: Tape, build: Build) -> None:
    senders = Senders(sms_from="+15005550006", whatsapp_from="+15005550006", templates={"nl": NL, "default": OTHER})
    assert (await send(build(tape.account(), senders), locale="nl")).channel is Channel.SMS
    assert tape.forms[0]["Body"] == "6aXk9p2B"


async def test_the_environment_moves_nothing(tape: Tape, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REGION": "ie1", "EDGE": "dublin", "ACCOUNT_SID": "ACother", "AUTH_TOKEN": "other"}.items():
        monkeypatch.setenv(f"TWILIO_{name}", value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await send(build(tape.account()))
    assert len(tape.forms) == 1


@pytest.mark.parametrize("sid", [f"SM{'0aB' * 10}9f", f"MM{'1' * 32}"])
async def test_a_message_is_known_by_its_sid(tape: Tape, build: Build, sid: str) -> None:
    async def made() -> web.StreamResponse:
        return web.json_response({"sid": sid, "status": "accepted"}, status=201)

    tape.answer = made
    assert (await send(build(tape.account()))).id == sid


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"sms_from": "+15005550006", "messaging_service_sid": f"MG{'7' * 32}"},
        {"sms_from": "Firstpass", "validity": timedelta(0)},
        {"sms_from": "Firstpass", "validity": timedelta(hours=10, seconds=1)},
    ],
)
def test_senders_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sms_from|validity"):
        Senders(**wrong)


async def test_twilio_forgets_at_once_where_the_account_allows_it(service: Service, phone: Phone, build: Build) -> None:
    courier = build(at(service, discard_content=True))
    with pytest.raises(Halted):
        await send(courier)
    assert await phone.inbox() == []
    await phone.account(redactionEnabled=True)
    await send(courier)
    assert [seen["body"] for seen in await phone.inbox()] == ["6aXk9p2B"]


async def test_the_validity_reaches_twilio(account: TwilioAccount, phone: Phone, build: Build) -> None:
    await phone.script(NUMBER, "off")
    await send(build(account, Senders(sms_from="+15005550006", validity=timedelta(minutes=20))))
    await until(phone.pending, lambda pending: pending["nextExpiry"])
    due = (await phone.pending())["nextExpiry"]
    (message,) = await phone.inbox()
    assert datetime.fromisoformat(due) - datetime.fromisoformat(message["createdAt"]) == timedelta(minutes=20)


async def test_receipts_come_back_with_the_ref(account: TwilioAccount, phone: Phone, build: Build) -> None:
    came: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        await came.put((request.path_qs, dict(await request.post())))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/receipts", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    courier = build(account, Senders(sms_from="+15005550006", callback_url=f"{site.name}/receipts"))
    message = await send(courier, ref="case-2-3")
    async with asyncio.timeout(5):
        path, form = await came.get()
    assert path == "/receipts?ref=case-2-3"
    assert form["MessageSid"] == message.id
    assert await phone.fired() == []
    await runner.cleanup()


# --- what may be repeated ---

BUSY = {"status": 429, "body": {"code": 20429, "message": "Too Many Requests", "status": 429}}


@pytest.mark.parametrize("times", [1, 2])
async def test_turned_away_then_taken_is_one_message(
    account: TwilioAccount, phone: Phone, build: Build, times: int
) -> None:
    await phone.misbehave(times=times, **BUSY)
    await send(build(account))
    assert await phone.fired() == [times]
    assert len(await phone.inbox()) == 1


@pytest.mark.parametrize("body", [BUSY["body"], {}, "<h1>Too Many Requests</h1>", {"code": 21611, "status": 400}])
async def test_three_tries_and_no_more(account: TwilioAccount, phone: Phone, build: Build, body: object) -> None:
    await phone.misbehave(times=9, status=429, body=body)
    with pytest.raises(Later) as raised:
        await send(build(account))
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, timedelta(seconds=60))
    assert await phone.fired() == [3]
    assert await phone.inbox() == []


async def test_no_try_begins_after_the_deadline(account: TwilioAccount, phone: Phone, build: Build) -> None:
    await phone.misbehave(times=9, **BUSY)
    with pytest.raises(Later) as raised:
        await send(build(account, wait=wait_fixed(5)), stop_at=NOW + 4)
    assert raised.value.reason is Reason.TWILIO_BUSY
    assert await phone.fired() == [1]


async def test_an_address_nobody_answers_at_was_surely_not_reached(tape: Tape, build: Build) -> None:
    wait = CountedWait()
    with pytest.raises(Later) as raised:
        await send(build(tape.account(base_url="http://127.0.0.1:1"), wait=wait))
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, timedelta(seconds=60))
    assert wait.pauses >= 2


async def test_a_connection_that_never_opens_was_surely_not_reached(tape: Tape, build: Build) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as callers:
        for _ in range(3):  # fill the queue of connections nobody accepts
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        wait = CountedWait()
        courier = build(tape.account(base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}"), wait=wait)
        with pytest.raises(Later) as raised:
            await send(courier, stop_at=NOW + 0.8)
        assert raised.value.reason is Reason.TWILIO_BUSY
        assert wait.pauses >= 2


async def test_an_answer_that_is_no_tls_was_surely_not_reached(tape: Tape, build: Build) -> None:
    with pytest.raises(Later):
        await send(build(tape.account(base_url=tape.url.replace("http:", "https:"))))
    assert tape.forms == []


SID = f"SM{'0' * 32}"
AMBIGUOUS: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": {"code": 20500, "message": "Internal Server Error", "status": 500}},
    "503 with a page": {"status": 503, "body": "<h1>Service Unavailable</h1>"},
    "502 without words": {"status": 502},
    "500 that names a number's fault": {"status": 500, "body": {"code": 21211, "message": "", "status": 400}},
    "503 that claims to be busy": {"status": 503, "body": {"code": 20429, "message": "", "status": 429}},
    "500 as a problem": {"status": 500, "body": {"type": "about:blank", "title": "", "status": 400, "code": 21211}},
    "400 with a code nobody knows": {"status": 400, "body": {"code": 29999, "message": "", "status": 400}},
    "404 without a code": {"status": 404},
    "400 that is a list": {"status": 400, "body": [1]},
    "redirect": {"status": 307, "headers": {"Location": "Messages.json"}},
    "dropped": {"kind": "drop"},
    "no body": {"kind": "empty"},
    "201 without a SID": {"status": 201, "body": {"status": "queued"}},
    "201 with another SID": {"status": 201, "body": {"sid": SID.replace("SM", "MG"), "status": "queued"}},
    "201 that is a list": {"status": 201, "body": [{"sid": SID}]},
    "201 that is a page": {"status": 201, "body": "<h1>Welcome</h1>"},
    "200 that is null": {"status": 200, "body": "null"},
    "201 failed without a code": {"status": 201, "body": {"sid": SID, "status": "failed"}},
    "201 failed, code unknown": {"status": 201, "body": {"sid": SID, "status": "failed", "error_code": 39999}},
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", AMBIGUOUS)
async def test_what_may_have_been_sent_is_never_repeated(
    account: TwilioAccount, phone: Phone, build: Build, what: str, when: str
) -> None:
    await phone.misbehave(times=9, when=when, **AMBIGUOUS[what])
    with pytest.raises(Unconfirmed) as raised:
        await send(build(account))
    assert raised.value.reason is Reason.MESSAGE_UNCONFIRMED
    assert await phone.fired() == [1]
    assert len(await phone.inbox()) == (when == "after")


async def test_silence_ends_at_the_deadline(account: TwilioAccount, phone: Phone, build: Build) -> None:
    await phone.misbehave(kind="delay", seconds=3)
    began = time.monotonic()
    with pytest.raises(Unconfirmed):
        await send(build(account), stop_at=NOW + 0.4)
    assert 0.3 < time.monotonic() - began < 2
    assert await phone.fired() == [1]


async def test_an_answer_that_never_ends_stops_at_the_deadline(tape: Tape, build: Build) -> None:
    async def half() -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(status=201, headers={"Content-Length": "500"}, body=b"")

    tape.answer = half
    with pytest.raises(Unconfirmed):
        await send(build(tape.account()), stop_at=NOW + 0.6)
    assert len(tape.forms) == 1


# --- what codes mean ---

MEANT: dict[Kind, str] = {
    Kind.RETRY: "20429 21611",
    Kind.AMBIGUOUS: "20500 20503",
    Kind.CONFIGURATION: """20003 20404 21212 21606 21601 21603 21602 21703 21704 21705 21608 21654 21655 21656
        30002 30018 30024 30032 30034 30035 30029 30030 63001 63007 63008 63016 63020 63027 63028 63040 63041 63042
        63051""",
    Kind.PERMANENT: "21211 21217 21614 21635 21610 30005 30006 63003 63024 63032 63013",
    Kind.TRANSIENT: "21612 30003 30004 30008 30017 30410 30001 30450 63009 63010 63012 63018",
}
RAISED: dict[Kind, type[FirstpassError]] = {
    Kind.RETRY: Later,
    Kind.AMBIGUOUS: Unconfirmed,
    Kind.CONFIGURATION: Halted,
    Kind.PERMANENT: Refused,
    Kind.TRANSIENT: Later,
}
REASONS = {
    21610: Reason.OPTED_OUT,
    21211: Reason.MOBILE_INVALID,
    21217: Reason.MOBILE_INVALID,
    21614: Reason.MOBILE_INVALID,
    21635: Reason.MOBILE_NOT_MOBILE,
    30005: Reason.UNDELIVERABLE,
    63003: Reason.UNDELIVERABLE,
}


@pytest.mark.parametrize(("kind", "code"), [(kind, int(code)) for kind in MEANT for code in MEANT[kind].split()])
async def test_every_code_ends_as_its_kind(
    account: TwilioAccount, phone: Phone, build: Build, kind: Kind, code: int
) -> None:
    assert CODES[code].kind is kind
    await phone.misbehave(times=9, status=400, body={"code": code, "message": f"{NUMBER} will not do", "status": 400})
    with pytest.raises(RAISED[kind]) as raised:
        await send(build(account))
    assert raised.value.reason is REASONS.get(code, CODES[code].reason)
    assert await phone.fired() == [3 if kind is Kind.RETRY else 1]
    assert await phone.inbox() == []


def test_every_ruling_is_complete() -> None:
    assert set(OUTCOMES) == set(Kind)
    for code, verdict in CODES.items():
        error = OUTCOMES[verdict.kind](verdict)
        assert (verdict.code, type(error), error.reason) == (code, RAISED[verdict.kind], verdict.reason)
        assert not isinstance(error, Refused) or error.detail == f"Twilio {code}"


@pytest.mark.parametrize("status", ["failed", "undelivered"])
@pytest.mark.parametrize(
    ("code", "error"), [(30005, Refused), ("21610", Refused), (30003, Later), (30034, Halted), (20500, Unconfirmed)]
)
async def test_a_message_that_failed_at_once_ends_by_the_same_table(
    account: TwilioAccount, phone: Phone, build: Build, status: str, code: object, error: type[FirstpassError]
) -> None:
    body = {"sid": f"SM{'0' * 32}", "status": status, "error_code": code}
    await phone.misbehave(status=201, body=body)
    with pytest.raises(error):
        await send(build(account))
    assert await phone.fired() == [1]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [{}, "<h1>Denied</h1>", {"code": 20003}, {"code": 29999}])
async def test_a_closed_door_halts(
    account: TwilioAccount, phone: Phone, build: Build, status: int, body: object
) -> None:
    await phone.misbehave(status=status, body=body)
    with pytest.raises(Halted) as raised:
        await send(build(account))
    assert raised.value.reason is Reason.TWILIO_DENIED
    assert await phone.fired() == [1]


async def test_a_wrong_key_halts(service: Service, phone: Phone, build: Build) -> None:
    with pytest.raises(Halted):
        await send(build(at(service, api_key_secret="wrong")))
    assert await phone.inbox() == []


# --- what must be forgotten ---


def test_the_search_finds_what_is_kept() -> None:
    kept = [{"data": {"Body": f"{HALVES[0]}{HALVES[1]}"}}]
    assert places_of_the_pass()
    kept.clear()
    assert not places_of_the_pass()


ENDS: dict[str, dict[str, Any]] = {
    "sent": {"kind": "delay", "seconds": 0},
    "refused": {"status": 400, "body": {"code": 21211, "message": f"'To' {NUMBER} is not valid", "status": 400}},
    "broken": {"status": 500, "body": {"code": 20500, "message": NUMBER, "status": 500}},
    "dropped": {"kind": "drop", "when": "after"},
    "empty": {"kind": "empty", "when": "after"},
    "no message": {"status": 201, "body": "<h1>Welcome</h1>"},
    "silent": {"kind": "delay", "seconds": 6},
}


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("end", ENDS)
async def test_nothing_keeps_the_pass_or_the_sdks_error(
    account: TwilioAccount, phone: Phone, build: Build, end: str, channel: Channel
) -> None:
    senders = Senders(sms_from="+15005550006", whatsapp_from="+15005550006", templates={"default": OTHER})
    courier, error = build(account, senders), None
    await phone.misbehave(**ENDS[end])
    gc.collect()
    gc.disable()
    try:
        await courier.send(NUMBER, channel, None, joined(), "case-1-1", NOW + (2.0 if end == "silent" else 30.0))
    except FirstpassError as raised:
        error = raised
    try:
        assert places_of_the_pass() == []
    finally:
        gc.enable()
    assert (error is None) == (end == "sent")
    assert error is None or (error.__context__, error.__cause__, str(error)) == (None, None, error.reason)
    assert await phone.fired() == [1]


async def test_a_send_called_off_keeps_nothing(account: TwilioAccount, phone: Phone, build: Build) -> None:
    await phone.misbehave(kind="delay", seconds=1.5)
    courier = build(account)
    sending = asyncio.create_task(courier.send(NUMBER, Channel.SMS, None, joined(), "case-1-1", NOW + 30.0))
    await until(phone.fired, [1].__eq__)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError) as stopped:
        await sending
    assert places_of_the_pass() == []
    assert stopped.value


async def test_no_log_at_any_level_names_the_pass_or_the_number(
    account: TwilioAccount, phone: Phone, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    courier = build(account)
    await send(courier)
    await phone.script(NUMBER, "21211")
    with pytest.raises(Refused):
        await send(courier)
    told = [(record.name, record.getMessage()) for record in caplog.records]
    assert not [name for name, _ in told if name.startswith("twilio")]
    assert not [text for _, text in told if "6aXk9p2B" in text or NUMBER[1:] in text]


def test_no_repr_shows_a_secret() -> None:
    assert "hush-hush" not in repr(ACCOUNT)
    assert "hush-hush" not in repr(TwilioCourier(ACCOUNT, SENDERS, Clock()))


def test_the_pass_is_revealed_in_one_place_only() -> None:
    root = Path(__file__).parents[2]
    sources = [path for folder in ("shared", "functions", "cli", "bench") for path in (root / folder).rglob("*.py")]
    revealed = [path.name for path in sources for _ in re.findall(r"\.reveal\(", path.read_text("utf-8"))]
    assert revealed == ["twilio.py"]
