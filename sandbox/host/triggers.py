"""The triggers an app declares, checked and resolved as the host does at its start."""

from collections.abc import Mapping
from dataclasses import dataclass

from .runtime import Function
from .schedule import Schedule, parse_schedule
from .settings import ConfigurationError, Limits, connection_string, resolve


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A function fed from `queue`; `complete`: whether the host completes a message after a success."""

    function: Function
    queue: str
    connection: str
    complete: bool


@dataclass(frozen=True, slots=True)
class OtherTrigger:
    """A function that nothing here runs yet: by time when it has a `schedule`, otherwise by HTTP."""

    function: Function
    schedule: Schedule | None = None


def read_triggers(
    functions: list[Function], settings: Mapping[str, str], limits: Limits
) -> list[QueueTrigger | OtherTrigger]:
    """One trigger per enabled function; ConfigurationError names every function that cannot run, and why."""
    triggers: list[QueueTrigger | OtherTrigger] = []
    problems: list[str] = []
    for function in functions:
        if settings.get(f"AzureWebJobs.{function.name}.Disabled", "").lower() in ("true", "1"):
            continue
        try:
            triggers.append(_trigger(function, settings, limits))
        except ConfigurationError as problem:
            problems.append(f"function {function.name}: {problem}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return triggers


def _trigger(function: Function, settings: Mapping[str, str], limits: Limits) -> QueueTrigger | OtherTrigger:
    match function.trigger["type"], [other["type"] for other in function.others]:
        case "serviceBusTrigger", []:
            return _queue(function, settings, limits)
        case "timerTrigger", []:
            return OtherTrigger(function, _schedule(resolve(function.trigger["schedule"], settings)))
        case "httpTrigger", ["http"]:
            return OtherTrigger(function)
        case trigger, others:
            raise ConfigurationError(f"the sandbox does not imitate the binding {' with '.join([trigger, *others])}")


def _queue(function: Function, settings: Mapping[str, str], limits: Limits) -> QueueTrigger:
    trigger = function.trigger
    if "queueName" not in trigger or trigger.get("isSessionsEnabled") or trigger.get("cardinality") == "MANY":
        raise ConfigurationError("the sandbox does not imitate topics, sessions and batches of messages")
    queue = resolve(trigger["queueName"], settings)
    connection = connection_string(resolve(trigger["connection"], settings), settings)
    return QueueTrigger(function, queue, connection, trigger.get("autoCompleteMessages", limits.complete))


def _schedule(expression: str) -> Schedule:
    try:
        return parse_schedule(expression)
    except ValueError as error:
        raise ConfigurationError(f"the schedule '{expression}' is wrong: {error}") from None
