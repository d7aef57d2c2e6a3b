"""`firstpass people …`: what is kept of one person, and dropping it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.exits import CommandError, Exit
from cli.options import User, Why, Yes, client_of
from cli.output import put, say
from cli.questions import confirm
from shared.api_models import ActOnPerson, Done, PersonExport

people = typer.Typer(no_args_is_help=True, help="What is kept of one person: hand it out, or drop it.")


@people.command("export")
def export(
    context: typer.Context,
    *,
    user: User,
    reason: Why,
    file: Annotated[Path | None, typer.Option(help="Write it there, readable by you alone.")] = None,
) -> None:
    """Everything kept of one person, as JSON: for a request of theirs. It holds personal data.

    Example: ./firstpass people export --user OBJECT-ID --reason "asked on 3 December" --file export.json
    """
    with client_of(context) as client:
        found = client.post("people/export", PersonExport, ActOnPerson.model_construct(user=user, reason=reason))
    text = found.model_dump_json(by_alias=True, indent=2)
    if file is None:
        put(text)
    else:
        write_new(file, text + "\n")
        say(f"Written to {file}.")


@people.command("forget")
def forget(context: typer.Context, *, user: User, reason: Why, yes: Yes = False) -> None:
    """Drop everything kept of one person; not while a case of theirs is open.

    Example: ./firstpass people forget --user OBJECT-ID --reason "asked on 3 December"
    """
    confirm(f"Everything kept of {user} is dropped for good.", "yes", yes=yes)
    with client_of(context) as client:
        client.post("people/forget", Done, ActOnPerson.model_construct(user=user, reason=reason))
    say(
        "Done. Not looked through: dead letters that hold HR's own events, and hires that HR announced by user name or"
        " employee id and that were never due."
    )


def write_new(file: Path, text: str) -> None:
    """Write a file that must not exist yet, for its owner alone.

    Raises:
        CommandError: it exists, or cannot be written.
    """
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
            written.write(text)
    except FileExistsError:
        raise CommandError(f"{file} exists already; it is not overwritten.", Exit.USAGE) from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
