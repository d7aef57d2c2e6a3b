"""What the suites of Twilio's adapter share: the sandbox's phone, couriers, and the search for what is kept."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tenacity import RetryCallState, wait_fixed
from tenacity.wait import wait_base

from sandbox.process import Service, start
from shared.adapters.twilio import Senders, TwilioAccount, TwilioCourier
from shared.events import Channel, Message
from shared.secret import Secret
from tests.contract.phone_driver import Phone
from tests.fakes.clock import FakeClock

NUMBER = "+491713920001"
NL, PT, BRAZIL, OTHER = (f"HX{digit * 32}" for digit in "1234")
SENDERS = Senders(sms_from="+15005550006")
ACCOUNT = TwilioAccount(account_sid=f"AC{'0' * 32}", api_key_sid=f"SK{'0' * 32}", api_key_secret="hush-hush")
NOW = 1000.0


class Clock(FakeClock):
    """Stands still by date, but deadlines are real: aiohttp counts real seconds."""

    def __init__(self) -> None:
        super().__init__(datetime(2026, 12, 1, 7, tzinfo=UTC))
        self._began = time.monotonic()

    def monotonic(self) -> float:
        return NOW + time.monotonic() - self._began


class CountedWait(wait_base):
    """A pause between tries that takes no time but counts."""

    def __init__(self) -> None:
        self.pauses = 0

    def __call__(self, retry_state: RetryCallState) -> float:  # noqa: ARG002 - tenacity's signature
        self.pauses += 1
        return 0.0


async def send(courier: TwilioCourier, text: str = "6aXk9p2B", **changes: Any) -> Message:
    asked: dict[str, Any] = {
        "number": NUMBER,
        "channel": Channel.SMS,
        "locale": None,
        "ref": "case-1-1",
        "stop_at": NOW + 30.0,
    } | changes
    return await courier.send(secret=Secret(text), **asked)


async def until[T](look: Callable[[], Awaitable[T]], fine: Callable[[T], object]) -> None:
    """Look again and again, five seconds at most."""
    for _ in range(250):
        if fine(await look()):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


type Build = Callable[..., TwilioCourier]


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    built: list[TwilioCourier] = []

    def make(account: TwilioAccount, senders: Senders = SENDERS, wait: wait_base | None = None) -> TwilioCourier:
        built.append(TwilioCourier(account, senders, Clock(), wait or wait_fixed(0)))
        return built[-1]

    yield make
    for courier in built:
        await courier.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    phone = start("sandbox.phone", "--step-seconds", "0", log=tmp_path_factory.mktemp("phone") / "phone.log")
    yield phone
    phone.stop()


@pytest.fixture
def account(service: Service) -> TwilioAccount:
    return at(service)


def at(service: Service, **changes: Any) -> TwilioAccount:
    ready = service.ready
    login: dict[str, Any] = {
        "account_sid": ready["accountSid"],
        "api_key_sid": ready["apiKeySid"],
        "base_url": service.url,
    }
    return TwilioAccount(**login | {"api_key_secret": ready["apiKeySecret"]} | changes)


@pytest.fixture
async def phone(service: Service) -> Phone:
    phone = Phone(service.url)
    await phone.reset()
    await phone.approve(**{NL: "nl", PT: "pt", BRAZIL: "pt_BR", OTHER: "en"})
    return phone


# --- what must be forgotten ---

HALVES = ("q7Zt3", "Vw8Lm")
"""A pass whose text exists only while it travels: the tests hold its halves."""


def joined() -> Secret:
    return Secret("".join(HALVES))


def places_of_the_pass() -> list[object]:
    """Everything in this process's memory that holds the pass, but for Secrets."""

    def holds(thing: object) -> bool:
        first, second = HALVES
        text = thing.decode("latin-1") if isinstance(thing, bytes | bytearray) else thing
        return isinstance(text, str) and any(part.startswith(second) for part in text.split(first)[1:])

    def inside(owner: object, depth: int = 4) -> bool:
        return any(
            holds(thing) or (depth and not gc.is_tracked(thing) and inside(thing, depth - 1))
            for thing in gc.get_referents(owner)
        )

    return [type(owner) for owner in gc.get_objects() if not isinstance(owner, Secret) and inside(owner)]
