"""The app: checks the settings and registers the doors FIRSTPASS_ROLE asks for; nothing else."""

import azure.functions as func

from functions.joiner import joiner_door
from shared import wiring
from shared.settings import Role

DOORS = {Role.WORKER: (joiner_door,), Role.DOOR: (), Role.ALL: (joiner_door,)}

app = func.FunctionApp()
for door in DOORS[wiring.settings()["FIRSTPASS_ROLE"]]:
    app.register_functions(door)
