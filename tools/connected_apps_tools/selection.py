"""Which tools of the catalogue a server offers, and why it does not offer the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from connected_apps_tools.text.printable import did_you_mean

from .errors import InvalidRequest
from .tool import Tool

Tools = Mapping[str, Tool[Any, Any]]


@dataclass(frozen=True)
class Selection:
    """What an operator wants.

    Attributes:
        toolsets: names of toolsets.
        tools: globs over the names of tools; of none given, all that the toolsets hold.
        read_only: whether nothing may be changed. It beats the others, and takes secrets along,
            since whoever has one can act as the app.
        reveals: whether callers may ask to see a client secret.
        live_guard: whether nothing may be changed because real users depend on it.
        others_off: why the other toolsets are off.
    """

    toolsets: Sequence[str]
    tools: Sequence[str] = ()
    read_only: bool = False
    reveals: bool = True
    live_guard: bool = False
    others_off: str | None = None


@dataclass(frozen=True)
class OfferedTools:
    """What there is, by name: the tools that are on, and why the others are off."""

    on: Tools
    off: Mapping[str, str]


def select_tools(
    toolsets: Mapping[str, Sequence[Tool[Any, Any]]], choice: Selection
) -> OfferedTools:
    """Choose from the toolsets; what is under no name is in every choice.

    Raises:
        InvalidRequest: a name is unknown, or nothing is left.
    """
    names = [tool.name for tools in toolsets.values() for tool in tools]
    require_known("toolset", choice.toolsets, filter(None, toolsets))
    for glob in choice.tools:
        if not any(fnmatchcase(name, glob) for name in names):
            require_known("tool", [glob], names)
    on: dict[str, Tool[Any, Any]] = {}
    off: dict[str, str] = {}
    for toolset, tools in toolsets.items():
        for tool in tools:
            why = _why_not(tool, toolset, choice)
            offered = tool.where_secrets_show(allowed=choice.reveals and not choice.read_only)
            if why or not offered:
                off[tool.name] = (
                    why or "Secrets are not shown (--reveal never, --read-only or the policy)."
                )
            else:
                on[tool.name] = offered
    if not on:
        raise InvalidRequest("no tool is left: widen --toolsets or --tools")
    return OfferedTools(on, off)


def _why_not(tool: Tool[Any, Any], toolset: str, choice: Selection) -> str | None:
    if choice.read_only and tool.effect.changes:
        return "The server is read-only (--read-only)."
    if choice.live_guard and tool.effect.changes:
        return "The project is live: its operator has not allowed changes (--allow-live-writes)."
    if choice.tools and not any(fnmatchcase(tool.name, glob) for glob in choice.tools):
        return "It is not among --tools."
    if toolset and toolset not in choice.toolsets:
        return choice.others_off or f"The toolset {toolset} is off (--toolsets or the policy)."
    return None


def require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name that is not known.

    Raises:
        InvalidRequest: one is not; the text names the nearest that is, and all others.
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"unknown {kind} {name}.{did_you_mean(name, known)} Known are {', '.join(known)}"
            )
