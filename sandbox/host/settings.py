"""What an app is configured with: local.settings.json, host.json, and its triggers with their settings put in."""

import json
import os
import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

from azure.servicebus import parse_connection_string

from .runtime import ConfigurationError, Function
from .schedule import parse_schedule

_SPAN = "([01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9]"  # less than a day: 24 hours would be days to .NET
# The shape of its JSON, the default, and what it must be (Microsoft Learn, "host.json settings", extension 5.x)
_LIMITS = {
    "maxConcurrentCalls": ("[1-9][0-9]*", 16 * (os.process_cpu_count() or 1), "a whole number above 0"),
    "prefetchCount": ("[0-9]+", 0, "a whole number"),
    "autoCompleteMessages": ("true|false", True, "true or false"),
    "maxAutoLockRenewalDuration": (f'"{_SPAN}"', "00:05:00", "a time span hh:mm:ss"),
    "functionTimeout": (f'"({_SPAN}|-1)"', "00:30:00", "a time span hh:mm:ss, or '-1' for none"),
    "routePrefix": (r'"[\w/-]*"', "api", "words with slashes between them"),
}


def read_limits(file: Path) -> dict[str, Any]:
    """The limits in a host.json by their names there, spans in seconds; ConfigurationError names every wrong one."""
    host, extension = _read(file), _read(file, "extensions", "serviceBus")
    elsewhere = {"functionTimeout": host, "routePrefix": _read(file, "extensions", "http")}
    limits: dict[str, Any] = {}
    wrong: list[str] = []
    for name, (shape, default, wish) in _LIMITS.items():
        limits[name] = elsewhere.get(name, extension).get(name, default)
        if not re.fullmatch(shape, json.dumps(limits[name])):
            wrong.append(f"{file.name}: {name} must be {wish}, it is {json.dumps(limits[name])}")
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return {name: _seconds(value) if "time span" in _LIMITS[name][2] else value for name, value in limits.items()}


def _seconds(span: str) -> float:
    hours, minutes, seconds = (int(part) for part in span.split(":")) if span != "-1" else (inf, 0, 0)
    return 3600 * hours + 60 * minutes + seconds


def read_settings(file: Path) -> dict[str, str]:
    """The `Values` of a local.settings.json; ConfigurationError when they cannot be read, or are not all strings."""
    values = _read(file, "Values")
    if not all(isinstance(value, str) for value in values.values()):
        raise ConfigurationError(f"{file.name}: Values must be an object whose values are strings")
    return values


def _read(file: Path, *keys: str) -> dict[str, Any]:
    """The JSON object in `file`, or the one that the keys lead to: empty when there is none."""
    try:
        found: Any = json.loads(file.read_text())
        for key in keys:
            found = {**found}.get(key, {})
        found = {**found}
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{'.'.join([file.name, *keys])} cannot be read as an object: {error}") from None
    return found


def resolve_triggers(functions: list[Function], settings: Mapping[str, str]) -> list[Function]:
    """The enabled functions, settings put into their triggers; ConfigurationError names each one at fault, and why."""
    on = {name for name, value in settings.items() if value.lower() in ("true", "1")}
    enabled = [function for function in functions if f"AzureWebJobs.{function.name}.Disabled" not in on]
    problems: list[str] = []
    for function in enabled:
        try:
            function.trigger = _resolve(function, settings)
        except ValueError as problem:
            problems.append(f"function {function.name}: {problem}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return enabled


def _resolve(function: Function, settings: Mapping[str, str]) -> dict[str, Any]:
    trigger = {**function.trigger}
    for name in [name for name in ("queueName", "connection", "schedule", "route") if name in trigger]:
        trigger[name] = _put_in(trigger[name], settings)
    match function.bindings:
        case ["serviceBusTrigger"]:
            if "queueName" not in trigger or trigger.get("isSessionsEnabled") or trigger.get("cardinality") == "MANY":
                raise ConfigurationError("the sandbox does not imitate topics, sessions and batches of messages")
            trigger["connection"] = _connection(trigger["connection"], settings)
        case ["timerTrigger"]:
            trigger["schedule"] = parse_schedule(trigger["schedule"])
        case ["httpTrigger", "http"]:
            trigger["route"] = _route(trigger)
        case bindings:
            raise ConfigurationError(f"the sandbox does not imitate the binding {' with '.join(bindings)}")
    return trigger


def _route(trigger: Mapping[str, Any]) -> str:
    """As aiohttp writes it; the Python library names the route after the function when the app names none."""
    if trigger["authLevel"].lower() != "anonymous":
        raise ConfigurationError("the sandbox does not imitate function keys: its auth_level must be ANONYMOUS")
    if not re.fullmatch(r"([^{}]|\{[*]?[a-zA-Z_]\w*\})*", trigger["route"]):
        raise ConfigurationError(f"the sandbox imitates {{name}} and {{*name}} in a route, not '{trigger['route']}'")
    return re.sub(r"\{[*](\w+)\}", r"{\1:.*}", trigger["route"])


def _put_in(text: str, settings: Mapping[str, str]) -> str:
    missing = [name for name in re.findall("%([^%]+)%", text) if not settings.get(name)]
    if missing:
        raise ConfigurationError(f"the setting {', '.join(missing)} is missing or empty (wanted by '{text}')")
    return re.sub("%([^%]+)%", lambda name: settings[name[1]], text)


def _connection(name: str, settings: Mapping[str, str]) -> str:
    found = settings.get(f"AzureWebJobs{name}") or settings.get(name, "")
    wrong = "no connection string" if found else f"missing or empty ({name}__fullyQualifiedNamespace is not imitated)"
    try:
        parse_connection_string(found)
    except ValueError as error:
        raise ConfigurationError(f"the connection setting {name} is {wrong}: {error}") from None
    return found
