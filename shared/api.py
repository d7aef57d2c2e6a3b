"""The operators' API: one table of acts, who may do each, and one way to answer a request.

Whoever asks is vouched for by the platform; every change says why, and stands in the audit before it happens: when the
audit cannot be written nothing happens. A refusal for want of a role stands there too.
Names in requests are those of the wire only, and what the path says wins: what the audit names is what is acted on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from logging import INFO, WARNING
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from shared.acts import Act
from shared.api_models import (
    MAX_REASON,
    Problem,
    one_line,
)
from shared.errors import Moved, Unavailable, UnreadableRow
from shared.operations import NotAllowed, NotFound
from shared.oversight import Audit, AuditEntry
from shared.ports import Clock
from shared.principal import Principal, principal_of
from shared.telemetry import Event, emit, scrub
from shared.wishes import Unable

MAX_BYTES: Final = 256 * 1024
_JSON: Final = "application/json"
_OWN_PAGES: Final = {"none", "same-origin"}
"""What Sec-Fetch-Site says of a request that no other site's page made."""


OUTCOMES: Final[Mapping[type[Exception], tuple[HTTPStatus, str]]] = {
    NotFound: (HTTPStatus.NOT_FOUND, "There is none."),
    NotAllowed: (HTTPStatus.FORBIDDEN, "This very thing needs a higher role."),
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
        read, named = _given(request), _match(act.path, request.path) or {}
        given = (read or {}) | named
        try:
            if not who.may(act.role):
                await self._note(who, act, given, allowed=False)
                return _problem(HTTPStatus.FORBIDDEN, "role-missing", f"This needs the app role {act.role}.")
            if read is None:
                return _bad_input({"body": "must be a JSON object"})
            asked = act.asks.model_validate(given, by_alias=True, by_name=False)
            if act.is_audited:
                await self._note(who, act, given, allowed=True)
            return HTTPStatus.OK, await self._do(who, act, asked, given)
        except ValidationError as wrong:
            return _bad_input(_fields(wrong))
        except tuple(OUTCOMES) as error:
            status, title = next(outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind))
            return _problem(status, str(error), title)

    async def _do(self, who: Principal, act: Act, asked: BaseModel, given: Mapping[str, Any]) -> BaseModel:
        """An act; one that finds that this very thing needs a higher role stands in the audit as not allowed, too."""
        try:
            return await act.do(who, asked)
        except NotAllowed:
            await self._note(who, act, given, allowed=False)
            raise

    async def _note(self, who: Principal, act: Act, given: Mapping[str, Any], *, allowed: bool) -> None:
        """Into the audit, before anything happens. What looks like a number or a user name there is masked."""
        why = one_line(given.get("reason"))
        entry = AuditEntry(
            at=self.clock.now(),
            who=who.id,
            act=act.name,
            target=_target(given),
            allowed=allowed,
            why=scrub(why)[:MAX_REASON] if isinstance(why, str) else None,
        )
        await self.audit.note(entry)
        kind, level = (Event.OPERATOR_ACTED, INFO) if allowed else (Event.OPERATOR_DENIED, WARNING)
        emit(kind, level, detail=act.name)


def _target(given: Mapping[str, Any]) -> str:
    """What an act is about, as it stands in the audit: a case's id, or which letters and how many; nothing personal."""
    case_id, letters = given.get("caseId"), given.get("sequences")
    if isinstance(case_id, str) and re.fullmatch("[0-9a-f]{32}", case_id):
        return case_id
    if isinstance(letters, list) and letters and all(isinstance(number, int) for number in letters):
        return f"letters {min(letters)} to {max(letters)}, {len(letters)}"[:128]
    return ""


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
    kind = told.get("content-type", _JSON).partition(";")[0].strip()
    reasons = (
        (told.get("sec-fetch-site", "none") not in _OWN_PAGES, HTTPStatus.FORBIDDEN, "cross-site", "Not from there."),
        (kind != _JSON, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", f"The body must be {_JSON}."),
        (len(request.body) > MAX_BYTES, HTTPStatus.CONTENT_TOO_LARGE, "too-large", f"At most {MAX_BYTES} bytes."),
    )
    if request.method == "GET":
        return None
    return next((_problem(status, code, title) for holds, status, code, title in reasons if holds), None)


def _given(request: Request) -> dict[str, Any] | None:
    """The query of a GET, the JSON object of a POST; None when it is none."""
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        read = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _fields(wrong: ValidationError) -> dict[str, str]:
    """What is wrong with each field, never what it was; names that are none of ours may hold anything."""
    return {
        ".".join(_name(part) for part in error["loc"]) or "body": _words(error["msg"])
        for error in wrong.errors(include_url=False, include_input=False, include_context=False)
    }


def _name(part: str | int) -> str:
    return str(part) if isinstance(part, int) or re.fullmatch("[A-Za-z_]{1,40}", part) else "?"


def _words(told: str) -> str:
    return told.removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")


def _bad_input(fields: dict[str, str]) -> Answer:
    return _problem(HTTPStatus.BAD_REQUEST, "bad-input", "Some fields are wrong.", fields)


def _problem(status: HTTPStatus, code: str, title: str, fields: dict[str, str] | None = None) -> Answer:
    return status, Problem(status=status, code=code, title=title, fields=fields)
