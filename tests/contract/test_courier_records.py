"""What only Twilio's adapter can get wrong about messages that were sent: the wire, and keeping what a record holds."""

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
from tenacity import wait_fixed

from sandbox.process import Service
from shared.adapters.twilio import Senders, TwilioAccount, TwilioCourier
from shared.errors import FirstpassError, Halted, Later, Reason
from shared.events import Channel, Delivery, Word
from tests.contract.courier_rig import (
    ACCOUNT,
    HALVES,
    NOW,
    NUMBER,
    OTHER,
    Build,
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

type Method = Literal["look_up", "redact"]
METHODS: list[Method] = ["look_up", "redact"]
OPERATIONS: dict[Method, str] = {"look_up": "fetch_message", "redact": "redact_message"}
both = pytest.mark.parametrize("method", METHODS)

SHORTLY, IN_A_WHILE = timedelta(seconds=60), timedelta(minutes=15)
SID = f"SM{'5' * 32}"
DONE: dict[Method, Word | None] = {"look_up": Word(Delivery.DELIVERED), "redact": None}


async def ask(courier: TwilioCourier, method: Method, message_id: str = SID, stop_at: float = NOW + 30) -> Word | None:
    methods: dict[Method, Callable[[str, float], Awaitable[Word | None]]] = {
        "look_up": courier.look_up,
        "redact": courier.redact,
    }
    return await methods[method](message_id, stop_at)


async def delivered(courier: TwilioCourier, phone: Phone) -> str:
    """The id of a message that was sent and has arrived."""
    message = await send(courier)
    await until(phone.pending, lambda pending: not pending["messages"])
    return message.id


# --- what is repeated ---

NO_ANSWERS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "body": {"code": 20429, "message": "Too Many Requests", "status": 429}},
    "429 without words": {"status": 429},
    "429 with another code": {"status": 429, "body": {"code": 21211, "message": "", "status": 429}},
    "400 that says it is busy": {"status": 400, "body": {"code": 20429, "message": "", "status": 400}},
    "500": {"status": 500, "body": {"code": 20500, "message": "Internal Server Error", "status": 500}},
    "503 with a page": {"status": 503, "body": "<h1>Service Unavailable</h1>"},
    "500 that names the login": {"status": 500, "body": {"code": 20003, "message": "", "status": 401}},
    "500 that names the record": {"status": 500, "body": {"code": 20404, "message": "", "status": 404}},
    "dropped": {"kind": "drop"},
    "no body": {"kind": "empty"},
    "redirect": {"status": 307, "headers": {"Location": f"{SID}.json"}},
    "200 that is null": {"status": 200, "body": "null"},
    "200 that is a page": {"status": 200, "body": "<h1>Welcome</h1>"},
    "200 that is a list": {"status": 200, "body": [{"sid": SID, "status": "delivered", "body": ""}]},
    "200 that is empty": {"status": 200, "body": {}},
    "200 of another message": {"status": 200, "body": {"sid": SID[:-1] + "6", "status": "delivered", "body": ""}},
    "200 with a date that is none": {"status": 200, "body": {"sid": SID, "status": "sent", "date_sent": [1]}},
}


@both
@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_three_tries_and_then_later(
    account: TwilioAccount, phone: Phone, build: Build, method: Method, what: str
) -> None:
    await phone.misbehave(operation=OPERATIONS[method], times=9, **NO_ANSWERS[what])
    with pytest.raises(Later) as raised:
        await ask(build(account), method)
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, SHORTLY)
    twice = (method, what) == ("look_up", "dropped")  # aiohttp itself asks once more when a GET's connection breaks
    assert await phone.fired() == [6 if twice else 3]


@both
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["429", "500", "dropped", "no body"])
async def test_two_failures_are_got_over(
    account: TwilioAccount, phone: Phone, build: Build, method: Method, what: str, when: str
) -> None:
    courier = build(account)
    message_id = await delivered(courier, phone)
    await phone.misbehave(operation=OPERATIONS[method], times=2, when=when, **NO_ANSWERS[what])
    assert await ask(courier, method, message_id) == DONE[method]
    assert await phone.fired() == [2]
    assert [seen["redacted"] for seen in await phone.inbox()] == [method == "redact"]


@both
async def test_no_try_begins_after_the_deadline(
    account: TwilioAccount, phone: Phone, build: Build, method: Method
) -> None:
    await phone.misbehave(operation=OPERATIONS[method], times=9, status=503)
    with pytest.raises(Later) as raised:
        await ask(build(account, wait=wait_fixed(5)), method, stop_at=NOW + 4)
    assert raised.value.reason is Reason.TWILIO_BUSY
    assert await phone.fired() == [1]


@both
async def test_silence_ends_at_the_deadline(account: TwilioAccount, phone: Phone, build: Build, method: Method) -> None:
    await phone.misbehave(operation=OPERATIONS[method], kind="delay", seconds=3)
    began = time.monotonic()
    with pytest.raises(Later) as raised:
        await ask(build(account), method, stop_at=NOW + 0.4)
    assert raised.value.reason is Reason.TWILIO_BUSY
    assert 0.3 < time.monotonic() - began < 2
    assert await phone.fired() == [1]


