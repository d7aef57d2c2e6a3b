"""Twilio's callbacks: who signed them, and what they say. What comes here may come from anybody.

Twilio signs the URL and the fields it posts ("Webhooks Security"), joined without a mark between them: where one ends
and the next begins is not signed. So a ref must be the whole query, and no field's name may begin as a ref ends.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import SIGNATURE_HEADER, RequestValidator

from shared.adapters.twilio_codes import MESSAGE_SID, word_of
from shared.errors import Forged
from shared.events import Channel, Receipt

LIMIT: Final = 64 * 1024  # characters of query and bytes of body; Twilio's callbacks are below two thousand
FORM: Final = "application/x-www-form-urlencoded"
REF: Final = re.compile("ref=([0-9a-f]{32})-(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})")  # Case.ref


class TwilioReceipts:
    """ports.ReceiptReader.

    `tokens` are the account's auth tokens, the present one and, while they change, the next; `url` is the address
    Twilio was given for callbacks, without a query.
    """

    def __init__(self, tokens: Sequence[str], url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0 or set(url) & set("?#"):
            raise ValueError("the address of receipts must be a URL without a query")
        if not tokens or not all(tokens):  # anybody can sign with an empty one
            raise ValueError("receipts need the auth token they are signed with")
        self._validators, self._url = [RequestValidator(token) for token in tokens], url

    def read(self, query: str, headers: Mapping[str, str], body: bytes) -> Receipt | None:
        """See ports.ReceiptReader. Forged is raised where nothing is being handled: no parser's error hangs on it."""
        signature = _only(headers, SIGNATURE_HEADER)
        fields = _fields(body) if _is_form(headers) and len(query) + len(body) <= LIMIT else None
        if signature is None or fields is None or not self._is_signed(query, fields, signature):
            raise Forged
        return _receipt(query, fields)

    def _is_signed(self, query: str, fields: Mapping[str, str], signature: str) -> bool:
        if not query.isascii():  # no URL on the wire is anything else
            return False
        url = f"{self._url}?{query}" if query else self._url
        return any(validator.validate(url, fields, signature) for validator in self._validators)


def _only(headers: Mapping[str, str], wanted: str) -> str | None:
    """A header that is there once, in whatever case of letters."""
    found = [text for name, text in headers.items() if name.lower() == wanted.lower()]
    return found[0] if len(found) == 1 else None


def _is_form(headers: Mapping[str, str]) -> bool:
    kind = _only(headers, "Content-Type") or ""
    return kind.partition(";")[0].strip().lower() == FORM


def _fields(body: bytes) -> dict[str, str] | None:
    """The form, blank fields too, for those are signed; None when it is none, or says a thing twice."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        return None
    fields = dict(pairs)
    fine = len(fields) == len(pairs) and all(name[:1].isalpha() for name in fields)
    return fields if fine else None


def _receipt(query: str, fields: Mapping[str, str]) -> Receipt | None:
    ref = REF.fullmatch(query)
    message_id, status = fields.get("MessageSid", ""), fields.get("MessageStatus", "")
    if not (ref and MESSAGE_SID.fullmatch(message_id) and status):
        return None
    case_id, issuance, attempt = ref.groups()
    return Receipt(
        case_id=case_id,
        issuance=int(issuance),
        attempt=int(attempt),
        message_id=message_id,
        channel=_channel(fields),
        word=word_of(status, fields.get("ErrorCode")),
    )


def _channel(fields: Mapping[str, str]) -> Channel:
    by_whatsapp = fields.get("To", "").startswith("whatsapp:") or fields.get("ChannelPrefix") == "whatsapp"
    return Channel.WHATSAPP if by_whatsapp else Channel.SMS
