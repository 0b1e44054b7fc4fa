"""The low-level server on the wire and the HTTP client of this project, and nothing else of it.

It shows what the SDK leaves to gain: whatever this server does for a call, it cannot be faster.
"""

import os
import sys
from typing import Any

import anyio
from low_level_server import build_server  # type: ignore[import-not-found]  # beside this script
from mcp.server import Server
from pydantic import SecretStr

from connected_apps_mcp.egress import redact_errors
from connected_apps_mcp.transports.http.app import build_app
from connected_apps_mcp.transports.http.in_flight import CallsInFlight
from connected_apps_mcp.transports.http.listening import authority_of, bind, listen
from connected_apps_mcp.transports.http.network import Network
from connected_apps_mcp.transports.shutdown import ShutdownSignals
from connected_apps_mcp.transports.stdio import serve_stdio
from connected_apps_tools.api.http.aiohttp_client import AiohttpClient
from connected_apps_tools.api.http.http_client import Headers
from connected_apps_tools.api.service import Credentials

SHUTDOWN_SECONDS = 5.0


async def serve_http(server: Server[Any], port: int, signals: ShutdownSignals) -> None:
    """Serve clients over Streamable HTTP."""
    with bind("127.0.0.1", port) as listener:
        calls = CallsInFlight()
        server.middleware.append(calls)
        app = build_app(server, ["http"], Network(authority_of(listener)), ["get_app"])
        await listen(app, listener, signals, calls=calls, shutdown_seconds=SHUTDOWN_SECONDS)


async def serve(transport: str, port: int) -> None:
    """Serve until the client, or a signal, ends it."""
    secret = SecretStr(os.environ["STYTCH_SECRET"])
    headers = Headers(Credentials(os.environ["STYTCH_PROJECT_ID"], secret))
    service = AiohttpClient(os.environ["SERVICE_URL"], headers)

    async def send(method: str, path: str, body: bytes | None) -> bytes:
        return (await service.send(method, path, body)).body

    server = build_server(send)
    server.middleware[:] = [redact_errors]
    async with ShutdownSignals() as signals:
        if transport == "stdio":
            await serve_stdio(server, shutdown_seconds=SHUTDOWN_SECONDS, signals=signals)
        else:
            await serve_http(server, port, signals)
    await service.aclose()


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], int(sys.argv[2]), backend_options={"use_uvloop": True})
