"""Twilio's callbacks: real ones of the sandbox's phone, and everything that only looks like one."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict
from twilio.request_validator import RequestValidator

from sandbox.process import Service
from shared.adapters.twilio import Senders, TwilioAccount
from shared.adapters.twilio_receipts import LIMIT, TwilioReceipts
from shared.errors import Forged, Reason
from shared.events import Channel, Delivery, Receipt, Word
from tests.contract.courier_rig import NUMBER, OTHER, Build, account, build, phone, send, service, until
from tests.contract.phone_driver import Phone

__all__ = ["account", "build", "phone", "service"]  # fixtures

URL = "https://firstpass.example/api/receipts"
CASE = "0a1b2c3d" * 4
QUERY = f"ref={CASE}-3-12"
SID = f"SM{'5' * 32}"
TOKEN, NEXT, STRANGE = "c" * 32, "d" * 32, "e" * 32
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """A callback as it comes over HTTP."""

    query: str
    headers: Mapping[str, str]
    body: bytes

    def read(self, receipts: TwilioReceipts) -> Receipt | None:
        return receipts.read(self.query, self.headers, self.body)

    def fields(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


def is_forged(receipts: TwilioReceipts, call: Call) -> bool:
    """Whether a callback is turned away, by an error that tells nothing."""
    told: Forged | None = None
    try:
        call.read(receipts)
    except Forged as forged:
        told = forged
    assert told is None or (str(told), told.__context__, told.__cause__) == ("receipt-forged", None, None)
    return told is not None


# --- real callbacks ---


@dataclass
class Door:
    """Where the phone's callbacks come in."""

    url: str = ""
    calls: list[Call] = field(default_factory=list[Call])

    async def take(self, request: web.Request) -> web.Response:
        self.calls.append(Call(request.raw_path.partition("?")[2], request.headers.copy(), await request.read()))
        return web.Response(status=204)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    app = web.Application()
    app.router.add_post("/api/receipts", door.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    door.url = f"{site.name}/api/receipts"
    yield door
    await runner.cleanup()


type Provoke = Callable[..., Any]


@pytest.fixture
async def provoke(account: TwilioAccount, phone: Phone, build: Build, door: Door) -> Provoke:
    """Sends a message to a phone of some fate; gives its id when all its callbacks have come."""

    async def sending(fate: str, channel: Channel = Channel.SMS) -> str:
        await phone.script(NUMBER, fate)
        senders = Senders(
            sms_from="+15005550006",
            whatsapp_from="+15005550006",
            templates={"default": OTHER},
            callback_url=door.url,
        )
        message = await send(build(account, senders), channel=channel, ref=f"{CASE}-3-12")
        await until(phone.pending, lambda pending: not pending["messages"] and not pending["callbacks"])
        return message.id

    return sending


@pytest.fixture
def receipts(service: Service, door: Door) -> TwilioReceipts:
    return TwilioReceipts([service.ready["authToken"]], door.url)


async def test_an_sms_on_its_way_and_delivered(provoke: Provoke, door: Door, receipts: TwilioReceipts) -> None:
    message_id = await provoke("delivered")
    told = Receipt(
        case_id=CASE,
        issuance=3,
        attempt=12,
        message_id=message_id,
        channel=Channel.SMS,
        word=Word(Delivery.QUEUED),
    )
    words = [Word(Delivery.QUEUED), Word(Delivery.SENT), Word(Delivery.DELIVERED)]
    assert [call.read(receipts) for call in door.calls] == [replace(told, word=word) for word in words]
    assert "" in door.calls[0].fields().values()


@pytest.mark.parametrize(
    ("fate", "word"),
    [
        ("30005", Word(Delivery.UNDELIVERED, Reason.UNDELIVERABLE)),
        ("30003", Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
        ("30007", Word(Delivery.UNDELIVERED, Reason.TWILIO_DENIED)),
        ("failed", Word(Delivery.FAILED, Reason.PHONE_UNREACHABLE)),
    ],
)
async def test_a_message_that_did_not_arrive_says_why(
    provoke: Provoke, door: Door, receipts: TwilioReceipts, fate: str, word: Word
) -> None:
    await provoke(fate)
    last = door.calls[-1].read(receipts)
    assert last
    assert last.word == word


async def test_a_whatsapp_message_that_was_read(provoke: Provoke, door: Door, receipts: TwilioReceipts) -> None:
    message_id = await provoke("read", Channel.WHATSAPP)
    read = [call.read(receipts) for call in door.calls]
    assert {(told.channel, told.message_id) for told in read if told} == {(Channel.WHATSAPP, message_id)}
    assert [told.word.delivery.value for told in read if told] == ["queued", "sent", "delivered", "read"]


async def test_a_real_callback_reads_only_as_it_was_sent(
    provoke: Provoke, door: Door, receipts: TwilioReceipts, service: Service
) -> None:
    await provoke("delivered")
    call = door.calls[0]
    assert call.read(receipts)
    blank = next(name for name, value in call.fields().items() if not value)
    altered = [
        replace(call, query=call.query[:-1] + "3"),
        replace(call, query=""),
        replace(call, query=call.query + "&"),
        replace(call, query=call.query + "&ref=" + call.query[4:]),
        replace(call, query=call.query.replace("-", "%2D", 1)),
        replace(call, body=call.body.replace(b"sending", b"delivered")),
        replace(call, body=urlencode({name: text for name, text in call.fields().items() if name != blank}).encode()),
        replace(call, body=call.body + b"&Body="),
        replace(call, body=b""),
    ]
    assert len({(each.query, each.body) for each in altered} - {(call.query, call.body)}) == len(altered)
    assert [is_forged(receipts, each) for each in altered] == [True] * len(altered)
    token = service.ready["authToken"]
    for elsewhere in ("localhost", "127.0.0.2", "127.0.0.1.example"):
        assert is_forged(TwilioReceipts([token], door.url.replace("127.0.0.1", elsewhere)), call)
    assert is_forged(TwilioReceipts([token], door.url.replace("http:", "https:")), call)
    assert is_forged(TwilioReceipts([token], door.url + "/"), call)


async def test_while_the_token_changes_both_are_good(provoke: Provoke, door: Door, service: Service) -> None:
    await provoke("delivered")
    call, now = door.calls[-1], service.ready["authToken"]
    signature = RequestValidator(NEXT).compute_signature(f"{door.url}?{call.query}", call.fields())
    resigned = replace(call, headers={"Content-Type": FORM, "X-Twilio-Signature": signature})
    both = TwilioReceipts([now, NEXT], door.url)
    assert call.read(both) == resigned.read(both) is not None
    assert is_forged(TwilioReceipts([now], door.url), resigned)
    assert is_forged(TwilioReceipts([NEXT], door.url), call)
    assert is_forged(TwilioReceipts([STRANGE], door.url), call)


# --- signed by us as Twilio would ---

FIELDS = {
    "AccountSid": f"AC{'0' * 32}",
    "ErrorCode": "30005",
    "From": "+15005550006",
    "MessageSid": SID,
    "MessageStatus": "undelivered",
    "RawDlrDoneDate": "",
    "SmsStatus": "undelivered",
    "To": NUMBER,
}
TOLD = Receipt(
    case_id=CASE,
    issuance=3,
    attempt=12,
    message_id=SID,
    channel=Channel.SMS,
    word=Word(Delivery.UNDELIVERED, Reason.UNDELIVERABLE),
)
OURS = TwilioReceipts([TOKEN, NEXT], URL)


def signed(fields: Mapping[str, str] | None = None, query: str = QUERY, token: str = TOKEN, **changes: str) -> Call:
    """A callback of these fields (FIELDS, with `changes`), signed."""
    sent = dict(FIELDS if fields is None else fields) | changes
    signature = RequestValidator(token).compute_signature(f"{URL}?{query}" if query else URL, sent)
    headers = {"content-type": f"{FORM}; charset=UTF-8", "x-twilio-signature": signature}
    return Call(query, headers, urlencode(sent).encode())


def test_a_signed_callback_is_a_receipt() -> None:
    assert signed().read(OURS) == TOLD
    assert signed(token=NEXT).read(OURS) == TOLD
    assert signed(ErrorMessage="Téléphone ✓ +&=%", Unknown="\N{GRINNING FACE}").read(OURS) == TOLD


@pytest.mark.parametrize(
    "names",
    [
        ("X-Twilio-Signature", "Content-Type"),
        ("X-TWILIO-SIGNATURE", "CONTENT-TYPE"),
        ("x-tWiLiO-sIgNaTuRe", "content-type"),
    ],
)
def test_headers_are_found_in_any_case(names: tuple[str, str]) -> None:
    call = signed()
    headers = {names[0]: call.headers["x-twilio-signature"], names[1]: call.headers["content-type"]}
    assert replace(call, headers=headers).read(OURS) == TOLD
    assert replace(call, headers=CIMultiDict(headers)).read(OURS) == TOLD


@pytest.mark.parametrize("kind", [FORM, FORM.upper(), f"{FORM} ; charset=utf-8", f"{FORM};charset=UTF-8"])
def test_a_form_by_any_spelling(kind: str) -> None:
    call = signed()
    assert replace(call, headers={**call.headers, "content-type": kind}).read(OURS) == TOLD


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", f"{FORM}x", f"text/plain; {FORM}"])
def test_what_is_no_form_is_forged(kind: str) -> None:
    call = signed()
    assert is_forged(OURS, replace(call, headers={**call.headers, "content-type": kind}))


GOOD = signed().headers["x-twilio-signature"]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "garbage",
        GOOD[:-1],
        GOOD + " ",
        GOOD.lower(),
        f"{GOOD},{GOOD}",
        f"{GOOD}, {GOOD}",
        "é" * 28,
        "\ud800",
        "\0",
    ],
)
def test_a_wrong_signature_is_forged(signature: str) -> None:
    call = signed()
    assert is_forged(OURS, replace(call, headers={**call.headers, "x-twilio-signature": signature}))


