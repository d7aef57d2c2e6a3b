"""What the Messages API refuses.

A rule's code is its source: that page of Twilio's error dictionary (twilio.com/docs/api/errors), unless the row names
another. twilio.json holds the tables: parameters and their shapes (Twilio's OpenAPI description), magic numbers ("Test
Credentials"), states ("Outbound Message Status in Status Callbacks"), overrides ("Webhooks: Connection Overrides").
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

type Form = Mapping[str, str]
type Account = Mapping[str, Any]

TWILIO: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("twilio.json").read_text("utf-8"))


class ApiError(Exception):
    """An answer {code, message, more_info, status}."""

    def __init__(self, code: int, detail: object = "") -> None:
        super().__init__(TWILIO["errors"].get(str(code), "The request was refused.").format(detail))
        self.code, self.status = code, TWILIO["statuses"].get(str(code), 400)


def check(form: Form, account: Account) -> None:
    """Raise ApiError for what is wrong with `form`: each parameter by itself first, then several together."""
    for name, text in form.items():
        # Twilio ignores names it does not know (page 20001 is a warning); here a misspelt one must not go unseen.
        code, pattern = TWILIO["parameters"].get(name, (20001, ""))
        if not pattern or (text and not re.fullmatch(pattern, text)):
            raise ApiError(code, text if code != 20001 else name)
    for code, broken in RULES:
        if broken(form, account):
            raise ApiError(code, form.get("To"))


def channel_of(address: str) -> str:
    """`whatsapp` or `sms`."""
    return "whatsapp" if address.startswith("whatsapp:") else "sms"


def variables(form: Form) -> dict[str, str] | None:
    """The template's variables; None when they are not what page 21656 asks for."""
    try:
        given = json.loads(form.get("ContentVariables", "{}"))
    except ValueError:
        return None
    texts = given.values() if isinstance(given, dict) else [None]
    fine = all(isinstance(text, str) and text.strip() and not re.search(r"[\r\n\t]| {5}", text) for text in texts)
    return given if fine else None


RULES: tuple[tuple[int, Callable[[Form, Account], object]], ...] = (
    (21604, lambda form, _: not form.get("To")),
    (21603, lambda form, _: not form.get("From") and not form.get("MessagingServiceSid")),
    (21910, lambda form, _: form.get("From") and channel_of(form["From"]) != channel_of(form["To"])),
    (21266, lambda form, _: form.get("From") == form["To"]),
    (21654, lambda form, _: "ContentVariables" in form and not form.get("ContentSid")),
    (21602, lambda form, _: not form.get("Body", "").strip() and not form.get("ContentSid")),
    (21655, lambda form, account: (form.get("ContentSid") or None) not in {None, *account["templates"]}),
    (21655, lambda form, _: form.get("ContentSid") and channel_of(form["To"]) == "sms"),
    (21656, lambda form, _: variables(form) is None),
    (21656, lambda form, _: len((variables(form) or {}).get("1", "")) >= 15),  # Twilio, "whatsapp/authentication"
    (30029, lambda form, account: form.get("ContentRetention") == "discard" and not account["redactionEnabled"]),
    (30030, lambda form, account: form.get("AddressRetention") == "obfuscate" and not account["redactionEnabled"]),
)
