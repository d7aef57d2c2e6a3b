"""The operators' API: one table of acts, who may do each, and one way to answer a request.

Whoever asks is vouched for by the platform; every change says why, and stands in the audit before it happens: when the
audit cannot be written nothing happens. A refusal for want of a role stands there too.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from logging import WARNING
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from shared.api_models import (
    ActOnCase,
    ActOnPerson,
    CasePage,
    CaseQuery,
    CaseStory,
    Contact,
    Done,
    FindCase,
    Nothing,
    OneCase,
    OpenedCase,
    OpenWish,
    PauseWish,
    PersonExport,
    Problem,
    Reasoned,
    StatusView,
)
from shared.errands import Errands
from shared.errors import Moved, Unavailable
from shared.letter_models import (
    DiscardWish,
    Judgements,
    LetterPage,
    LetterQuery,
    LetterStats,
    LetterView,
    OneLetter,
    ReplayWish,
    SomeLetters,
)
from shared.letters import DeadLetters
from shared.operations import NotAllowed, NotFound, Operations
from shared.oversight import Audit, AuditEntry
from shared.ports import Clock
from shared.principal import OperatorRole, Principal, principal_of
from shared.telemetry import Event, emit
from shared.wishes import Unable

MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Act:
    """One thing operators can do. `do` takes who asks and what, and gives the answer."""

    method: str
    path: str
    role: OperatorRole
    asks: type[BaseModel]
    answers: type[BaseModel]
    do: Callable[..., Awaitable[BaseModel]]

    @property
    def name(self) -> str:
        """How it stands in the audit and in the OpenAPI document."""
        return self.do.__name__

    @property
    def is_audited(self) -> bool:
        """Whether it changes or reveals something: whatever asks for a reason."""
        return issubclass(self.asks, Reasoned)


OUTCOMES: Final[Mapping[type[Exception], tuple[HTTPStatus, str]]] = {
    NotFound: (HTTPStatus.NOT_FOUND, "There is none."),
    NotAllowed: (HTTPStatus.FORBIDDEN, "This very thing needs a higher role."),
    Unable: (HTTPStatus.CONFLICT, "It does not fit the case as it is now."),
    Moved: (HTTPStatus.CONFLICT, "Somebody else changes this case right now: try again."),
    Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "Nothing is known to have happened: look, then try again."),
}
"""How an act that did not come about is answered; the error's text is the code."""

type Answer = tuple[HTTPStatus, BaseModel | Mapping[str, Any]]


def acts_of(operations: Operations, errands: Errands) -> tuple[Act, ...]:
    """The acts on cases, people and the whole."""
    reader, operator, approver = OperatorRole
    return (
        Act("GET", "cases", reader, CaseQuery, CasePage, operations.list_cases),
        Act("POST", "cases/open", operator, OpenWish, OpenedCase, errands.open_case),
        Act("POST", "cases/find", reader, FindCase, CaseStory, operations.find_case),
        Act("GET", "cases/{caseId}", reader, OneCase, CaseStory, operations.show_case),
        Act("POST", "cases/{caseId}/reveal", operator, ActOnCase, Contact, operations.reveal_contact),
        Act("POST", "cases/{caseId}/reissue", operator, ActOnCase, Done, operations.reissue),
        Act("POST", "cases/{caseId}/cancel", operator, ActOnCase, Done, operations.cancel),
        Act("POST", "cases/{caseId}/approve", approver, ActOnCase, Done, operations.approve),
        Act("POST", "people/export", approver, ActOnPerson, PersonExport, operations.export_person),
        Act("POST", "people/forget", approver, ActOnPerson, Done, operations.forget_person),
        Act("GET", "status", reader, Nothing, StatusView, operations.status),
        Act("POST", "pause", operator, PauseWish, Done, operations.pause),
        Act("POST", "resume", operator, Reasoned, Done, operations.resume),
    )


