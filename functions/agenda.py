"""The door of the agenda: a timer, by AGENDA_SCHEDULE."""

import azure.functions as func

from functions.settle import settled
from shared import wiring

agenda_door = func.Blueprint()


@agenda_door.timer_trigger(arg_name="timer", schedule=wiring.settings()["AGENDA_SCHEDULE"])
async def agenda(timer: func.TimerRequest) -> None:  # noqa: ARG001 - late or not, the agenda says what is due
    """Nudge every case whose time has come; then, once an hour or when asked, see whether all is as it should be."""
    await settled(lambda: wiring.agenda().sweep(), give_back_after=0)
    await settled(lambda: wiring.checkup().when_due(), give_back_after=0)
