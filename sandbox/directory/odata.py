"""The shape of Graph's requests and answers: $select, $filter and pages. What is not supported is refused."""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sandbox.directory.rules import Refusal
from sandbox.directory.state import Json

EQUALS = re.compile(r"\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*")
type Answer = tuple[int, Json | None]


@dataclass(slots=True, kw_only=True)
class Call:
    """One request, alone or in a batch; `url` is relative to `base` (…/v1.0), `roles` are the caller's app roles."""

    method: str
    url: str
    base: str
    headers: Mapping[str, str]
    roles: frozenset[str] = frozenset()
    body: Any = None
    path: str = field(init=False)
    segments: list[str] = field(init=False)  # decoded, casts in their short spelling
    query: dict[str, str] = field(init=False)
    request_id: str = field(init=False, default_factory=lambda: str(uuid.uuid4()))
    values: list[str] = field(init=False, default_factory=list[str])  # those in the path, once its route is found

    def __post_init__(self) -> None:
        path, _, query = self.url.partition("?")
        self.path, self.query = path.strip("/"), dict(parse_qsl(query, keep_blank_values=True))
        self.segments = [unquote(one).replace("microsoft.graph.", "graph.") for one in self.path.split("/")]


def select(call: Call, item: Json, default: Iterable[str] = ()) -> Json:
    """The properties `$select` names, else the default ones (all, where none are given)."""
    names = [one.strip() for one in call.query["$select"].split(",")] if "$select" in call.query else default or item
    if unknown := [name for name in names if name not in item]:
        text = f"Parsing OData Select and Expand failed: Could not find a property named '{unknown[0]}'."
        raise Refusal(400, "BadRequest", text)
    return {name: item[name] for name in names}


def page(call: Call, items: list[Json], default: Iterable[str] = ()) -> Answer:
    """A collection, `$top` at a time: 100 unless told, 999 at most (Microsoft Learn, List a user's memberships)."""
    top, skip = call.query.get("$top", "100"), call.query.get("$skiptoken", "0")
    if not (top.isdecimal() and 1 <= int(top) <= 999 and skip.isdecimal()):
        raise Refusal(400, "Request_BadRequest", "Invalid page size specified: it must be between 1 and 999 inclusive.")
    end = int(skip) + int(top)
    body: Json = {"value": [select(call, item, default) for item in items[int(skip) : end]]}
    if call.query.get("$count") == "true" and call.headers.get("ConsistencyLevel") == "eventual":
        body["@odata.count"] = len(items)
    if end < len(items):
        options = urlencode(call.query | {"$skiptoken": str(end)}, safe="$,", quote_via=quote)
        body["@odata.nextLink"] = f"{call.base}/{call.path}?{options}"
    return 200, body


def compared(call: Call, *names: str) -> tuple[str, str]:
    """The property, one of `names`, and the value (in lower case) that `$filter` compares by eq."""
    match = EQUALS.fullmatch(call.query.get("$filter", ""))
    if match is None or match[1] not in names:
        raise Refusal(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.")
    return match[1], match[2].replace("''", "'").lower()
