"""A server that says a secret in every way in which a server can say something.

Run as a program, with the transport as its argument.
"""

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

from connected_apps_mcp.egress import guard_traces
from connected_apps_mcp.transports import http as web
from connected_apps_mcp.transports.shutdown import ShutdownSignals
from connected_apps_mcp.transports.stdio import serve_stdio
from connected_apps_tools.text.redaction import REDACTOR

SECRET = 'canary-Zx81 "kQ0p/Lm27+vTn4\\é'
WAYS = {"legacy": 7, "modern": 3}
"""Messages in which the server says the secret: fewer where it may ask the client nothing."""


async def tell_all(
    context: ServerRequestContext[Mapping[str, Any], Any], _params: PaginatedRequestParams
) -> None:
    """Answers `prompts/list`."""
    session = context.session
    await session.report_progress(1, 2, SECRET)
    log = LoggingMessageNotificationParams(level="info", data={SECRET: [SECRET]})
    await session.send_notification(
        LoggingMessageNotification(params=log), related_request_id=context.request_id
    )
    await session.send_resource_updated(f"x://host/{SECRET}")
    await session.send_notification(LoggingMessageNotification(params=log), related_request_id=None)
    form: dict[str, Any] = {"type": "object", "properties": {}}
    told = [SamplingMessage(role="user", content=TextContent(text=SECRET))]
    with anyio.move_on_after(0.2), suppress(NoBackChannelError):
        await session.elicit_form(SECRET, form, context.request_id)
    with anyio.move_on_after(0.2), suppress(NoBackChannelError):
        await session.create_message(told, max_tokens=1, related_request_id=context.request_id)
    raise MCPError(code=1, message=SECRET, data={SECRET: [SECRET]})


async def ask_for_more(
    context: ServerRequestContext[Mapping[str, Any], Any], _params: PaginatedRequestParams
) -> ListResourcesResult:
    """Answers `resources/list`, when the client has answered."""
    form: dict[str, Any] = {"type": "object", "properties": {}}
    try:
        await context.session.elicit_form("More?", form, context.request_id)
    except MCPError as error:
        raise MCPError(code=2, message=f"Not answered: {error}") from None
    return ListResourcesResult(resources=[])


async def main(transport: str) -> None:
    """Serve over one transport."""
    REDACTOR.add(SECRET)
    listen = ListenHandler(InMemorySubscriptionBus())
    server: Server[Any] = Server("talkative", on_subscriptions_listen=listen)
    server.add_request_handler("prompts/list", PaginatedRequestParams, tell_all)
    server.add_request_handler("resources/list", PaginatedRequestParams, ask_for_more)
    guard_traces(server)
    async with ShutdownSignals() as endings:
        if transport == "stdio":
            await serve_stdio(server, patience=20, endings=endings)
        else:
            with web.bind("127.0.0.1", 0) as listener:
                authority = web.authority_of(listener)
                sys.stdout.write(f"http://{authority}{web.PATHS[transport]}\n")
                sys.stdout.flush()
                app = web.build_app(server, [transport], authority)
                calls = web.CallsInFlight()
                server.middleware.append(calls)
                await web.listen(app, listener, endings, calls=calls, patience=20)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
