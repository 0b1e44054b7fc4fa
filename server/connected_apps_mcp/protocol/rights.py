"""What each caller may do at most, as the policy says."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from mcp import types
from mcp.server.apps import client_supports_apps

from connected_apps_mcp.callers import token_caller
from connected_apps_mcp.confirmation.confirm import Confirmation
from connected_apps_mcp.egress import AnyContext
from connected_apps_tools import CATALOGUE, TOOLSETS, ToolContext
from connected_apps_tools.safety.caller_rules import CallerFacts
from connected_apps_tools.scopes import Scope
from connected_apps_tools.selection import OfferedTools, narrowed

from .descriptions import describe

MAX_REMEMBERED = 256
"""Callers with rights that are remembered."""

FOR_PAGE = {tool.name for tool in CATALOGUE if tool.is_for_page}
"""The tools that only the page calls."""


@dataclass(frozen=True)
class Rights:
    """What a caller may do at most.

    Attributes:
        project: what the tools work on, with the policy for the caller.
        offer: the tools that are on. Those that only need more scopes are among them.
        confirmation: decides whether the caller's calls may go on.
        page: whether the client shows the page.
    """

    project: ToolContext
    offer: OfferedTools
    confirmation: Confirmation
    page: bool = True

    @cached_property
    def listing(self) -> types.ListToolsResult:
        """The tools as a client reads them."""
        tools = [describe(tool, page=self.page) for tool in self.offer.on.values()]
        return types.ListToolsResult(tools=tools)

    @cached_property
    def without_page(self) -> "Rights":
        """The same in a client that does not show the page: there is no word of it."""
        offer = self.offer.without(FOR_PAGE)
        about = replace(self.project.server, tools_off=offer.off)
        project = replace(self.project, server=about)
        return replace(self, project=project, offer=offer, page=False)

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

    def current(self, context: AnyContext | None = None) -> Rights:
        """The rights of the caller of this request, with the page if the client shows it.

        Without the context of the request, they are those without the page.
        """
        caller = token_caller()
        rights = self.everybody
        if caller and rights.project.policy.callers:
            rights = self._of(caller.facts, caller.reachable)
        page = context and rights.shows_apps and client_supports_apps(context)
        return rights if page else rights.without_page

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
