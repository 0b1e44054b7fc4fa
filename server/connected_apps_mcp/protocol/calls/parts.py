"""Calls of tools that are parts of another call, such as the steps of an apply.

A person has confirmed the whole, so no question is asked again. Each part waits for its turn, is
planned for the app as it is now, is checked against the policy and is recorded like any other call.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from connected_apps_mcp.audit import AuditLog, PersonAnswer, RecordedCall
from connected_apps_mcp.confirmation.confirm import Confirmed
from connected_apps_mcp.protocol.error_results import as_failure
from connected_apps_tools import ToolContext
from connected_apps_tools.api.models import Result
from connected_apps_tools.deadline import deadline
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.selection import OfferedTools

from .execution import Execution, Publish, whole

Record = Callable[[str, dict[str, Any], PersonAnswer | None], RecordedCall]
"""A call of a tool with these arguments, as it is recorded."""


@dataclass(frozen=True)
class Parts:
    """Makes the parts of a call.

    Attributes:
        offer: the tools that are on for the caller.
        project: what the tools work on, for the caller.
        record: describes a call of the caller.
        audit: where each part is recorded.
        publish: gets what has changed.
    """

    offer: OfferedTools
    project: ToolContext
    record: Record
    audit: AuditLog
    publish: Publish

    async def call(self, name: str, arguments: dict[str, Any]) -> Result:
        """Call a tool as a part of the call that is being performed. It has its own deadline.

        Raises:
            ConnectedAppsError: it was refused, or it failed.
        """
        tool = self.offer.on.get(name)
        if tool is None:
            raise InvalidRequest(f"{name} is off. {self.offer.off.get(name, '')}".rstrip())
        around = whole()

        def recorded(answer: PersonAnswer | None) -> RecordedCall:
            return replace(self.record(name, arguments, answer), part_of=around.entry)

        execution = Execution(
            tool,
            self.project.for_call(),
            partial(Confirmed, around.how),
            recorded,
            self.audit,
            self.publish,
        )
        with deadline(self.project.api.deadline):
            try:
                result = await execution.run(arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, the model must not read it
                raise as_failure(tool, error, sent=True) from None
        if isinstance(result, Result):
            return result
        raise AssertionError(f"{name} asks again")
