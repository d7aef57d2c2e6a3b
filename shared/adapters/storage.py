"""One table of Azure Table Storage: reads by key and transactions, repeated for a few seconds, errors in our words."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableServiceClient
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from shared.errors import LedgerUnavailable

Operation = tuple[str, Mapping[str, Any], Mapping[str, Any]]

TRANSACTION: Final = 100
"""How many operations a transaction holds at most."""
_PAGE: Final = 1000
"""How many rows the service gives at once at most."""
_ONCE: Final[Mapping[str, Any]] = {"retry_total": 0}
"""The SDK repeats what it takes for a failed connection, transactions too, even when the service had committed."""


class Conflict(Exception):  # noqa: N818 - reads as the errors of shared/errors.py do
    """A condition of a transaction did not hold: this try wrote nothing.

    An earlier try whose answer was lost may have written it all; whoever must know reads.
    """


class _Missing(Conflict):
    """There is no such row, and the tables say so: no other 404 may pass for a row that is not there."""


class _Again(Exception):  # noqa: N818 - as above
    """No usable answer; the call may be repeated."""


class _NoTable(Exception):  # noqa: N818 - as above
    pass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for one try, after which no new try begins, and of the longest pause between two."""

    each: float = 3.0
    total: float = 7.0
    pause: float = 1.0


def insert(row: Mapping[str, Any]) -> Operation:
    """Write a row that must not exist yet."""
    return ("create", row, {})


def replace_row(row: Mapping[str, Any], etag: str) -> Operation:
    """Write a row in place of the one read as `etag`."""
    condition = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", row, condition)


def delete_row(partition_key: str, row_key: str, etag: str | None = None) -> Operation:
    """Remove a row, whatever it has become; with `etag`, only the version read as that."""
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
    return ("delete", {"PartitionKey": partition_key, "RowKey": row_key}, condition)


