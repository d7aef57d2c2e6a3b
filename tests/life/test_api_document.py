"""The OpenAPI document is what the API does: requests made from it fit, and so do the answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.acts import Act
from shared.api_document import document
from tests.builders import USER_ID, hired
from tests.fakes.door import APPROVER, READER, WHY, Door
from tests.fakes.house import House

ACTS = Door().acts
DOCUMENT = document(ACTS)
OPERATIONS = [
    (method.upper(), path[1:], operation)
    for path, ways in DOCUMENT["paths"].items()
    for method, operation in ways.items()
]


def test_every_act_is_in_it_with_its_role() -> None:
    described = {
        (method, path, operation["operationId"], operation["x-role"]) for method, path, operation in OPERATIONS
    }
    assert described == {(act.method, act.path, act.name, str(act.role)) for act in ACTS}


def test_every_reference_leads_somewhere_and_everything_is_referred_to() -> None:
    text = json.dumps(DOCUMENT)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert references == set(DOCUMENT["components"]["schemas"])
    assert all(operation["summary"] for _, _, operation in OPERATIONS)


def test_every_part_of_a_path_is_a_parameter() -> None:
    for _, path, operation in OPERATIONS:
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")


async def test_a_reader_gets_it() -> None:
    said = await Door().ask("openapi.json", who=READER)
    assert said.json == DOCUMENT


# --- a small reading of JSON schema, enough for ours: what it does not know fails ---

KNOWN = {
    *("type", "title", "description", "default", "$ref", "anyOf", "enum", "const", "pattern", "format"),
    *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "minItems", "maxItems"),
    *("items", "properties", "required", "additionalProperties"),
}
TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "array": list,
    "object": dict,
}  # fmt: skip


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" not in schema:
        return schema
    return resolved(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])


def faults(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """What is wrong with an answer."""
    schema = resolved(schema)
    if "anyOf" in schema:
        if all(list(faults(value, one, at)) for one in schema["anyOf"]):
            yield f"{at}: none of the kinds"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{at}: no {kind}"
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{at}: another word"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: another form"
    items = enumerate(value) if isinstance(value, list) else ()
    for number, item in items:
        yield from faults(item, schema.get("items", {}), f"{at}[{number}]")
    yield from _object_faults(value, schema, at) if isinstance(value, dict) else ()


def _object_faults(value: dict[str, Any], schema: dict[str, Any], at: str) -> Iterator[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value)
    for name, inner in value.items():
        if name in properties:
            yield from faults(inner, properties[name], f"{at}.{name}")
        elif more is False:
            yield f"{at}.{name}: unknown"
        elif isinstance(more, dict):
            yield from faults(inner, more, f"{at}.{name}")


def made(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a schema."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return st.one_of([made(one) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("$", r"\Z"), fullmatch=True)
    if schema.get("format") == "date-time":
        return st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    low, high = schema.get("minimum", schema.get("exclusiveMinimum", 0)), schema.get("maximum")
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(low, high),
        "boolean": st.booleans(),
        "null": st.none(),
        "object": st.one_of(st.just(hired()), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3)),
        "string": st.text(st.characters(codec="utf-8"), min_size=schema.get("minLength", 0), max_size=60),
    }
    if schema["type"] == "array":
        return st.lists(made(schema["items"]), min_size=schema.get("minItems", 0), max_size=5)
    return kinds[schema["type"]]


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of an operation, with and without what may be left out."""
    needed = {name: made(inner) for name, inner in schema["properties"].items() if name in schema["required"]}
    free = {name: made(inner) for name, inner in schema["properties"].items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=free)


HOUSE = House()
KNOWN_VALUES = {"caseId": HOUSE.case_id, "user": USER_ID, "source": "/hr/workday", "subject": "W-10427", "reason": WHY}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[one[1] + " " + one[0] for one in OPERATIONS])
@given(data=st.data())
async def test_requests_made_from_it_are_answered_as_it_says(
    method: str, path: str, operation: dict[str, Any], data: st.DataObject
) -> None:
    door = Door(House())
    await door.house.hire()
    given_values = {one["name"]: data.draw(made(one["schema"])) for one in operation["parameters"]}
    body = None
    if "requestBody" in operation:
        body = data.draw(bodies(operation["requestBody"]["content"]["application/json"]["schema"]))
    if data.draw(st.booleans()):  # something that is there
        given_values |= {name: value for name, value in KNOWN_VALUES.items() if name in given_values}
        body = body and body | {name: value for name, value in KNOWN_VALUES.items() if name in body}
    in_query = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
    query = "&".join(f"{name}={given_values[name]}" for name in in_query if given_values[name] is not None)
    said = await door.ask(path.format(**given_values), body, who=APPROVER, method=method, query=query)
    answers = operation["responses"][str(said.status)]
    if said.status == 200:
        content = answers["content"]["application/json"]["schema"]
    else:
        content = DOCUMENT["components"]["responses"]["Problem"]["content"]["application/problem+json"]["schema"]
    assert said.status < 500, said.text
    assert list(faults(said.json, content)) == []


def test_the_reading_of_schemas_finds_faults() -> None:
    done = {"$ref": "#/components/schemas/Done"}
    assert list(faults({"done": True, "state": "sent", "until": None}, done)) == []
    for wrong in ({"done": False}, {"done": True, "state": "lost"}, {"done": True, "more": 1}, []):
        assert list(faults(wrong, done))


def test_an_act_that_is_added_is_described_without_another_word() -> None:
    one = ACTS[0]
    more = Act("POST", "letters/{caseId}", one.role, ACTS[3].asks, ACTS[3].answers, ACTS[3].do)
    assert "/letters/{caseId}" in document([*ACTS, more])["paths"]
