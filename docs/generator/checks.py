"""The checks of the doctor."""

from connected_apps_mcp.diagnosis.catalogue import CHECKS

from .markdown import table


def checks() -> str:
    """Every check of the doctor, and what it asks."""
    return table(
        ["check", "what it asks"],
        ([check.name, " ".join((check.look.__doc__ or "").split())] for check in CHECKS),
    )
