"""Two worlds a ledger can live in, the fake's and the real tables', arranged and looked at in the same words."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

from aiohttp import ClientSession, web
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from cryptography.fernet import Fernet
from pytest import FixtureRequest  # noqa: PT013 - a type, nothing more
from yarl import URL

from sandbox.process import start
from shared.adapters.case_rows import read_time
from shared.adapters.seal import Fingerprints, Seal
from shared.adapters.storage import Patience
from shared.adapters.tables import TableLedger
from shared.ports import Ledger
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import FakeLedger

NOW = datetime(2026, 11, 30, 7, 3, 20, 250_000, tzinfo=UTC)
KEY = Fernet.generate_key().decode()
FINGERPRINTS = Fingerprints(b"k" * 32)
IMPATIENT = Patience(each=5.0, total=0.3, pause=0.05)

type Row = dict[str, Any]
type When = Literal["before", "between", "after"]


class World(Protocol):
    clock: FakeClock

    @property
    def ledger(self) -> Ledger: ...

    async def another(self) -> Ledger:
        """A second process's ledger over the same rows."""
        ...

    async def budgeted(self, hourly: int) -> Ledger:
        """A process's ledger, with that many passes an hour for all of them."""
        ...

    async def agenda(self) -> set[tuple[str, str]]: ...

    async def note(self, keys: tuple[str, str]) -> None:
        """Write a row of the agenda, or write it again, whatever its keys."""
        ...

    async def clear(self, table: Literal["agenda"]) -> None: ...

    async def last_beat(self) -> datetime | None: ...

    async def history(self, case_id: str) -> list[Row]: ...

    def outage(self, method: str, when: When) -> None:
        """The next call of `method` fails for good, before or after it takes effect."""
        ...

    def fired(self) -> bool:
        """Whether every planned outage happened."""
        ...

    def restore(self) -> None:
        """The end of every outage."""
        ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.ledger = FakeLedger(self.clock)
        self._planned = 0

    async def another(self) -> Ledger:
        return self.ledger

    async def budgeted(self, hourly: int) -> Ledger:
        self.ledger.budget = hourly
        return self.ledger

    async def agenda(self) -> set[tuple[str, str]]:
        return set(self.ledger.agenda)

    async def note(self, keys: tuple[str, str]) -> None:
        self.ledger.agenda[keys] = uuid4().hex

    async def clear(self, table: Literal["agenda"]) -> None:
        getattr(self.ledger, table).clear()

    async def last_beat(self) -> datetime | None:
        return self.ledger.beats[-1] if self.ledger.beats else None

    async def history(self, case_id: str) -> list[Row]:
        rows = [asdict(move) for move in self.ledger.moves.get(case_id, [])]
        return [{name.removesuffix("_state"): value for name, value in row.items()} for row in rows]

    def outage(self, method: str, when: When) -> None:
        self._planned += 1
        self.ledger.fail_next(method, when)

    def fired(self) -> bool:
        return len(self.ledger.fired) == self._planned

    def restore(self) -> None:
        pass


@dataclass(slots=True, kw_only=True)
class Fault:
    """`operation` is `read TABLE` or `write TABLE`. `when` after: the tables took the call, only its answer suffers."""

    operation: str
    kind: Literal["drop", "cut", "empty", "status", "delay"] = "drop"
    when: Literal["before", "after"] = "before"
    times: int = 1
    status: int = 503
    body: str = ""
    seconds: float = 0.0
    fired: int = 0


