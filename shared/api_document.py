"""What the operators' API is, as an OpenAPI document made from the table of acts and the models of what they take."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import RootModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.acts import Act
from shared.api_fields import Nothing
from shared.api_models import Problem
from shared.principal import OperatorRole, Principal

VERSION: Final = "1.0.0"
REF: Final = "#/components/schemas/{model}"
PROBLEMS: Final = (400, 401, 403, 404, 405, 409, 413, 415, 503)
"""How a request can end that does nothing."""


class Document(RootModel[dict[str, Any]]):
    """An OpenAPI document."""


def with_document(acts: Sequence[Act]) -> tuple[Act, ...]:
    """These acts, and one more that describes them all."""

    async def describe_api(_who: Principal, _asked: Nothing) -> Document:
        """This document."""
        return Document(document(described))

    described = (*acts, Act("GET", "openapi.json", OperatorRole.READER, Nothing, Document, describe_api))
    return described


def document(acts: Sequence[Act]) -> dict[str, Any]:
    """The OpenAPI document of these acts."""
    asked: list[tuple[Any, JsonSchemaMode]] = [(act.asks, "validation") for act in acts]
    answered: list[tuple[Any, JsonSchemaMode]] = [
        (model, "serialization") for model in (Problem, *(act.answers for act in acts))
    ]
    names, defined = models_json_schema(list(dict.fromkeys(asked + answered)), by_alias=True, ref_template=REF)
    schemas: dict[str, Any] = defined["$defs"]
    paths: dict[str, dict[str, Any]] = {}
    for act in acts:
        takes = schemas[names[act.asks, "validation"]["$ref"].rpartition("/")[2]]
        paths.setdefault(f"/{act.path}", {})[act.method.lower()] = _operation(
            act, takes, names[act.answers, "serialization"]
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Firstpass for operators", "version": VERSION},
        "servers": [{"url": "/api/operations"}],
        "security": [{"entra": []}],
        "paths": paths,
        "components": {
            "schemas": _referred(paths, schemas),
            "responses": {
                "Problem": {
                    "description": "Why nothing was done",
                    "content": _content("application/problem+json", REF.format(model="Problem")),
                }
            },
            "securitySchemes": {"entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(act: Act, takes: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    named = [part[1:-1] for part in act.path.split("/") if part.startswith("{")]
    in_path = [_parameter("path", name, takes["properties"][name], required=True) for name in named]
    rest = {name: schema for name, schema in takes.get("properties", {}).items() if name not in named}
    required = [name for name in takes.get("required", []) if name not in named]
    said: dict[str, Any] = {
        "operationId": act.name,
        "summary": (act.do.__doc__ or "").split("\n")[0],
        "description": f"App role `{act.role}` or above." + (" Stands in the audit." if act.is_audited else ""),
        "x-role": str(act.role),
    }
    if act.method == "GET":
        in_path += [_parameter("query", name, schema, required=name in required) for name, schema in rest.items()]
    else:
        body = {"type": "object", "properties": rest, "required": required, "additionalProperties": False}
        body |= {"oneOf": takes["oneOf"]} if "oneOf" in takes else {}
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    ends = {str(status): {"$ref": "#/components/responses/Problem"} for status in PROBLEMS}
    done = {"description": HTTPStatus.OK.phrase, "content": {"application/json": {"schema": dict(answers)}}}
    return said | {"parameters": in_path, "responses": {"200": done} | ends}


def _parameter(place: str, name: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": dict(schema)}


def _content(kind: str, ref: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": ref}}}


def _referred(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that something refers to, and those they refer to."""
    wanted, text = {"Problem"}, json.dumps(paths)
    while found := {name for name in schemas if name not in wanted and f'"{REF.format(model=name)}"' in text}:
        wanted |= found
        text += json.dumps([schemas[name] for name in found])
    return {name: schema for name, schema in sorted(schemas.items()) if name in wanted}
