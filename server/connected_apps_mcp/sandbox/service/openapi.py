"""The sandbox's own OpenAPI description, derived from its table of operations and its models."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from connected_apps_mcp.sandbox.errors import ErrorBody, OAuthErrorBody
from connected_apps_mcp.sandbox.handlers.call import SandboxOperation

from .operations import OPERATIONS

Json = dict[str, Any]


@cache
def describe() -> Json:
    """Return the description; it is the same for every sandbox."""
    schemas, components = _schemas()
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Connected Apps sandbox",
            "version": "1",
            "description": "A stand-in for the Stytch Connected Apps API, not the vendor's.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "project": {"type": "http", "scheme": "basic"},
                "client": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _schemas() -> tuple[dict[type[BaseModel], Json], Json]:
    """Return a reference to the schema of each model, and the schemas themselves."""
    modes: dict[type[BaseModel], JsonSchemaMode] = {
        ErrorBody: "serialization",
        OAuthErrorBody: "serialization",
    }
    for operation in OPERATIONS:
        modes[operation.body] = "validation"
        modes[operation.reply] = "serialization"
    references, definitions = models_json_schema(
        list(modes.items()), ref_template="#/components/schemas/{model}"
    )
    return {model: references[model, mode] for model, mode in modes.items()}, definitions["$defs"]


def _operation(operation: SandboxOperation[Any], schemas: dict[type[BaseModel], Json]) -> Json:
    parameters = re.findall(r"\{(\w+)\}", operation.path)
    statuses = ["400", "401", *(["404"] if parameters else []), "429", "500"]
    error = schemas[OAuthErrorBody if operation.oauth else ErrorBody]
    described: Json = {
        "operationId": operation.name,
        "summary": (operation.handle.__doc__ or "").splitlines()[0],
        "security": [{"client": []}, {}] if operation.oauth else [{"project": []}],
        "responses": {
            "200": _content("Success", schemas[operation.reply]),
            **{status: _content("Failure", error) for status in statuses},
        },
    }
    if parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in parameters
        ]
    if operation.method not in {"GET", "DELETE"}:
        described["requestBody"] = _request_body(operation, schemas[operation.body])
    return described


def _request_body(operation: SandboxOperation[Any], schema: Json) -> Json:
    media_type = "application/x-www-form-urlencoded" if operation.oauth else "application/json"
    required = any(field.is_required() for field in operation.body.model_fields.values())
    return {"required": required, "content": {media_type: {"schema": schema}}}


def _content(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
