"""What the Messages API refuses, and the texts it makes of templates.

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
type Kept = Mapping[str, Mapping[str, Any]]

TWILIO: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("twilio.json").read_text("utf-8"))
VARIABLE = re.compile(r"(?=.*\S)(?!.* {5})[^\r\n\t]+")


class ApiError(Exception):
    """An answer {code, message, more_info, status}."""

    def __init__(self, code: int, detail: object = "") -> None:
        super().__init__(TWILIO["errors"].get(str(code), "The request was refused.").format(detail))
        self.code, self.status = code, TWILIO["statuses"].get(str(code), 400)


def check(form: Form, kept: Kept) -> None:
    """Raise ApiError for what is wrong with `form`: each parameter by itself first, then several together."""
    for name, text in form.items():
        # Twilio ignores names it does not know (page 20001 is a warning); here a misspelt one must not go unseen.
        code, pattern = TWILIO["parameters"].get(name, (20001, ""))
        if not pattern or (text and not re.fullmatch(pattern, text)):
            raise ApiError(code, text if code != 20001 else name)
    for code, broken in RULES:
        if broken(form, kept):
            raise ApiError(code, form.get("To"))


def route(address: str) -> tuple[str, str]:
    """The channel, `whatsapp` or `sms`, and the number (or name) of an address."""
    channel, _, number = address.rpartition(":")
    return channel or "sms", number


def written(form: Form, kept: Kept) -> tuple[str, str]:
    """The text a phone shows and the code in it; a variable left out becomes the sample. Raises ApiError 21656."""
    if not (sid := form.get("ContentSid")):
        text = form["Body"].replace("`", "'") if form.get("SmartEncoded") == "true" else form["Body"]
        return text, text
    template, wordings = kept["templates"][sid], TWILIO["authentication"]
    try:
        given = {"1": template.get("sample", "123456")} | json.loads(form.get("ContentVariables", "{}"))
    except (ValueError, TypeError) as error:
        raise ApiError(21656) from error
    fine = all(isinstance(text, str) and VARIABLE.fullmatch(text) for text in given.values())
    if not fine or len(code := given["1"]) >= 15:  # the length: Twilio, "whatsapp/authentication"
        raise ApiError(21656)
    return wordings.get(template["language"][:2], wordings["en"]).format(code), code


RULES: tuple[tuple[int, Callable[[Form, Kept], object]], ...] = (
    (21604, lambda form, _: not form.get("To")),
    (21603, lambda form, _: not form.get("From") and not form.get("MessagingServiceSid")),
    (21910, lambda form, _: form.get("From") and route(form["From"])[0] != route(form["To"])[0]),
    (21266, lambda form, _: form.get("From") == form["To"]),
    (21654, lambda form, _: "ContentVariables" in form and not form.get("ContentSid")),
    (21602, lambda form, _: not form.get("Body", "").strip() and not form.get("ContentSid")),
    (21655, lambda form, kept: form.get("ContentSid") and form["ContentSid"] not in kept["templates"]),
    (21655, lambda form, _: form.get("ContentSid") and route(form["To"])[0] == "sms"),
    (30029, lambda form, kept: form.get("ContentRetention") == "discard" and not kept["account"]["redactionEnabled"]),
)
