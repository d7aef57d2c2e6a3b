"""Hostile mode: one table of everything that goes wrong, and who makes it happen and counts it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from cli.stage import Stage
from tests.acceptance.hands import faults_of
from tests.faults.doors import Door

CLAIMS: Final = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="
REVOKED: Final = {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{CLAIMS}"'}
"""Continuous access evaluation: the token is not good enough any more."""
SOON: Final = {"Retry-After": "1"}
BUSY: Final = {"code": 20429, "message": "Too Many Requests", "status": 429}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A fault of `service`, in the words of sandbox/faults.py; up to `skip` calls pass unharmed before it."""

    service: str
    what: str
    operation: str
    fault: Mapping[str, Any]
    times: int = 2
    skip: int = 0


def row(service: str, what: str, operation: str, times: int = 2, skip: int = 0, **fault: Any) -> Row:
    return Row(service, what, operation, fault, times, skip)


AFTER, DROP, EMPTY = {"when": "after"}, {"kind": "drop"}, {"kind": "empty"}


def slow(seconds: float) -> dict[str, Any]:
    return {"kind": "delay", "seconds": seconds}


GRAPH: Final = (
    row("directory", "token refused", "token", 1, status=503),
    row("directory", "429, soon again", "batch", 4, 8, status=429, headers=SOON),
    row("directory", "429, no time told", "batch", 3, 20, status=429),
    row("directory", "429 in a part", "batch.roles", 3, 12, status=429, headers=SOON),
    row("directory", "503 in a part", "batch.methods", 3, 25, status=503),
    row("directory", "part missing", "batch.eligibility", 2, 30, **DROP),
    row("directory", "503 before", "batch", 3, 40, status=503),
    row("directory", "connection lost", "batch", 2, 50, **DROP),
    row("directory", "slow", "batch", 3, 60, **slow(2.5)),
    row("directory", "access evaluated 401", "batch", 1, 70, status=401, headers=REVOKED),
    row("directory", "access evaluated 401, anew too", "batch", 2, 90, status=401, headers=REVOKED),
    row("directory", "429 create", "create_pass", 2, 3, status=429, headers=SOON),
    row("directory", "503 before create", "create_pass", 2, 9, status=503),
    row("directory", "503 after create", "create_pass", 3, 15, status=503, **AFTER),
    row("directory", "504 after create", "create_pass", 1, 25, status=504, **AFTER),
    row("directory", "created, connection lost", "create_pass", 2, 30, **DROP, **AFTER),
    row("directory", "connection lost before create", "create_pass", 1, 38, **DROP),
    row("directory", "201 without body", "create_pass", 3, 45, **EMPTY, **AFTER),
    row("directory", "slow create", "create_pass", 2, 55, **slow(2.5)),
    row("directory", "access evaluated 401, create", "create_pass", 1, 65, status=401, headers=REVOKED),
    row("directory", "503 list", "list_passes", 3, 10, status=503),
    row("directory", "429 methods", "methods", 3, 10, status=429),
    row("directory", "503 delete", "delete_pass", 2, 2, status=503),
)
TWILIO: Final = (
    row("phone", "taken, connection lost", "create_message", 4, 8, **DROP, **AFTER),
    row("phone", "connection lost before", "create_message", 1, 20, **DROP),
    row("phone", "500 before", "create_message", 2, 26, status=500),
    row("phone", "503 after", "create_message", 3, 35, status=503, body="<html>", **AFTER),
    row("phone", "429", "create_message", 3, 45, status=429, body=BUSY),
    row("phone", "201 without body", "create_message", 1, 55, **EMPTY, **AFTER),
    row("phone", "slow", "create_message", 2, 65, **slow(2.5)),
    row("phone", "503 look-up", "fetch_message", 1, status=503),
    row("phone", "500 redact", "redact_message", 2, 10, status=500),
    row("phone", "redacted, connection lost", "redact_message", 1, 20, **DROP, **AFTER),
    row("phone", "receipt lost", "callback", 40, 30, **DROP),
    row("phone", "receipt, 5xx before", "callback", 5, 90, status=503),
    row("phone", "receipt, 5xx after: comes again", "callback", 5, 110, status=503, **AFTER),
    row("phone", "receipt late", "callback", 8, 130, **slow(4)),
)
BROKER: Final = (
    row("broker", "lock lost, delivered twice", "deliver/joiners", 8, 40, **DROP),
    row("broker", "delivered late", "deliver/joiners", 3, 70, **slow(1)),
    row("broker", "connection lost before settling", "settle/joiners", 2, 60, **DROP),
    row("broker", "settled, connection lost", "settle/joiners", 2, 120, **DROP, **AFTER),
    row("broker", "lock gone at settling", "settle/joiners", 3, 150, status=410),
    row("broker", "settling refused", "settle/joiners", 2, 180, status=503),
    row("broker", "nudges, connection lost before", "send/joiners", 1, 40, **DROP),
    row("broker", "nudges taken, connection lost", "send/joiners", 1, 44, **DROP, **AFTER),
    row("broker", "nudges refused", "send/joiners", 1, 48, status=503),
    row("broker", "dead letter, connection lost before", "send/joiners-dead-letters", 1, 2, **DROP),
    row("broker", "dead letter taken, connection lost", "send/joiners-dead-letters", 1, 5, **DROP, **AFTER),
    row("broker", "dead letter refused", "send/joiners-dead-letters", 1, 8, status=503),
)
TABLES: Final = (
    row("tables", "503 read", "read cases", 3, 60, status=503),
    row("tables", "412 on a free row", "write cases", 4, 50, status=412),
    row("tables", "412, yet written", "write cases", 3, 110, status=412, **AFTER),
    row("tables", "503 before", "write cases", 3, 140, status=503),
    row("tables", "503 after", "write cases", 4, 170, status=503, **AFTER),
    row("tables", "written, connection lost", "write cases", 3, 200, **DROP, **AFTER),
    row("tables", "time-out, written late", "write cases", 3, 230, **slow(4)),
    row("tables", "412 person", "write people", 2, 20, status=412),
    row("tables", "503 person", "write people", 2, 40, status=503, **AFTER),
    row("tables", "503 wake row", "write agenda", 2, 60, status=503),
    row("tables", "wake row written, 503", "write agenda", 2, 120, status=503, **AFTER),
    row("tables", "time-out, wake row late", "write agenda", 2, 180, **slow(4)),
    row("tables", "503, wake row left", "delete agenda", 2, 100, status=503),
    row("tables", "wake row removed, 503", "delete agenda", 2, 200, status=503, **AFTER),
    row("tables", "503 sweep", "read agenda", 1, 3, status=503),
    row("tables", "503 heartbeat", "write control", 1, 3, status=503),
)
SERVICES: Final = ("directory", "phone", "broker", "tables")
HOSTILE: Final = GRAPH + TWILIO + BROKER + TABLES


