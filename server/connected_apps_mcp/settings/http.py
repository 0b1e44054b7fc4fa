"""The settings of the transports, and of callers over HTTP."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from connected_apps_tools.scopes import Scope

from .credentials import ProjectSettings, SettingsError
from .types import Auth, HomePath, NameList, Networks, Origins, PublicUrl, Transports

SCOPE_NAME = r"[!#-\[\]-~]+"
"""RFC 6749, 3.3."""


class HttpSettings(ProjectSettings):
    """How clients connect, and who may call over HTTP."""

    transport: Transports = Field(
        ("stdio",),
        description="How clients connect: stdio, http (Streamable HTTP at /mcp), sse (the older "
        "transport at /sse), or http,sse. Default: stdio.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on, for http and sse. Another one than loopback needs "
        "--auth, and --tls-cert or --trusted-proxy. Default: 127.0.0.1.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="Port to listen on, for http and sse; 0 picks a free one. Default: 8000.",
    )
    public_url: PublicUrl | None = Field(
        None,
        description="URL of this server for its clients, without a path, such as "
        "https://mcp.corp.example: the Host that requests must name, and what tokens are for. "
        "Default: the address that it listens on.",
    )
    tls_cert: HomePath | None = Field(
        None,
        description="File with the certificate chain (PEM), to speak TLS. Default: plain HTTP.",
    )
    tls_key: HomePath | None = Field(
        None, description="File with its key, which only its owner may read. Default: none."
    )
    trusted_proxy: Networks = Field(
        (),
        description="Networks of the proxies in front of this server, comma-separated, such as "
        "10.0.0.0/8. Only they are believed about their clients; without TLS, only they may "
        "connect. Default: none.",
    )
    allow_origin: Origins = Field(
        (),
        description="Origins of web pages that may call this server, comma-separated, such as "
        "https://inspector.corp.example. Default: none.",
    )
    replica_name: str | None = Field(
        None,
        pattern=r"^[a-z0-9]{1,32}$",
        description="Name of this replica among several, of lower-case letters and digits. Ids of "
        "sessions begin with it, so that a load balancer can tell to which replica one belongs. "
        "Default: none.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        le=600,
        description="Seconds to go on after the first signal, while /readyz says that no more "
        "requests should come, before the server waits for calls in flight. Default: 0.",
    )
    auth: Auth = Field(
        "none",
        description="Who may call over HTTP: none (everybody on this machine), issuer (who has a "
        "token of --auth-issuer), stytch (who has a token of the project), or sandbox (who has a "
        "token of the sandbox, which then also issues them). Default: none.",
    )
    auth_issuer: NameList = Field(
        (),
        description="URLs of the authorization servers with tokens that count, comma-separated; "
        "for --auth stytch, the project's domain.",
    )
    auth_clients: NameList | None = Field(
        None,
        description="OAuth clients with tokens that count, as comma-separated client ids. "
        "Default: all.",
    )
    auth_project_audience: bool = Field(
        default=False,
        description="With --auth stytch, also accept tokens that have only the project as their "
        "audience. Every token of the project has it, so --auth-clients or --auth-required-scope "
        "must be given. Default: off; a token must name this server.",
    )
    auth_required_scope: Scope | None = Field(
        None,
        description="Scope that a token must have if only the project is its audience: "
        f"{', '.join(Scope)}. Default: none.",
    )
    auth_groups_claim: str = Field(
        "groups",
        min_length=1,
        description="Claim of a token with the groups of its user, for the policy. "
        "Default: groups.",
    )
    auth_scopes: Literal["token", "policy"] = Field(
        "token",
        description="Where the scopes of a caller come from: the token, or, for issuers that give "
        "none, grant_scopes in the policy. Default: token.",
    )
    scope_prefix: str = Field(
        "",
        pattern=r"^[!#-\[\]-~]*$",
        description="Text before the name of each scope, for issuers that want one. Default: none.",
    )
    scope_names: NameList = Field(
        (),
        description="Names of scopes at the issuer, comma-separated, such as apps:read=read_apps. "
        "Default: their own names, with --scope-prefix.",
    )
    rate_reads: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Calls a minute that read, of each caller with --auth; 0 for no limit. A tenth "
        "of them, but at least 10, may come at once. Default: 600.",
    )
    rate_changes: int = Field(
        60,
        ge=0,
        le=1_000_000,
        description="Calls a minute that change something or show a client secret, of each caller "
        "with --auth; 0 for no limit. A tenth of them, but at least 10, may come at once. "
        "Default: 60.",
    )

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files with the certificate and the key of the server."""
        return (self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None

    @property
    def authenticates(self) -> bool:
        """Whether callers need a token."""
        return self.auth != "none"

    @property
    def scopes(self) -> Mapping[Scope, str]:
        """What the issuers call each scope.

        Raises:
            SettingsError: a name is not NAME=NAME, is not one of ours, or is given twice.
        """
        names = {scope: self.scope_prefix + scope for scope in Scope}
        for each in self.scope_names:
            own, _, theirs = each.partition("=")
            if own not in list(Scope):
                known = ", ".join(Scope)
                raise SettingsError(f"--scope-names: {own} is not NAME=NAME with one of {known}.")
            if not re.fullmatch(SCOPE_NAME, theirs):
                raise SettingsError(f"--scope-names: {own} needs a name without spaces and quotes.")
            names[Scope(own)] = theirs
        if len({each.partition("=")[0] for each in self.scope_names}) < len(self.scope_names):
            raise SettingsError("--scope-names: a scope has two names.")
        if len(set(names.values())) < len(names):
            raise SettingsError("--scope-names: two scopes have the same name.")
        return names