@both
async def test_an_address_nobody_answers_at_is_tried_again(build: Build, method: Method) -> None:
    wait = CountedWait()
    nowhere = TwilioAccount(
        account_sid=ACCOUNT.account_sid, api_key_sid="SK", api_key_secret="none", base_url="http://127.0.0.1:1"
    )
    with pytest.raises(Later) as raised:
        await ask(build(nowhere, wait=wait), method)
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, SHORTLY)
    assert wait.pauses >= 2


# --- what refusals mean ---


@both
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"code": 20003, "message": "Authenticate", "status": 401}),
        (401, {}),
        (403, "<h1>Denied</h1>"),
        (403, {"code": 29999, "message": "", "status": 403}),
        (401, {"code": 21211, "message": "", "status": 401}),
        (400, {"code": 20003, "message": "", "status": 400}),
        (400, {"code": 20005, "message": "", "status": 400}),
        (400, {"code": 30002, "message": "", "status": 400}),
        (403, {"type": "about:blank", "title": "", "status": 403, "code": 20003}),
    ],
)
async def test_a_closed_door_halts(
    account: TwilioAccount, phone: Phone, build: Build, method: Method, status: int, body: object
) -> None:
    await phone.misbehave(operation=OPERATIONS[method], times=9, status=status, body=body)
    with pytest.raises(Halted) as raised:
        await ask(build(account), method)
    assert raised.value.reason is Reason.TWILIO_DENIED
    assert await phone.fired() == [1]


@both
async def test_a_wrong_key_halts(service: Service, phone: Phone, build: Build, method: Method) -> None:
    message_id = await delivered(build(at(service)), phone)
    with pytest.raises(Halted):
        await ask(build(at(service, api_key_secret="wrong")), method, message_id)
    assert [seen["redacted"] for seen in await phone.inbox()] == [False]


GONE: dict[Method, Word | None] = {"look_up": Word(Delivery.QUEUED), "redact": None}


@both
@pytest.mark.parametrize(
    "body",
    [
        {"code": 20404, "message": f"The requested resource /{SID} was not found", "status": 404},
        {"code": "20404", "message": "", "status": 404},
        {"type": "about:blank", "title": "Not Found", "status": 404, "code": 20404},
    ],
)
async def test_what_twilio_does_not_know_is_asked_once(
    account: TwilioAccount, phone: Phone, build: Build, method: Method, body: object
) -> None:
    await phone.misbehave(operation=OPERATIONS[method], times=9, status=404, body=body)
    assert await ask(build(account), method) == GONE[method]
    assert await phone.fired() == [1]


@both
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": 30400, "message": "", "status": 400}),
        (409, {"code": 20009, "message": "", "status": 409}),
        (400, {"code": 29999, "message": "", "status": 400}),
        (400, {"code": 21211, "message": f"'To' {NUMBER} is not valid", "status": 400}),
        (400, {"code": 30003, "message": "", "status": 400}),
        (400, {}),
        (400, [1]),
        (404, "<h1>Not Found</h1>"),
        (404, {}),
        (405, {"code": 20004, "message": "", "status": 405}),
        (410, {"type": "about:blank", "title": "", "status": 410, "code": 29999}),
    ],
)
async def test_any_other_refusal_waits_longer(
    account: TwilioAccount, phone: Phone, build: Build, method: Method, status: int, body: object
) -> None:
    await phone.misbehave(operation=OPERATIONS[method], times=9, status=status, body=body)
    with pytest.raises(Later) as raised:
        await ask(build(account), method)
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, IN_A_WHILE)
    assert await phone.fired() == [1]


# --- what answers say ---


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        ("accepted", None, Word(Delivery.QUEUED)),
        ("sending", None, Word(Delivery.QUEUED)),
        ("partially_delivered", None, Word(Delivery.QUEUED)),
        ("sent", None, Word(Delivery.SENT)),
        ("read", None, Word(Delivery.READ)),
        ("canceled", None, Word(Delivery.CANCELED, Reason.PHONE_UNREACHABLE)),
        ("failed", 21610, Word(Delivery.FAILED, Reason.OPTED_OUT)),
        ("undelivered", "30006", Word(Delivery.UNDELIVERED, Reason.UNDELIVERABLE)),
        ("undelivered", 30007, Word(Delivery.UNDELIVERED, Reason.TWILIO_DENIED)),
        ("undelivered", 39999, Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
        ("undelivered", {}, Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
    ],
)
async def test_a_record_in_our_words(
    account: TwilioAccount, phone: Phone, build: Build, status: str, code: object, word: Word
) -> None:
    record = {"sid": SID, "status": status, "error_code": code, "body": "6aXk9p2B", "to": NUMBER}
    await phone.misbehave(operation="fetch_message", status=200, body=record)
    assert await build(account).look_up(SID, NOW + 30) == word
    assert await phone.fired() == [1]


@pytest.mark.parametrize("status", [None, 7, ["sent"], {}])
async def test_a_record_without_a_status_says_nothing(
    account: TwilioAccount, phone: Phone, build: Build, status: object
) -> None:
    await phone.misbehave(operation="fetch_message", times=3, status=200, body={"sid": SID, "status": status})
    with pytest.raises(Later):
        await build(account).look_up(SID, NOW + 30)
    assert await phone.fired() == [3]