@dataclass(slots=True)
class Faults:
    """Makes `rows` happen, and remembers what the broker's deaths would take with them."""

    stage: Stage
    tables: Door
    chance: Random
    rows: tuple[Row, ...] = HOSTILE
    fired: Counter[Row] = field(default_factory=Counter[Row])
    """What happened before the last `remember`."""
    _armed: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])

    async def arm(self, service: str, skips: Mapping[Row, int] | None = None) -> None:
        """Tell a service what is left to go wrong."""
        self._armed[service] = [each for each in self.rows if each.service == service and self.fired[each] < each.times]
        for each in self._armed[service]:
            skip = (skips or {}).get(each, round(each.skip * self.chance.uniform(0.3, 1)))
            left = {"times": each.times - self.fired[each], "skip": skip}
            await self.add(service, {"operation": each.operation, **left, **each.fault})

    async def add(self, service: str, fault: Mapping[str, Any]) -> None:
        """One more fault."""
        if service == "tables":
            self.tables.faults.add(**fault)
            return
        async with self.stage.http.post(faults_of(self.stage, service), json=fault) as answer:
            assert answer.status == 201, await answer.text()

    async def listed(self, service: str) -> list[Any]:
        """What a service was told, the rows first, with `fired` and `skip` as they are now."""
        if service == "tables":
            return [{"fired": fault.fired, "skip": fault.skip} for fault in self.tables.faults.faults]
        return await self.stage.get(faults_of(self.stage, service))

    async def remember(self, service: str) -> dict[Row, int]:
        """Note what has happened, before the service forgets it; gives how many calls each row still lets pass."""
        known = dict(zip(self._armed.pop(service, []), await self.listed(service), strict=False))
        for each, now in known.items():
            self.fired[each] += now["fired"]
        return {each: now["skip"] for each, now in known.items()}

    def counts(self, service: str) -> Counter[str]:
        """What has happened at a service, as of the last `remember`."""
        return Counter({each.what: count for each, count in self.fired.items() if each.service == service})
