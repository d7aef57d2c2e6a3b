"""Messages on their way to phones: their states, the script of each number, and the clock they live by."""

import asyncio
import heapq
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from sandbox.phone.rules import TWILIO, ApiError, Form, check, route, written

type Now = Callable[[], datetime]
type CallBack = Callable[[str, Mapping[str, str], asyncio.Lock], Coroutine[Any, Any, None]]

ROOT = f"/2010-04-01/Accounts/{TWILIO['account']['accountSid']}/Messages"
LOOPBACK = re.compile(r"https?://(localhost|127\.[0-9.]+|\[::1\])([:/?#]|$)")
REFUSAL = re.compile("2[01][0-9]{3}|30029|30030")  # any other code comes later, in a receipt


@dataclass(slots=True)
class Message:
    """`record` is Twilio's, as it writes it; `shown` is what the inbox tells of the phone, never redacted."""

    form: Form
    fate: str
    expires: datetime
    record: dict[str, Any]
    shown: dict[str, Any]
    resting: bool = False  # only the end of its validity still moves it
    receipts: list[dict[str, str]] = field(default_factory=list[dict[str, str]])  # held back, to be re-ordered
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # its callbacks go one at a time


class Phones:
    """Every message, and how each number's phone takes it. Times are the sandbox's; a step takes real seconds."""

    def __init__(self, now: Now, step_seconds: float, call_back: CallBack) -> None:
        self.now, self.step_seconds = now, step_seconds
        self.kept: dict[str, dict[str, Any]] = {"phones": {}, "templates": {}}
        self.kept |= {"account": TWILIO["settings"].copy(), "records": TWILIO["records"].copy()}
        self.messages: dict[str, Message] = {}
        self.inbox: list[Message] = []
        self.moving: set[asyncio.Task[None]] = set()
        self.off: list[tuple[datetime, str, Message]] = []
        self.sending: set[asyncio.Task[None]] = set()
        self.call_back = call_back

    def accept(self, form: Form) -> Message:
        """Take a message in; raises ApiError when its form, its sender or the number's script refuses it."""
        check(form, self.kept)
        body, code = written(form, self.kept)
        (channel, number), fate = route(form["To"]), self._fate(form)
        sid, now, service = f"SM{secrets.token_hex(16)}", self.now(), form.get("MessagingServiceSid")
        record = TWILIO["message"] | {"sid": sid, "to": form["To"], "from": form.get("From") or None, "body": body}
        record |= {"uri": f"{ROOT}/{sid}.json"} | dict.fromkeys(("date_created", "date_updated"), format_datetime(now))
        record |= TWILIO["service"] | {"messaging_service_sid": service} if service else {}
        shown = {"sid": sid, "to": number, "channel": channel, "body": body, "code": code}
        shown |= {"createdAt": now.isoformat(), "deliveredAt": None, "statusCallback": form.get("StatusCallback")}
        expires = now + timedelta(seconds=int(form.get("ValidityPeriod") or 36000))
        message = self.messages[sid] = Message(form, fate, expires, record, shown)
        self.inbox.append(message)
        self.moving.add(task := asyncio.create_task(self._travel(message)))
        task.add_done_callback(self.moving.discard)
        return message

    def expire(self) -> None:
        """End the messages whose phone stayed off until their validity was over."""
        while self.off and self.off[0][0] <= self.now():
            self._move(heapq.heappop(self.off)[2], "undelivered")

    def _fate(self, form: Form) -> str:
        channel, number = route(form["To"])
        scripted = self.kept["phones"].get(number, {}).get(channel) or TWILIO["magicTo"].get(number, "delivered")
        fate = TWILIO["magicFrom"].get(form.get("From", ""), scripted)
        if REFUSAL.fullmatch(fate):
            raise ApiError(int(fate), number)
        return fate if channel == "sms" or form.get("ContentSid") else "63016"

    async def _travel(self, message: Message) -> None:
        steps = TWILIO["fates"].get(message.fate, TWILIO["fates"]["undelivered"])
        for status in steps:
            await asyncio.sleep(self.step_seconds)
            message.resting = status == steps[-1]
            self._move(message, status)
        if message.fate == "off":
            heapq.heappush(self.off, (message.expires, message.record["sid"], message))

    def _move(self, message: Message, status: str) -> None:
        fate, record, now, channel = message.fate, message.record, self.now(), message.shown["channel"]
        record |= {"status": status, "num_segments": "1", "date_updated": format_datetime(now)}
        record["from"] = record["from"] or TWILIO["pool"][channel]
        if status == "sent":
            record["date_sent"] = record["date_updated"]
            record["body"] = "" if message.form.get("ContentRetention") == "discard" else record["body"]
        if status in {"undelivered", "failed"}:
            code = TWILIO["ends"].get(fate) or int(fate)
            record |= {"error_code": code, "error_message": TWILIO["errors"].get(str(code), "Unknown error")}
        # A carrier without receipts still delivers: its last word on an SMS is `sent`. On WhatsApp that is one tick.
        if status == "delivered" or (status == fate == "sent" and channel == "sms"):
            message.shown["deliveredAt"] = now.isoformat()
        if fate != "silent":
            self._report(message)

    def _report(self, message: Message) -> None:
        if not LOOPBACK.match(message.form.get("StatusCallback", "")):  # nothing leaves this machine
            return
        message.receipts.append(receipt(message))
        while message.receipts and (message.resting or not self.kept["account"]["reorderCallbacks"]):
            fields = message.receipts.pop()
            for _ in range(2 if self.kept["account"]["doubleCallbacks"] else 1):
                sending = self.call_back(message.form["StatusCallback"], fields, message.turn)
                self.sending.add(task := asyncio.create_task(sending))
                task.add_done_callback(self.sending.discard)


def receipt(message: Message) -> dict[str, str]:
    """A callback's fields. Twilio leaves some blank, and signs those too."""
    record, shown = message.record, message.shown
    fields = TWILIO["callback"] | {"To": record["to"], "From": record["from"]}
    fields |= dict.fromkeys(("MessageSid", "SmsSid"), record["sid"])
    fields |= dict.fromkeys(("MessageStatus", "SmsStatus"), record["status"])
    if shown["channel"] == "whatsapp":
        fields |= {"ChannelPrefix": "whatsapp", "ChannelToAddress": shown["to"], "ChannelStatusMessage": ""}
    else:
        at = shown["deliveredAt"]
        fields["RawDlrDoneDate"] = f"{datetime.fromisoformat(at):%y%m%d%H%M}" if at else ""
    if service := record["messaging_service_sid"]:
        fields["MessagingServiceSid"] = service
    if code := record["error_code"]:
        fields |= {"ErrorCode": str(code), "ErrorMessage": record["error_message"]}
    return fields
