"""The queues to serve, from the layout of the official emulator's config.json."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DURATION = re.compile(r"P(?!$)(?:(\d+)D)?(?:T(?!$)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What config.json says of one queue. Durations are milliseconds; defaults are the service's."""

    name: str
    lock: int = 60_000
    max_delivery_count: int | None = 10
    default_ttl: int | None = None
    dead_letter_expired: bool = False
    forward_dead_letters_to: str | None = None
    detects_duplicates: bool = False
    duplicate_window: int = 600_000


def _milliseconds(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(text)
    units = zip(found.groups(), (86_400_000, 3_600_000, 60_000, 1000), strict=True)
    return int(sum(float(figure or 0) * unit for figure, unit in units))


_PROPERTIES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "LockDuration": ("lock", _milliseconds),
    "MaxDeliveryCount": ("max_delivery_count", int),
    "DefaultMessageTimeToLive": ("default_ttl", _milliseconds),
    "DeadLetteringOnMessageExpiration": ("dead_letter_expired", bool),
    "ForwardDeadLetteredMessagesTo": ("forward_dead_letters_to", str),
    "RequiresDuplicateDetection": ("detects_duplicates", bool),
    "DuplicateDetectionHistoryTimeWindow": ("duplicate_window", _milliseconds),
}


def read_config(path: Path) -> list[QueueRules]:
    """Every queue of every namespace in the file.

    Raises:
        ValueError: a value cannot be read, a target is missing, or something is asked that is not imitated.
    """
    namespaces = json.loads(path.read_text())["UserConfig"]["Namespaces"]
    if any(namespace.get("Topics") for namespace in namespaces):
        raise ValueError("Topics are not imitated")
    rules = [_rules(queue["Name"], queue.get("Properties", {})) for each in namespaces for queue in each["Queues"]]
    names = {rule.name.lower() for rule in rules}
    for rule in rules:
        if (rule.forward_dead_letters_to or rule.name).lower() not in names:
            raise ValueError(f"{rule.name}: ForwardDeadLetteredMessagesTo names no queue")
    return rules


def _rules(name: str, properties: dict[str, Any]) -> QueueRules:
    known: dict[str, Any] = {}
    for key, value in properties.items():
        if value:  # "" and false say that a feature is not asked for
            try:
                field, read = _PROPERTIES[key]
                known[field] = read(value)
            except (KeyError, ValueError, TypeError) as error:
                raise ValueError(f"{name}: {key} {value!r} is not imitated, or no such value") from error
    return QueueRules(name, **known)
