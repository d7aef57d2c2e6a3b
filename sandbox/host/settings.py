"""What an app is configured with: local.settings.json, host.json, and the settings that its triggers name."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.servicebus import parse_connection_string

from .schedule import parse_time_span


class ConfigurationError(Exception):
    """The app cannot start; each line of the text is one problem, naming the function and the setting at fault."""


@dataclass(frozen=True, slots=True)
class Limits:
    """host.json's `extensions.serviceBus` and `functionTimeout`."""

    concurrent_calls: int
    prefetch: int
    complete: bool
    renew_for: timedelta
    timeout: timedelta


# Microsoft Learn, "host.json settings" (extension 5.x): type in JSON, least number, default, what it must be
_LIMITS: Mapping[str, tuple[type, int, Any, str]] = {
    "maxConcurrentCalls": (int, 1, 16 * (os.process_cpu_count() or 1), "a whole number above 0"),
    "prefetchCount": (int, 0, 0, "a whole number"),
    "autoCompleteMessages": (bool, 0, True, "true or false"),
    "maxAutoLockRenewalDuration": (str, 0, "00:05:00", "a time span hh:mm:ss"),
    "functionTimeout": (str, 0, "00:30:00", "a time span hh:mm:ss, or '-1' for none"),
}


def read_limits(directory: Path) -> Limits:
    """The limits in the app's host.json, with the host's defaults; ConfigurationError names every wrong one."""
    host = _read_json(directory / "host.json")
    extension: Any = host.get("extensions", {})
    extension = extension.get("serviceBus", {}) if isinstance(extension, dict) else None
    if not isinstance(extension, dict):
        raise ConfigurationError("host.json: extensions.serviceBus must be an object")
    problems: list[str] = []
    values: list[Any] = []
    for name, (kind, least, default, wanted) in _LIMITS.items():
        value = (host if name == "functionTimeout" else extension).get(name, default)
        try:
            values.append(_limit(name, value, kind, least))
        except ValueError:
            problems.append(f"host.json: {name} must be {wanted}, it is {json.dumps(value)}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return Limits(*values)


def _limit(name: str, value: Any, kind: type, least: int) -> Any:
    if type(value) is not kind or (kind is int and value < least):
        raise ValueError
    if (name, value) == ("functionTimeout", "-1"):
        return timedelta.max
    return parse_time_span(value) if kind is str else value


def read_settings(file: Path) -> dict[str, str]:
    """The `Values` of a local.settings.json; ConfigurationError when it is missing, not readable, or has others."""
    values = _read_json(file).get("Values")
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigurationError(f"{file.name}: Values must be an object whose values are strings")
    return values


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """`text` with every `%NAME%` replaced by that setting; ConfigurationError when one is missing or empty."""
    missing = [name for name in re.findall("%([^%]+)%", text) if not settings.get(name)]
    if missing:
        raise ConfigurationError(f"the setting {', '.join(missing)} is missing or empty (wanted by '{text}')")
    return re.sub("%([^%]+)%", lambda name: settings[name[1]], text)


def connection_string(name: str, settings: Mapping[str, str]) -> str:
    """What the trigger's `connection` names, looked up as the host does; ConfigurationError when there is none."""
    found = settings.get(f"AzureWebJobs{name}") or settings.get(name)
    identity = f"{name}__fullyQualifiedNamespace"
    if not found and settings.get(identity):
        raise ConfigurationError(f"the setting {identity} asks for a managed identity; set {name} in the sandbox")
    if not found:
        raise ConfigurationError(f"the connection setting {name} is missing or empty")
    try:
        parse_connection_string(found)
    except ValueError as error:
        raise ConfigurationError(f"the connection setting {name} is no connection string: {error}") from None
    return found


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file.name} must hold an object")
    return content
