"""The stage of a run: a sandbox, the app in its host, and hands to send events and see what became of them."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender

from cli.outcome import DeadLetter
from sandbox.stack import Stack

ROOT: Final = Path(__file__).parent.parent
LOOK_EVERY: Final = 0.02


class StageError(Exception):
    """The world was refused, or a message is not being settled."""


def sample_settings() -> dict[str, str]:
    """The settings of local.settings.sample.json."""
    return json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Async hands for one Stack. `queue` is where events go, `dead_letters_queue` where refusals end."""

    stack: Stack
    http: aiohttp.ClientSession
    bus: ServiceBusClient
    sender: ServiceBusSender
    queue: str
    dead_letters_queue: str

    async def put(self, url: str, document: object) -> None:
        """Arrange something at a stand-in.

        Raises:
            StageError: it was refused; the text says what is wrong with it.
        """
        async with self.http.put(url, json=document) as answer:
            if not answer.ok:
                raise StageError(f"the sandbox refused this: {await answer.text()}")

    async def get(self, url: str) -> Any:  # noqa: ANN401 - JSON
        """Look at something of a stand-in."""
        async with self.http.get(url) as answer:
            return await answer.json()

    async def world(self, document: dict[str, Any]) -> None:
        """Fill the directory."""
        await self.put(f"{self.stack.directory.url}/sandbox/world", document)

    async def phones(self, fates: dict[str, dict[str, str]], templates: dict[str, str]) -> None:
        """Say how phones behave, and which WhatsApp templates (content SIDs by language) are approved."""
        await self.put(f"{self.stack.phone.url}/sandbox/phones", fates)
        approved = {sid: {"language": "en" if tag == "default" else tag} for tag, sid in templates.items()}
        await self.put(f"{self.stack.phone.url}/sandbox/templates", approved)

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Put messages on the queue, each under an id of its own."""
        for start in range(0, len(bodies), 50):
            messages = [ServiceBusMessage(body, message_id=str(uuid4())) for body in bodies[start : start + 50]]
            await self.sender.send_messages(messages)

    async def settled(self, within: float = 60) -> None:
        """Wait until the queue holds nothing, neither waiting nor locked.

        Raises:
            StageError: not within that many seconds.
        """
        await _until(self._nothing_queued, within, "a message was not settled")

    async def quiet(self, within: float = 60) -> None:
        """Wait until nothing is under way: no message on the queue, none on its way to a phone, no callback.

        Raises:
            StageError: not within that many seconds.
        """

        async def is_quiet() -> bool:
            pending = await self.get(f"{self.stack.phone.url}/sandbox/pending")
            return not (pending["callbacks"] or pending["messages"]) and await self._nothing_queued()

        await self.settled(within)
        await _until(is_quiet, within, "a callback was not taken")

    async def jump(self, moment: datetime, within: float = 60) -> None:
        """Move the clock ahead to `moment`, unless it is there already, and wait until the timers due have run.

        Raises:
            StageError: a timer did not run, or not end, within that many seconds.
        """
        if moment > self.stack.clock.now():
            self.stack.clock.set_now(moment)
        now = self.stack.clock.now()

        async def have_run() -> bool:
            timers = (await self._timers()).values()
            return all(not timer["running"] and datetime.fromisoformat(timer["next"]) > now for timer in timers)

        await _until(have_run, within, "a timer did not run")

    async def next_tick(self) -> datetime | None:
        """When the next timer of the app runs."""
        return min((datetime.fromisoformat(timer["next"]) for timer in (await self._timers()).values()), default=None)

    async def next_expiry(self) -> datetime | None:
        """When the next message ends whose phone is off."""
        expiry = (await self.get(f"{self.stack.phone.url}/sandbox/pending"))["nextExpiry"]
        return datetime.fromisoformat(expiry) if expiry else None

    async def _timers(self) -> dict[str, dict[str, Any]]:
        return await self.get(f"{self.stack.app_url}/sandbox/timers")

    async def _nothing_queued(self) -> bool:
        counts = (await self.get(f"{self.stack.broker.ready['control']}/sandbox/queues"))[self.queue]
        return not counts["active"] and not counts["locked"]

    async def inbox(self) -> list[dict[str, Any]]:
        """What the phones received, oldest first."""
        return await self.get(f"{self.stack.phone.url}/sandbox/inbox")

    async def passes(self) -> dict[str, list[dict[str, Any]]]:
        """What Entra holds, by user id; never a pass itself."""
        return await self.get(f"{self.stack.directory.url}/sandbox/passes")

    async def sign_in(self, user_id: str, code: str, registers: str | None = None) -> bool:
        """Whether this person can sign in with what their phone shows; if so, `registers` is a method they add."""
        attempt = {"user": user_id, "pass": code} | ({"registers": registers} if registers else {})
        async with self.http.post(f"{self.stack.directory.url}/sandbox/sign-ins", json=attempt) as answer:
            return bool((await answer.json())["worked"])

    async def dead_letters(self) -> list[DeadLetter]:
        """Everything among the dead letters, oldest first."""
        found: list[DeadLetter] = []
        async with self.bus.get_queue_receiver(self.dead_letters_queue) as receiver:
            while page := await receiver.peek_messages(100, sequence_number=_after(found)):
                found += [_dead_letter(message) for message in page]
        return found


@asynccontextmanager
async def on_stage(stack: Stack, settings: dict[str, str]) -> AsyncGenerator[Stage]:
    """Hands for a running Stack."""
    async with (
        aiohttp.ClientSession() as http,
        ServiceBusClient.from_connection_string(stack.broker.url) as bus,
        bus.get_queue_sender(settings["JOINERS_QUEUE"]) as sender,
    ):
        yield Stage(stack, http, bus, sender, settings["JOINERS_QUEUE"], settings["DEAD_LETTERS_QUEUE"])


async def _until(is_so: Callable[[], Awaitable[bool]], within: float, otherwise: str) -> None:
    until = time.monotonic() + within
    while not await is_so():
        if time.monotonic() >= until:
            raise StageError(f"{otherwise} within {within:g} s; the host's log says why")
        await asyncio.sleep(LOOK_EVERY)


def _after(found: list[DeadLetter]) -> int:
    return found[-1].sequence_number + 1 if found else 1


def _dead_letter(message: ServiceBusReceivedMessage) -> DeadLetter:
    said = {_text(name): _text(value) for name, value in (message.application_properties or {}).items()}
    return DeadLetter(
        sequence_number=message.sequence_number or 0,
        reason=said.get("DeadLetterReason"),
        description=said.get("DeadLetterErrorDescription"),
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
