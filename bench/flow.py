"""How fast joiners get through the real processes, and what one costs: `python -m bench.flow [--joiners N]`.

Broker, directory, phone and host run as processes, Azurite holds the ledger. Every pass a phone shows is tried at a
sign-in afterwards: a lost, doubled or stale one makes this fail.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.stage import on_stage, sample_settings
from sandbox.stack import Stack

AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)
"""North American area codes: 555-0100 to 555-0199 belong to nobody in each of them."""
TICKS = os.sysconf("SC_CLK_TCK")


def number(index: int) -> str:
    """The index-th number that belongs to nobody."""
    area, line = divmod(index, 100)
    return f"+1{AREAS[area]}555{100 + line:04d}"


def joiner(index: int, now: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """A user of the directory and the event that announces them, due at once."""
    user_id, today = f"be4c0000-0000-4000-8000-{index:012d}", now.date().isoformat()
    user = {"id": user_id, "mobilePhone": number(index), "employeeHireDate": f"{today}T00:00:00Z"}
    data = {
        "user": {"id": user_id},
        "hireDate": today,
        "firstDay": today,
        "startTime": "00:30",
        "timeZone": "UTC",
        "devicePaths": ["autopilot"],
        "mobilePhone": number(index),
    }
    event = {
        "specversion": "1.0",
        "id": f"bench-{index}",
        "source": "/bench",
        "type": "joiner.hired.v1",
        "subject": f"B-{index}",
        "time": (now - timedelta(minutes=1)).isoformat(),
        "data": data,
    }
    return user, event


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def run(stack: Stack, joiners: int) -> dict[str, Any]:
    """Send everything, wait until it is settled, try every pass."""
    now = datetime.now(UTC).replace(hour=11, minute=0, second=0, microsecond=0)
    stack.clock.set_now(now)
    people = [joiner(index, now) for index in range(joiners)]
    values = {**sample_settings(), **stack.addresses, "CHECKUP_EVERY": "0"}
    async with on_stage(stack, values) as stage:
        await stage.world({"users": [user for user, _ in people]})
        host = await asyncio.to_thread(stack.start_host, values, "cli.host")
        cpu, began = cpu_seconds(host.child.pid), time.monotonic()
        await stage.send([json.dumps(event).encode() for _, event in people])
        await stage.settled(within=600)
        took, cpu = time.monotonic() - began, cpu_seconds(host.child.pid) - cpu
        inbox = await stage.inbox()
        shown = {message["to"]: message["body"] for message in inbox}
        worked = [await stage.sign_in(user["id"], shown.get(user["mobilePhone"], "")) for user, _ in people]
    return {"seconds": took, "cpu": cpu, "worked": sum(worked), "messages": len(inbox)}


def main() -> None:
    """Run once and print; exit 1 when a joiner was lost or got two messages."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--joiners", type=int, default=500)
    joiners = arguments.parse_args().joiners
    with Stack() as stack:
        result = asyncio.run(run(stack, joiners))
    print(f"python -m bench.flow --joiners {joiners}   ({platform.python_version()}, {os.cpu_count()} cores)")
    print(f"  {joiners / result['seconds']:.1f} joiners/s ({result['seconds']:.1f} s in all)")
    print(f"  {1000 * result['cpu'] / joiners:.1f} ms of the host's CPU per joiner, the SDKs' first load included")
    print(f"  {result['worked']} of {joiners} passes work, {result['messages']} messages")
    if (result["worked"], result["messages"]) != (joiners, joiners):
        sys.exit("lost or doubled")


if __name__ == "__main__":
    main()