def test_a_missing_header_is_forged() -> None:
    call = signed()
    for missing in call.headers:
        headers = {name: text for name, text in call.headers.items() if name != missing}
        assert is_forged(OURS, replace(call, headers=headers))


@pytest.mark.parametrize("name", ["X-Twilio-Signature", "Content-Type"])
def test_a_header_that_comes_twice_is_forged(name: str) -> None:
    call = signed()
    same = call.headers[name.lower()]
    assert is_forged(OURS, replace(call, headers={**call.headers, name: same}))
    assert is_forged(OURS, replace(call, headers=CIMultiDict([*call.headers.items(), (name, same)])))


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"MessageSid=%ff", b"MessageSid=%ED%A0%80", "MessageSid=é".encode(), b"\x00", b"{}", b"=", b"&&&="],
)
def test_a_body_that_is_no_form_is_forged(body: bytes) -> None:
    assert is_forged(OURS, replace(signed(), body=body))


def test_what_a_parser_would_repair_is_forged_though_signed() -> None:
    call = signed(ErrorMessage="\N{REPLACEMENT CHARACTER}")
    assert call.read(OURS) == TOLD
    assert is_forged(OURS, replace(call, body=call.body.replace(b"%EF%BF%BD", b"%FF")))


def test_what_is_too_large_is_forged_though_signed() -> None:
    room = LIMIT - len(QUERY) - len(signed(Filling="").body)
    assert signed(Filling="x" * room).read(OURS) == TOLD
    assert is_forged(OURS, signed(Filling="x" * (room + 1)))
    assert is_forged(OURS, signed(query=QUERY + "x" * LIMIT))


