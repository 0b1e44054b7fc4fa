"""A peer: the plainest server on the low-level class of the SDK.

Its two tools forward the call to the service, and return what it answers. It takes the transport
and the port, and from the environment SERVICE_URL, STYTCH_PROJECT_ID and STYTCH_SECRET.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2
import uvicorn
from mcp import types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

APPS = "/v1/connected_apps/clients"
JSON = {"content-type": "application/json"}

TOOLS = [
    types.Tool(
        name="get_app",
        description="Get an app.",
        input_schema={
            "type": "object",
            "properties": {"client_id": {"type": "string"}},
            "required": ["client_id"],
        },
    ),
    types.Tool(
        name="create_app",
        description="Create an app.",
        input_schema={
            "type": "object",
            "properties": {"client_type": {"type": "string"}, "client_name": {"type": "string"}},
            "required": ["client_type"],
        },
    ),
]

Context = ServerRequestContext[Any]

Send = Callable[[str, str, bytes | None], Awaitable[bytes]]
"""Sends the service a method, a path and a JSON body, and gives the body of the response."""


def build_server(send: Send) -> Server[Any]:
    """The server in front of a service."""

    async def list_tools(
        _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=TOOLS)

    async def call_tool(
        _context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = params.arguments or {}
        if params.name == "get_app":
            body = await send("GET", f"{APPS}/{arguments['client_id']}", None)
        else:
            body = await send("POST", APPS, json.dumps(arguments).encode())
        return types.CallToolResult(
            content=[types.TextContent(text=body.decode())],
            structured_content=json.loads(body)["connected_app"],
        )

    return Server("low-level", on_list_tools=list_tools, on_call_tool=call_tool)


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def main(transport: str, port: int) -> None:
    """Serve until the client, or a signal, ends it."""
    service = httpx2.AsyncClient(
        base_url=os.environ["SERVICE_URL"],
        auth=(os.environ["STYTCH_PROJECT_ID"], os.environ["STYTCH_SECRET"]),
    )

    async def send(method: str, path: str, body: bytes | None) -> bytes:
        response = await service.request(method, path, content=body, headers=JSON)
        return response.raise_for_status().content

    server = build_server(send)
    if transport == "stdio":
        anyio.run(serve_stdio, server)
    else:
        uvicorn.run(server.streamable_http_app(), port=port, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
