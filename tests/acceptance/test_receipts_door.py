"""The door for Twilio's callbacks: the host's HTTP front, the real function behind it, the phone stand-in before it."""

import json
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from twilio.request_validator import RequestValidator
from yarl import URL

from cli.stage import Stage, on_stage
from sandbox.phone.callbacks import signature
from sandbox.stack import Stack
from shared.adapters.tables import TableLedger
from shared.case import Case
from shared.events import Delivery
from shared.settings import Settings
from tests.acceptance.hands import (
    APP,
    behave,
    case_id,
    head,
    ledger_of,
    messages,
    misbehave,
    pass_on,
    start_host,
    values,
    wait_until,
)
from tests.acceptance.people import NOW, hired, mobile, user

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEXT_TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
CANARY = "canary-in-the-body"
DONE = "receipts [POST] Succeeded"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncGenerator[Stage]:
    """One for all tests here; each has joiners of its own."""
    with Stack() as stack:
        stack.clock.set_now(datetime.fromisoformat(NOW))
        stack.start_host(values(stack, TWILIO_AUTH_TOKEN_NEXT=NEXT_TOKEN), APP)
        async with on_stage(stack, values(stack)) as stage:
            yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ledger(stage: Stage) -> AsyncGenerator[TableLedger]:
    async with ledger_of(stage.stack) as ledger:
        yield ledger


def log(stack: Stack) -> str:
    return (stack.folder / "host-1.log").read_text()


def told(stack: Stack, event: str) -> int:
    return log(stack).count(f'"event": "{event}"')


def fields(number: int, case: Case, status: str, **changes: str) -> dict[str, str]:
    sid = case.message_id or "SM" + "0" * 32
    return {"MessageSid": sid, "MessageStatus": status, "To": mobile(number), "From": "+15005550006"} | changes


def address(stage: Stage, ref: str) -> str:
    return f"{stage.stack.app_url}/api/receipts?ref={ref}"


async def post(stage: Stage, url: str, form: Mapping[str, str] | bytes, signed: str | None, kind: str = FORM) -> int:
    headers = {"Content-Type": kind} | ({"X-Twilio-Signature": signed} if signed is not None else {})
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    async with stage.http.post(URL(url, encoded=True), data=body, headers=headers) as answer:
        assert await answer.read() == b""
        return answer.status


async def serve(stage: Stage, number: int, data: dict[str, Any] | None = None) -> None:
    """This joiner has their message, and Twilio has said what became of it."""
    await send(stage, number, data)
    await stage.quiet()


async def send(stage: Stage, number: int, data: dict[str, Any] | None = None) -> None:
    async with stage.http.post(f"{stage.stack.directory.url}/sandbox/users", json=user(number)) as answer:
        assert answer.ok
    await stage.send([json.dumps(hired(number, data)).encode()])


async def test_what_twilio_says_is_written_into_the_case(stage: Stage, ledger: TableLedger) -> None:
    await serve(stage, 1)
    case = await head(ledger, 1)
    assert (case.state, case.receipt) == ("sent", Delivery.DELIVERED)
    assert log(stage.stack).count(DONE) == 3, "sending, sent, delivered"
    url, form = address(stage, case.ref), fields(1, case, "read")
    assert await post(stage, url, form, signature(url, form)) == 204
    assert (await head(ledger, 1)).receipt is Delivery.READ


async def test_what_is_not_signed_by_twilio_is_forbidden_and_told_nowhere(stage: Stage, ledger: TableLedger) -> None:
    await serve(stage, 2)
    before = await head(ledger, 2)
    url, form = address(stage, before.ref), fields(2, before, "read", Canary=CANARY)
    other = RequestValidator("ffffffffffffffffffffffffffffffff").compute_signature(url, form)
    forged_before = told(stage.stack, "receipt-forged")
    forged = [None, "", "nonsense", "\xe4\xf6", other, signature(f"{url}1", form), signature(url, form | {"To": "x"})]
    for signed in forged:
        assert await post(stage, url, form, signed) == 403, signed
    assert told(stage.stack, "receipt-forged") == forged_before + len(forged)
    assert await head(ledger, 2) == before
    nothing_of_it(stage.stack)


