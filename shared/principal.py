"""Who asks: an operator, as App Service authentication (Easy Auth) vouches for them. Pure.

The platform strips the header from what comes from outside and puts its own there; that holds only while the feature
is on, so a process where it is off takes nobody's word (Microsoft Learn, "Work with user identities in App Service").
Only Entra's word counts: another identity provider could name any object id and any role.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

PRINCIPAL_HEADER: Final = "x-ms-client-principal"
ENTRA: Final = "aad"
OBJECT_ID: Final = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
ROLES: Final = ("http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "roles")
"""App roles keep their name from the token or get the mapped one, whatever `role_typ` says; what that names counts."""
_GUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OperatorRole(StrEnum):
    """App roles, each with the rights of those before it."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a program by Entra object id, and what they may do."""

    id: str
    roles: frozenset[OperatorRole]

    def may(self, role: OperatorRole) -> bool:
        """Whether they hold this role, or one above it."""
        order = list(OperatorRole)
        return any(order.index(held) >= order.index(role) for held in self.roles)


def principal_of(headers: Mapping[str, str], *, platform_vouches: bool) -> Principal | None:
    """Who the platform says is asking; None when it says nothing, or nothing that can be read."""
    given = {name.lower(): value for name, value in headers.items()}.get(PRINCIPAL_HEADER)
    if not platform_vouches or not given:
        return None
    try:
        told: Any = json.loads(base64.b64decode(given, validate=True))
        claims = [(str(claim["typ"]), str(claim["val"])) for claim in told["claims"]]
        provider, named = told["auth_typ"], told.get("role_typ")
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
        return None
    ids = {value.lower() for kind, value in claims if kind in OBJECT_ID}
    if provider != ENTRA or len(ids) != 1 or not _GUID.fullmatch(next(iter(ids))):
        return None
    roles = {value for kind, value in claims if kind in (*ROLES, named)}
    return Principal(ids.pop(), frozenset(role for role in OperatorRole if role in roles))
