"""Fingerprints name a person without telling who it is; the seal keeps what is needed again readable to us only."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

KEY_BYTES: Final = 32
FINGERPRINT_DIGITS: Final = 32
"""Hexadecimal digits kept of an HMAC-SHA-256: 128 bits, far beyond any chance of two people sharing one."""


class SealError(RuntimeError):
    """A key has the wrong form (`bad-key`), or no key opens this seal (`seal-unopened`). The text is only that code."""


class Fingerprints:
    """Keyed hashes (HMAC-SHA-256): without the key nobody can find a person by trying out names or numbers.

    `key` is at least 32 bytes; a new key makes every case and person a stranger, so it is never rotated.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise SealError("bad-key")
        self._key = key

    def case_id(self, source: str, subject: str) -> str:
        """The id of the case that events of this source and subject speak about."""
        return self._of("case", source, subject)

    def person(self, user_id: str) -> str:
        """A person by Entra object id (a GUID, so upper and lower case are the same)."""
        return self._of("person", user_id.lower())

    def number(self, e164: str) -> str:
        """A phone number in E.164 form."""
        return self._of("number", e164)

    def _of(self, domain: str, *parts: str) -> str:
        # A JSON list keeps its parts apart whatever they hold, and the domain keeps one kind from passing for another.
        text = json.dumps([domain, *parts]).encode("ascii")
        return hmac.digest(self._key, text, hashlib.sha256).hex()[:FINGERPRINT_DIGITS]


class Seal:
    """Encrypts and authenticates (Fernet). The first key seals, every key opens: rotate by putting a new one in front.

    A key is 32 random bytes in URL-safe base64.

    Raises:
        SealError: `bad-key`: one of another form, or none at all.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise SealError("bad-key") from None

    def seal(self, content: bytes) -> str:
        """`content`, sealed, as ASCII text (about 4/3 of its length and 100 characters)."""
        return self._fernet.encrypt(content).decode("ascii")

    def open(self, sealed: str) -> bytes:
        """What was sealed.

        Raises:
            SealError: `seal-unopened`: changed since, or sealed with a key we do not have (any more).
        """
        try:
            return self._fernet.decrypt(sealed)
        except (InvalidToken, ValueError):  # ValueError: text that is not even ASCII
            raise SealError("seal-unopened") from None