def test_a_field_that_comes_twice_is_forged_though_signed() -> None:
    for value in ("delivered", "undelivered"):
        pairs = [*FIELDS.items(), ("MessageStatus", value)]
        signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{QUERY}", MultiDict(pairs))
        call = signed()
        doubled = Call(QUERY, {**call.headers, "x-twilio-signature": signature}, urlencode(pairs).encode())
        assert is_forged(OURS, doubled)


@pytest.mark.parametrize("cut", range(1, len(QUERY)))
def test_no_part_of_a_signed_url_can_become_a_field(cut: int) -> None:
    """The URL and the fields are signed as one text: what ends the one could as well begin the other."""
    call, first = signed(), next(iter(FIELDS))
    moved = {QUERY[-cut:] + first: FIELDS[first], **{name: FIELDS[name] for name in FIELDS if name != first}}
    shifted = Call(QUERY[:-cut], call.headers, urlencode(moved).encode())
    assert is_forged(OURS, shifted) or shifted.read(OURS) is None


def test_no_signed_field_can_become_part_of_the_url() -> None:
    call = signed()
    for kept in range(len(FIELDS)):
        eaten = "".join(name + text for name, text in list(FIELDS.items())[: kept + 1])
        rest = dict(list(FIELDS.items())[kept + 1 :])
        shifted = Call(QUERY + eaten, call.headers, urlencode(rest).encode())
        assert is_forged(OURS, shifted) or shifted.read(OURS) is None


