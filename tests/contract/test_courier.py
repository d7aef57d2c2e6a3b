"""What the flow may expect of a courier, of the fake one and of Twilio's adapter before the sandbox's phone alike."""

import asyncio
import string
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from tenacity import wait_none

from sandbox.process import Service, start
from shared.adapters.twilio import Senders, TwilioAccount, TwilioCourier
from shared.errors import FirstpassError, Halted, Later, Reason, Refused, Unconfirmed
from shared.events import Channel, Delivery, Word
from shared.ports import Courier
from shared.secret import Secret
from tests.contract.courier_rig import until
from tests.contract.phone_driver import Phone
from tests.fakes.clock import FakeClock
from tests.fakes.courier import FakeCourier, Method

NUMBER = "+491713920001"
TEMPLATE = "HX" + "a1" * 16
LATER_ON = 1030.0
"""A deadline half a minute ahead of the clock's 1000."""


@dataclass(frozen=True)
class Seen:
    """What a person sees: on which phone, over which channel, which pass."""

    number: str
    channel: Channel
    text: str


class World(Protocol):
    """A courier, and the outside it works in."""

    courier: Courier
    clock: FakeClock

    async def refuses(self, number: str, code: int, error: FirstpassError) -> None:
        """Messages to `number` are refused at once, by Twilio with `code`, which is to end as `error`."""
        ...

    async def is_busy(self) -> None:
        """Everything is turned away unsent, for as long as one send tries."""
        ...

    async def drops_the_answer(self) -> None:
        """The next message is taken, but its sender never learns."""
        ...

    async def breaks(self) -> None:
        """The next message is lost, and its sender never learns."""
        ...

    async def ends(self, number: str, fate: str, word: Word) -> None:
        """Messages to `number` will have this fate of the sandbox's, or Twilio's code, which reads as `word`."""
        ...

    async def at_rest(self) -> None:
        """What is under way has come to its end."""
        ...

    async def is_busy_for(self, method: Method) -> None:
        """`look_up` or `redact` gets no answer, for as long as one call tries."""
        ...

    async def redacted(self) -> list[str]:
        """The ids of the messages whose text Twilio has no more."""
        ...

    async def inbox(self) -> list[Seen]: ...

    async def close(self) -> None:
        """Check what was arranged did happen, and tidy up."""
        ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = FakeClock(datetime(2026, 12, 1, 7, tzinfo=UTC))
        self._fake = FakeCourier(self.clock, templates={"nl"})
        self.courier: Courier = self._fake
        self._ends: dict[str, Word] = {}

    async def refuses(self, number: str, code: int, error: FirstpassError) -> None:  # noqa: ARG002 - Twilio's
        self._fake.refusals[number] = error

    async def is_busy(self) -> None:
        self._fake.fail_next(Later(Reason.TWILIO_BUSY, timedelta(seconds=60)))

    async def drops_the_answer(self) -> None:
        self._fake.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED), after=True)

    async def breaks(self) -> None:
        self._fake.fail_next(Unconfirmed(Reason.MESSAGE_UNCONFIRMED))

    async def ends(self, number: str, fate: str, word: Word) -> None:  # noqa: ARG002 - the sandbox's
        self._ends[number] = word

    async def at_rest(self) -> None:
        self._fake.words |= {sent.id: self._ends[sent.number] for sent in self._fake.sent if sent.number in self._ends}

    async def is_busy_for(self, method: Method) -> None:
        self._fake.fail_next(Later(Reason.TWILIO_BUSY, timedelta(seconds=60)), method=method)

    async def redacted(self) -> list[str]:
        return sorted(set(self._fake.redacted))

    async def inbox(self) -> list[Seen]:
        return [Seen(sent.number, sent.channel, sent.text) for sent in self._fake.sent]

    async def close(self) -> None:
        return


