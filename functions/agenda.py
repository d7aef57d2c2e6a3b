"""The door of the agenda: a timer, by AGENDA_SCHEDULE."""

import azure.functions as func

from functions.settle import each_settled
from shared import wiring

agenda_door = func.Blueprint()


@agenda_door.timer_trigger(arg_name="timer", schedule=wiring.settings()["AGENDA_SCHEDULE"])
async def agenda(timer: func.TimerRequest) -> None:  # noqa: ARG001 - late or not, the agenda says what is due
    """Nudge every case whose time has come; then, once an hour or when asked, see whether all is as it should be.

    The second above all where the first cannot be done: a queue that takes nothing is what it is there to tell.
    """
    await each_settled(lambda: wiring.agenda().sweep(), lambda: wiring.checkup().when_due())
