"""The parameters of a request, in a query, a form or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.handlers.clients import basic_credentials
from connected_apps_mcp.sandbox.handlers.reading import read_body

MAX_FORM_BYTES = 64 * 1024
MAX_QUERY_BYTES = 16 * 1024
MAX_PARAMETERS = 100
_STRINGS = TypeAdapter(dict[str, str], config=ConfigDict(defer_build=True))


class Parameters:
    """The parameters, which OAuth allows once each; only `resource` may be repeated."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str:
        """Return a parameter; the empty string without it.

        Raises:
            ApiError: it is repeated.
        """
        values = self._values.get(name, [""])
        if len(values) > 1:
            raise invalid_request(f"{name} is repeated.")
        return values[0]

    def require(self, name: str) -> str:
        """Return a parameter.

        Raises:
            ApiError: it is missing or repeated.
        """
        value = self.get(name)
        if not value:
            raise invalid_request(f"{name} is missing.")
        return value

    def resources(self) -> list[str]:
        """Return the resources that the token is for (RFC 8707).

        Raises:
            ApiError: one is not an absolute URL.
        """
        resources = self._values.get("resource", [])
        for resource in resources:
            try:
                parts = urlsplit(resource)
            except ValueError:
                raise ApiError(ErrorType.INVALID_TARGET) from None
            if not (parts.scheme and parts.netloc) or "#" in resource or not resource.isprintable():
                raise ApiError(ErrorType.INVALID_TARGET)
        return list(dict.fromkeys(resources))


def read_query(request: Request) -> Parameters:
    """Read the query of a request.

    Raises:
        ApiError: it is too large or malformed.
    """
    query = request.url.query.encode()
    if len(query) > MAX_QUERY_BYTES:
        raise invalid_request(f"The query is larger than {MAX_QUERY_BYTES} bytes.")
    return Parameters(_decode(query))


async def read_form(request: Request, *, basic: bool = True) -> Parameters:
    """Read a form; with `basic`, the credentials in the Basic header win over those in the form.

    KNOWN: the service also takes JSON.

    Raises:
        ApiError: it is too large or malformed.
    """
    content = await read_body(request, MAX_FORM_BYTES)
    is_json = request.headers.get("content-type", "").startswith("application/json")
    pairs = _decode_json(content) if is_json else _decode(content)
    in_header = basic_credentials(request.headers) if basic else {}
    in_form = (pair for pair in pairs if pair[0] not in in_header)
    return Parameters([*in_form, *in_header.items()])


def invalid_request(message: str) -> ApiError:
    """Return the error for a request that is malformed."""
    return ApiError(ErrorType.INVALID_REQUEST, message)


def _decode(content: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise invalid_request("The parameters cannot be read.") from None


def _decode_json(content: bytes) -> list[tuple[str, str]]:
    try:
        return list(_STRINGS.validate_json(content).items())
    except ValidationError:
        raise invalid_request("The body is not a JSON object of strings.") from None