class SandboxWorld:
    def __init__(self, service: Service) -> None:
        account = TwilioAccount(
            account_sid=service.ready["accountSid"],
            api_key_sid=service.ready["apiKeySid"],
            api_key_secret=service.ready["apiKeySecret"],
            base_url=service.url,
        )
        senders = Senders(sms_from="+15005550006", whatsapp_from="+15005550006", templates={"nl": TEMPLATE})
        self.clock = FakeClock(datetime(2026, 12, 1, 7, tzinfo=UTC))
        self._twilio = TwilioCourier(account, senders, self.clock, wait_none())
        self.courier: Courier = self._twilio
        self._phone = Phone(service.url)
        self._faults: list[int] = []

    async def open(self) -> None:
        await self._phone.reset()
        await self._phone.approve(**{TEMPLATE: "nl"})

    async def refuses(self, number: str, code: int, error: FirstpassError) -> None:  # noqa: ARG002 - the fake's
        await self._phone.script(number, str(code))

    async def is_busy(self) -> None:
        await self._fault(3, status=429, body={"code": 20429, "message": "Too Many Requests", "status": 429})

    async def drops_the_answer(self) -> None:
        await self._fault(1, kind="drop", when="after")

    async def breaks(self) -> None:
        await self._fault(1, kind="drop", when="before")

    async def ends(self, number: str, fate: str, word: Word) -> None:  # noqa: ARG002 - the fake's
        await self._phone.script(number, fate)

    async def at_rest(self) -> None:
        await until(self._phone.pending, lambda pending: not pending["messages"])

    async def is_busy_for(self, method: Method) -> None:
        operation = {"send": "create_message", "look_up": "fetch_message", "redact": "redact_message"}[method]
        await self._fault(3, operation=operation, status=503, body="<h1>Service Unavailable</h1>")

    async def redacted(self) -> list[str]:
        return sorted(seen["sid"] for seen in await self._phone.inbox() if seen["redacted"])

    async def _fault(self, times: int, **fault: object) -> None:
        self._faults.append(times)
        await self._phone.misbehave(times=times, **fault)

    async def inbox(self) -> list[Seen]:
        return [Seen(seen["to"], Channel(seen["channel"]), seen["code"]) for seen in await self._phone.inbox()]

    async def close(self) -> None:
        await self._twilio.close()
        assert await self._phone.fired() == self._faults


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log: Path = tmp_path_factory.mktemp("phone") / "phone.log"
    phone = start("sandbox.phone", "--step-seconds", "0", log=log)
    yield phone
    phone.stop()


