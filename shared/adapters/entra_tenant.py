"""What Entra shows of the tenant itself, for the self-check: our own roles, the policies, its time."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from msgraph.graph_service_client import GraphServiceClient
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.access import AccessPolicy, Circles
from shared.adapters.entra import BACK_OFF, TAP_CONFIGURATION
from shared.adapters.entra_access import access_policies
from shared.adapters.entra_facts import policy_from
from shared.adapters.entra_outcomes import READING, Answer, settle, unavailable, understood
from shared.adapters.entra_wire import GraphWire
from shared.checks import PassPolicy
from shared.checkup_ports import NotReadable
from shared.errors import Halted, Reason
from shared.findings import named
from shared.ports import Clock

PARTS_OF_A_TOKEN: Final = 3
_ROLE: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
"""What Graph calls its app roles (Microsoft Graph permissions reference)."""


class EntraTenant:
    """Implements checkup_ports.Tenant, over the addresses and the credential of EntraDirectory."""

    def __init__(
        self,
        graph_url: str,
        credential: AsyncTokenCredential,
        clock: Clock,
        *,
        audience: str | None = None,
        back_off: float = BACK_OFF,
    ) -> None:
        self._credential, self._audience = credential, audience or graph_url.rstrip("/")
        self._wire = GraphWire(graph_url.rstrip("/"), self._audience, credential, clock, back_off)
        self._graph = GraphServiceClient(request_adapter=self._wire.adapter)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def granted(self, stop_at: float) -> frozenset[str]:
        """See checkup_ports.Tenant. A token is as old as a day, and roles granted since are not in it."""
        self._wire.left(stop_at)
        try:
            token = await self._credential.get_token(f"{self._audience}/.default")
        except ClientAuthenticationError:
            raise Halted(Reason.GRAPH_DENIED) from None
        except AzureError:
            raise unavailable() from None
        return understood(lambda: _roles_in(token.token))

    async def pass_policy(self, stop_at: float) -> PassPolicy:
        """See checkup_ports.Tenant."""
        answer = settle(await self._ask_for_policy(stop_at))
        return understood(lambda: _pass_policy(answer.body))

    async def access_policies(self, stop_at: float) -> list[AccessPolicy]:
        """See checkup_ports.Tenant."""
        policies = self._graph.identity.conditional_access.policies
        try:
            pages = await self._wire.pages(policies.to_get_request_information, stop_at, READING)
        except Halted:
            raise NotReadable from None
        return understood(lambda: access_policies(pages))

    async def circles(self, group: str, stop_at: float) -> Circles:
        """See checkup_ports.Tenant."""
        above = self._graph.groups.by_group_id(group).transitive_member_of
        pages = await self._wire.pages(above.to_get_request_information, stop_at, READING)
        return understood(lambda: _circles(group, pages))

    async def time(self, stop_at: float) -> datetime:
        """See checkup_ports.Tenant. Whatever else the answer says: it is dated."""
        date = (await self._ask_for_policy(stop_at)).date
        if date is None:
            raise unavailable()
        return date

    async def _ask_for_policy(self, stop_at: float) -> Answer:
        configurations = self._graph.policies.authentication_methods_policy.authentication_method_configurations
        item = configurations.by_authentication_method_configuration_id(TAP_CONFIGURATION)
        return await self._wire.ask(item.to_get_request_information, stop_at)


def _roles_in(token: str) -> frozenset[str]:
    """The `roles` claim, unverified: Graph verifies it; here it is only read (Microsoft Learn, Access token claims)."""
    parts = token.split(".")
    if len(parts) != PARTS_OF_A_TOKEN:
        raise ValueError("not a token")
    claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    return frozenset(named(role, _ROLE) for role in _Claims.model_validate_json(claims).roles)


# --- what is on the wire ---


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel, hide_input_in_errors=True)


class _Claims(_Wire):
    roles: list[str] = []


class _Length(_Wire):
    default_length: int = Field(ge=8, le=48)  # Microsoft Graph reference, the configuration's bounds


class _Group(_Wire):
    id: str


class _Groups(_Wire):
    value: list[_Group]


def _pass_policy(body: object) -> PassPolicy:
    return PassPolicy(policy_from(body), _Length.model_validate(body).default_length)


def _circles(group: str, pages: Sequence[object]) -> Circles:
    above = (found.id.lower() for page in pages for found in _Groups.model_validate(page).value)
    return Circles(frozenset({group.lower(), *above}))
