"""What every door does with an error: nothing of its text or its chain reaches the host, which logs both."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from shared.errors import FirstpassError, Moved, Unavailable
from shared.telemetry import Event, emit, places

GIVE_BACK_AFTER: Final = 20.0
"""Seconds a failed run keeps its message, well inside its lock: Service Bus gives it again at once, ten times, and an
outage or a missing right would empty the queue into the dead letters within seconds."""


class RunFailed(Exception):  # noqa: N818 - reads as what the host logs
    """A run gave its message back; the text is only a code."""


async def settled[T](work: Callable[[], Awaitable[T]], give_back_after: float = GIVE_BACK_AFTER) -> T:
    """Do `work` and give what it gives; whatever it raises leaves as RunFailed with a code only.

    A failure leaves after `give_back_after` seconds.
    Cancellation and SystemExit too: the runtime would answer nothing for them, and the message would hang in its lock.
    """
    try:
        return await work()
    except Moved as moved:
        code = str(moved)
        emit(Event.YIELDED, reason=code)
    except BaseException as error:  # noqa: BLE001 - see above
        code = str(error) if isinstance(error, FirstpassError | Unavailable) else type(error).__name__
        emit(Event.FAILED, logging.ERROR, reason=code, error=places(error))
        if isinstance(error, Exception):
            await asyncio.sleep(give_back_after)
    raise RunFailed(code)


async def each_settled(*works: Callable[[], Awaitable[object]]) -> None:
    """Do one work after the other, each whatever became of those before; the first failure leaves after the last."""
    failures: list[RunFailed] = []
    for work in works:
        try:
            await settled(work, give_back_after=0)
        except RunFailed as failed:
            failures.append(failed)
    if failures:
        raise failures[0]