class Table:
    """One table, created when it turns out to be missing. Every method raises LedgerUnavailable."""

    def __init__(self, service: TableServiceClient, name: str, patience: Patience) -> None:
        self._service = service
        self._client = service.get_table_client(name)
        self._patience = patience

    async def get(self, partition_key: str, row_key: str, select: Sequence[str] | None = None) -> TableEntity | None:
        """A row, or None when there is none. `select` names the only columns wanted."""
        columns = list(select) if select else None
        try:
            return await self._call(lambda: self._client.get_entity(partition_key, row_key, select=columns, **_ONCE))
        except _Missing:
            return None
        except Conflict:  # no answer a read can have
            raise LedgerUnavailable("ledger-rejected") from None

    async def rows(self, partition_key: str, from_key: str, below_key: str) -> list[TableEntity]:
        """The rows of a partition with `from_key` <= RowKey < `below_key`, in their order."""
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @below"
        keys = {"partition": partition_key, "first": from_key, "below": below_key}
        return await self.find(where, keys, lambda row: row)

    async def find[T](
        self,
        where: str,
        parameters: Mapping[str, str],
        read: Callable[[TableEntity], T | None],
        *,
        at_most: int | None = None,
    ) -> list[T]:
        """What `read` makes of the rows that fit, in the order of their keys; a row of which it makes None is left out.

        No page is asked for that `at_most` does not need. Each page has its own time: a search of a whole table may
        take many, and the service ends some before they are full.
        """
        found: list[T] = []
        token: Any = None
        while True:
            rows, token = await self._page(where, parameters, min(at_most or _PAGE, _PAGE), token)
            for row in rows:
                found += [made] if (made := read(row)) is not None else []
                if len(found) == at_most:
                    return found
            if not token:
                return found

    async def _page(
        self, where: str, parameters: Mapping[str, str], size: int, token: object
    ) -> tuple[list[TableEntity], object]:
        """One page of an answer, and what asks for the next one."""

        async def take() -> tuple[list[TableEntity], object]:
            query = self._client.query_entities(where, parameters=dict(parameters), results_per_page=size, **_ONCE)
            pages: Any = query.by_page(continuation_token=token)  # pyright: ignore[reportArgumentType] - it is a dict
            rows = [row async for row in await anext(pages)]
            return rows, pages.continuation_token

        try:
            return await self._call(take)
        except Conflict:  # no answer a query can have
            raise LedgerUnavailable("ledger-rejected") from None

    async def put(self, row: Mapping[str, Any]) -> None:
        """Write a row whatever is there: half the work of a transaction, and free to repeat."""
        await self._call(lambda: self._client.upsert_entity(row, mode=UpdateMode.REPLACE, **_ONCE))

    async def swap(self, found: TableEntity | None, row: Mapping[str, Any]) -> bool:
        """Write `row` in place of `found` (None: where no row was); False when another write came in between.

        False also when that other write was an earlier try of this one, whose answer was lost.
        """
        change = insert(row) if found is None else replace_row(row, str(found.metadata["etag"]))
        try:
            await self.write(change)
        except Conflict:
            return False
        return True

    async def write(self, *operations: Operation) -> list[str | None]:
        """Commit all or none of them (same PartitionKey, at most TRANSACTION); gives the new ETags in their order.

        Raises:
            Conflict: a row was there, or not there, or not the one read. To remove a row that is not there, alone,
                is no conflict.
        """
        if len(operations) == 1:
            answers = [await self._call(lambda: self._write_one(*operations[0]))]
        else:
            answers = await self._call(lambda: self._client.submit_transaction(operations, **_ONCE))
        return [answer.get("etag") if answer else None for answer in answers]

    def _write_one(
        self, verb: str, row: Mapping[str, Any], condition: Mapping[str, Any]
    ) -> Awaitable[Mapping[str, Any] | None]:
        """A transaction of one costs more than twice the CPU of the same write alone."""
        verbs = {
            "create": self._client.create_entity,
            "update": self._client.update_entity,
            "delete": self._client.delete_entity,
        }
        write: Any = verbs[verb]
        return write(row, **condition, **_ONCE)

    async def _call[T](self, send: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._persist(send)
        except _NoTable:
            await self._create()
        try:
            return await self._persist(send)
        except _NoTable:
            raise LedgerUnavailable("ledger-unavailable") from None

    async def _create(self) -> None:
        with suppress(Conflict):  # somebody else was quicker
            await self._persist(lambda: self._service.create_table(self._client.table_name, **_ONCE))

    async def _persist[T](self, send: Callable[[], Awaitable[T]]) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_after_delay(self._patience.total),
            wait=wait_random_exponential(multiplier=self._patience.pause / 8, max=self._patience.pause),
            reraise=True,
        )
        try:
            return await retrying(self._once, send)
        except _Again:
            raise LedgerUnavailable("ledger-unavailable") from None

    async def _once[T](self, send: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._patience.each):
                return await send()
        except (AzureError, OSError) as error:  # TimeoutError is an OSError
            raise _in_our_words(error) from None
        except (AttributeError, ValueError):  # how the SDK takes a 2xx without the body it expects
            raise _Again from None


_BY_CODE: Final[Mapping[str, Callable[[], Exception]]] = {
    "TableNotFound": _NoTable,
    "TableBeingDeleted": _Again,
    "ResourceNotFound": _Missing,
    "EntityNotFound": _Missing,
}

_BY_STATUS: Final[Mapping[int, Callable[[], Exception]]] = {
    401: lambda: LedgerUnavailable("ledger-denied"),
    403: lambda: LedgerUnavailable("ledger-denied"),
    404: lambda: LedgerUnavailable("ledger-rejected"),
    409: Conflict,
    412: Conflict,
    400: lambda: LedgerUnavailable("ledger-rejected"),
    413: lambda: LedgerUnavailable("ledger-rejected"),
}


def _in_our_words(error: AzureError | OSError) -> Exception:
    if not isinstance(error, HttpResponseError):
        return _Again()
    told = _told(error)
    for code, outcome in _BY_CODE.items():
        if code in told:
            return outcome()
    return _BY_STATUS.get(error.status_code or 0, _Again)()


def _told(error: HttpResponseError) -> str:
    """What the service said: of a refused insert the SDK keeps only the status, and the code is in the body."""
    body: Any = ""
    with suppress(Exception):  # a body that was not read
        body = error.response.text() if error.response else ""  # pyright: ignore[reportAttributeAccessIssue]
    return f"{error.message} {body}"
