"""How callers over HTTP are let in, as the settings say."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import httpx2
from starlette.applications import Starlette
from starlette.routing import Route

from connected_apps_mcp.callers import CallerToken
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.scopes import HARMFUL, Scope
from connected_apps_tools.text.redaction import REDACTOR

from .config import AuthConfig, IntrospectionCredentials, TrustedIssuer, stytch_issuer
from .verifier import Verifier


class ChecksTokens(Protocol):
    """What verifies access tokens."""

    async def check(self, token: str) -> CallerToken:
        """The token with its caller.

        Raises:
            TokenRefused: the token does not count.
        """
        ...


class PolicyScopes:
    """Checks tokens, and limits their callers to the scopes that the policy allows them."""

    def __init__(self, tokens: ChecksTokens, policy: Policy, *, grants: bool) -> None:
        """Limit the callers of tokens.

        Args:
            tokens: what verifies the tokens.
            policy: its rules for callers count.
            grants: whether a token without scopes has those that the policy grants its caller.
        """
        self._tokens = tokens
        self._policy = policy
        self._grants = grants

    async def check(self, token: str) -> CallerToken:
        """The token with its caller. Raises like `ChecksTokens.check`."""
        checked = await self._tokens.check(token)
        caller, facts = checked.caller, checked.caller.facts
        reachable = self._policy.reachable_by(facts)
        scopes = reachable & (caller.scopes or frozenset())
        if self._grants:  # to a token with scopes, these too are a limit
            reachable &= self._policy.granted_to(facts)
            scopes = reachable & (caller.scopes or reachable)
        limited = replace(caller, scopes=scopes, reachable=reachable)
        return checked.model_copy(update={"caller": limited, "scopes": sorted(scopes)})


@dataclass(frozen=True)
class Access:
    """How callers over HTTP are let in.

    Attributes:
        tokens: what verifies their tokens.
        issuers: the URLs of the authorization servers that clients can get tokens from.
        public_url: the URL of this server, without a path.
        scope_names: what the issuers call each scope.
        offered: the scopes that a client asks for first. Scopes that end something or show a secret
            are left to a step-up, since clients ask for all that is offered. None where the policy
            grants them: such issuers may refuse a login that asks for a scope.
        issuer: the routes of an issuer on this server.
    """

    tokens: ChecksTokens
    issuers: Collection[str]
    public_url: str
    scope_names: Mapping[Scope, str]
    offered: Collection[Scope]
    issuer: Collection[Route] = ()

    def names(self, scopes: Iterable[Scope]) -> list[str]:
        """What the issuers call these scopes, sorted."""
        return sorted(self.scope_names[scope] for scope in scopes)


@asynccontextmanager
async def open_access(
    settings: Settings,
    public_url: str,
    scopes: Iterable[Scope],
    *,
    endpoints: Iterable[str],
    sandbox: Starlette | None = None,
) -> AsyncIterator[Access]:
    """How callers are let in.

    Args:
        settings: the settings. They ask for authentication.
        public_url: the URL of this server, without a path.
        scopes: the scopes that the tools need.
        endpoints: the paths of the transports.
        sandbox: the sandbox, which issues the tokens with --auth sandbox.

    Raises:
        SettingsError: the settings about issuers contradict themselves.
    """
    issuers = issuers_of(settings, public_url)
    routes: tuple[Route, ...] = ()
    transport: httpx2.AsyncBaseTransport | None = None
    if settings.auth == "sandbox" and sandbox:
        routes = _sandbox_issuer(settings, public_url, sandbox)
        transport = httpx2.ASGITransport(Starlette(routes=routes))
    try:
        config = AuthConfig(
            issuers=issuers,
            resources=tuple(public_url + path for path in endpoints),
            accepted_project_id=settings.project_id if settings.auth_project_audience else None,
            client_ids=None if settings.auth_clients is None else frozenset(settings.auth_clients),
            required_scope=settings.auth_required_scope,
            scope_names=settings.scopes,
            introspection=_introspection(settings),
            groups_claim=settings.auth_groups_claim,
        )
    except ValueError as error:
        raise SettingsError(f"--auth: {error}") from None
    verifier = Verifier(config, transport=transport)
    policy, grants = settings.loaded_policy, settings.auth_scopes == "policy"
    try:
        yield Access(
            PolicyScopes(verifier, policy, grants=grants) if policy.callers else verifier,
            [issuer.url for issuer in issuers],
            public_url,
            settings.scopes,
            frozenset() if grants else frozenset(scopes) - HARMFUL,
            routes,
        )
    finally:
        await verifier.aclose()


def issuers_of(settings: Settings, public_url: str) -> tuple[TrustedIssuer, ...]:
    """The issuers of the tokens that count, as the settings name them.

    Raises:
        SettingsError: a URL of them cannot be used.
    """
    try:
        match settings.auth:
            case "stytch":
                return (stytch_issuer(settings.known_project(), settings.auth_issuer[0]),)
            case "sandbox":
                return (TrustedIssuer(public_url, f"{public_url}/.well-known/jwks.json"),)
        return tuple(map(TrustedIssuer, settings.auth_issuer))
    except ValueError as error:
        raise SettingsError(f"--auth-issuer: {error}") from None


def _introspection(settings: Settings) -> IntrospectionCredentials | None:
    if settings.introspection_client_id is None or settings.introspection_secret is None:
        return None
    REDACTOR.add(settings.introspection_secret.get_secret_value())
    return IntrospectionCredentials(settings.introspection_client_id, settings.introspection_secret)


def _sandbox_issuer(settings: Settings, public_url: str, sandbox: Starlette) -> tuple[Route, ...]:
    from connected_apps_mcp.sandbox.oauth.issuer import Issuer

    scopes = list(settings.scopes.values())
    return tuple(Issuer(sandbox.state.project, public_url, scopes).routes())
