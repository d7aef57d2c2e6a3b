"""Asking before something is changed that cannot be taken back."""

import sys

from pydantic import ValidationError

from cli.exits import CommandError, Exit
from cli.output import messages
from shared.api_fields import MAX_REASON, Reasoned
from shared.errors import Reason


def reason_of(text: str) -> str:
    """Why somebody does what they do, when the app would take it.

    Raises:
        CommandError: it would not, or it is only a code, which chooses letters and is no reason to act on them.
    """
    if text in set(Reason):
        raise CommandError(f"--reason is why you do this, in your words. To choose letters: --code {text}.", Exit.USAGE)
    try:
        return Reasoned(reason=text).reason
    except ValidationError:
        raise CommandError(f"--reason says why, in 5 to {MAX_REASON} characters.", Exit.USAGE) from None


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
