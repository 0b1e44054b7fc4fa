"""What happens to a call of a tool: plan it, confirm it, record it, perform it.

A read or a dry run only plans and shows the result. Nothing is locked, confirmed or recorded; one
asks a person to open a link first. Every other call takes these steps in this order:

1. It waits until no other call changes the app.
2. It plans: one look at the app says what would be sent and what a person has to confirm.
3. A person confirms, where one has to. While the person reads, the app is free for other calls; the
   call then starts again at 1, and the answer counts only if the new plan asks the same.
4. The audit log gets the intent.
5. The change is sent. Since its last look at the app the server has done only 3 and 4.
6. The audit log gets the outcome, and subscribers are notified of the change.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import anyio
from mcp import types

from connected_apps_mcp.audit import AuditLog, Outcome, PersonAnswer, RecordedCall
from connected_apps_mcp.confirmation.confirm import Dialogue, How
from connected_apps_mcp.protocol.error_results import as_failure, broken_rules, error_name
from connected_apps_tools import Tool, ToolContext, observing
from connected_apps_tools.api.models import Request, Result, Touched
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.plan import Performed, Plan
from connected_apps_tools.safety.question import Link

ANSWERS: Mapping[How, PersonAnswer] = {"accepted": "accept", "approved": "approve"}
"""What the audit log calls the ways to confirm."""

Publish = Callable[[Touched], Awaitable[None]]
"""Notifies subscribers that an app has changed."""

Lead = Callable[[Link], Awaitable[types.InputRequiredResult | None]]
"""Gives what the client has to ask, so that a person opens a link; None if a person agreed."""


async def led_nowhere(link: Link) -> None:
    """Refuse to lead anybody, where there is no client to ask."""
    raise AssertionError(f"nobody can be asked to open {link.url}")


class _Confirmed(NamedTuple):
    plan: Plan[Any]
    how: How


class Whole(NamedTuple):
    """A call that is recorded and confirmed, while it is performed.

    Attributes:
        entry: its entry in the audit log.
        how: why it may go on.
    """

    entry: str
    how: How


_WHOLE: ContextVar[Whole | None] = ContextVar("whole", default=None)


def whole() -> Whole:
    """The call that is being performed here. Only such a call can have parts."""
    found = _WHOLE.get()
    if found is None:
        raise AssertionError("no recorded call is being performed")
    return found


@dataclass(frozen=True)
class Execution:
    """One call of a tool.

    Attributes:
        tool: the tool.
        context: what the tool works with.
        dialogue: opens the dialogue with a person.
        call: the call as it is recorded, with the answer of a person.
        audit: where it is recorded.
        publish: gets what has changed.
        lead: asks a person to open a link.
    """

    tool: Tool[Any, Any]
    context: ToolContext
    dialogue: Callable[[], Dialogue]
    call: Callable[[PersonAnswer | None], RecordedCall]
    audit: AuditLog
    publish: Publish
    lead: Lead = led_nowhere

    async def run(self, arguments: dict[str, Any]) -> Result | types.InputRequiredResult:
        """The result of the call, or what the client has to ask first.

        Raises:
            ConnectedAppsError: it was refused, or it failed.
        """
        request: Request | None = None
        try:
            request = self.tool.read(arguments)
            if not self.tool.is_recorded(request):
                return await self._look(request)
        except Exception as error:  # noqa: BLE001 - each ends the call
            raise await self._refused(error, request) from None
        return await self._change(request)

    async def _look(self, request: Request) -> Result | types.InputRequiredResult:
        """Run a call that changes nothing and shows no secret: a read or a dry run."""
        plan = await self.tool.plan(self.context, request)
        if request.is_dry_run:
            if plan.preview is None:
                raise AssertionError(f"{self.tool.name} takes dry_run and has no preview")
            preview: Result = plan.preview()
            return preview
        if plan.question:
            raise AssertionError(f"{self.tool.name} only reads, and asks a person")
        if plan.link and (asked := await self.lead(plan.link)):
            return asked
        performed: Performed[Result] = await plan.perform()
        return performed.result

    async def _change(self, request: Request) -> Result | types.InputRequiredResult:
        """Run a call that is recorded."""
        dialogue: Dialogue | None = None
        async with AsyncExitStack() as held:
            try:
                dialogue = self.dialogue()
                confirmed = await self._confirm(request, dialogue, held)
            except Exception as error:  # noqa: BLE001 - each ends the call
                raise await self._refused(error, request, dialogue) from None
            if isinstance(confirmed, types.InputRequiredResult):
                return confirmed
            return await self._perform_on_record(request, confirmed)

    async def _confirm(
        self, request: Request, dialogue: Dialogue, held: AsyncExitStack
    ) -> _Confirmed | types.InputRequiredResult:
        """The plan that may be performed while `held` has the locks of the call."""
        while True:
            async with AsyncExitStack() as attempt:
                own = await attempt.enter_async_context(self.tool.exclusive(self.context, request))
                plan = await self.tool.plan(own, request)
                how = await dialogue.decide(plan.question)
                if isinstance(how, types.InputRequiredResult):
                    return how
                if how is not None:
                    await held.enter_async_context(attempt.pop_all())
                    return _Confirmed(plan, how)
            if plan.question:
                await dialogue.ask(plan.question)

    async def _refused(
        self, error: Exception, request: Request | None, dialogue: Dialogue | None = None
    ) -> ConnectedAppsError:
        """The refusal that an error means. It is recorded, unless the call would only read."""
        refusal = as_failure(self.tool, error, sent=False)
        for rule in broken_rules(refusal):
            observing.event("refusal", rule=rule)
        if self.tool.is_recorded(request):
            yes: PersonAnswer | None = "accept" if dialogue and dialogue.said_yes else None
            call = self.call(getattr(refusal, "answer", None) or yes)
            await self.audit.refused(call, f"{type(refusal).__name__}: {refusal}")
        return refusal

    async def _perform_on_record(self, request: Request, confirmed: _Confirmed) -> Result:
        """Perform the plan between two lines of the audit log."""
        entry = await self.audit.intend(self.call(ANSWERS.get(confirmed.how)))
        outer = _WHOLE.set(Whole(entry.id, confirmed.how))
        # Until more is known: a client that cancels the call does not learn how it ended.
        ended = Outcome("Cancelled", may_have_taken_effect=True)
        try:
            performed = await self._perform_and_publish(request, confirmed.plan)
            result = performed.result
            ended = Outcome(
                request_id=performed.request_id,
                revealed=result.revealed_last_four,
                delivered=result.delivered_last_four,
            )
        except ConnectedAppsError as error:
            request_id = getattr(error, "request_id", None)
            name = error_name(error) or type(error).__name__
            ended = Outcome(name, error.may_have_taken_effect, request_id)
            raise
        except Exception as error:
            ended = Outcome(type(error).__name__, may_have_taken_effect=True)
            raise
        finally:
            _WHOLE.reset(outer)
            await self.audit.outcome(entry, ended)
        return performed.result

    async def _perform_and_publish(self, request: Request, plan: Plan[Any]) -> Performed[Result]:
        """Perform the plan, and publish what has changed, or may have."""
        touched: Touched | None = None
        if self.tool.effect.changes:
            touched = Touched(self.tool.touched(request), relists=True)
        try:
            performed: Performed[Result] = await plan.perform()
            touched = performed.result.touched
        except ConnectedAppsError as error:
            touched = touched if error.may_have_taken_effect else None
            raise
        finally:
            if touched:
                with anyio.CancelScope(shield=True):
                    await self.publish(touched)
        return performed
