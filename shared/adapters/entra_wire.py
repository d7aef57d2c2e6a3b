"""Requests to Graph on the wire: tokens, connections, time-outs, repetition, batches, pages.

Requests go through the SDK's adapter, answers come back as our own Answer before the SDK can read them. Nothing here
raises for a status; no error says more than how far a request got.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import httpx
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from httpx_aiohttp import AiohttpTransport
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_abstractions.response_handler import ResponseHandler
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.kiota_client_factory import KiotaClientFactory
from kiota_http.middleware import ParametersNameDecodingHandler
from kiota_http.middleware.options import ResponseHandlerOption
from kiota_http.observability_options import ObservabilityOptions
from msgraph.graph_request_adapter import GraphRequestAdapter
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from shared.adapters.entra_outcomes import (
    A_MINUTE,
    CUT_OFF,
    MISSING,
    NOT_SENT,
    READING,
    Answer,
    Row,
    http_date,
    retry_after,
    settle,
    settle_all,
    unavailable,
    understood,
)
from shared.errors import Later, Reason
from shared.ports import Clock

REQUEST_SECONDS: Final = 20.0
"""The longest any request may take, connecting and reading included."""
CONNECT_SECONDS: Final = 5.0
CONNECTIONS: Final = 256
TRIES: Final = 3
MAX_PAGES: Final = 50
_JSON = "application/json"
_LINK: Final = re.compile("[ -~]{1,32768}")
"""What a link may consist of: the client takes no other for a URL."""
_STATUSES: Final = range(100, 600)
"""What a part of a batch may say (RFC 9110). Below it are marks of our own tables, above it nothing they know."""

type Read = Callable[[bytes], object]
type Pages = dict[str, list[Any]]


class GraphWire:
    """One Graph at `graph_url`, tokens for `audience`. `adapter` is what the SDK's request builders are built on.

    `back_off`, in seconds, bounds the first pause between two tries of a read; twice that bounds the second.
    """

    def __init__(
        self, graph_url: str, audience: str, credential: AsyncTokenCredential, clock: Clock, back_off: float
    ) -> None:
        self._base = f"{graph_url}/v1.0"
        self._clock = clock
        self._back_off = back_off
        self._http = _http_client()
        self.adapter = _adapter(graph_url, audience, credential, self._http)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def left(self, stop_at: float) -> float:
        """Seconds until stop_at, more than none.

        Raises:
            Later: `out-of-time`.
        """
        left = stop_at - self._clock.monotonic()
        if left <= 0:
            raise Later(Reason.OUT_OF_TIME, A_MINUTE)
        return left

    async def send(self, request: RequestInformation, stop_at: float, read: Read = json.loads) -> Answer:
        """One request, once; `read` makes something of the body of a success."""
        left = self.left(stop_at)
        request.headers.try_add("client-request-id", str(uuid.uuid4()))
        request.add_request_options([ResponseHandlerOption(_Reading(read, self._clock))])
        try:
            async with asyncio.timeout(min(REQUEST_SECONDS, left)):
                answer: Any = await self.adapter.send_primitive_async(request, "bytes", None)
        except ClientAuthenticationError:
            return Answer(status=HTTPStatus.UNAUTHORIZED)  # no identity, or none any more: as Graph's 401
        except AzureError:
            return Answer(status=NOT_SENT)  # no token, so no request
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            return Answer(status=_how_far(error))
        return answer

    async def ask(self, request: Callable[[], RequestInformation], stop_at: float) -> Answer:
        """A request that may be repeated, each time made afresh."""

        async def ask() -> list[Answer]:
            return [await self.send(request(), stop_at)]

        return (await self._patiently(stop_at)(ask))[0]

    async def pages(
        self, request: Callable[[], RequestInformation], stop_at: float, table: Sequence[Row]
    ) -> list[object]:
        """All pages of a list. `table` settles the first; a later one that is missing leaves the list unknown.

        Raises:
            FirstpassError: a page could not be had.
        """
        pages: list[object] = []
        for _ in range(MAX_PAGES):
            pages.append(settle(await self.ask(request, stop_at), table).body)
            link = self._next_link(pages[-1])
            if link is None:
                return pages
            request, table = partial(_page, f"{self._base}{link}"), READING
        raise unavailable()

    async def everything(self, urls: Mapping[str, str], stop_at: float) -> Pages | None:
        """All pages of every part of a batch, or None when the part `user` says that there is no such person.

        Raises:
            FirstpassError: a part could not be had.
        """
        pages: Pages = {name: [] for name in urls}
        for _ in range(MAX_PAGES):
            answers = await self._batch(urls, stop_at)
            if "user" in answers and answers["user"].status == HTTPStatus.NOT_FOUND:
                return None
            for name, answer in settle_all(answers).items():
                pages[name].append(answer.body)
            urls = {name: link for name in urls if (link := self._next_link(pages[name][-1]))}
            if not urls:
                return pages
        raise unavailable()

    async def _batch(self, urls: Mapping[str, str], stop_at: float) -> dict[str, Answer]:
        """Ask all of `urls` in one request; again those parts alone that may be answered in a moment."""
        answers: dict[str, Answer] = {}

        async def ask() -> Iterable[Answer]:
            wanted = {name: url for name, url in urls.items() if name not in answers or answers[name].transient}
            answers.update(await self._send_batch(wanted, stop_at))
            return answers.values()

        await self._patiently(stop_at)(ask)
        return answers

    async def _send_batch(self, urls: Mapping[str, str], stop_at: float) -> dict[str, Answer]:
        request = RequestInformation(Method.POST, "{+baseurl}/$batch", {})
        request.headers.try_add("Accept", _JSON)
        request.set_stream_content(json.dumps({"requests": [_part(*one) for one in urls.items()]}).encode(), _JSON)
        whole = await self.send(request, stop_at)
        missing = dict.fromkeys(urls, Answer(status=MISSING))
        if whole.status == HTTPStatus.OK:
            return missing | _parts(whole.body, urls, self._clock.now())
        # A 404 for the batch itself says nothing about the person in it.
        return missing if whole.status == HTTPStatus.NOT_FOUND else dict.fromkeys(urls, whole)

    def _next_link(self, body: object) -> str | None:
        """The path of the next page, as a batch wants it: below the version, and only on Graph itself."""
        link: Any = body.get("@odata.nextLink") if isinstance(body, dict) else None
        if link is None:
            return None
        base, url = urlsplit(self._base), understood(lambda: urlsplit(str(link)))
        if (url.scheme, url.netloc.lower()) != (base.scheme, base.netloc.lower()):
            raise unavailable()
        if not url.path.startswith(f"{base.path}/") or not _LINK.fullmatch(str(link)):
            raise unavailable()
        return f"{url.path.removeprefix(base.path)}?{url.query}"

    def _patiently(self, stop_at: float) -> AsyncRetrying:
        """Repeats what is safe to repeat, while its answers are transient and the pause ends before stop_at."""
        jitter = wait_random_exponential(self._back_off)
        return AsyncRetrying(
            retry=retry_if_result(lambda answers: any(answer.transient for answer in answers)),
            stop=lambda state: (
                state.attempt_number >= TRIES or self._clock.monotonic() + state.upcoming_sleep >= stop_at
            ),
            wait=lambda state: _asked_to_wait(state) + jitter(state),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )


@dataclass(frozen=True, slots=True)
class _Reading(ResponseHandler):
    """Makes an Answer of a response inside the SDK's call, so that no response, and no raw pass, outlives it."""

    read: Read
    clock: Clock

    async def handle_response_async(self, response: Any, error_map: Any = None) -> Any:  # noqa: ANN401, ARG002 - the SDK's signature
        read = self.read if response.is_success else json.loads
        body = None
        with suppress(ValueError, RecursionError):
            body = read(response.content)
        response.stream = httpx.ByteStream(b"")  # breaks the cycle that would keep the bytes in memory
        wait = retry_after(response.headers.get("Retry-After"), self.clock.now())
        date = http_date(response.headers.get("Date"))
        return Answer(status=response.status_code, retry_after=wait, date=date, body=body)


