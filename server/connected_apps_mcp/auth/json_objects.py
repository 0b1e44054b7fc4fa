"""Reads JSON objects that all parsers read alike."""

import json
from typing import Any, NoReturn

JsonObject = dict[str, Any]


def read_object(data: bytes) -> JsonObject:
    """Read one JSON object in UTF-8.

    Raises:
        ValueError: it is not one, has a member twice or a number that is not JSON, or is too deep.
    """
    try:
        found = json.loads(
            data.decode(), object_pairs_hook=_distinct, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None
    if not isinstance(found, dict):
        raise ValueError("The JSON is not an object.")
    return found


def _distinct(members: list[tuple[str, Any]]) -> JsonObject:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("The JSON has a member twice.")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("The JSON has a number that is not JSON.")