@pytest.mark.parametrize("sign", ["\t", "\r", "\n"])
def test_a_sign_the_url_parser_passes_over_names_no_case(sign: str) -> None:
    for at in range(len(QUERY) + 1):
        altered = replace(signed(), query=QUERY[:at] + sign + QUERY[at:])
        assert is_forged(OURS, altered) or altered.read(OURS) is None


# --- signed, and about nothing we know ---


@pytest.mark.parametrize(
    "query",
    [
        "",
        "ref=",
        "other=1",
        f"ref={CASE}",
        f"ref={CASE}-3",
        f"ref={CASE}-3-",
        f"ref={CASE}-3-12-1",
        f"ref={CASE}--3-12",
        f"ref={CASE}-3--12",
        f"ref={CASE}-3-+12",
        f"ref={CASE}-03-12",
        f"ref={CASE}-3-1_2",
        f"ref={CASE}-3-{'9' * 10}",
        f"ref={CASE}-3-{'9' * 5000}",
        f"ref={CASE.upper()}-3-12",
        f"ref={CASE[:-1]}-3-12",
        f"ref={CASE}0-3-12",
        f"ref={CASE}%2D3-12",
        f"ref= {CASE}-3-12",
        f"Ref={CASE}-3-12",
        f"{QUERY}&{QUERY}",
        f"{QUERY}&ref={CASE}-3-13",
        f"{QUERY}&code=x",
        f"{QUERY}&",
        f"{QUERY};{QUERY}",
        f"bodySHA256=00&{QUERY}",
    ],
)
def test_without_a_ref_of_ours_there_is_no_receipt(query: str) -> None:
    assert signed(query=query).read(OURS) is None
    assert signed(query=query, ref=QUERY[4:]).read(OURS) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"MessageSid": ""},
        {"MessageSid": SID[:-1]},
        {"MessageSid": SID + "5"},
        {"MessageSid": SID + "\n"},
        {"MessageSid": SID.replace("SM", "CA")},
        {"MessageSid": "٣" * 34},
        {"MessageStatus": ""},
    ],
)
def test_without_a_message_or_its_status_there_is_no_receipt(changes: dict[str, str]) -> None:
    assert signed(FIELDS | changes).read(OURS) is None
    assert signed({name: text for name, text in FIELDS.items() if name not in changes}).read(OURS) is None