def acts_on_letters(letters: DeadLetters) -> tuple[Act, ...]:
    """The acts on dead letters."""
    reader, operator, _ = OperatorRole
    return (
        Act("GET", "dead-letters", reader, LetterQuery, LetterPage, letters.list_letters),
        Act("GET", "dead-letters/stats", reader, Nothing, LetterStats, letters.letter_stats),
        Act("GET", "dead-letters/{sequence}", reader, OneLetter, LetterView, letters.show_letter),
        Act("POST", "dead-letters/judge", reader, SomeLetters, Judgements, letters.judge_letters),
        Act("POST", "dead-letters/replay", operator, ReplayWish, Judgements, letters.replay_letters),
        Act("POST", "dead-letters/discard", operator, DiscardWish, Judgements, letters.discard_letters),
    )


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
        text = answer.model_dump_json(by_alias=True) if isinstance(answer, BaseModel) else json.dumps(answer)
        return status, text

    async def _answer(self, request: Request) -> Answer:
        who = principal_of(request.headers, platform_vouches=self.platform_vouches)
        if who is None:
            emit(Event.OPERATOR_DENIED, WARNING, reason="no-principal")
            return _problem(HTTPStatus.UNAUTHORIZED, "no-principal", "Sign in: nobody vouches for this request.")
        # Of paths that both fit, the first in the table is meant.
        fitting = {act.method: act for act in reversed(self.acts) if _match(act.path, request.path) is not None}
        if not fitting:
            return _problem(HTTPStatus.NOT_FOUND, "no-such-act", "There is no such path.")
        if request.method not in fitting:
            return _problem(HTTPStatus.METHOD_NOT_ALLOWED, "no-such-act", "Not with this method.")
        return await self._settle(who, fitting[request.method], request)

    async def _settle(self, who: Principal, act: Act, request: Request) -> Answer:
        """One act; every outcome it can have is decided here."""
        given = _given(request) | (_match(act.path, request.path) or {})
        try:
            if not who.may(act.role):
                await self._note(who, act, given, allowed=False)
                return _problem(HTTPStatus.FORBIDDEN, "role-missing", f"This needs the app role {act.role}.")
            asked = act.asks.model_validate(given)
            if act.is_audited:
                await self._note(who, act, given, allowed=True)
            return HTTPStatus.OK, await self._do(who, act, asked, given)
        except ValidationError as wrong:
            return _problem(HTTPStatus.BAD_REQUEST, "bad-input", "Some fields are wrong.", _fields(wrong))
        except tuple(OUTCOMES) as error:
            status, title = next(outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind))
            return _problem(status, str(error), title)

    async def _do(self, who: Principal, act: Act, asked: BaseModel, given: Mapping[str, Any]) -> BaseModel:
        try:
            return await act.do(who, asked)
        except NotAllowed:
            await self._note(who, act, given, allowed=False)
            raise

    async def _note(self, who: Principal, act: Act, given: Mapping[str, Any], *, allowed: bool) -> None:
        """Into the audit, before anything happens."""
        emit(Event.OPERATOR_ACTED if allowed else Event.OPERATOR_DENIED, detail=act.name)
        why = given.get("reason")
        entry = AuditEntry(
            at=self.clock.now(),
            who=who.id,
            act=act.name,
            target=_target(given),
            allowed=allowed,
            why=why[:500] if isinstance(why, str) else None,
        )
        await self.audit.note(entry)


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


def _given(request: Request) -> dict[str, Any]:
    """The query of a GET, the JSON object of a POST; what is none gives no fields, and so an answer that names them."""
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        read = json.loads(request.body[:MAX_BYTES] or b"{}")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _fields(wrong: ValidationError) -> dict[str, str]:
    """What is wrong with each field, never what it was."""
    return {
        ".".join(map(str, error["loc"])) or "body": error["msg"].replace("Input should", "must")
        for error in wrong.errors(include_url=False, include_input=False, include_context=False)
    }


def _problem(status: HTTPStatus, code: str, title: str, fields: dict[str, Any] | None = None) -> Answer:
    return status, Problem(status=status, code=code, title=title, fields=fields)