async def test_hostile_requests_are_no_error_of_ours(stage: Stage, ledger: TableLedger) -> None:
    await serve(stage, 3)
    before = await head(ledger, 3)
    url, form = address(stage, before.ref), fields(3, before, "read", Canary=CANARY)
    good, body = signature(url, form), urlencode(form).encode()
    failed = log(stage.stack).count(" Failed in ")
    for strange, kind in [
        (b"", FORM),
        (b"\xff\xfe\x00" + body, FORM),
        (body + b"&MessageStatus=failed", FORM),
        (body + b"&=", FORM),
        (body + b"&x=" + b"y" * 100_000, FORM),
        (body, "text/plain"),
        (body, ""),
        (json.dumps(form).encode(), "application/json"),
        (b"[" * 50_000, FORM),
    ]:
        assert await post(stage, url, strange, good, kind) == 403, (strange[:40], kind)
    for query in ("", "?", "?ref=%FF%FE", f"?ref={before.ref}&ref={before.ref}", "?" + "a=b&" * 1_500):
        assert await post(stage, f"{stage.stack.app_url}/api/receipts{query}", form, good) == 403, query[:40]
    twice = [("X-Twilio-Signature", good), ("X-Twilio-Signature", good), ("Content-Type", FORM)]
    async with stage.http.post(url, data=body, headers=twice) as answer:
        assert answer.status == 403

    async def without_length() -> AsyncGenerator[bytes]:
        yield body

    headers = {"X-Twilio-Signature": good, "Content-Type": FORM}
    async with stage.http.post(url, data=without_length(), headers=headers) as answer:
        assert answer.status == 403
    assert log(stage.stack).count(" Failed in ") == failed
    assert await head(ledger, 3) == before
    nothing_of_it(stage.stack)


def nothing_of_it(stack: Stack) -> None:
    for file in stack.folder.glob("*.log"):
        text = file.read_text()
        assert CANARY not in text, file.name
        for number in (1, 2, 3):
            assert mobile(number)[1:] not in text, file.name


async def test_the_next_auth_token_is_taken_while_tokens_change(stage: Stage, ledger: TableLedger) -> None:
    await serve(stage, 4)
    case = await head(ledger, 4)
    url, form = address(stage, case.ref), fields(4, case, "read")
    assert await post(stage, url, form, RequestValidator(NEXT_TOKEN).compute_signature(url, form)) == 204
    assert (await head(ledger, 4)).receipt is Delivery.READ


async def test_blank_fields_are_signed_and_taken(stage: Stage, ledger: TableLedger) -> None:
    await serve(stage, 5)
    case = await head(ledger, 5)
    url, form = address(stage, case.ref), fields(5, case, "read", ErrorCode="", RawDlrDoneDate="", ChannelPrefix="")
    assert await post(stage, url, form, signature(url, form)) == 204
    assert (await head(ledger, 5)).receipt is Delivery.READ


async def test_a_receipt_for_nobody_is_fine_and_makes_nobody(stage: Stage, ledger: TableLedger) -> None:
    await serve(stage, 6)
    case = await head(ledger, 6)
    for ref in (f"{'0' * 32}-0-1", "nonsense", ""):
        url, form = address(stage, ref), fields(6, case, "read")
        assert await post(stage, url, form, signature(url, form)) == 204
    assert await ledger.load("0" * 32) is None
    assert await head(ledger, 6) == case


async def test_it_only_takes_posts_and_says_that_it_is_there(stage: Stage) -> None:
    url = address(stage, f"{'0' * 32}-0-1")
    async with stage.http.head(url, headers={"X-Twilio-Signature": "none"}) as answer:
        assert answer.status == 204
    before = log(stage.stack).count("receipts [")
    for method in ("GET", "PUT", "DELETE"):
        async with stage.http.request(method, url, headers={"X-Twilio-Signature": signature(url, {})}) as answer:
            assert answer.status == 404, method
    assert log(stage.stack).count("receipts [") == before


FATES: list[tuple[str, str, tuple[str, str | None]]] = [
    ("sms", "delivered", ("sent", "delivered")),
    ("sms", "sent", ("sent", "sent")),
    ("sms", "30005", ("refused", "undelivered")),
    ("whatsapp", "read", ("sent", "read")),
    ("whatsapp", "63003", ("sent", "delivered")),
]
"""Of a channel and how its phone behaves, what becomes of the case."""


