"""The line to one Twilio account: the SDK on connections of ours, and what is asked over them leaves nothing behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

REQUEST_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
MOST_PAGES: Final = 20
"""Requests the SDK may make for one question: it follows links to further pages by itself, without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccount:
    """Whose account, and its API key. `discard_content` needs Message Redaction to be enabled on it (page 30029)."""

    account_sid: str
    api_key_sid: str
    api_key_secret: str = field(repr=False)
    base_url: str = "https://api.twilio.com"
    discard_content: bool = False


class Line:
    """The SDK's client for one account, request by request. Close it when done."""

    def __init__(self, account: TwilioAccount) -> None:
        self._account = account
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            self._session = None

    async def ask[T](
        self, call: Callable[[Client], Awaitable[T]], failed: Callable[[Exception, int], T], seconds: float
    ) -> T:
        """One request, `call`. What is raised under it holds the request and the answer in its frames: it ends here.

        `failed` says what an error comes to, given the HTTP status (0: there was no answer).
        """
        self._session = self._session or aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        wire = _Wire(self._session, seconds, self._account.base_url)
        try:
            return await call(self._client(wire))
        except asyncio.CancelledError as cancelled:
            _cut_loose(cancelled)
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong, Twilio may have done what was asked
            _cut_loose(error)
            return failed(error, wire.status)

    def _client(self, wire: "_Wire") -> Client:
        """The SDK's client. The environment given stands in for the process's: an empty one would not."""
        who, none = self._account, {"TWILIO_REGION": "", "TWILIO_EDGE": ""}
        client = Client(who.api_key_sid, who.api_key_secret, who.account_sid, http_client=wire, environment=none)
        client.api.base_url = who.base_url
        return client


def _cut_loose(error: BaseException | None) -> None:
    """Part an exception from the frames it came through: aiohttp keeps some errors, and the frames hold the request."""
    while error:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class _Wire(AsyncHttpClient):
    """The SDK's requests on our session: with a time-out (the SDK's own client has none) and without keeping a copy."""

    def __init__(self, session: aiohttp.ClientSession, seconds: float, base_url: str) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True)
        # A connect ends sooner, for it proves that nothing was sent; no rounding up to whole seconds, past stop_at.
        connect = min(CONNECT_SECONDS, seconds / 2)
        self._limits = aiohttp.ClientTimeout(seconds, connect=connect, ceil_threshold=REQUEST_SECONDS + 1)
        self._session, self._base = session, urlsplit(base_url)
        self._left = MOST_PAGES
        self.status = 0

    async def request(self, method: str, uri: str, *_: Any, **asked: Any) -> Response:  # noqa: ANN401 - the SDK's words
        """One request, never redirected: that would repeat a POST."""
        self._left -= 1
        if self._left < 0 or not self._is_theirs(uri):
            raise ValueError("a page that is not asked for")
        headers = asked["headers"] | {"Authorization": aiohttp.encode_basic_auth(*asked["auth"])}
        async with self._session.request(
            method, uri, data=asked["data"], headers=headers, timeout=self._limits, allow_redirects=False
        ) as answer:
            self.status = answer.status
            return Response(answer.status, await answer.text(), answer.headers)

    def _is_theirs(self, uri: str) -> bool:
        """Whether it is the account's own address, or a sister of its: the API key must travel nowhere else."""
        there, home = urlsplit(uri), self._base.netloc.removeprefix("api.")
        return there.scheme == self._base.scheme and (there.netloc == home or there.netloc.endswith(f".{home}"))
