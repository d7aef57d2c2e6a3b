"""What a sweep of the agenda costs when little and when much else waits: `python -m bench.agenda [--few N] [--many N]`.

Two Azurites hold one agenda each. In turns, each gets rows that are due, and one sweep finds and removes them. Azurite
looks at every row of a table in every query; Azure goes to the keys. So the process's own CPU is told apart.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from azure.data.tables.aio import TableServiceClient
from cryptography.fernet import Fernet

from sandbox.process import Service, start
from shared.adapters.agenda import row_keys
from shared.adapters.seal import Fingerprints, Seal
from shared.adapters.storage import Patience
from shared.adapters.tables import TableLedger
from shared.wiring import SystemClock

CLOCK = SystemClock()
HOUR = timedelta(hours=1)
PER_HOUR = 100
"""Waiting rows in each hour from now on: as many as a transaction holds."""
FILL_SECONDS = 120.0


@dataclass
class World:
    """An agenda where `waiting` rows are not due yet, and what each sweep of it took."""

    service: TableServiceClient
    ledger: TableLedger
    waiting: int = 0
    seconds: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])

    async def add(self, hours: int, rows: int) -> None:
        """Rows of one hour, that many hours from now."""
        agenda, moment = self.service.get_table_client("agenda"), CLOCK.now() + hours * HOUR
        keys = (row_keys(moment.replace(second=0, microsecond=0), uuid4().hex) for _ in range(rows))
        entities = [{"PartitionKey": first, "RowKey": second, "case_id": second[3:]} for first, second in keys]
        await agenda.submit_transaction([("create", entity) for entity in entities])

    async def fill(self, rows: int) -> None:
        """Let so many rows wait, or as many as can be written in FILL_SECONDS."""
        await self.ledger.due(1)  # makes the table
        stop_at = time.monotonic() + FILL_SECONDS
        while self.waiting < rows and time.monotonic() < stop_at:
            await self.add(2 + self.waiting // PER_HOUR, PER_HOUR)
            self.waiting += PER_HOUR

    async def sweep(self, rows: int) -> None:
        """One sweep, measured; exit 1 when it did not find exactly what was due."""
        await self.add(-1, rows)
        began, cpu = time.perf_counter(), time.process_time()
        due = await self.ledger.due(2 * rows)
        await self.ledger.done(due)
        self.seconds.append(time.perf_counter() - began)
        self.cpu.append(time.process_time() - cpu)
        if len(due) != rows or await self.ledger.due(1):
            sys.exit("lost or left")

    def told(self) -> str:
        """One line: medians."""
        seconds, cpu = statistics.median(self.seconds), statistics.median(self.cpu)
        return f"  {self.waiting:>7} waiting: {1000 * seconds:6.0f} ms, of which {1000 * cpu:4.0f} ms our own CPU"


def world(azurite: Service) -> World:
    """The ledger over one Azurite."""
    service, seal = TableServiceClient.from_connection_string(azurite.url), Seal([Fernet.generate_key().decode()])
    patience = Patience(each=30.0, total=0.0)
    return World(service, TableLedger(service, seal, Fingerprints(b"k" * 32), CLOCK, patience=patience))


async def run(few: World, many: World, arguments: argparse.Namespace) -> None:
    """Fill both, then sweep them in turns; the first round warms up and does not count."""
    await few.fill(arguments.few)
    await many.fill(arguments.many)
    for number in range(arguments.rounds + 1):
        for each in (few, many) if number % 2 else (many, few):
            await each.sweep(arguments.due)
    for each in (few, many):
        del each.seconds[0], each.cpu[0]
        await each.ledger.close()


def azurites(folder: Path) -> Iterator[Service]:
    """Two of them."""
    return (start("sandbox.azurite", log=folder / f"{number}.log") for number in range(2))


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"few": 1_000, "many": 100_000, "due": 100, "rounds": 10}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        services = list(azurites(Path(folder)))
        try:
            few, many = map(world, services)
            asyncio.run(run(few, many, arguments))
        finally:
            for service in services:
                service.stop()
    print(f"python -m bench.agenda   ({platform.python_version()}, {os.cpu_count()} cores, {arguments.due} rows due)")
    print(f"{few.told()}\n{many.told()}")
    seconds, cpu = (
        statistics.median(getattr(many, name)) / statistics.median(getattr(few, name)) for name in ("seconds", "cpu")
    )
    print(f"  ratio: {seconds:.2f} in time, {cpu:.2f} in our own CPU")


if __name__ == "__main__":
    main()
