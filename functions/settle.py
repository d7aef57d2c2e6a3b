"""What every door does with an error: nothing of its text or its chain reaches the host, which logs both."""

import logging
from collections.abc import Awaitable, Callable

from shared.errors import FirstpassError, Moved, Unavailable
from shared.telemetry import Event, emit, places


class RunFailed(Exception):  # noqa: N818 - reads as what the host logs
    """A run gave its message back; the text is only a code."""


async def settled(work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`; whatever it raises leaves as RunFailed with a code only.

    Cancellation and SystemExit too: the runtime would answer nothing for them, and the message would hang in its lock.
    """
    try:
        await work()
    except BaseException as error:  # noqa: BLE001 - see above
        code = str(error) if isinstance(error, FirstpassError | Moved | Unavailable) else type(error).__name__
        emit(Event.FAILED, logging.ERROR, reason=code, error=places(error))
    else:
        return
    raise RunFailed(code)
