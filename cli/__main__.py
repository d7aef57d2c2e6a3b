"""`./firstpass …`: what the command can do. `--help` teaches it."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from cli.audit import audit
from cli.cases import cases
from cli.doctor import doctor
from cli.exits import CommandError, Exit
from cli.letters import dlq
from cli.local import demo, sandbox
from cli.output import say
from cli.overall import pause, resume, status
from cli.people import people
from cli.send import send

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def firstpass(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="FIRSTPASS_URL", help="Where the app is.")] = None,
    known_as: Annotated[
        str | None, typer.Option("--as", help="In a sandbox: be somebody else, by any name.", metavar="NAME")
    ] = None,
) -> None:
    """Firstpass: a pass for every new joiner, on their own phone, and nothing else.

    demo and sandbox run on this machine alone; the others ask the app at FIRSTPASS_URL, as whoever signed in with az.
    """
    context.obj = (url, known_as)


app.command()(demo)
app.command()(sandbox)
app.command()(status)
app.command()(doctor)
app.command()(pause)
app.command()(resume)
app.command()(send)
app.command()(audit)
app.add_typer(cases, name="cases")
app.add_typer(dlq, name="dlq")
app.add_typer(people, name="people")


def main(arguments: list[str] | None = None) -> None:
    """Run a command, and end with its exit code."""
    _make_writable()
    try:
        app(arguments, prog_name="firstpass")
    except CommandError as error:
        say(str(error), "red")
        sys.exit(error.code)
    except OSError as error:  # a full disk, a closed file: of what is read, errors are told where it is read
        say(f"The output cannot be written: {error.strerror}.", "red")
        sys.exit(Exit.ERROR)


def _make_writable() -> None:
    """Terminals that know few letters get marks for the others; who closed stderr wants to hear nothing.

    Raises:
        SystemExit: stdout is closed, and there is nowhere to put what was asked for.
    """
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - Python sets it so when it was closed
        say("stdout is closed: there is nowhere to write to.", "red")
        sys.exit(Exit.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