async def test_doubled_and_reordered_receipts_end_the_same(stage: Stage, ledger: TableLedger) -> None:
    templates = Settings(values(stage.stack))["WHATSAPP_TEMPLATES"]
    calm, wild = range(20, 20 + len(FATES)), range(30, 30 + len(FATES))
    posts = [log(stage.stack).count(DONE)]
    for group, hostile in ((calm, False), (wild, True)):
        wishes = {"doubleCallbacks": hostile, "reorderCallbacks": hostile}
        await stage.put(f"{stage.stack.phone.url}/sandbox/account", wishes)
        fates = dict(zip(group, FATES, strict=True))
        await stage.phones({mobile(n): {channel: fate} for n, (channel, fate, _) in fates.items()}, templates)
        for number, (channel, _, _) in fates.items():
            await serve(stage, number, {"channel": channel})
        posts.append(log(stage.stack).count(DONE))
    await stage.put(f"{stage.stack.phone.url}/sandbox/account", {"doubleCallbacks": False, "reorderCallbacks": False})
    assert posts[2] - posts[1] == 2 * (posts[1] - posts[0]) > 0, "every one of them doubled"
    await pass_on(stage, ledger, stage.stack.clock.now() + timedelta(minutes=10))
    for quiet, loud, (channel, fate, end) in zip(calm, wild, FATES, strict=True):
        one, other = await head(ledger, quiet), await head(ledger, loud)
        assert (one.state, one.receipt) == end, (channel, fate)
        assert what_is_left(other) == what_is_left(one), (channel, fate)
        assert len(await messages(stage, loud)) == len(await messages(stage, quiet)) == other.issuance


def what_is_left(case: Case) -> dict[str, Any]:
    """Of a head, what must not depend on the order of receipts."""
    names = ("state", "reason", "issuance", "attempt", "sends", "spent", "receipt", "failure", "channel", "by_sms")
    waits = {name: getattr(case, name) is None for name in ("guard_at", "look_at", "ask_at", "check_at", "wipe_at")}
    texts = [(text.redact_at is None, text.tries) for text in case.texts]
    return {name: getattr(case, name) for name in names} | waits | {"texts": texts}


async def test_a_receipt_that_cannot_be_written_comes_again(stage: Stage, ledger: TableLedger) -> None:
    before = log(stage.stack).count(DONE)
    await misbehave(stage, "phone", operation="callback", kind="delay", seconds=2)
    await send(stage, 7)
    await wait_until(lambda: is_sent(ledger, 7), "the message")
    await stage.settled()
    case = await head(ledger, 7)
    assert case.receipt is None
    url, form = address(stage, case.ref), fields(7, case, "sent")
    os.kill(stage.stack.azurite.child.pid, signal.SIGSTOP)
    try:
        assert await post(stage, url, form, signature(url, form)) == 503
        await wait_until(lambda: has_answered(stage, before + 3), "`queued`, which nobody writes, and `sent`")
    finally:
        os.kill(stage.stack.azurite.child.pid, signal.SIGCONT)
    assert log(stage.stack).count('"reason": "ledger-unavailable"') >= 1
    await stage.quiet()
    await behave(stage, "phone")
    assert (await head(ledger, 7)).receipt is Delivery.DELIVERED
    assert log(stage.stack).count(DONE) == before + 5, "ours, three of Twilio's, `sent` twice"
    assert "receipts [POST] Failed" not in log(stage.stack)


async def has_answered(stage: Stage, count: int) -> bool:
    return log(stage.stack).count(DONE) >= count


async def is_sent(ledger: TableLedger, number: int) -> bool:
    case = await ledger.load(case_id(number))
    return case is not None and case.state == "sent"


async def test_each_role_has_its_own_doors(stage: Stage) -> None:
    inner = {"joiner", "agenda"}
    for role, doors in {"door": {"receipts"}, "worker": inner}.items():
        host = await start_host(stage, FIRSTPASS_ROLE=role)
        host.kill()
        assert set(host.ready["functions"]) & (inner | {"receipts"}) == doors