@pytest.fixture(params=["fake", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield (fake := FakeWorld())
        await fake.close()
    else:
        sandbox = SandboxWorld(request.getfixturevalue("service"))
        await sandbox.open()
        yield sandbox
        await sandbox.close()


async def test_an_sms_is_the_pass_and_nothing_else(world: World) -> None:
    message = await world.courier.send(NUMBER, Channel.SMS, "nl", Secret("6aX!k9#p"), "case-1-1", LATER_ON)
    assert message.channel is Channel.SMS
    assert message.id
    assert await world.inbox() == [Seen(NUMBER, Channel.SMS, "6aX!k9#p")]


PRINTABLE = "".join(map(chr, range(32, 127)))
PASSES = [f"Tap{sign}4x9K" for sign in PRINTABLE] + [PRINTABLE[1:49], PRINTABLE[47:], "`" * 48, "%2B+&=%00;?#"]


async def test_every_printable_character_survives(world: World) -> None:
    for text in PASSES:
        await world.courier.send(NUMBER, Channel.SMS, None, Secret(text), "case-1-1", LATER_ON)
    assert [seen.text for seen in await world.inbox()] == PASSES
    assert set("".join(PASSES)) == set(PRINTABLE)


@pytest.mark.parametrize("text", ["A", "6aXk9p2B", string.ascii_letters[:14], "00000000"])
async def test_whatsapp_carries_up_to_fourteen_letters_and_digits(world: World, text: str) -> None:
    message = await world.courier.send(NUMBER, Channel.WHATSAPP, "nl-BE", Secret(text), "case-1-1", LATER_ON)
    assert message.channel is Channel.WHATSAPP
    assert await world.inbox() == [Seen(NUMBER, Channel.WHATSAPP, text)]


@pytest.mark.parametrize(
    "text", [string.ascii_letters[:15], "A" * 48, "6aX!k9#p", "6aXk 9p2", "6aXk9p2é", "٣٤٥٣٤٥٣٤", "6aXk9p2B\n"]
)
async def test_a_pass_whatsapp_cannot_carry_goes_by_sms(world: World, text: str) -> None:
    message = await world.courier.send(NUMBER, Channel.WHATSAPP, "nl", Secret(text), "case-1-1", LATER_ON)
    assert message.channel is Channel.SMS
    assert await world.inbox() == [Seen(NUMBER, Channel.SMS, text)]


@pytest.mark.parametrize("locale", ["fr", None])
async def test_without_a_template_for_the_language_it_goes_by_sms(world: World, locale: str | None) -> None:
    message = await world.courier.send(NUMBER, Channel.WHATSAPP, locale, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    assert message.channel is Channel.SMS
    assert await world.inbox() == [Seen(NUMBER, Channel.SMS, "6aXk9p2B")]


SHORTLY, IN_A_WHILE = timedelta(seconds=60), timedelta(minutes=15)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (21610, Refused(Reason.OPTED_OUT)),
        (21211, Refused(Reason.MOBILE_INVALID)),
        (21614, Refused(Reason.MOBILE_INVALID)),
        (21635, Refused(Reason.MOBILE_NOT_MOBILE)),
        (21612, Later(Reason.TWILIO_BUSY, IN_A_WHILE)),
        (21611, Later(Reason.TWILIO_BUSY, SHORTLY)),
        (21408, Refused(Reason.MOBILE_COUNTRY_BLOCKED)),
        (21606, Halted(Reason.TWILIO_DENIED)),
        (21999, Unconfirmed(Reason.MESSAGE_UNCONFIRMED)),
    ],
)
async def test_a_refusal_says_whose_fault_it_is(world: World, code: int, error: FirstpassError) -> None:
    await world.refuses(NUMBER, code, error)
    with pytest.raises(type(error)) as raised:
        await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    assert raised.value.reason is error.reason
    assert str(raised.value) == error.reason
    assert getattr(raised.value, "after", None) == getattr(error, "after", None)
    assert await world.inbox() == []


async def test_one_refused_number_leaves_the_next_one_alone(world: World) -> None:
    await world.refuses("+491713920002", 21610, Refused(Reason.OPTED_OUT))
    with pytest.raises(Refused):
        await world.courier.send("+491713920002", Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    await world.courier.send(NUMBER, Channel.SMS, None, Secret("7bYm3q4C"), "other-1-1", LATER_ON)
    assert await world.inbox() == [Seen(NUMBER, Channel.SMS, "7bYm3q4C")]


@pytest.mark.parametrize("stop_at", [1000.0, 999.0])
async def test_nothing_is_sent_once_the_time_is_over(world: World, stop_at: float) -> None:
    with pytest.raises(Later) as raised:
        await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", stop_at)
    assert raised.value.reason is Reason.OUT_OF_TIME
    assert await world.inbox() == []


async def test_a_busy_twilio_is_later_and_nothing_was_sent(world: World) -> None:
    await world.is_busy()
    with pytest.raises(Later) as raised:
        await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, SHORTLY)
    assert await world.inbox() == []


async def test_a_message_taken_but_not_answered_is_unconfirmed_and_never_sent_twice(world: World) -> None:
    await world.drops_the_answer()
    with pytest.raises(Unconfirmed) as raised:
        await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    assert raised.value.reason is Reason.MESSAGE_UNCONFIRMED
    assert await world.inbox() == [Seen(NUMBER, Channel.SMS, "6aXk9p2B")]


async def test_a_message_that_may_be_lost_is_unconfirmed_too(world: World) -> None:
    await world.breaks()
    with pytest.raises(Unconfirmed):
        await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    assert await world.inbox() == []


async def test_an_empty_pass_is_a_bug_and_never_sent(world: World) -> None:
    for channel in Channel:
        with pytest.raises(ValueError, match="no pass to send"):
            await world.courier.send(NUMBER, channel, "nl", Secret(""), "case-1-1", LATER_ON)
    assert await world.inbox() == []


async def test_many_at_once_each_get_their_own(world: World) -> None:
    meant = [Seen(f"+4917139200{n:02}", Channel.SMS, f"Pass{n:04}") for n in range(40)]
    sends = [world.courier.send(to.number, Channel.SMS, None, Secret(to.text), "case-1-1", LATER_ON) for to in meant]
    messages = await asyncio.gather(*sends)
    assert len({message.id for message in messages}) == len(meant)
    assert sorted(await world.inbox(), key=lambda seen: seen.number) == meant


# --- after it was sent ---

NO_SUCH = f"SM{'f' * 32}"
"""The id of a message nobody sent."""


@pytest.mark.parametrize(
    ("fate", "word"),
    [
        ("sent", Word(Delivery.SENT)),
        ("delivered", Word(Delivery.DELIVERED)),
        ("read", Word(Delivery.READ)),
        ("undelivered", Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE)),
        ("failed", Word(Delivery.FAILED, Reason.PHONE_UNREACHABLE)),
        ("30005", Word(Delivery.UNDELIVERED, Reason.UNDELIVERABLE)),
        ("30034", Word(Delivery.UNDELIVERED, Reason.TWILIO_DENIED)),
    ],
)
async def test_a_look_up_says_what_became_of_a_message(world: World, fate: str, word: Word) -> None:
    await world.ends(NUMBER, fate, word)
    message = await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    await world.at_rest()
    assert await world.courier.look_up(message.id, LATER_ON) == word
    assert await world.courier.look_up(message.id, LATER_ON) == word


