"""The app: checks the settings and registers the doors FIRSTPASS_ROLE asks for; nothing else."""

import azure.functions as func

from functions.agenda import agenda_door
from functions.joiner import joiner_door
from functions.operations import operations_door
from functions.receipts import receipts_door
from shared import wiring
from shared.settings import Role

WORKER = (joiner_door, agenda_door)
RECEIPTS = (receipts_door,) if wiring.settings()["PUBLIC_URL"] else ()  # without it nobody can prove to be Twilio
DOOR = (*RECEIPTS, operations_door)
DOORS = {Role.WORKER: WORKER, Role.DOOR: DOOR, Role.ALL: WORKER + DOOR}

app = func.FunctionApp()
for door in DOORS[wiring.settings()["FIRSTPASS_ROLE"]]:
    app.register_functions(door)
