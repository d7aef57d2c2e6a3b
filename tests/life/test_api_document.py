"""The OpenAPI document is what the API does: requests made from it fit, and so do the answers."""

import asyncio
import json
import re
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.acts import Act
from shared.api_document import document
from shared.principal import PRINCIPAL_HEADER
from tests.builders import USER_ID
from tests.fakes.door import APPROVER, READER, WHY, Door, principal
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


# --- requests that fit the document, and requests that do not ---


PATH = "/api/operations"
BEARER = "Bearer approver"
KNOWN = {"caseId": House().case_id, "user": USER_ID, "source": "/hr/workday", "subject": "W-10427", "sequence": 1}
CHECKS: list[Any] = [
    *(not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance, ignored_auth),
]


async def answered(environ: dict[str, Any]) -> tuple[int, str]:
    """What the door of a house whose joiner has a pass answers; the platform vouches for one bearer."""
    door = Door()
    await door.house.hire()
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["Content-Type"] = environ.get("CONTENT_TYPE", "")
    if environ.get("HTTP_AUTHORIZATION") == BEARER:
        headers[PRINCIPAL_HEADER] = principal(APPROVER, "approver")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    path = environ["PATH_INFO"].removeprefix(f"{PATH}/")
    return await door.api.answer(environ["REQUEST_METHOD"], path, environ["QUERY_STRING"], headers, body)


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    status, text = asyncio.run(answered(environ))
    kind = "application/json" if status < HTTPStatus.BAD_REQUEST else "application/problem+json"
    start_response(f"{int(status)} {HTTPStatus(status).phrase}", [("Content-Type", kind)])
    return [text.encode()]


SCHEMA = from_dict(DOCUMENT)
SCHEMA.app = wsgi
LABELS = [f"{method} /{path}" for method, path, _ in OPERATIONS]


def requests_of(label: str, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    method, path = label.split(" ")
    return SCHEMA[path][method].as_strategy(generation_mode=mode)


def about_something(case: Case[Any]) -> None:
    """Names of what is there in place of made-up ones, where the request names anything."""
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            place.update({name: value for name, value in KNOWN.items() if place.get(name) is not None})


@pytest.mark.parametrize("label", LABELS)
@given(data=st.data())
def test_a_request_that_fits_is_answered_as_it_says(label: str, data: st.DataObject) -> None:
    case = data.draw(requests_of(label, GenerationMode.POSITIVE))
    if isinstance(case.body, dict) and "reason" in case.body:
        case.body["reason"] = WHY  # that blanks alone are none cannot be said in a schema
    if data.draw(st.booleans()):
        about_something(case)
    case.call_and_validate(headers={"Authorization": BEARER}, checks=[*CHECKS, positive_data_acceptance])


@pytest.mark.parametrize("label", LABELS)
@given(data=st.data())
def test_a_request_that_does_not_fit_is_refused_as_it_says(label: str, data: st.DataObject) -> None:
    case = data.draw(requests_of(label, GenerationMode.NEGATIVE))
    case.call_and_validate(headers={"Authorization": BEARER}, checks=[*CHECKS, negative_data_rejection])


def test_an_act_that_is_added_is_described_without_another_word() -> None:
    one = ACTS[0]
    more = Act("POST", "letters/{caseId}", one.role, ACTS[3].asks, ACTS[3].answers, ACTS[3].do)
    assert "/letters/{caseId}" in document([*ACTS, more])["paths"]
