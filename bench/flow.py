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

import aiohttp
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from sandbox.stack import Stack

ROOT = Path(__file__).parent.parent
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
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        await http.put(f"{stack.directory.url}/sandbox/world", json={"users": [user for user, _ in people]})
        host = await asyncio.to_thread(stack.start_host, {**sample, **stack.addresses}, "cli.host")
        cpu, began = cpu_seconds(host.child.pid), time.monotonic()
        async with ServiceBusClient.from_connection_string(stack.broker.url) as bus:
            await send(bus, [event for _, event in people])
            await settled(http, stack)
        took, cpu = time.monotonic() - began, cpu_seconds(host.child.pid) - cpu
        worked, messages = await try_all(http, stack, people)
    return {"joiners": joiners, "seconds": took, "cpu": cpu, "worked": worked, "messages": messages}


async def send(bus: ServiceBusClient, events: list[dict[str, Any]]) -> None:
    """Put the events on the queue, fifty at a time."""
    async with bus.get_queue_sender("joiners") as sender:
        for start in range(0, len(events), 50):
            chunk = events[start : start + 50]
            await sender.send_messages(
                [ServiceBusMessage(json.dumps(event), message_id=event["id"]) for event in chunk]
            )


async def settled(http: aiohttp.ClientSession, stack: Stack) -> None:
    """Wait until nothing is waiting or locked on the queue; ten minutes at most."""
    async with asyncio.timeout(600):
        while True:
            async with http.get(f"{stack.broker.ready['control']}/sandbox/queues") as answer:
                counts = (await answer.json())["joiners"]
            if not counts["active"] and not counts["locked"]:
                return
            await asyncio.sleep(0.05)


async def try_all(
    http: aiohttp.ClientSession, stack: Stack, people: list[tuple[dict[str, Any], Any]]
) -> tuple[int, int]:
    """How many can sign in with what their phone shows, and how many messages there are."""
    async with http.get(f"{stack.phone.url}/sandbox/inbox") as answer:
        inbox = await answer.json()
    shown = {message["to"]: message["body"] for message in inbox}
    worked = 0
    for user, _ in people:
        attempt = {"user": user["id"], "pass": shown.get(user["mobilePhone"], "")}
        async with http.post(f"{stack.directory.url}/sandbox/sign-ins", json=attempt) as answer:
            worked += (await answer.json())["worked"]
    return worked, len(inbox)


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