async def test_a_message_nobody_knows_is_queued(world: World) -> None:
    assert await world.courier.look_up(NO_SUCH, LATER_ON) == Word(Delivery.QUEUED)


async def test_a_look_up_is_of_one_message_among_many(world: World) -> None:
    await world.ends("+491713920002", "30003", gone := Word(Delivery.UNDELIVERED, Reason.PHONE_UNREACHABLE))
    await world.ends(NUMBER, "delivered", there := Word(Delivery.DELIVERED))
    sends = [
        world.courier.send(number, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
        for number in ("+491713920002", NUMBER)
    ]
    messages = await asyncio.gather(*sends)
    await world.at_rest()
    assert [await world.courier.look_up(message.id, LATER_ON) for message in messages] == [gone, there]


async def test_redacting_empties_one_message_and_may_be_repeated(world: World) -> None:
    first = await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    await world.courier.send(NUMBER, Channel.SMS, None, Secret("7bYm3q4C"), "case-1-2", LATER_ON)
    assert await world.redacted() == []
    await world.courier.redact(first.id, LATER_ON)
    assert await world.redacted() == [first.id]
    await world.courier.redact(first.id, LATER_ON)
    assert await world.redacted() == [first.id]


async def test_an_emptied_message_still_says_what_became_of_it(world: World) -> None:
    await world.ends(NUMBER, "delivered", word := Word(Delivery.DELIVERED))
    message = await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    await world.at_rest()
    await world.courier.redact(message.id, LATER_ON)
    assert await world.courier.look_up(message.id, LATER_ON) == word


async def test_redacting_what_is_gone_is_fine(world: World) -> None:
    await world.courier.redact(NO_SUCH, LATER_ON)


@pytest.mark.parametrize("stop_at", [1000.0, 999.0])
async def test_nothing_is_asked_once_the_time_is_over(world: World, stop_at: float) -> None:
    message = await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    for ask in (world.courier.look_up, world.courier.redact):
        with pytest.raises(Later) as raised:
            await ask(message.id, stop_at)
        assert raised.value.reason is Reason.OUT_OF_TIME
    assert await world.redacted() == []


@pytest.mark.parametrize("method", ["look_up", "redact"])
async def test_without_an_answer_it_is_for_later(world: World, method: Method) -> None:
    message = await world.courier.send(NUMBER, Channel.SMS, None, Secret("6aXk9p2B"), "case-1-1", LATER_ON)
    await world.is_busy_for(method)
    ask = {"look_up": world.courier.look_up, "redact": world.courier.redact}[method]
    with pytest.raises(Later) as raised:
        await ask(message.id, LATER_ON)
    assert (raised.value.reason, raised.value.after) == (Reason.TWILIO_BUSY, SHORTLY)
    assert await world.redacted() == []
    await ask(message.id, LATER_ON)
