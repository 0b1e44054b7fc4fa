"""What happens to a call of a tool, from its arguments to its answer."""

import json
import logging
import traceback
from dataclasses import replace
from typing import Any

from mcp import MCPError, types

from connected_apps_tools import Effect, Project, Tool
from connected_apps_tools.choosing import Offer
from connected_apps_tools.errors import ConnectedAppsError, ServiceError
from connected_apps_tools.models import Result
from connected_apps_tools.text import did_you_mean

from .boundary import AnyContext, reveal
from .confirm import Confirmation

logger = logging.getLogger(__name__)

Answered = types.CallToolResult | types.InputRequiredResult


class Calls:
    """Carries out calls of the tools that are on."""

    def __init__(self, project: Project, offer: Offer, confirmation: Confirmation) -> None:
        self._project = project
        self._offer = offer
        self._confirmation = confirmation

    async def __call__(self, context: AnyContext, params: types.CallToolRequestParams) -> Answered:
        """Answer a call.

        Raises:
            MCPError: there is no such tool, or it is off.
        """
        tool = self._tool(params.name)

        async def report(done: float, total: float | None, message: str) -> None:
            await context.session.report_progress(done, total, message)

        project = replace(self._project, report=report)
        try:
            return await self._answer(tool, project, context, params)
        except ConnectedAppsError as error:
            return _failed(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the model must not read it
            # The frames hold source lines only; the error's text may hold anything.
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s failed with %s:\n%s", tool.name, type(error).__name__, frames)
            failure = ConnectedAppsError(
                "The server failed in an unexpected way; its log says where."
            )
            failure.may_have_taken_effect = tool.effect is not Effect.READS
            return _failed(failure)

    def _tool(self, name: str) -> Tool[Any, Any]:
        if tool := self._offer.on.get(name):
            return tool
        why = self._offer.off.get(name)
        more = f" {why}" if why else did_you_mean(name, self._offer.on)
        raise MCPError(code=types.INVALID_PARAMS, message=f"There is no such tool.{more}")

    async def _answer(
        self,
        tool: Tool[Any, Any],
        project: Project,
        context: AnyContext,
        params: types.CallToolRequestParams,
    ) -> Answered:
        request = tool.read(params.arguments or {})
        agreed = await self._confirmation.settle(
            context, params, lambda: tool.ask(project, request)
        )
        if isinstance(agreed, types.InputRequiredResult):
            return agreed
        if agreed.state:
            request = request.as_approved(agreed.state)
        return self._done(tool, await tool(project, request))

    def _done(self, tool: Tool[Any, Any], result: Result) -> types.CallToolResult:
        answer = result.model_dump(mode="json", exclude_none=True)
        if tool.effect is not Effect.READS and self._project.about.environment == "live":
            answer["live_project"] = self._project.api.project_id
        return types.CallToolResult(
            content=[_text(answer)],
            structured_content=answer,
            meta=reveal(result.revealed) if result.revealed else None,
        )


def _failed(error: ConnectedAppsError) -> types.CallToolResult:
    """The one form in which the model reads every error."""
    fields = {
        "error": error.error_type if isinstance(error, ServiceError) else type(error).__name__,
        "message": str(error),
        "hint": error.hint,
        "retry_may_help": error.transient,
        "may_have_taken_effect": error.may_have_taken_effect or None,
        "status": getattr(error, "status", None),
        "request_id": getattr(error, "request_id", None),
    }
    shown = {name: value for name, value in fields.items() if value is not None}
    return types.CallToolResult(content=[_text(shown)], is_error=True)


def _text(value: dict[str, Any]) -> types.TextContent:
    return types.TextContent(text=json.dumps(value, ensure_ascii=False, separators=(",", ":")))
