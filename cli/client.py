"""The operators' API over HTTP: one request at a time, answers checked by the models the app writes them with."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import BaseModel, ValidationError

from cli.exits import CommandError, Exit
from cli.signin import token_for
from cli.words import CONFLICTS
from shared.api_fields import Model
from shared.api_models import CasePage as Cases
from shared.api_models import CaseQuery, CaseView, Problem
from shared.letter_models import LetterPage, LetterQuery, LetterView
from shared.record_models import AuditPage, AuditQuery, AuditView

if TYPE_CHECKING:
    import httpx

ROOT: Final = "/api/operations/"
CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 120  # a page of replays goes letter by letter

LOOK: Final = "What was asked for may have happened: look before you ask again."

ENDS: Final[Mapping[int, Exit]] = {
    HTTPStatus.BAD_REQUEST: Exit.USAGE,
    HTTPStatus.UNAUTHORIZED: Exit.NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: Exit.NOT_ALLOWED,
    HTTPStatus.NOT_FOUND: Exit.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: Exit.UNAVAILABLE,
    HTTPStatus.TOO_MANY_REQUESTS: Exit.UNAVAILABLE,
    HTTPStatus.BAD_GATEWAY: Exit.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: Exit.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: Exit.UNAVAILABLE,
}
"""How the command ends by the status of an answer; every other is an error."""


class Client:
    """One operator at one app. Every method raises CommandError, with a text for a person and an exit code."""

    def __init__(self, url: str | None, known_as: str | None = None) -> None:
        import httpx  # noqa: PLC0415 - a fifth of a second that --help does not need

        if not url:
            raise CommandError("Which app? Give --url, or set FIRSTPASS_URL.", Exit.USAGE)
        self.url = url.rstrip("/")
        self._token = token_for(self.url, known_as)
        times = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(timeout=times, trust_env=not self.url.startswith("http://"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get[Answer: BaseModel](self, path: str, answer: type[Answer], query: Model | None = None) -> Answer:
        """Read something."""
        params = query.model_dump(mode="json", by_alias=True, exclude_none=True) if query else {}
        return self._ask("GET", path, answer, params=params)

    def post[Answer: BaseModel](self, path: str, answer: type[Answer], wish: Model, *leave_out: str) -> Answer:
        """Change something, or ask about something personal; fields that stand in the path are left out."""
        body = wish.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(leave_out))
        return self._ask("POST", path, answer, json=body)

    def cases(self, query: CaseQuery) -> Iterator[CaseView]:
        """Every case, page by page."""
        for page in self._pages("cases", Cases, query):
            yield from page.cases

    def letters(self, query: LetterQuery) -> Iterator[LetterView]:
        """Every dead letter that fits, page by page."""
        for page in self._pages("dead-letters", LetterPage, query):
            yield from page.letters

    def audit(self, query: AuditQuery) -> Iterator[AuditView]:
        """Every entry of the audit, page by page."""
        for page in self._pages("audit", AuditPage, query):
            yield from page.entries

    def _pages[Page: (Cases, LetterPage, AuditPage)](self, path: str, kind: type[Page], query: Model) -> Iterator[Page]:
        while True:
            page = self.get(path, kind, query)
            yield page
            if page.next_after is None:
                return
            query = query.model_copy(update={"after": page.next_after})

    def _ask[Answer: BaseModel](self, method: str, path: str, answer: type[Answer], **sent: Any) -> Answer:  # noqa: ANN401 - httpx's own words
        got = self._send(method, path, **sent)
        if got.status_code != HTTPStatus.OK:
            raise _refusal(got)
        try:
            return answer.model_validate_json(got.content)
        except ValidationError:
            raise CommandError("The app's answer is not one this version understands.") from None

    def _send(self, method: str, path: str, **sent: Any) -> "httpx.Response":  # noqa: ANN401 - as above
        import httpx  # noqa: PLC0415 - as above

        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            return self._http.request(method, f"{self.url}{ROOT}{path}", headers=headers, **sent)
        except httpx.InvalidURL:
            raise CommandError(f"{self.url} is no address.", Exit.USAGE) from None
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise CommandError(f"Nothing answers at {self.url}.", Exit.UNAVAILABLE) from None
        except httpx.TimeoutException:
            raise CommandError(f"The app does not answer in time. {LOOK}", Exit.UNAVAILABLE) from None
        except httpx.TransportError:
            raise CommandError(f"The connection broke. {LOOK}", Exit.UNAVAILABLE) from None


def _refusal(got: "httpx.Response") -> CommandError:
    """What an answer that is none means to a person."""
    if got.is_redirect:
        return CommandError("The app wants a sign-in: az login, and see FIRSTPASS_SCOPE.", Exit.NOT_ALLOWED)
    code = ENDS.get(got.status_code, Exit.ERROR)
    try:
        problem = Problem.model_validate_json(got.content)
    except ValidationError:
        if got.status_code == HTTPStatus.NOT_FOUND:
            return CommandError("Something answers there, but not the app: is it the right address?", Exit.USAGE)
        return CommandError(f"The app answers with status {got.status_code} and says no more.", code)
    fields = "".join(f"\n  {name}: {what}" for name, what in (problem.fields or {}).items())
    hint = CONFLICTS.get(problem.code, "")
    return CommandError(f"{problem.title} ({problem.code}){fields}{hint and f'\n{hint}'}", code)
