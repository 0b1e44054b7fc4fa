"""What happens to a call of a tool, from its arguments to its answer."""

import json
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio
from mcp import MCPError, types

from connected_apps_mcp.audit import AuditLog, Caller, Outcome, RecordedCall, Software
from connected_apps_mcp.audit import PersonAnswer as Said
from connected_apps_mcp.confirmation.confirm import MAX_ROUNDS, Confirmation, How
from connected_apps_mcp.egress import AnyContext, reveal
from connected_apps_tools import Tool, ToolContext
from connected_apps_tools.api.client import TRAIL
from connected_apps_tools.api.models import Result, Touched
from connected_apps_tools.deadline import deadline
from connected_apps_tools.errors import AgreementOutdated, ConnectedAppsError
from connected_apps_tools.selection import OfferedTools
from connected_apps_tools.text.printable import did_you_mean

from .error_results import error_fields, error_name

logger = logging.getLogger(__name__)

ANSWERS: Mapping[How, Said] = {"accepted": "accept", "approved": "approve"}
"""What the audit log calls the ways to agree."""

ADVICE = {"note", "next_step"}
"""The fields of an answer that may name other tools. Their text is always ours."""

Tell = Callable[[Touched], Awaitable[None]]
"""Tells whoever goes by an app that it has changed."""

Answered = types.CallToolResult | types.InputRequiredResult


class ToolCalls:
    """Carries out calls of the tools that are on."""

    def __init__(
        self,
        project: ToolContext,
        offer: OfferedTools,
        confirmation: Confirmation,
        audit: AuditLog,
        tell: Tell,
    ) -> None:
        self._project = project
        self._offer = offer
        self._confirmation = confirmation
        self._audit = audit
        self._tell = tell
        self._caller = Caller.of_process()

    async def __call__(self, context: AnyContext, params: types.CallToolRequestParams) -> Answered:
        """Answer a call.

        Raises:
            MCPError: there is no such tool, or it is off.
        """
        tool = await self._tool(context, params)

        async def report(done: float, total: float | None, message: str) -> None:
            await context.session.report_progress(done, total, message)

        project = replace(self._project, report_progress=report)
        try:
            with deadline(project.api.deadline):
                return await self._answer(tool, project, context, params)
        except ConnectedAppsError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the model must not read it
            return self._failed(_unexpected(tool, error))

    async def _tool(
        self, context: AnyContext, params: types.CallToolRequestParams
    ) -> Tool[Any, Any]:
        if tool := self._offer.on.get(params.name):
            return tool
        why = self._offer.off.get(params.name)
        if why:
            await self._audit.refused(self._call(context, params), why)
        more = f" {why}" if why else did_you_mean(params.name, self._offer.on)
        raise MCPError(code=types.INVALID_PARAMS, message=f"There is no such tool.{more}")

    async def _answer(
        self,
        tool: Tool[Any, Any],
        project: ToolContext,
        context: AnyContext,
        params: types.CallToolRequestParams,
    ) -> Answered:
        """Do what is asked, and ask anew where the app has changed since a person agreed."""
        for _ in range(MAX_ROUNDS - 1):
            try:
                return await self._attempt(tool, project, context, params)
            except AgreementOutdated:
                continue
        return await self._attempt(tool, project, context, params)

    async def _attempt(
        self,
        tool: Tool[Any, Any],
        project: ToolContext,
        context: AnyContext,
        params: types.CallToolRequestParams,
    ) -> Answered:
        request = None
        try:
            request = tool.read(params.arguments or {})
            agreed = await self._confirmation.settle(
                context, params, lambda: tool.ask(project, request)
            )
        except ConnectedAppsError as error:
            if tool.is_recorded(request):
                call = self._call(context, params, getattr(error, "answer", None))
                await self._audit.refused(call, f"{type(error).__name__}: {error}")
            raise
        if isinstance(agreed, types.InputRequiredResult):
            return agreed
        if agreed.state:
            request = request.as_approved(agreed.state)
        elif agreed.how != "not asked":
            request = request.as_harmless()
        if not tool.is_recorded(request):
            return self._done(tool, await tool(project, request))
        call = self._call(context, params, ANSWERS.get(agreed.how))
        return self._done(tool, await self._on_record(call, tool, project, request))

    async def _on_record(
        self,
        call: RecordedCall,
        tool: Tool[Any, Any],
        project: ToolContext,
        request: Any,  # noqa: ANN401
    ) -> Result:
        """Do it between two lines of the audit log."""
        entry = await self._audit.intend(call)
        trail: list[str] = []
        TRAIL.set(trail)
        # Until it is known better: whoever cancels the call does not learn how it ended.
        ended = Outcome("Cancelled", may_have_taken_effect=True)
        try:
            result = await self._and_tell(tool, project, request)
            ended = Outcome(request_id=trail[-1] if trail else None, revealed=result.revealed)
        except ConnectedAppsError as error:
            request_id = getattr(error, "request_id", None) or (trail[-1] if trail else None)
            ended = Outcome(error_name(error), error.may_have_taken_effect, request_id)
            raise
        except Exception as error:
            ended = Outcome(type(error).__name__, may_have_taken_effect=True)
            raise
        finally:
            await self._audit.outcome(entry, ended)
        return result

    async def _and_tell(
        self,
        tool: Tool[Any, Any],
        project: ToolContext,
        request: Any,  # noqa: ANN401
    ) -> Result:
        """Do it, and tell what has changed, or may have."""
        touched: Touched | None = None
        if tool.effect.changes:
            touched = Touched(getattr(request, "client_id", None), relists=True)
        try:
            result: Result = await tool(project, request)
            touched = result.touched
        except ConnectedAppsError as error:
            touched = touched if error.may_have_taken_effect else None
            raise
        finally:
            if touched:
                with anyio.CancelScope(shield=True):
                    await self._tell(touched)
        return result

    def _call(
        self,
        context: AnyContext,
        params: types.CallToolRequestParams,
        answer: Said | None = None,
    ) -> RecordedCall:
        client = context.session.client_params
        info = client.client_info if client else None
        return RecordedCall(
            params.name,
            params.arguments or {},
            self._project.api.project_id,
            self._caller,
            Software(info.name, info.version) if info else None,
            answer,
        )

    def _failed(self, error: ConnectedAppsError) -> types.CallToolResult:
        told = error_fields(error, self._project.server)
        return types.CallToolResult(content=[_text(told)], is_error=True)

    def _done(self, tool: Tool[Any, Any], result: Result) -> types.CallToolResult:
        answer = result.model_dump(mode="json", exclude_none=True)
        for field in ADVICE & answer.keys():
            answer[field] = self._project.server.advice(answer[field])
        if tool.effect.changes and self._project.server.environment == "live":
            answer["live_project"] = self._project.api.project_id
        return types.CallToolResult(
            content=[_text(answer)],
            structured_content=answer,
            meta=reveal(result.revealed) if result.revealed else None,
        )


def _unexpected(tool: Tool[Any, Any], error: Exception) -> ConnectedAppsError:
    # The frames hold source lines only; the error's text may hold anything.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s failed with %s:\n%s", tool.name, type(error).__name__, frames)
    failure = ConnectedAppsError("The server failed in an unexpected way; its log says where.")
    failure.may_have_taken_effect = tool.effect.changes
    return failure


def _text(value: dict[str, Any]) -> types.TextContent:
    return types.TextContent(text=json.dumps(value, ensure_ascii=False, separators=(",", ":")))
