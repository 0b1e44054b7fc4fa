"""A program: a server that sends a secret in every kind of message. Argument: the transport."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
from mcp import MCPError
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import NoBackChannelError
from mcp.types import (
    ListResourcesResult,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    PaginatedRequestParams,
    SamplingMessage,
    TextContent,
)

from connected_apps_mcp.egress import redact_errors
from connected_apps_mcp.transports.http.app import PATHS, build_app
from connected_apps_mcp.transports.http.in_flight import CallsInFlight
from connected_apps_mcp.transports.http.listening import authority_of, bind, listen
from connected_apps_mcp.transports.http.network import Network
from connected_apps_mcp.transports.shutdown import ShutdownSignals
from connected_apps_mcp.transports.stdio import serve_stdio
from connected_apps_tools.text.redaction import REDACTOR

SECRET = 'canary-Zx81 "kQ0p/Lm27+vTn4\\é'
WAYS = {"legacy": 7, "modern": 3}
"""Messages with the secret: fewer in the era in which the server sends no requests."""


async def send_everything(
    context: ServerRequestContext[Mapping[str, Any], Any], _params: PaginatedRequestParams
) -> None:
    """Handle `prompts/list`."""
    session = context.session
    await session.report_progress(1, 2, SECRET)
    log = LoggingMessageNotificationParams(level="info", data={SECRET: [SECRET]})
    await session.send_notification(
        LoggingMessageNotification(params=log), related_request_id=context.request_id
    )
    await session.send_resource_updated(f"x://host/{SECRET}")
    await session.send_notification(LoggingMessageNotification(params=log), related_request_id=None)
    form: dict[str, Any] = {"type": "object", "properties": {}}
    messages = [SamplingMessage(role="user", content=TextContent(text=SECRET))]
    with anyio.move_on_after(0.2), suppress(NoBackChannelError):
        await session.elicit_form(SECRET, form, context.request_id)
    with anyio.move_on_after(0.2), suppress(NoBackChannelError):
        await session.create_message(messages, max_tokens=1, related_request_id=context.request_id)
    raise MCPError(code=1, message=SECRET, data={SECRET: [SECRET]})


async def ask_for_more(
    context: ServerRequestContext[Mapping[str, Any], Any], _params: PaginatedRequestParams
) -> ListResourcesResult:
    """Handle `resources/list`, after a question to the client."""
    form: dict[str, Any] = {"type": "object", "properties": {}}
    try:
        await context.session.elicit_form("More?", form, context.request_id)
    except MCPError as error:
        raise MCPError(code=2, message=f"Not answered: {error}") from None
    return ListResourcesResult(resources=[])


async def main(transport: str) -> None:
    """Serve over one transport."""
    REDACTOR.add(SECRET)
    subscriptions = ListenHandler(InMemorySubscriptionBus())
    server: Server[Any] = Server("talkative", on_subscriptions_listen=subscriptions)
    server.add_request_handler("prompts/list", PaginatedRequestParams, send_everything)
    server.add_request_handler("resources/list", PaginatedRequestParams, ask_for_more)
    server.middleware[:] = [redact_errors]
    async with ShutdownSignals() as signals:
        if transport == "stdio":
            await serve_stdio(server, shutdown_seconds=20, signals=signals)
        else:
            with bind("127.0.0.1", 0) as listener:
                authority = authority_of(listener)
                sys.stdout.write(f"http://{authority}{PATHS[transport]}\n")
                sys.stdout.flush()
                app = build_app(server, [transport], Network(authority))
                calls = CallsInFlight()
                server.middleware.append(calls)
                await listen(app, listener, signals, calls=calls, shutdown_seconds=20)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
