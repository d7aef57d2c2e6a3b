"""The operators' API: one table of acts, who may do each, and one way to answer a request.

Whoever asks is vouched for by the platform; every change says why, and stands in the audit before it happens: when the
audit cannot be written nothing happens. What was not allowed stands there as such, and what did not come about twice.
Names in requests are those of the wire only, and each stands in one place: what the audit names is what is acted on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from logging import WARNING
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from shared.acts import Act
from shared.api_fields import MAX_REASON, one_line
from shared.api_models import Problem
from shared.audited import Targets
from shared.bad_input import wrong_fields
from shared.errors import Moved, Unavailable, UnreadableRow
from shared.operations import NotFound
from shared.oversight import Audit, AuditEntry
from shared.permitted import NotAllowed
from shared.ports import Clock
from shared.principal import Principal, principal_of
from shared.telemetry import Event, emit, scrub
from shared.wishes import Unable

MAX_BYTES: Final = 256 * 1024
MASKED_WITHIN: Final = MAX_REASON + 320
"""Characters of a reason that are searched for what is personal: one longer is never let in, and searching takes time;
an address that ends behind MAX_REASON is still seen whole."""
_JSON: Final = "application/json"
_OWN_PAGES: Final = {"none", "same-origin"}
"""What Sec-Fetch-Site says of a request that no other site's page made."""


OUTCOMES: Final[Mapping[type[Exception], tuple[HTTPStatus, str]]] = {
    NotFound: (HTTPStatus.NOT_FOUND, "There is none."),
    NotAllowed: (HTTPStatus.FORBIDDEN, "You may not do this."),
    Unable: (HTTPStatus.CONFLICT, "It does not fit the case as it is now."),
    Moved: (HTTPStatus.CONFLICT, "Somebody else changes this case right now: try again."),
    UnreadableRow: (HTTPStatus.SERVICE_UNAVAILABLE, "A row of the ledger makes no sense: somebody must look."),
    Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "Nothing is known to have happened: look, then try again."),
}
"""How an act that did not come about is answered; the error's text is the code."""

type Answer = tuple[HTTPStatus, BaseModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came: `path` below the API's root, the raw query, headers in any case of letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Answers requests. `platform_vouches` is whether the platform checks who asks, and strips forged principals."""

    acts: Sequence[Act]
    audit: Audit
    targets: Targets
    clock: Clock
    platform_vouches: bool

    async def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[HTTPStatus, str]:
        """The answer to a request (see Request), as status and JSON. Bad input never raises."""
        status, answer = await self._answer(Request(method=method, path=path, query=query, headers=headers, body=body))
        return status, answer.model_dump_json(by_alias=True)

    async def _answer(self, request: Request) -> Answer:
        who = principal_of(request.headers, platform_vouches=self.platform_vouches)
        if who is None:
            emit(Event.OPERATOR_DENIED, WARNING, reason="no-principal")
            return _problem(HTTPStatus.UNAUTHORIZED, "no-principal", "Sign in: nobody vouches for this request.")
        fitting = self._fitting(request.path)
        if not fitting:
            return _problem(HTTPStatus.NOT_FOUND, "no-such-act", "There is no such path.")
        if request.method not in fitting:
            return _problem(HTTPStatus.METHOD_NOT_ALLOWED, "no-such-act", "Not with this method.")
        if unfit := _unfit(request):
            return unfit
        return await self._settle(who, fitting[request.method], request)

    def _fitting(self, path: str) -> dict[str, Act]:
        """The acts on a path by method; one that says it in so many words comes before one with a `{name}` in it."""
        acts = sorted(self.acts, key=lambda act: act.path.count("{"), reverse=True)
        return {act.method: act for act in acts if _match(act.path, path) is not None}

    async def _settle(self, who: Principal, act: Act, request: Request) -> Answer:
        """One act; every outcome it can have is decided here."""
        try:
            return HTTPStatus.OK, await self._do(who, act, _given(request), _match(act.path, request.path) or {})
        except ValidationError as wrong:
            return _bad_input(wrong_fields(wrong))
        except _SaidTwice as wrong:
            return _bad_input({wrong.name: "stands in the path already"})
        except tuple(OUTCOMES) as error:
            status, title = next(outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind))
            needed = f" It needs the app role {error.needs}." if isinstance(error, NotAllowed) and error.needs else ""
            return _problem(status, str(error), title + needed)

    async def _do(self, who: Principal, act: Act, given: object, named: Mapping[str, str]) -> BaseModel:
        """An act: what changes something stands in the audit before it happens, and again if it does not come about."""
        entry = self._entry(who, act, given, named)
        if not who.may(act.role):
            await self._note(replace(entry, allowed=False, ended="role-missing"))
            raise NotAllowed("role-missing", needs=act.role)
        asked = act.asks.model_validate(_together(given, named), by_alias=True, by_name=False)
        if not act.is_audited:
            return await act.do(who, asked)
        await self._note(entry)
        try:
            return await act.do(who, asked)
        except tuple(OUTCOMES) as error:
            await self._note(replace(entry, allowed=not isinstance(error, NotAllowed), ended=str(error)))
            raise

    def _entry(self, who: Principal, act: Act, given: object, named: Mapping[str, str]) -> AuditEntry:
        """What the audit says of an act. What looks like a number or a user name in its reason is masked."""
        told: Mapping[str, Any] = {**given, **named} if isinstance(given, dict) else named
        why = one_line(told.get("reason"))
        return AuditEntry(
            at=self.clock.now(),
            who=who.id,
            act=act.name,
            target=self.targets.of(told),
            allowed=True,
            why=scrub(why[:MASKED_WITHIN])[:MAX_REASON] if isinstance(why, str) else None,
        )

    async def _note(self, entry: AuditEntry) -> None:
        await self.audit.note(entry)
        if entry.ended is None:
            emit(Event.OPERATOR_ACTED, detail=entry.act)
        elif not entry.allowed:
            emit(Event.OPERATOR_DENIED, WARNING, reason=entry.ended, detail=entry.act)


