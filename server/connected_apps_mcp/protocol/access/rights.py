"""What each caller may do at most, as the policy says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import get_args

from mcp import types
from mcp.server.apps import client_supports_apps

from connected_apps_mcp.callers import token_caller
from connected_apps_mcp.confirmation.confirm import Confirmation
from connected_apps_mcp.confirmation.links import opens_links
from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.protocol.descriptions import describe
from connected_apps_tools import CATALOGUE, TOOLSETS, ToolContext
from connected_apps_tools.safety.caller_rules import CallerFacts
from connected_apps_tools.scopes import Scope
from connected_apps_tools.selection import OfferedTools, narrowed
from connected_apps_tools.tool import Clients

MAX_REMEMBERED = 256
"""Callers with rights that are remembered."""


@dataclass(frozen=True)
class Rights:
    """What a caller may do at most.

    Attributes:
        project: what the tools work on, with the policy for the caller.
        offer: the tools that are on. Those that only need more scopes are among them.
        confirmation: decides whether the caller's calls may go on.
        clients: the clients that these are for; None before that is known.
    """

    project: ToolContext
    offer: OfferedTools
    confirmation: Confirmation
    clients: Clients | None = None

    @property
    def page(self) -> bool:
        """Whether the client shows the page, or may."""
        return self.clients in {None, "page"}

    @cached_property
    def listing(self) -> types.ListToolsResult:
        """The tools as a client reads them."""
        tools = [describe(tool, page=self.page) for tool in self.offer.on.values()]
        return types.ListToolsResult(tools=tools)

    @cached_property
    def seen_by(self) -> Mapping[Clients, "Rights"]:
        """The same as these clients see it: there is no word of what is for others."""
        return {clients: self._seen_by(clients) for clients in get_args(Clients)}

    def _seen_by(self, clients: Clients) -> "Rights":
        seen = {"everybody", clients}
        offer = self.offer.without({tool.name for tool in CATALOGUE if tool.listed_to not in seen})
        about = replace(self.project.server, tools_off=offer.off)
        project = replace(self.project, server=about)
        return replace(self, project=project, offer=offer, clients=clients)

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
        """The rights of the caller of this request, as its client sees them.

        Without the context of the request, they are those in every client.
        """
        caller = token_caller()
        rights = self.everybody
        if caller and rights.project.policy.callers:
            rights = self._of(caller.facts, caller.reachable)
        return rights.seen_by[_clients(context, shows_apps=rights.shows_apps)]

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


def _clients(context: AnyContext | None, *, shows_apps: bool) -> Clients:
    """Which clients the one of this request belongs to."""
    if context and client_supports_apps(context):
        return "page" if shows_apps else "everybody"
    return "links" if context and opens_links(context) else "everybody"
