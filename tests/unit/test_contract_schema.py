import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from shared.contract import json_schema
from tests.builders import CASE_ID, USER_ID, cancelled, hired, without


def accepts(schema: dict[str, Any], value: object, root: dict[str, Any]) -> bool:
    """JSON Schema (2020-12) for the keywords our schema uses; another keyword is a KeyError."""
    return all(KEYWORDS[word](argument, value, root) for word, argument in schema.items())


def _without_meaning(_argument: Any, _value: Any, _root: Any) -> bool:
    return True


def _properties(argument: Any, value: Any, root: Any) -> bool:
    named = argument.keys() & value.keys() if isinstance(value, dict) else ()
    return all(accepts(argument[name], value[name], root) for name in named)


def _of(kind: type, check: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Any], bool]:
    """A keyword that speaks about one type of value and lets any other pass."""
    return lambda argument, value, _: not isinstance(value, kind) or check(argument, value)


TYPES = {"object": dict, "array": list, "string": str}
KEYWORDS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "title": _without_meaning,
    "description": _without_meaning,
    "$defs": _without_meaning,
    "$ref": lambda name, value, root: accepts(root["$defs"][name.removeprefix("#/$defs/")], value, root),
    "anyOf": lambda choices, value, root: any(accepts(choice, value, root) for choice in choices),
    "oneOf": lambda choices, value, root: sum(accepts(choice, value, root) for choice in choices) == 1,
    "type": lambda name, value, _: isinstance(value, TYPES[name]),
    "const": lambda only, value, _: value == only,
    "enum": lambda choices, value, _: value in choices,
    "required": _of(dict, lambda names, value: set(names) <= value.keys()),
    "properties": _properties,
    "items": lambda each, value, root: not isinstance(value, list) or all(accepts(each, it, root) for it in value),
    "minItems": _of(list, lambda limit, value: len(value) >= limit),
    "maxItems": _of(list, lambda limit, value: len(value) <= limit),
    "maxLength": _of(str, lambda limit, value: len(value) <= limit),
    "pattern": _of(str, lambda form, value: re.search(form, value, re.ASCII) is not None),
}


SCHEMA = json.loads(json.dumps(json_schema()))


def schema_accepts(document: object) -> bool:
    return accepts(SCHEMA, document, SCHEMA)


def test_the_schema_accepts_what_parse_accepts() -> None:
    assert schema_accepts(hired())
    assert schema_accepts(hired({"firstDay": "2026-12-02", "startTime": "09:00:30"}, extension=1))
    assert schema_accepts(cancelled())
    for user in ({"userPrincipalName": "a@contoso.com"}, {"employeeId": "1", "more": 1}):
        assert schema_accepts({**hired(), "data": {"user": user, "hireDate": "2026-12-01"}})


@pytest.mark.parametrize(
    "document",
    [
        *(without(hired(), name) for name in ("specversion", "id", "source", "type", "subject", "time", "data")),
        without(hired(), "data", "user"),
        without(hired(), "data", "hireDate"),
        hired({"user": {}}),
        hired({"user": {"id": USER_ID, "employeeId": "1"}}),
        hired({"hireDate": "1 December"}),
        hired({"startTime": "9am"}),
        hired({"devicePaths": []}),
        hired({"devicePaths": ["blackberry"]}),
        hired({"channel": "fax"}),
        hired({"mobilePhone": None}),
        hired(type="joiner.hired.v2"),
        hired(specversion="0.3"),
        {"type": "case.nudge.v1", "data": {"caseId": CASE_ID}},
        [],
    ],
    ids=lambda it: ascii(it)[:60],
)
def test_the_schema_refuses_what_parse_refuses(document: object) -> None:
    assert not schema_accepts(document)


def test_the_schema_promises_no_defaults_of_its_own() -> None:
    assert "default" not in json.dumps(json_schema())
