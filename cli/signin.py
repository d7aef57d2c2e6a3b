"""Who the command is to the app: an Entra token, or on this machine alone a sandbox's word."""

import base64
import json
import logging
import os
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from cli.exits import CommandError, Exit

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
EVERYBODY: Final = "reader,operator,approver"
GUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine.

    Raises:
        CommandError: it is none.
    """
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        raise CommandError(f"{url} is no address.", Exit.USAGE) from None


def token_for(url: str, known_as: str | None) -> Callable[[], str]:
    """What gives the token of each request to `url`.

    Raises:
        CommandError: a token must not travel there, or settings are missing.
    """
    if is_loopback(url):
        token = sandbox_token(known_as or "you")
        return lambda: token
    if known_as:
        raise CommandError("--as is for the sandbox: elsewhere you are who you signed in as.", Exit.USAGE)
    if urlsplit(url).scheme != "https":
        text = "FIRSTPASS_URL must begin with https://, for a token travels with it; on this machine http:// will do."
        raise CommandError(text, Exit.USAGE)
    scope = os.environ.get("FIRSTPASS_SCOPE")
    if not scope:
        raise CommandError("Set FIRSTPASS_SCOPE to the app's scope, such as api://firstpass/.default", Exit.USAGE)
    return entra_token(scope)


def sandbox_token(name: str) -> str:
    """A made-up person, the same one for the same name; roles by FIRSTPASS_SANDBOX_ROLES, all of them by default."""
    roles = os.environ.get("FIRSTPASS_SANDBOX_ROLES", EVERYBODY)
    oid = name.lower() if GUID.fullmatch(name.lower()) else str(uuid5(NAMESPACE_URL, f"firstpass:{name}"))
    who = json.dumps({"oid": oid, "roles": [role.strip() for role in roles.split(",") if role.strip()]})
    return "sandbox." + base64.urlsafe_b64encode(who.encode()).decode().rstrip("=")


def entra_token(scope: str) -> Callable[[], str]:
    """Tokens of whoever is signed in here (Azure CLI, PowerShell, a managed identity …)."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - half a second
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - as above

    logging.getLogger("azure").setLevel(logging.CRITICAL)  # a page about every way to sign in that does not apply
    credential = DefaultAzureCredential()

    def token() -> str:
        try:
            return credential.get_token(scope).token
        except ClientAuthenticationError:
            text = "Nobody is signed in here, or not for that app: az login, or look at FIRSTPASS_SCOPE."
            raise CommandError(text, Exit.NOT_ALLOWED) from None
        except AzureError:
            raise CommandError("Entra gives no token: it cannot be reached.", Exit.UNAVAILABLE) from None

    return token