class _SaidTwice(Exception):  # noqa: N818 - as the errors of errors.py
    """What the path says stands in the body too; the text is a name that is ours."""

    @property
    def name(self) -> str:
        return str(self)


def _match(pattern: str, path: str) -> dict[str, str] | None:
    """The values of a path's `{names}`; None when it is another path."""
    expected, given = pattern.split("/"), path.strip("/").split("/")
    if len(expected) != len(given):
        return None
    pairs = list(zip(expected, given, strict=True))
    if any(want != got for want, got in pairs if not want.startswith("{")):
        return None
    return {want[1:-1]: got for want, got in pairs if want.startswith("{")}


def _unfit(request: Request) -> Answer | None:
    """What is wrong with a request before it is read.

    A browser that holds an operator's cookie sends it with whatever another site's page posts; such a page can post no
    JSON, and browsers say where a request comes from.
    """
    told = {name.lower(): value.lower() for name, value in request.headers.items()}
    kind = told.get("content-type", "").partition(";")[0].strip()
    reasons = (
        (told.get("sec-fetch-site", "none") not in _OWN_PAGES, HTTPStatus.FORBIDDEN, "cross-site", "Not from there."),
        (kind != _JSON, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", f"The body must be {_JSON}."),
        (len(request.body) > MAX_BYTES, HTTPStatus.CONTENT_TOO_LARGE, "too-large", f"At most {MAX_BYTES} bytes."),
    )
    if request.method == "GET":
        return None
    return next((_problem(status, code, title) for holds, status, code, title in reasons if holds), None)


def _given(request: Request) -> object:
    """The query of a GET, the JSON of a POST; None when it is none."""
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        return json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        return None


def _together(given: object, named: Mapping[str, str]) -> object:
    """What the path says and what is given beside it.

    Raises:
        _SaidTwice: a name stands in both.
    """
    if not isinstance(given, dict):
        return given
    for name in named:
        if name in given:
            raise _SaidTwice(name)
    return {**given, **named}


def _bad_input(fields: dict[str, str]) -> Answer:
    return _problem(HTTPStatus.BAD_REQUEST, "bad-input", "Some fields are wrong.", fields)


def _problem(status: HTTPStatus, code: str, title: str, fields: dict[str, str] | None = None) -> Answer:
    return status, Problem(status=status, code=code, title=title, fields=fields)
