"""The settings."""

from connected_apps_mcp.settings import settings

from .markdown import escaped, table


def flags() -> str:
    """Every setting that has a flag: its variable, and what it means."""
    return table(
        ["flag", "variable", "meaning"],
        (
            [
                f"`{settings.flag(name)}`",
                f"`{settings.variable(name)}`",
                escaped(field.description or ""),
            ]
            for name, field in settings.FLAGS.items()
        ),
    )
