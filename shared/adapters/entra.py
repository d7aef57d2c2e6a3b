"""Microsoft Entra through Microsoft Graph v1.0: the Directory port.

msgraph-sdk builds the requests; the answers are read by our own small types (entra_facts.py), because the SDK's typed
reading imports over a thousand modules for the first answer and again costs most of every later one. What an answer
leads to stands in the tables of entra_outcomes.py. URLs hold object ids only: whatever names a person otherwise travels
inside a batch's body (entra_wire.py), where no span, proxy or log line sees it.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from azure.core.credentials_async import AsyncTokenCredential
from msgraph.generated.models.temporary_access_pass_authentication_method import (
    TemporaryAccessPassAuthenticationMethod,
)
from msgraph.generated.users.item.authentication.temporary_access_pass_methods.temporary_access_pass_methods_request_builder import (  # noqa: E501 - the SDK's name
    TemporaryAccessPassMethodsRequestBuilder,
)
from msgraph.graph_service_client import GraphServiceClient

from shared.adapters.entra_facts import (
    NUMBER_ATTRIBUTES,
    Created,
    fact_urls,
    facts_from,
    found_ids,
    methods_from,
    passes_from,
    policy_from,
    search_url,
)
from shared.adapters.entra_outcomes import (
    A_MINUTE,
    CREATING,
    DELETING,
    LISTING,
    AlreadyThere,
    PolicyChanged,
    settle,
    unavailable,
    understood,
)
from shared.adapters.entra_wire import REQUEST_SECONDS, GraphWire
from shared.errors import FirstpassError, Reason, Refused, Unconfirmed
from shared.events import UserRef
from shared.guard_rails import Facts, LivePass
from shared.methods import Method
from shared.plan import Policy, Terms
from shared.ports import Clock, Pass

BACK_OFF: Final = 0.5
POLICY_KEEPS: Final = timedelta(minutes=15)
TAP_CONFIGURATION: Final = "temporaryAccessPass"


class EntraDirectory:
    """Directory over `graph_url` (no version in it, e.g. https://graph.microsoft.com).

    `audience` is whom tokens are for, when that is not graph_url: a stand-in takes only tokens meant for Graph.
    `number_attribute` is where the directory keeps a joiner's number: mobilePhone, businessPhones (the first), or
    onPremisesExtensionAttributes/extensionAttribute1 to 15. `back_off` is in seconds. The credential stays the
    caller's to close.
    """

    def __init__(
        self,
        graph_url: str,
        credential: AsyncTokenCredential,
        clock: Clock,
        *,
        audience: str | None = None,
        number_attribute: str = "mobilePhone",
        back_off: float = BACK_OFF,
    ) -> None:
        if not NUMBER_ATTRIBUTES.fullmatch(number_attribute):
            raise ValueError("number_attribute")
        self._clock = clock
        self._number_attribute = number_attribute
        self._wire = GraphWire(graph_url.rstrip("/"), audience or graph_url.rstrip("/"), credential, clock, back_off)
        self._graph = GraphServiceClient(request_adapter=self._wire.adapter)
        self._policy: tuple[datetime, Policy] | None = None
        self._policy_request: asyncio.Task[Policy] | None = None

    async def close(self) -> None:
        """Give up a policy request under way and close the connections."""
        if self._policy_request:
            self._policy_request.cancel()
        await self._wire.close()

    # --- the port ---

    async def facts(self, user: UserRef, stop_at: float) -> Facts | None:
        """See Directory."""
        user_id = user.value if user.by == "id" else await self._find(user, stop_at)
        if user_id is None:
            return None
        parts = await self._wire.everything(fact_urls(user_id, self._number_attribute), stop_at)
        if parts is None:
            return None
        return understood(lambda: facts_from(parts, user_id, self._number_attribute, self._clock.now()))

    async def policy(self, stop_at: float) -> Policy:
        """See Directory. Callers who come while a request is under way share its result, each until its own stop_at."""
        if self._policy and timedelta(0) <= self._clock.now() - self._policy[0] < POLICY_KEEPS:
            return self._policy[1]
        left = self._wire.left(stop_at)
        if self._policy_request is None or self._policy_request.done():
            self._policy_request = asyncio.create_task(self._read_policy())
            self._policy_request.add_done_callback(lambda task: task.cancelled() or task.exception())
        request = self._policy_request
        await asyncio.wait({request}, timeout=left)
        if not request.done():
            raise unavailable()
        return request.result()

    async def create_pass(self, user_id: str, terms: Terms, stop_at: float) -> Pass:
        """See Directory. One POST, never repeated but after a refusal that proves it made nothing."""
        try:
            with suppress(AlreadyThere):
                return await self._make(user_id, terms, stop_at)
            for pass_id in (await self._list(user_id, stop_at))[1]:
                await self.delete_pass(user_id, pass_id, stop_at)
            return await self._make(user_id, terms, stop_at)
        except PolicyChanged:
            self._policy = None
            raise

    async def passes(self, user_id: str, stop_at: float) -> list[LivePass]:
        """See Directory. Nobody of that id has no passes."""
        return (await self._list(user_id, stop_at))[0]

    async def delete_pass(self, user_id: str, pass_id: str, stop_at: float) -> None:
        """See Directory."""
        pass_item = self._passes_of(user_id).by_temporary_access_pass_authentication_method_id(pass_id)
        answer = await self._wire.ask(pass_item.to_delete_request_information, stop_at)
        settle(answer, DELETING)

    async def methods(self, user_id: str, stop_at: float) -> list[Method]:
        """See Directory."""
        methods = self._graph.users.by_user_id(user_id).authentication.methods
        pages = await self._wire.pages(methods.to_get_request_information, stop_at, LISTING)
        return understood(lambda: methods_from(pages))

    # --- one call each ---

    async def _find(self, user: UserRef, stop_at: float) -> str | None:
        parts = await self._wire.everything({"search": search_url(user)}, stop_at)
        ids = understood(lambda: found_ids(parts["search"][0])) if parts else []
        if len(ids) > 1:
            raise Refused(Reason.USER_AMBIGUOUS)
        return ids[0] if ids else None

    async def _read_policy(self) -> Policy:
        asked_at = self._clock.now()
        configurations = self._graph.policies.authentication_methods_policy.authentication_method_configurations
        item = configurations.by_authentication_method_configuration_id(TAP_CONFIGURATION)
        answer = await self._wire.ask(item.to_get_request_information, self._clock.monotonic() + REQUEST_SECONDS)
        policy = understood(lambda: policy_from(settle(answer).body))
        self._policy = asked_at, policy
        return policy

    async def _list(self, user_id: str, stop_at: float) -> tuple[list[LivePass], list[str]]:
        answer = await self._wire.ask(self._passes_of(user_id).to_get_request_information, stop_at)
        return understood(lambda: passes_from(settle(answer, LISTING).body, self._clock.now()))

    async def _make(self, user_id: str, terms: Terms, stop_at: float) -> Pass:
        start = terms.start_date_time
        wish = TemporaryAccessPassAuthenticationMethod(
            start_date_time=start.astimezone(UTC) if start else None,
            lifetime_in_minutes=terms.lifetime_in_minutes,
            is_usable_once=terms.is_usable_once,
        )
        request = self._passes_of(user_id).to_post_request_information(wish)
        answer = await self._wire.send(request, stop_at, read=Created.model_validate_json)
        made = settle(answer, CREATING).body
        if not isinstance(made, Created) or not made.keeps(terms):
            raise Unconfirmed(Reason.PASS_UNCONFIRMED)
        await self._check(user_id, made, terms, stop_at)
        return Pass(made.id, made.secret)

    async def _check(self, user_id: str, made: Created, terms: Terms, stop_at: float) -> None:
        """Undo a pass that cannot be used, or only once although several sign-ins were asked for.

        When even the deletion fails nothing is lost: nobody has the secret, and it ends with its time.
        """
        if made.usable and made.is_usable_once <= terms.is_usable_once:
            return
        with suppress(FirstpassError):
            await self.delete_pass(user_id, made.id, stop_at)
        if made.usable:
            raise PolicyChanged(Reason.GRAPH_UNAVAILABLE, A_MINUTE)
        raise Refused(Reason.PASS_UNUSABLE)

    def _passes_of(self, user_id: str) -> TemporaryAccessPassMethodsRequestBuilder:
        return self._graph.users.by_user_id(user_id).authentication.temporary_access_pass_methods
