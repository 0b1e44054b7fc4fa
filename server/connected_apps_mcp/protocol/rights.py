"""What each caller may do at most, as the policy says."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from mcp import types

from connected_apps_mcp.callers import token_caller
from connected_apps_mcp.confirmation.confirm import Confirmation
from connected_apps_tools import TOOLSETS, ToolContext
from connected_apps_tools.safety.caller_rules import CallerFacts
from connected_apps_tools.scopes import Scope
from connected_apps_tools.selection import OfferedTools, narrowed

from .descriptions import describe

MAX_REMEMBERED = 256
"""Callers with rights that are remembered."""


@dataclass(frozen=True)
class Rights:
    """What a caller may do at most.

    Attributes:
        project: what the tools work on, with the policy for the caller.
        offer: the tools that are on. Those that only need more scopes are among them.
        confirmation: decides whether the caller's calls may go on.
    """

    project: ToolContext
    offer: OfferedTools
    confirmation: Confirmation

    @cached_property
    def listing(self) -> types.ListToolsResult:
        """The tools as a client reads them."""
        return types.ListToolsResult(tools=[describe(tool) for tool in self.offer.on.values()])

    @property
    def shows_apps(self) -> bool:
        """Whether apps are resources: they show what these tools show."""
        return {"get_app", "search_apps"} <= self.offer.on.keys()


class RightsOfCallers:
    """Finds the rights of each caller."""

    def __init__(self, everybody: Rights) -> None:
        """Narrow the rights of everybody by the rules for a caller."""
        self.everybody = everybody
        self._of = lru_cache(MAX_REMEMBERED)(self._narrowed)

    def current(self) -> Rights:
        """The rights of the caller of this request."""
        caller = token_caller()
        if caller is None or not self.everybody.project.policy.callers:
            return self.everybody
        return self._of(caller.facts, caller.reachable)

    def _narrowed(self, caller: CallerFacts, reachable: frozenset[Scope]) -> Rights:
        everybody = self.everybody
        policy = everybody.project.policy
        own = policy.for_caller(caller)
        offer = narrowed(TOOLSETS, everybody.offer, own, reachable)
        about = replace(everybody.project.server, tools_off=offer.off)
        return Rights(
            replace(everybody.project, policy=own, server=about),
            offer,
            everybody.confirmation.at_least(own.confirm),
        )
