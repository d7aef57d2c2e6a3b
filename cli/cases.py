"""`firstpass cases …`: one hire of one joiner each."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Literal

import typer

from cli.case_view import CASES, Shown, print_case
from cli.client import Client
from cli.exits import CommandError, Exit
from cli.options import Code, Format, User, Why, Yes, client_of
from cli.output import Output, facts, say, show, show_one
from cli.questions import confirm
from cli.words import CONFLICTS, VOUCH
from shared.api_models import (
    ActOnCase,
    ApproveWish,
    CaseQuery,
    CaseStory,
    CaseView,
    Contact,
    Done,
    FindCase,
    OpenedCase,
    OpenWish,
)
from shared.errors import Reason
from shared.events import DevicePath, Purpose
from shared.states import State

cases = typer.Typer(
    no_args_is_help=True, help="One hire of one joiner each: look, open, send again, call off, approve."
)

Case = Annotated[str, typer.Argument(help="A case id.", metavar="ID")]
Errand = Literal["spare-key", "security-info", "authenticator", "single-day", "devices"]


@cases.command("list")
def list_cases(
    context: typer.Context,
    *,
    state: Annotated[State | None, typer.Option(help="Only cases in this state.")] = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Cases by id, without anything personal.

    Example: ./firstpass cases list --state refused --code mobile-changed
    """
    with client_of(context) as client:
        found = _fitting(client, state, code)
        show(found if every else list(islice(found, limit)), CASES, output)
        if not every and next(found, None):
            say(f"There are more than {limit}: --limit, or --all.")


@cases.command("show")
def show_case(
    context: typer.Context,
    case: Annotated[str | None, typer.Argument(help="A case id.", metavar="[ID]")] = None,
    *,
    source: Annotated[str | None, typer.Option(help="HR's system, as in its events (with --subject).")] = None,
    subject: Annotated[str | None, typer.Option(help="HR's key of the hire (with --source).")] = None,
    user: Annotated[str | None, typer.Option(help="The person's Entra object id, instead.")] = None,
    reveal_contact: Annotated[bool, typer.Option("--reveal-contact", help="Number and name too.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why you must see these; it is written to the audit.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """A case: how it stands and why, what comes next, and everything that happened.

    Example: ./firstpass cases show --source /hr/workday --subject W-1001
    """
    wanted = _one_of(case, source, subject, user)
    if reveal_contact and not reason:
        raise CommandError("--reveal-contact needs a --reason.", Exit.USAGE)
    with client_of(context) as client:
        story = _find(client, wanted)
        contact = _reveal(client, story.case.case_id, reason) if reveal_contact and reason else None
    shown = Shown(case=story.case, history=story.history, contact=contact)
    show_one(shown, output, lambda console: print_case(shown, console))


@cases.command("open")
def open_case(
    context: typer.Context,
    *,
    purpose: Annotated[Errand, typer.Option("--for", help="What the pass is for.")],
    user: User,
    reason: Why,
    device_path: Annotated[
        list[DevicePath] | None, typer.Option("--device-path", help="For devices: which; once for each.")
    ] = None,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """A pass for somebody who works here and lost their means of signing in, to the number the directory has.

    Example: ./firstpass cases open --for spare-key --user OBJECT-ID --reason "lost the phone; called back"
    """
    paths = device_path or []
    if (purpose == "devices") != bool(paths):
        raise CommandError("--for devices needs --device-path; every other purpose goes without.", Exit.USAGE)
    confirm(f"{user} gets a pass for {purpose}, sent to the number the directory has.", "yes", yes=yes)
    wish = OpenWish.model_construct(purpose=Purpose(purpose), user=user, reason=reason, device_paths=paths)
    with client_of(context) as client:
        opened = client.post("cases/open", OpenedCase, wish)
    pairs = {"case": opened.case_id, "state": opened.state, "tell them": opened.tell}
    show_one(opened, output, lambda console: console.print(facts(pairs)))
    say(f"A message goes out within minutes: ./firstpass cases show {opened.case_id}")


@cases.command("reissue")
def reissue(context: typer.Context, case: Case, *, reason: Why, yes: Yes = False) -> None:
    """Send another pass as soon as messages go out; what was sent before stops working. All guard rails run again.

    Example: ./firstpass cases reissue ID --reason "lost the phone on the way"
    """
    confirm(f"Case {case} gets another pass; the one before ends.", "yes", yes=yes)
    _act(context, "reissue", case, reason)


@cases.command("cancel")
def cancel(context: typer.Context, case: Case, *, reason: Why, yes: Yes = False) -> None:
    """Delete the passes of a case; none follows until HR announces the hire again.

    Example: ./firstpass cases cancel ID --reason "the pass went to the wrong person"
    """
    confirm(f"The passes of case {case} are deleted, and no other follows.", "yes", yes=yes)
    _act(context, "cancel", case, reason)


@cases.command("approve")
def approve(context: typer.Context, case: Case, *, reason: Why, yes: Yes = False) -> None:
    """Vouch for what a case was refused for: its new number, or methods that are there. Never who had a hand in it.

    Example: ./firstpass --as colleague cases approve ID --reason "called back on the old number"
    """
    with client_of(context) as client:
        found = _find(client, case).case
        if found.reason not in VOUCH:
            raise CommandError(CONFLICTS["nothing-to-approve"])
        confirm(VOUCH[found.reason].format(case=case, methods=", ".join(found.registered)), "yes", yes=yes)
        wish = ApproveWish.model_construct(
            case_id=case, reason=reason, code=Reason(found.reason), issuance=found.issuance
        )
        done = client.post(f"cases/{case}/approve", Done, wish, "case_id")
    say(f"Approved, against {found.reason}.")
    _say_done(done, case)


def _fitting(client: Client, state: State | None, code: str | None) -> Iterator[CaseView]:
    query = CaseQuery(state=state, limit=500 if code else 100)
    return (case for case in client.cases(query) if code in (None, case.reason))


def _one_of(case: str | None, source: str | None, subject: str | None, user: str | None) -> str | FindCase:
    """The one way a case is named."""
    by_key = source is not None and subject is not None
    if [case is not None, by_key, user is not None].count(True) != 1 or (not by_key and (source or subject)):
        raise CommandError("Name one case: by its ID, by --source and --subject, or by --user.", Exit.USAGE)
    return case if case is not None else FindCase.model_construct(source=source, subject=subject, user=user)


def _find(client: Client, wanted: str | FindCase) -> CaseStory:
    if isinstance(wanted, str):
        return client.get(f"cases/{_id(wanted)}", CaseStory)
    return client.post("cases/find", CaseStory, wanted)


def _reveal(client: Client, case: str, reason: str) -> Contact:
    return client.post(f"cases/{case}/reveal", Contact, _wish(case, reason), "case_id")


def _act(context: typer.Context, act: str, case: str, reason: str) -> None:
    with client_of(context) as client:
        done = client.post(f"cases/{_id(case)}/{act}", Done, _wish(case, reason), "case_id")
    _say_done(done, case)


def _say_done(done: Done, case: str) -> None:
    say(f"Done: the case is {done.state or 'gone'} now. See ./firstpass cases show {case}")


def _id(case: str) -> str:
    """A case id, fit to stand in a path."""
    if not case.isalnum():
        raise CommandError(f"{case} is no case id: it has 32 letters and digits.", Exit.USAGE)
    return case


def _wish(case: str, reason: str) -> ActOnCase:
    """The app judges the fields; the models here only name them."""
    return ActOnCase.model_construct(case_id=case, reason=reason)
