"""The queues to serve, from the layout of the official emulator's config.json."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DURATION = re.compile(r"P(?!$)(?:(\d+)D)?(?:T(?!$)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class ConfigError(ValueError):
    """A config.json that cannot be served; the text names the queue and the property."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """What config.json says of one queue. Durations are milliseconds; defaults are the service's (1 min, 10)."""

    name: str
    lock: int
    max_delivery_count: int | None
    default_ttl: int | None
    dead_letter_expired: bool
    forward_dead_letters_to: str | None
    duplicate_window: int | None


def read_config(path: Path) -> list[QueueRules]:
    """Every queue of every namespace in the file.

    Raises:
        ConfigError: a duration is not ISO 8601, a target is missing, or something is asked that is not imitated.
    """
    namespaces = json.loads(path.read_text())["UserConfig"]["Namespaces"]
    if any(namespace.get("Topics") for namespace in namespaces):
        raise ConfigError("Topics are not imitated")
    rules = [_rules(queue["Name"], queue.get("Properties", {})) for each in namespaces for queue in each["Queues"]]
    names = {rule.name.lower() for rule in rules}
    for rule in rules:
        if (rule.forward_dead_letters_to or rule.name).lower() not in names:
            raise ConfigError(f"{rule.name}: ForwardDeadLetteredMessagesTo names no queue")
    return rules


def _rules(name: str, properties: dict[str, Any]) -> QueueRules:
    if properties.get("RequiresSession") or properties.get("ForwardTo"):
        raise ConfigError(f"{name}: RequiresSession and ForwardTo are not imitated")

    def duration(key: str, default: str) -> int:
        found = _DURATION.fullmatch(properties.get(key) or default)
        if not found:
            raise ConfigError(f"{name}: {key} is no ISO 8601 duration")
        units = zip(found.groups(), (86_400_000, 3_600_000, 60_000, 1000), strict=True)
        return int(sum(float(figure or 0) * unit for figure, unit in units))

    return QueueRules(
        name=name,
        lock=duration("LockDuration", "PT1M"),
        max_delivery_count=int(properties.get("MaxDeliveryCount", 10)),
        default_ttl=duration("DefaultMessageTimeToLive", "PT0S") or None,
        dead_letter_expired=bool(properties.get("DeadLetteringOnMessageExpiration")),
        forward_dead_letters_to=properties.get("ForwardDeadLetteredMessagesTo") or None,
        duplicate_window=duration("DuplicateDetectionHistoryTimeWindow", "PT10M")
        if properties.get("RequiresDuplicateDetection")
        else None,
    )
