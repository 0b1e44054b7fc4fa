"""The JSON Schema of a manifest, with which editors complete and check it."""

import json
from pathlib import Path
from typing import Any

from connected_apps_tools.manifest.settings import AppTable

from .reading import APPS, ENVIRONMENTS
from .toml_file import NAME

SCHEMA_FILE = Path(__file__).with_name("apps.schema.json")
"""The schema as it is shipped."""


def manifest_schema() -> dict[str, Any]:
    """The schema, from the types of the requests. Editors for TOML know its draft 7."""
    settings = AppTable.json_schema()["properties"]
    name = {"pattern": f"^{NAME}$"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "apps.toml of connected-apps-mcp",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            ENVIRONMENTS: {
                "description": "The project id of each environment.",
                "type": "object",
                "propertyNames": name,
                "additionalProperties": {"type": "string"},
            },
            APPS: {
                "description": "The apps, each by a key.",
                "type": "object",
                "propertyNames": name,
                "additionalProperties": {"$ref": "#/definitions/app"},
            },
        },
        "definitions": {
            "app": {
                "description": "An app, and by environment what differs there.",
                "type": "object",
                "properties": settings,
                "additionalProperties": {"$ref": "#/definitions/override"},
            },
            "override": {
                "description": "What differs in one environment.",
                "type": "object",
                "properties": settings,
                "additionalProperties": False,
            },
        },
    }


def schema_text() -> str:
    """The schema, as the file has it."""
    return json.dumps(manifest_schema(), indent=2) + "\n"