def _http_client() -> httpx.AsyncClient:
    """HTTP/1.1 by aiohttp below httpx; no proxies from the environment; none of the SDK's retries and redirects."""
    client = httpx.AsyncClient(
        transport=AiohttpTransport(limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=5)),
        timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,
    )
    return KiotaClientFactory.create_with_custom_middleware([ParametersNameDecodingHandler()], client)


def _adapter(
    graph_url: str, audience: str, credential: AsyncTokenCredential, http: httpx.AsyncClient
) -> GraphRequestAdapter:
    """Tokens are for Graph and go to Graph's host alone; spans carry no URL."""
    host = urlsplit(graph_url).hostname or ""
    auth = AzureIdentityAuthenticationProvider(credential, scopes=[f"{audience}/.default"], allowed_hosts=[host])
    adapter = GraphRequestAdapter(auth, http)
    adapter.base_url = f"{graph_url}/v1.0"
    adapter.observability_options = ObservabilityOptions(include_euii_attributes=False)
    return adapter


def _how_far(error: Exception) -> int:
    """Whether a failed request can have reached Graph.

    httpx-aiohttp names a lost connection ConnectTimeout, as it does one that was never made: only the cause tells.
    """
    never = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    return NOT_SENT if isinstance(error.__cause__ or error, never) else CUT_OFF


def _asked_to_wait(state: RetryCallState) -> float:
    answers: Iterable[Answer] = state.outcome.result() if state.outcome else ()
    waits = (answer.retry_after for answer in answers if answer.transient and answer.retry_after)
    return max(waits, default=timedelta(0)).total_seconds()


def _part(name: str, url: str) -> dict[str, Any]:
    """One part of a batch. Casts and counts need the header (Microsoft Learn, List a user's memberships)."""
    headers = {"headers": {"ConsistencyLevel": "eventual"}} if "count=true" in url else {}
    return {"id": name, "method": "GET", "url": url, **headers}


def _page(url: str) -> RequestInformation:
    """A further page of a list, by its link."""
    request = RequestInformation(Method.GET)
    request.url = url
    request.headers.try_add("Accept", _JSON)
    return request


def _parts(body: object, urls: Mapping[str, str], now: datetime) -> dict[str, Answer]:
    """The answers of a batch, in whatever order they came; what is not one is left out."""
    responses: Any = body.get("responses") if isinstance(body, dict) else None
    found = {}
    for part in responses if isinstance(responses, list) else []:
        match part:
            case {"id": str(name), "status": int(status)} if name in urls and status in _STATUSES:
                given: Any = part.get("headers")
                headers = {key.lower(): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
                wait = retry_after(headers.get("retry-after"), now)
                found[name] = Answer(status=status, retry_after=wait, body=part.get("body"))
            case _:
                pass
    return found
