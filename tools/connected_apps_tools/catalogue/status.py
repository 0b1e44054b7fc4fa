"""The tool that reports the state of the server."""

from typing import Any, Literal

from pydantic import Field

from connected_apps_tools.api.health import service_health
from connected_apps_tools.api.models import Request, Result
from connected_apps_tools.context import ToolContext
from connected_apps_tools.tool import Effect, Tool


class NoArguments(Request):
    """No arguments."""


class ServerStatus(Result):
    """The result of get_server_status."""

    project_id: str
    environment: Literal["sandbox", "test", "live"]
    service: str
    secret_store: str
    version: str
    tools_off: dict[str, str] = Field(description="Why each tool is off, by name.")
    losses: list[str] | None = Field(None, description="Secrets that may be lost.")
    untrusted: list[str] | None = None


async def get_server_status(context: ToolContext, request: NoArguments) -> ServerStatus:  # noqa: ARG001
    """Report the project, whether the service answers, and which tools are off and why.

    Use it when a tool is missing or when calls fail.
    """
    service = await service_health(context.service_check)
    quotes = service.problem is not None and service.problem.quotes
    return ServerStatus(
        project_id=context.api.project_id,
        environment=context.server.environment,
        service=service.text,
        secret_store=context.secrets.store.kind,
        version=context.server.version,
        tools_off=dict(context.server.tools_off),
        losses=context.server.advised_losses or None,
        untrusted=["service"] if quotes else None,
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(get_server_status, "Get the server's status", NoArguments, ServerStatus, Effect.READS),
)
