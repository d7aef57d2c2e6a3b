"""The door for HR events and nudges: queue JOINERS_QUEUE."""

import azure.functions as func

from functions.settle import settled
from shared import wiring

joiner_door = func.Blueprint()


@joiner_door.service_bus_queue_trigger(
    arg_name="message", queue_name="%JOINERS_QUEUE%", connection="ServiceBusConnection"
)
async def joiner(message: func.ServiceBusMessage) -> None:
    """One message, one outcome: returning completes it, raising gives it back."""
    await settled(lambda: wiring.onboarding().handle(message.get_body()))
