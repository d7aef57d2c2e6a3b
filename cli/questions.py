"""Asking before something is changed that cannot be taken back."""

import sys

from cli.exits import CommandError, Exit
from cli.output import messages


def confirm(what: str, expected: str, *, yes: bool) -> None:
    """Go on only when somebody types `expected`, or said --yes.

    Raises:
        CommandError: nobody is there to ask, or they typed something else.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison] - None when closed
        raise CommandError(f"{what}\nNobody is there to be asked: add --yes if you mean it.", Exit.USAGE)
    messages().print(f"{what}\nType {expected} to go on: ", end="", markup=False)
    if sys.stdin.readline().strip() != expected:
        raise CommandError("Nothing was done.", Exit.ERROR)
