"""The sandbox's own operations for tests: reset it, and set faults."""

from __future__ import annotations

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import EmptyRequest, Reply
from connected_apps_mcp.sandbox.state.faults import FaultsReply, FaultsRequest

from .call import Call

TABLES = ("app_grant", "subject", "organization", "app")


def reset(call: Call[EmptyRequest]) -> Reply:
    """Delete the project's apps, users, organizations, grants and faults."""
    project = call.project
    with project.database.transaction() as connection:
        for table in TABLES:
            statement = f"DELETE FROM {table} WHERE project_id = ?"  # noqa: S608 - our own names
            connection.execute(statement, (project.credentials.project_id,))
    project.faults.replace([])
    return Reply()


def set_faults(call: Call[FaultsRequest]) -> FaultsReply:
    """Replace the faults in force."""
    for number, fault in enumerate(call.body.faults):
        if fault.operation not in {None, *call.operations}:
            raise ApiError(
                ErrorType.INVALID_REQUEST_VALUE,
                f"faults.{number}.operation: there is no such operation. The operations are "
                f"{', '.join(sorted(call.operations))}.",
            )
    call.project.faults.replace(call.body.faults)
    return FaultsReply(faults=call.body.faults)


def clear_faults(call: Call[EmptyRequest]) -> Reply:
    """End every fault."""
    call.project.faults.replace([])
    return Reply()
