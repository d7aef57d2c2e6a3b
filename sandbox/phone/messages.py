"""Messages on their way to phones: their states, the script of each number, and the clock they live by."""

import asyncio
import heapq
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.phone.rules import TWILIO, ApiError, Form, channel_of, check, variables

FINAL = frozenset({"delivered", "read", "undelivered", "failed"})


@dataclass(slots=True)
class Message:
    """Twilio's record of a message (`body`: its copy), and what the phone shows (`shown`, `code`: never redacted)."""

    sid: str
    form: Form
    fate: str
    shown: str
    code: str
    created: datetime
    body: str
    status: str
    updated: datetime
    sender: str | None
    error: int | None = None
    sent: datetime | None = None
    delivered: datetime | None = None
    redacted: bool = False


class Phones:
    """Every message, and how each number's phone takes it. Times are the sandbox's; a step takes real seconds."""

    def __init__(self, now: Callable[[], datetime], step_seconds: float) -> None:
        self.now, self.step_seconds = now, step_seconds
        self.account: dict[str, Any] = TWILIO["settings"] | {"templates": {}}
        self.scripts: dict[str, Mapping[str, str]] = {}
        self.messages: dict[str, Message] = {}
        self.inbox: list[Message] = []
        self.moving: set[asyncio.Task[None]] = set()
        self.off: list[tuple[datetime, str, Message]] = []
        self.report: Callable[[Message, bool], None] = lambda _message, _resting: None

    def accept(self, form: Form) -> Message:
        """Take a message in; raises ApiError when its form, its sender or the number's script refuses it."""
        check(form, self.account)
        channel, number = channel_of(form["To"]), form["To"].removeprefix("whatsapp:")
        fate = self.scripts.get(number, {}).get(channel) or TWILIO["magicTo"].get(number, "delivered")
        for code in (TWILIO["magicFrom"].get(form.get("From", ""), ""), fate):
            if code[:2] in {"20", "21"} or code in {"30029", "30030"}:  # any other code comes later, in a receipt
                raise ApiError(int(code), number)
        if channel == "whatsapp" and not form.get("ContentSid"):
            fate = "63016"
        shown, code = self._text(form)
        sid, now, service = f"SM{secrets.token_hex(16)}", self.now(), form.get("MessagingServiceSid")
        status, sender = "accepted" if service else "queued", form.get("From") or None
        message = self.messages[sid] = Message(sid, form, fate, shown, code, now, shown, status, now, sender)
        self.inbox.append(message)
        self.moving.add(task := asyncio.create_task(self._travel(message)))
        task.add_done_callback(self.moving.discard)
        return message

    def expire(self) -> None:
        """End the messages whose phone stayed off until their validity was over."""
        while self.off and self.off[0][0] <= self.now():
            self._move(heapq.heappop(self.off)[2], "undelivered", resting=True)

    def _text(self, form: Form) -> tuple[str, str]:
        """What the phone will show, and the code in it. A variable left out becomes the template's sample value."""
        if not (sid := form.get("ContentSid")):
            text = form["Body"].replace("`", "'") if form.get("SmartEncoded") == "true" else form["Body"]
            return text, text
        template, wordings = self.account["templates"][sid], TWILIO["authentication"]
        code = ({"1": template.get("sample", "123456")} | (variables(form) or {}))["1"]
        return wordings.get(template["language"][:2], wordings["en"]).format(code), code

    async def _travel(self, message: Message) -> None:
        steps = TWILIO["fates"].get(message.fate, TWILIO["fates"]["undelivered"])
        for status in steps:
            await asyncio.sleep(self.step_seconds)
            self._move(message, status, resting=status == steps[-1])
        if message.fate == "off":
            validity = timedelta(seconds=int(message.form.get("ValidityPeriod") or 36000))
            heapq.heappush(self.off, (message.created + validity, message.sid, message))

    def _move(self, message: Message, status: str, *, resting: bool) -> None:
        channel, fate = channel_of(message.form["To"]), message.fate
        message.status, message.updated = status, self.now()
        message.sender = message.sender or TWILIO["pool"][channel]
        if status == "sent":
            message.sent = message.updated
            message.body = "" if message.form.get("ContentRetention") == "discard" else message.body
        if status in {"undelivered", "failed"}:
            message.error = int(fate) if fate.isdigit() else 30036 if fate == "off" else 30008
        # A carrier without receipts still delivers: its last word on an SMS is `sent`. On WhatsApp that is one tick.
        if status == "delivered" or (status == fate == "sent" and channel == "sms"):
            message.delivered = message.updated
        if fate != "silent":
            self.report(message, resting)
