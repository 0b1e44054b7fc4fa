"""Chooses the tools that a server offers, and says why the others are off."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from connected_apps_tools.text.printable import did_you_mean

from .errors import InvalidRequest
from .safety.policy import Policy
from .scopes import Scope
from .tool import Effect, Tool

Tools = Mapping[str, Tool[Any, Any]]


@dataclass(frozen=True)
class Selection:
    """The operator's choice of tools.

    Attributes:
        toolsets: names of toolsets.
        tools: globs for names of tools; if empty, all tools of the toolsets.
        read_only: turns off all changes, and showing secrets: a secret is enough to act as the app.
            It overrides the other settings.
        reveals: whether callers may ask to see a client secret.
        live_guard: turns off all changes because real users depend on the project.
        others_off: why other toolsets are off, by their name.
        destinations: where secrets may be delivered; None for any names.
    """

    toolsets: Sequence[str]
    tools: Sequence[str] = ()
    read_only: bool = False
    reveals: bool = True
    live_guard: bool = False
    others_off: Mapping[str, str] = field(default_factory=dict)
    destinations: Sequence[str] | None = None


@dataclass(frozen=True)
class OfferedTools:
    """The tools that are on, by name, and the reasons why the others are off."""

    on: Tools
    off: Mapping[str, str]

    def without(self, names: Set[str]) -> "OfferedTools":
        """The same, as if there were no tools of these names."""
        return OfferedTools(
            {name: tool for name, tool in self.on.items() if name not in names},
            {name: why for name, why in self.off.items() if name not in names},
        )


def select_tools(
    toolsets: Mapping[str, Sequence[Tool[Any, Any]]], choice: Selection
) -> OfferedTools:
    """Choose from the toolsets. Tools under an empty name are always on.

    Raises:
        InvalidRequest: a name is unknown, or no tool is left.
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
                on[tool.name] = offered.delivering_to(choice.destinations or ())
    if not on:
        raise InvalidRequest("no tool is left: widen --toolsets or --tools")
    return OfferedTools(on, off)


def narrowed(
    toolsets: Mapping[str, Sequence[Tool[Any, Any]]],
    offer: OfferedTools,
    policy: Policy,
    reachable: frozenset[Scope],
) -> OfferedTools:
    """The tools that are on for one caller.

    Args:
        toolsets: all tools.
        offer: the tools that are on for somebody.
        policy: the policy for this caller.
        reachable: the most scopes that the caller may have.
    """
    on: dict[str, Tool[Any, Any]] = {}
    shows = policy.reveal != "never" and Scope.SECRETS_REVEAL in reachable
    for toolset, tools in toolsets.items():
        if toolset and policy.toolsets is not None and toolset not in policy.toolsets:
            continue
        for tool in tools:
            if tool.name in offer.on and tool.scope in reachable:
                shown = tool.where_secrets_show(allowed=shows)
                if shown:
                    # As it is on for somebody, unless it would show this caller a secret.
                    hides = tool.revealing and not shows
                    on[tool.name] = shown if hides else offer.on[tool.name]
    why = "The policy does not allow it to this caller."
    return OfferedTools(on, {name: why for name in offer.on if name not in on} | {**offer.off})


def _why_not(tool: Tool[Any, Any], toolset: str, choice: Selection) -> str | None:
    if choice.read_only and tool.effect.changes:
        return "The server is read-only (--read-only)."
    if choice.live_guard and tool.effect.changes:
        return "The project is live: the operator has not allowed changes (--allow-live-writes)."
    if tool.effect is Effect.DELIVERS and choice.destinations == ():
        return "The policy names no destinations."
    if choice.tools and not any(fnmatchcase(tool.name, glob) for glob in choice.tools):
        return "It is not in --tools."
    if toolset and toolset not in choice.toolsets:
        why = f"The toolset {toolset} is off (--toolsets or the policy)."
        return choice.others_off.get(toolset, why)
    return None


def require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an unknown name.

    Raises:
        InvalidRequest: a name is unknown. The text names the nearest known one, and all others.
    """
    known = list(known)
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known)
            raise InvalidRequest(f"unknown {kind} {name}.{meant} Known {kind}s: {', '.join(known)}")
