"""`./firstpass …`: what the command can do. `--help` teaches it."""

import sys
from typing import Annotated

import typer

from cli.cases import cases
from cli.doctor import doctor
from cli.exits import CommandError
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
app.add_typer(cases, name="cases")
app.add_typer(dlq, name="dlq")
app.add_typer(people, name="people")


def main(arguments: list[str] | None = None) -> None:
    """Run a command, and end with its exit code."""
    try:
        app(arguments, prog_name="firstpass")
    except CommandError as error:
        say(str(error), "red")
        sys.exit(error.code)


if __name__ == "__main__":
    main()
