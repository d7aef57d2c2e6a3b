"""How the command ends: its exit codes, and the one error that carries them."""

from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told; docs/operators.md says the same."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_ALLOWED = 3
    NOT_FOUND = 4
    UNAVAILABLE = 5
    FINDINGS = 6
    PARTLY = 7
    INTERRUPTED = 130


class CommandError(Exception):
    """The command cannot go on; the text is for a person and says what to do, `code` is for the shell."""

    def __init__(self, text: str, code: Exit = Exit.ERROR) -> None:
        super().__init__(text)
        self.code = code
