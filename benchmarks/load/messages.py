"""Messages of MCP in both eras, as bytes in which only the id is missing."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

Era = Literal["handshake", "2026"]

VERSIONS: dict[Era, str] = {"handshake": "2025-11-25", "2026": "2026-07-28"}

CLIENT = {"name": "speed", "version": "1"}

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": VERSIONS["2026"],
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}

ID_DIGITS = 7
"""All ids have the same length, so that all requests of one kind have the same length."""

ID = re.compile(rb'"id": ?(\d{7})\b')

_ids: Iterator[int] = count(10 ** (ID_DIGITS - 1))


def new_id() -> int:
    """An id that no other request has."""
    return next(_ids)


@dataclass(frozen=True)
class Request:
    """A request, without its id.

    Attributes:
        name: the tool that is called, if one is.
        expected: what the response contains if the call succeeds.
    """

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    expected: bytes = b'"result"'

    def parts(self, era: Era) -> tuple[bytes, bytes]:
        """The bytes before the id, and those after it."""
        params = self.params | ({"_meta": ENVELOPE} if era == "2026" else {})
        message = {"jsonrpc": "2.0", "id": "ID", "method": self.method, "params": params}
        before, after = json.dumps(message, separators=(",", ":")).encode().split(b'"ID"')
        return before, after

    def headers(self, era: Era) -> dict[str, str]:
        """The headers that the era adds over HTTP."""
        if self == INITIALIZE:
            return {}
        headers = {"mcp-protocol-version": VERSIONS[era]}
        if era == "2026":
            headers["mcp-method"] = self.method
            headers |= {"mcp-name": self.name} if self.name else {}
        return headers


INITIALIZE = Request(
    "initialize",
    {"protocolVersion": VERSIONS["handshake"], "capabilities": {}, "clientInfo": CLIENT},
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
LIST_TOOLS = Request("tools/list")


def call_tool(name: str, arguments: dict[str, Any], expected: str) -> Request:
    """The request that calls a tool."""
    params = {"name": name, "arguments": arguments}
    return Request("tools/call", params, name, expected.encode())
