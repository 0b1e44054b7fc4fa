"""Answers calls of tools: finds the tool, runs the call, and shows its result or its error."""

from functools import partial
from typing import Any

from mcp import MCPError, types

from connected_apps_mcp.audit import AuditLog, PersonAnswer, RecordedCall, Software
from connected_apps_mcp.callers import current_caller
from connected_apps_mcp.egress import AnyContext, reveal
from connected_apps_mcp.protocol.access.rights import RightsOfCallers
from connected_apps_mcp.protocol.error_results import as_failure, as_text, error_result
from connected_apps_tools import Tool, ToolContext, observing
from connected_apps_tools.api.models import Result
from connected_apps_tools.deadline import deadline
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.selection import OfferedTools
from connected_apps_tools.text.printable import did_you_mean

from .execution import Execution, Publish
from .parts import Parts

ADVICE = {"note", "next_step"}
"""The fields of a result that may name other tools. Their text is always ours."""


class ToolCalls:
    """Answers calls of the tools that are on."""

    def __init__(self, rights: RightsOfCallers, audit: AuditLog, publish: Publish) -> None:
        self._rights = rights
        self._project = rights.everybody.project
        self._audit = audit
        self._publish = publish

    async def __call__(
        self, context: AnyContext, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Answer a call.

        Raises:
            MCPError: there is no such tool, or it is off.
        """
        rights = self._rights.current(context)
        tool = await self._tool(rights.offer, context, params)
        record = partial(self._call, context)
        parts = Parts(rights.offer, rights.project, record, self._audit, self._publish)
        execution = Execution(
            tool,
            rights.project.for_call(context.session.report_progress, parts.call),
            partial(rights.confirmation.dialogue, context, params),
            partial(record, params.name, params.arguments or {}),
            self._audit,
            self._publish,
            partial(rights.confirmation.lead, context, params),
        )
        with deadline(self._project.api.deadline):
            try:
                result = await execution.run(params.arguments or {})
            except Exception as error:  # noqa: BLE001 - whatever it is, the model must not read it
                return await self._failed(rights.project, as_failure(tool, error, sent=True))
        if isinstance(result, types.InputRequiredResult):
            return result
        return self._done(rights.project, tool, result)

    async def _tool(
        self, offer: OfferedTools, context: AnyContext, params: types.CallToolRequestParams
    ) -> Tool[Any, Any]:
        if tool := offer.on.get(params.name):
            return tool
        why = offer.off.get(params.name)
        observing.event("refusal", rule="tool off" if why else "unknown tool")
        if why:
            await self._audit.refused(self._call(context, params.name, params.arguments or {}), why)
        more = f" {why}" if why else did_you_mean(params.name, offer.on)
        raise MCPError(code=types.INVALID_PARAMS, message=f"There is no such tool.{more}")

    def _call(
        self,
        context: AnyContext,
        tool: str,
        arguments: dict[str, Any],
        answer: PersonAnswer | None = None,
    ) -> RecordedCall:
        client = context.session.client_params
        info = client.client_info if client else None
        return RecordedCall(
            tool,
            arguments,
            self._project.api.project_id,
            current_caller(),
            Software(info.name, info.version) if info else None,
            answer,
        )

    async def _failed(
        self, project: ToolContext, error: ConnectedAppsError
    ) -> types.CallToolResult:
        error.hint = await project.hint_for(error)
        return error_result(error, project.server)

    def _done(
        self, project: ToolContext, tool: Tool[Any, Any], result: Result
    ) -> types.CallToolResult:
        shown = result.model_dump(mode="json", exclude_none=True)
        for field in ADVICE & shown.keys():
            shown[field] = project.server.advice(shown[field])
        if tool.effect.changes and project.server.environment == "live":
            shown["live_project"] = project.api.project_id
        return types.CallToolResult(
            content=[as_text(shown)],
            structured_content=shown,
            meta=reveal(result.revealed) if result.revealed else None,
        )