@pytest.mark.parametrize("text", ["", None])
async def test_a_record_without_text_is_empty(
    account: TwilioAccount, phone: Phone, build: Build, text: str | None
) -> None:
    await phone.misbehave(operation="redact_message", status=200, body={"sid": SID, "status": "sent", "body": text})
    await build(account).redact(SID, NOW + 30)
    assert await phone.fired() == [1]


async def test_a_record_that_kept_its_text_is_not_empty(account: TwilioAccount, phone: Phone, build: Build) -> None:
    record = {"sid": SID, "status": "sent", "body": "6aXk9p2B"}
    await phone.misbehave(operation="redact_message", times=9, status=200, body=record)
    with pytest.raises(Later) as raised:
        await build(account).redact(SID, NOW + 30)
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, SHORTLY)
    assert await phone.fired() == [3]


async def test_a_whatsapp_message_can_be_emptied_too(account: TwilioAccount, phone: Phone, build: Build) -> None:
    senders = Senders(sms_from="+15005550006", whatsapp_from="+15005550006", templates={"default": OTHER})
    courier = build(account, senders)
    message = await send(courier, channel=Channel.WHATSAPP)
    assert message.channel is Channel.WHATSAPP
    await courier.redact(message.id, NOW + 30)
    assert [seen["redacted"] for seen in await phone.inbox()] == [True]


# --- what must be forgotten ---

ENDS: dict[str, dict[str, Any]] = {
    "answered": {"kind": "delay", "seconds": 0},
    "refused": {"status": 400, "body": {"code": 29999, "message": "PASS", "detail": "PASS", "status": 400}},
    "a problem": {"status": 400, "body": {"type": "PASS", "title": "PASS", "status": 400, "code": 29999}},
    "broken": {"status": 500, "body": {"code": 20500, "message": "PASS", "status": 500}},
    "cut off": {"status": 200, "body": '{"sid": "SM", "body": "PASS'},
    "a list": {"status": 200, "body": ["PASS"]},
    "of another": {"status": 200, "body": {"sid": SID[:-1] + "6", "status": "sent", "body": "PASS"}},
    "with a bad date": {"status": 200, "body": {"sid": SID, "date_sent": ["PASS"], "body": "PASS"}},
    "dropped": {"kind": "drop", "when": "after"},
    "silent": {"kind": "delay", "seconds": 6},
}


def told(fault: Any) -> Any:
    """The fault with the pass where it says so."""
    if isinstance(fault, dict):
        return {name: told(value) for name, value in fault.items()}
    if isinstance(fault, list):
        return [told(value) for value in fault]
    return fault.replace("PASS", "".join(HALVES)) if isinstance(fault, str) else fault


@both
@pytest.mark.parametrize("end", ENDS)
async def test_nothing_keeps_the_record_or_the_sdks_error(
    account: TwilioAccount, phone: Phone, build: Build, end: str, method: Method
) -> None:
    courier, error = build(account), None
    message = await courier.send(NUMBER, Channel.SMS, None, joined(), "case-1-1", NOW + 30.0)
    await phone.misbehave(operation=OPERATIONS[method], times=9, **told(ENDS[end]))
    gc.collect()
    gc.disable()
    try:
        await ask(courier, method, message.id, courier._clock.monotonic() + (2.0 if end == "silent" else 30.0))
    except FirstpassError as raised:
        error = raised
    try:
        assert places_of_the_pass() == []
    finally:
        gc.enable()
    assert (error is None) == (end == "answered")
    assert error is None or (error.__context__, error.__cause__, str(error)) == (None, None, error.reason)
    assert all(await phone.fired())


@both
async def test_what_is_called_off_keeps_nothing(
    account: TwilioAccount, phone: Phone, build: Build, method: Method
) -> None:
    courier = build(account)
    message = await courier.send(NUMBER, Channel.SMS, None, joined(), "case-1-1", NOW + 30.0)
    await phone.misbehave(operation=OPERATIONS[method], kind="delay", seconds=1.5)
    asking = asyncio.create_task(ask(courier, method, message.id))
    await until(phone.fired, [1].__eq__)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert places_of_the_pass() == []


async def test_no_log_at_any_level_names_the_pass_or_the_number(
    account: TwilioAccount, phone: Phone, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    courier = build(account)
    message = await send(courier)
    await courier.look_up(message.id, NOW + 30)
    await courier.redact(message.id, NOW + 30)
    refusal = {"code": 29999, "message": f"{NUMBER} 6aXk9p2B", "status": 400}
    await phone.misbehave(operation="*_message", times=2, status=400, body=refusal)
    for method in METHODS:
        with pytest.raises(Later):
            await ask(courier, method, message.id)
    told = [(record.name, record.getMessage()) for record in caplog.records]
    assert not [name for name, _ in told if name.startswith("twilio")]
    assert not [text for _, text in told if "6aXk9p2B" in text or NUMBER[1:] in text]
    assert await phone.fired() == [2]
