"""Bad answers of Twilio in great numbers, read by the real adapter: a message is taken, or nobody claims it was."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tenacity import wait_none

from shared.adapters.twilio import Senders, TwilioAccount, TwilioCourier
from shared.adapters.twilio_codes import CODES, judge, judge_repeatable, verdict_on, word_of
from shared.errors import FirstpassError, Refused
from shared.events import Channel, Delivery, Message, Word
from shared.secret import Secret
from tests.contract.courier_rig import ACCOUNT, SENDERS, Clock
from tests.faults.loopback import Answer, Loopback, loopback
from tests.faults.mutants import CODE, MOMENTS, NUMBERS, PHONE, TEXTS, UPN, mutated, nasty, written
from tests.faults.volume import SHARE_BY_WIRE, Told, all_of, tried, volume

SID = f"SM{'5' * 32}"
STATUSES = (200, 201, 204, 302, 400, 400, 401, 403, 404, 404, 409, 429, 500, 503)
RECORD: dict[str, Any] = {
    "sid": SID, "status": "queued", "error_code": None, "error_message": f"to {PHONE}", "body": CODE, "to": PHONE,
    "from": "+15005550006", "date_created": "Mon, 30 Nov 2026 16:00:00 +0000", "num_segments": "1", "uri": UPN,
    "account_sid": ACCOUNT.account_sid, "price": None, "messaging_service_sid": None, "direction": "outbound-api",
}  # fmt: skip
WORDS = (*Delivery, "accepted", "scheduled", "sending", "receiving", "Delivered", "", None, 7, ["sent"], {"a": 1})


@asynccontextmanager
async def there() -> AsyncGenerator[tuple[Loopback, TwilioCourier, float]]:
    async with loopback() as twilio:
        account = TwilioAccount(
            account_sid=ACCOUNT.account_sid, api_key_sid=ACCOUNT.api_key_sid, api_key_secret="k", base_url=twilio.url
        )
        clock = Clock()
        courier = TwilioCourier(account, Senders(sms_from=SENDERS.sms_from), clock, wait_none())
        try:
            yield twilio, courier, clock.monotonic() + 600
        finally:
            await courier.close()


def answer(dice: Random, right: int, **changes: Any) -> Answer:
    """Twilio's record of a message, or an error of its, mostly with something wrong in it."""
    code = dice.choice((*CODES, 20404, 20429, 99999, "21211", None, 10**400))
    error = {"code": code, "message": f"{PHONE} {CODE} {UPN}", "status": 400, "more_info": UPN}
    status = right if dice.random() < 0.6 else dice.choice(STATUSES)
    record = RECORD | changes | {"status": dice.choice(WORDS), "error_code": dice.choice((None, code, nasty(dice)))}
    document = record if status < 300 or dice.random() < 0.2 else error
    document = mutated(document, dice) if dice.random() < 0.7 else document
    return Answer(status, written(document, dice), {"Content-Type": "application/json"})


async def outcome(call: Awaitable[object], right: Callable[[Any], object]) -> Told:
    error: FirstpassError | None = None
    try:
        found = await call
    except FirstpassError as told:
        error = told
    else:
        assert right(found)
        return Told(type(found).__name__, repr(found))
    assert (error.__cause__, error.__context__) == (None, None), "an SDK's error would hold the request"
    return Told(type(error).__name__, f"{error!r} {error} {error.detail if isinstance(error, Refused) else ''}")


@volume(6_000, SHARE_BY_WIRE)
async def test_a_message_was_taken_or_it_is_not_claimed(cases: int) -> None:
    async with there() as (twilio, courier, stop_at):

        async def asked(given: Answer) -> Told:
            twilio.answers(given, given)

            def was_taken(found: Message) -> bool:
                told = json.loads(given.body.decode())
                assert told.get("status") not in ("failed", "undelivered", "canceled")
                return given.status < 300 and found == Message(told["sid"], Channel.SMS)

            sending = courier.send(PHONE, Channel.SMS, None, Secret(CODE), "ref", stop_at)
            told = await outcome(sending, was_taken)
            again = given.status == 429 or b"20429" in given.body or b"21611" in given.body
            assert len(twilio.asked) == 1 or again, "what may have been taken is not sent twice"
            return told

        kinds = await tried("send", cases, lambda dice: answer(dice, 201), asked)
    all_of(kinds, "Message", "Unconfirmed", "Refused", "Later", "Halted")


@volume(4_000, SHARE_BY_WIRE)
async def test_a_look_up_says_what_was_told_of_this_message(cases: int) -> None:
    async with there() as (twilio, courier, stop_at):

        async def asked(given: Answer) -> Told:
            twilio.answers(given, given)

            def was_told(found: Word) -> bool:
                if given.status == 404:
                    return found == Word(Delivery.QUEUED)
                told = json.loads(given.body.decode())
                return told["sid"] == SID and found.delivery in (told["status"], Delivery.QUEUED)

            return await outcome(courier.look_up(SID, stop_at), was_told)

        kinds = await tried("look-up", cases, lambda dice: answer(dice, 200), asked)
    all_of(kinds, "Word", "Later", "Halted")


@volume(4_000, SHARE_BY_WIRE)
async def test_a_text_is_gone_when_its_record_says_so(cases: int) -> None:
    async with there() as (twilio, courier, stop_at):

        async def asked(given: Answer) -> Told:
            twilio.answers(given, given)

            def is_gone(_: None) -> bool:
                told = json.loads(given.body.decode())
                if given.status == 404:
                    return str(told["code"]) == "20404"
                return told["sid"] == SID and not told.get("body")

            return await outcome(courier.redact(SID, stop_at), is_gone)

        kinds = await tried("redact", cases, lambda dice: answer(dice, 200, body=dice.choice(("", CODE))), asked)
    all_of(kinds, "NoneType", "Later", "Halted")


# --- the tables alone ---


def code(dice: Random) -> tuple[int, object]:
    return dice.choice((*STATUSES, 0, 99, 600)), dice.choice(
        (*CODES, *map(str, CODES), *NUMBERS[:-4], *TEXTS, *MOMENTS)
    )


@volume(10_000)
async def test_every_code_and_word_has_a_verdict(cases: int) -> None:
    def asked(given: tuple[int, object]) -> Told:
        status, said = given
        verdicts = judge(status, said), judge_repeatable(status, said), verdict_on(said)
        words = [word_of(str(said), said), *(word_of(word, said) for word in Delivery)]
        assert all((word.failure is not None) == (word.delivery in LOST) for word in words)
        assert status < 500 or verdicts[0].kind == "ambiguous"
        return Told(str(verdicts[0].kind), repr((verdicts, words)))

    kinds = await tried("verdict", cases, code, asked)
    all_of(kinds, "retry", "ambiguous", "configuration", "recipient-permanent", "recipient-transient")


LOST = (Delivery.FAILED, Delivery.UNDELIVERED, Delivery.CANCELED)
