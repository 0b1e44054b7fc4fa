"""Completes the arguments of prompts and of the resource template."""

from contextlib import suppress
from typing import Any

from mcp import MCPError, types
from mcp.server import Server

from connected_apps_mcp.egress import AnyContext
from connected_apps_tools.api.models import OneApp, Request
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.text.printable import did_you_mean

from .access.rights import RightsOfCallers
from .prompts import require_runbook
from .resources.apps import TEMPLATE

MAX_VALUES = 100
"""Values in one completion (KNOWN: the bound of the protocol)."""


def add_completions(server: Server[Any], rights: RightsOfCallers) -> None:
    """Let a server complete choices and, if search_apps is on, ids of apps."""

    def arguments_of(ref: types.PromptReference | types.ResourceTemplateReference) -> type[Request]:
        if isinstance(ref, types.PromptReference):
            return require_runbook(rights.current().offer, ref.name).request
        if ref.uri == TEMPLATE.uri_template:
            return OneApp
        message = f"ref: there is no such template. The only one is {TEMPLATE.uri_template}."
        raise MCPError(code=types.INVALID_PARAMS, message=message)

    async def complete(
        _context: AnyContext, params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        argument, known = params.argument, arguments_of(params.ref).json_schema()["properties"]
        if argument.name not in known:
            near = did_you_mean(argument.name, known)
            message = f"argument.name: there is no such argument.{near}"
            raise MCPError(code=types.INVALID_PARAMS, message=message)
        matching, complete_list = _choices(known[argument.name], argument.value), True
        if argument.name == "client_id" and "search_apps" in rights.current().offer.on:
            project = rights.everybody.project
            with suppress(ConnectedAppsError):
                matching, complete_list = await project.app_names.matching(argument.value)
        return types.CompleteResult(
            completion=types.Completion(
                values=matching[:MAX_VALUES],
                total=len(matching) if complete_list else None,
                has_more=len(matching) > MAX_VALUES or not complete_list,
            )
        )

    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)


def _choices(schema: dict[str, Any], part: str) -> list[str]:
    return [choice for choice in schema.get("enum", ()) if part.casefold() in choice]
