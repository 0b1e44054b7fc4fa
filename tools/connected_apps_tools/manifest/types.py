"""The types of what the files hold besides settings."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from connected_apps_tools.api.models import ClientId
from connected_apps_tools.text.printable import printable

CLIENT_ID: TypeAdapter[str] = TypeAdapter(ClientId)

PROJECT_ID = CLIENT_ID
"""A project id has the same characters (KNOWN: `project-test-<uuid>`)."""


def problem_with(adapter: TypeAdapter[Any], value: object) -> str | None:
    """Why a value is not of a type; None if it is."""
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        return in_words(error.errors(include_url=False, include_input=False)[0])
    return None


def in_words(problem: ErrorDetails) -> str:
    """What is wrong with a value, without the value and without a pattern."""
    if problem["type"] == "string_pattern_mismatch":
        return "it has characters that are not allowed"
    return printable(problem["msg"])