@pytest.mark.parametrize("sid", [f"MM{'1' * 32}", f"SM{'aB' * 16}"])
def test_every_kind_of_message_has_an_id(sid: str) -> None:
    assert signed(MessageSid=sid).read(OURS) == replace(TOLD, message_id=sid)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"MessageStatus": "accepted"}, Word(Delivery.QUEUED)),
        ({"MessageStatus": "invented"}, Word(Delivery.QUEUED)),
        ({"MessageStatus": "sent"}, Word(Delivery.SENT)),
        ({"MessageStatus": "delivered"}, Word(Delivery.DELIVERED)),
        ({"MessageStatus": "canceled", "ErrorCode": ""}, Word(Delivery.CANCELED, Reason.PHONE_UNREACHABLE)),
        ({"MessageStatus": "failed", "ErrorCode": "21610"}, Word(Delivery.FAILED, Reason.OPTED_OUT)),
        ({"ErrorCode": ""}, Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
        ({"ErrorCode": "٣٠٠٠٥"}, Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
        ({"ErrorCode": "9" * 5000}, Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
    ],
)
def test_a_status_in_our_words(changes: dict[str, str], word: Word) -> None:
    assert signed(FIELDS | changes).read(OURS) == replace(TOLD, word=word)


@pytest.mark.parametrize(
    ("changes", "channel"),
    [
        ({"To": f"whatsapp:{NUMBER}"}, Channel.WHATSAPP),
        ({"ChannelPrefix": "whatsapp"}, Channel.WHATSAPP),
        ({"ChannelPrefix": ""}, Channel.SMS),
        ({"To": ""}, Channel.SMS),
    ],
)
def test_the_channel_is_the_one_it_went_by(changes: dict[str, str], channel: Channel) -> None:
    assert signed(FIELDS | changes).read(OURS) == replace(TOLD, channel=channel)


def test_behind_a_port_the_url_is_the_same() -> None:
    assert signed().read(TwilioReceipts([TOKEN], URL.replace(".example/", ".example:443/"))) == TOLD


# --- how it is built ---


@pytest.mark.parametrize(
    ("tokens", "url"),
    [
        ([], URL),
        ([""], URL),
        ([TOKEN, ""], URL),
        ([TOKEN], ""),
        ([TOKEN], "firstpass.example/api/receipts"),
        ([TOKEN], "ftp://firstpass.example/api/receipts"),
        ([TOKEN], "https:///api/receipts"),
        ([TOKEN], "https://firstpass.example:port/api/receipts"),
        ([TOKEN], f"{URL}?"),
        ([TOKEN], f"{URL}?code=1"),
        ([TOKEN], f"{URL}#rc=3"),
    ],
)
def test_a_reader_that_could_not_tell_is_refused(tokens: list[str], url: str) -> None:
    with pytest.raises(ValueError, match=r"receipts|[Pp]ort") as raised:
        TwilioReceipts(tokens, url)
    assert TOKEN not in str(raised.value)


def test_no_repr_shows_a_token() -> None:
    assert TOKEN not in repr(OURS)


def test_the_door_loads_no_client_of_twilios() -> None:
    told = "import sys, shared.adapters.twilio_receipts; print(*{name.split('.')[0] for name in sys.modules})"
    told += "; print('twilio.rest' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", told], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "twilio" in loaded
    assert not {"requests", "aiohttp", "tenacity", "pydantic", "True"} & set(loaded)


# --- whatever comes ---

_words = st.text(st.characters(), max_size=40)
_queries = st.one_of(_words, st.just(QUERY), st.builds(QUERY.__add__, _words), st.from_regex(r"ref=[0-9a-f]{32}-\d-\d"))
_names = st.one_of(
    st.sampled_from(["X-Twilio-Signature", "x-twilio-signature", "Content-Type", "content-type"]), _words
)
_values = st.one_of(st.just(FORM), st.just(GOOD), _words)
_headers = st.one_of(
    st.dictionaries(_names, _values),
    st.fixed_dictionaries({"X-Twilio-Signature": _words, "Content-Type": st.just(FORM)}),
)
_bodies = st.one_of(
    st.binary(max_size=200), st.just(signed().body), st.builds(signed().body.__add__, st.binary(max_size=20))
)


@given(_queries, _headers, _bodies)
@example("\ud800", signed().headers, signed().body)
@example("[", signed().headers, signed().body)
@example("#", signed().headers, signed().body)
def test_whatever_comes_is_forged_or_nothing(query: str, headers: Mapping[str, str], body: bytes) -> None:
    call = Call(query, headers, body)
    whole = (query, body) == (QUERY, signed().body) and GOOD in headers.values()
    assert whole or is_forged(OURS, call) or call.read(OURS) is None


_typed = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(_typed, _typed), st.text(st.characters(codec="ascii"), max_size=40))
def test_whatever_is_signed_is_read_without_a_fault(fields: dict[str, str], query: str) -> None:
    call = signed(fields, query.replace("#", ""))
    assert is_forged(OURS, call) or call.read(OURS) is None
    about_us = signed({**FIELDS, **{f"Extra{name}": text for name, text in fields.items()}})
    assert about_us.read(OURS) == TOLD


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1), st.uuids())
def test_every_ref_of_a_case_comes_back(issuance: int, attempt: int, case_id: Any) -> None:
    told = signed(query=f"ref={case_id.hex}-{issuance}-{attempt}").read(OURS)
    assert told == replace(TOLD, case_id=case_id.hex, issuance=issuance, attempt=attempt)