class Proxy:
    """Stands between the ledger and the tables, notes what was asked, and misbehaves as told."""

    def __init__(self, target: str) -> None:
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.after_fault: Callable[[], Awaitable[None]] | None = None
        self._target = target

    def add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    async def __aenter__(self) -> str:
        self._session = ClientSession(auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        operation = _operation(request, body)
        self.seen.append(operation)
        fault = next((f for f in self.faults if f.operation == operation and f.fired < f.times), None)
        if fault is None:
            return await self._forward(request, body)
        fault.fired += 1
        answered = await self._forward(request, body) if fault.when == "after" else None
        if self.after_fault is not None:
            then, self.after_fault = self.after_fault, None
            await then()
        return await self._misbehave(request, fault, answered)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        url = URL(self._target + request.raw_path, encoded=True)  # signed as it is
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _misbehave(self, request: web.Request, fault: Fault, answered: web.Response | None) -> web.StreamResponse:
        assert request.transport
        if fault.kind == "status":
            return web.Response(status=fault.status, text=fault.body, content_type="application/json")
        if fault.kind == "empty":
            return web.Response(status=answered.status if answered else 200)
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            return answered or web.Response(status=503)
        if fault.kind == "cut" and answered is not None and isinstance(answered.body, bytes):
            await _send_half(request, answered, answered.body)
        request.transport.abort()
        raise ConnectionResetError


async def _send_half(request: web.Request, answered: web.Response, body: bytes) -> None:
    headers = {**answered.headers, "Content-Length": str(len(body))}
    half = web.StreamResponse(status=answered.status, headers=headers)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    await asyncio.sleep(0.05)


_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def _operation(request: web.Request, body: bytes) -> str:
    if request.path.endswith("/$batch"):
        inner = re.search(rb"/devstoreaccount1/(\w+)", body)
        return f"write {inner[1].decode() if inner else '?'}"
    inner_path = re.search(r"/devstoreaccount1/(\w+)", request.path)
    return f"{'read' if request.method == 'GET' else 'write'} {inner_path[1] if inner_path else '?'}"


_OPERATIONS = {
    "load": ("read cases",),
    "save": ("write cases",),
    "wake": ("write agenda",),
    "meet": ("write people",),
    "admit": ("read control",),
    "pause": ("write control",),
    "spend": ("write control",),
    "forget": ("write cases",),
    "due": ("read agenda",),
    "done": ("write agenda",),
    "beat": ("write control",),
}


class TableWorld:
    def __init__(self, connection_string: str, proxy: Proxy, proxy_url: str) -> None:
        self.clock = FakeClock(NOW)
        self.proxy = proxy
        self._string = re.sub(r"(?<=TableEndpoint=)http://[^/]+", proxy_url, connection_string)
        self._direct = TableServiceClient.from_connection_string(connection_string)
        self._ledgers: list[TableLedger] = []
        self.ledger = self.ledger_with(IMPATIENT)

    def ledger_with(
        self, patience: Patience, keys: tuple[str, ...] = (KEY,), *, budget: int = 0, clock: FakeClock | None = None
    ) -> TableLedger:
        service, clock = TableServiceClient.from_connection_string(self._string), clock or self.clock
        made = TableLedger(service, Seal(keys), FINGERPRINTS, clock, hourly_budget=budget, patience=patience)
        self._ledgers.append(made)
        return made

    async def another(self) -> Ledger:
        return self.ledger_with(IMPATIENT)

    async def budgeted(self, hourly: int) -> Ledger:
        return self.ledger_with(IMPATIENT, budget=hourly)

    async def rows(self, table: str, partition_key: str | None = None) -> list[Row]:
        client = self._direct.get_table_client(table)
        text = f"PartitionKey eq '{partition_key}'" if partition_key else ""
        with suppress(ResourceNotFoundError):
            return [dict(row) async for row in client.query_entities(text)]
        return []

    async def edit(self, table: str, row: Row) -> None:
        await self._direct.get_table_client(table).upsert_entity(row)

    async def add(self, table: str, rows: Sequence[Row]) -> None:
        """New rows of one partition, quickly."""
        for some in batched(rows, 100, strict=False):
            await self._direct.get_table_client(table).submit_transaction([("create", row) for row in some])

    async def delete_table(self, table: str) -> None:
        await self._direct.delete_table(table)

    async def agenda(self) -> set[tuple[str, str]]:
        return {(row["PartitionKey"], row["RowKey"]) for row in await self.rows("agenda")}

    async def note(self, keys: tuple[str, str]) -> None:
        await self.edit("agenda", {"PartitionKey": keys[0], "RowKey": keys[1]})

    async def last_beat(self) -> datetime | None:
        return await self.ledger.heartbeat()

    async def clear(self, table: str) -> None:
        client = self._direct.get_table_client(table)
        for row in await self.rows(table):
            await client.delete_entity(row["PartitionKey"], row["RowKey"])

    async def history(self, case_id: str) -> list[Row]:
        rows = [row for row in await self.rows("cases", case_id) if row["RowKey"].startswith("h")]
        names = ("at", "from", "to", "reason", "actor", "issuance", "attempt", "message_id")
        kept = [{name: row.get(name) for name in names} for row in rows]
        return [row | {"at": read_time(row["at"])} for row in kept]

    def outage(self, method: str, when: When) -> None:
        for operation in _OPERATIONS[method]:
            self.proxy.add(Fault(operation=operation, when="before" if when == "between" else when, times=10_000))

    def fired(self) -> bool:
        return all(fault.fired for fault in self.proxy.faults)

    def restore(self) -> None:
        self.proxy.faults.clear()

    async def close(self) -> None:
        for ledger in self._ledgers:
            await ledger.close()
        await self._direct.close()


@asynccontextmanager
async def world_of(kind: str, request: FixtureRequest) -> AsyncGenerator[World]:
    """`fake` or `sandbox`; the module's fixture `azurite` is asked for the latter only."""
    if kind == "fake":
        yield FakeWorld()
        return
    async with table_world(request.getfixturevalue("azurite")) as tables:
        yield tables


@asynccontextmanager
async def table_world(azurite: str) -> AsyncGenerator[TableWorld]:
    """The real adapter, a proxy, and the tables; no pause is in force."""
    proxy = Proxy(azurite.split("TableEndpoint=")[1].removesuffix("/devstoreaccount1;"))
    async with proxy as url:
        tables = TableWorld(azurite, proxy, url)
        await tables.clear("control")
        yield tables
        await tables.close()


def run_azurite(folder: Path) -> Iterator[str]:
    service = start("sandbox.azurite", log=folder / "azurite.log")
    try:
        yield service.url
    finally:
        service.stop()
