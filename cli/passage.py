"""The passage of time in a run: the clock jumps from one thing that happens to the next, up to the end.

It moves only when everything is quiet: no message waits or is locked, no phone is being reached, no callback is under
way. Whatever has a time makes it stop: a wake row of the app, a message whose validity ends, an event, a sign-in.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from cli.stage import Stage

type NextWake = Callable[[], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at its time; `title` names it for whoever watches."""

    at: datetime
    title: str
    happen: Callable[[], Awaitable[None]]


async def pass_time(
    stage: Stage,
    until: datetime,
    happenings: list[Happening],
    next_wake: NextWake,
    watch: Callable[[str], None],
    within: float = 60,
) -> None:
    """Let everything happen that has a time up to `until`, in order, and leave the clock there.

    Raises:
        StageError: something did not come to rest within that many seconds.
    """
    clock, left = stage.stack.clock, sorted(happenings, key=lambda one: one.at)
    while True:
        await stage.quiet(within)
        wake = await next_wake()
        if wake and wake <= clock.now():  # its timer has ticked in this minute already
            wake = await stage.next_tick()
        times = [*(one.at for one in left[:1]), await stage.next_expiry(), wake]
        moment = min((time for time in times if time), default=until)
        if moment > until:
            break
        watch(f"{moment:%a %d %b %H:%M}")
        await stage.jump(moment, within)
        while left and left[0].at <= clock.now():
            await left.pop(0).happen()
    await stage.jump(until, within)
    await stage.quiet(within)
