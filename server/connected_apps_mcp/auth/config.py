"""Which tokens count."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from connected_apps_tools.scopes import Scope

from .places import canonical, is_safe_endpoint


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer. Its tokens count.

    Attributes:
        url: its identifier, exactly as its metadata and its tokens spell it.
        jwks_url: where its keys are; None to ask its metadata.
        other_names: what else its tokens may have as `iss`.
    """

    url: str
    jwks_url: str | None = None
    other_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the URLs.

        Raises:
            ValueError: one of them is not a safe endpoint.
        """
        _check_endpoint("url of the issuer", self.url)
        if "?" in self.url:
            raise ValueError(f"The url of the issuer must not have a query: {self.url!r}.")
        if self.jwks_url is not None:
            _check_endpoint("jwks_url", self.jwks_url)

    @property
    def names(self) -> tuple[str, ...]:
        """Every `iss` of its tokens."""
        return (self.url, *self.other_names)


@dataclass(frozen=True)
class IntrospectionCredentials:
    """How the server authenticates at the introspection endpoint.

    Attributes:
        client_id: the OAuth client that the server is at the issuer.
        client_secret: its secret.
        issuer: the URL of the issuer that is asked, necessary if there are several.
    """

    client_id: str
    client_secret: SecretStr
    issuer: str | None = None


@dataclass(frozen=True)
class AuthConfig:
    """Which tokens count.

    Attributes:
        issuers: who may issue tokens.
        resources: URLs of this server. A token must have one of them as an audience.
        accepted_project_id: a Stytch project that counts as an audience too. Each token of each
            app of the project has it, so `client_ids` or `required_scope` must narrow it.
        client_ids: the OAuth clients that tokens may be for; None for all.
        required_scope: what a token must permit that has only the project as its audience.
        scope_names: the issuer's name of each scope. A scope without a name is in no token.
        introspection: how opaque tokens are verified; None if they do not count.
        groups_claim: the claim with the groups of the subject.
    """

    issuers: tuple[TrustedIssuer, ...]
    resources: tuple[str, ...]
    accepted_project_id: str | None = None
    client_ids: frozenset[str] | None = None
    required_scope: Scope | None = None
    scope_names: Mapping[Scope, str] = field(default_factory=lambda: {s: s.value for s in Scope})
    introspection: IntrospectionCredentials | None = None
    groups_claim: str = "groups"

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ValueError: a field contradicts itself or another one.
        """
        self._check_issuers()
        self._check_audiences()
        names = list(self.scope_names.values())
        if len(names) != len(set(names)) or not all(names):
            raise ValueError("scope_names must give each scope a name of its own.")
        if self.introspection is not None and self.introspecting_issuer is None:
            raise ValueError(
                "introspection must name one of the issuers: an opaque token does not say its own."
            )

    def _check_issuers(self) -> None:
        names = [name for issuer in self.issuers for name in issuer.names]
        if not names:
            raise ValueError("issuers must name at least one issuer.")
        if len(names) != len(set(names)):
            raise ValueError("issuers must have different names.")

    def _check_audiences(self) -> None:
        if not self.resources:
            raise ValueError("resources must name at least one URL of this server.")
        for resource in self.resources:
            if canonical(resource) is None:
                raise ValueError(f"resources must be http or https URLs: {resource!r} is not one.")
        if self.client_ids is not None and not self.client_ids:
            raise ValueError("client_ids must name at least one client.")
        narrowed = self.client_ids is not None or self.required_scope is not None
        if self.accepted_project_id and not narrowed:
            raise ValueError(
                "accepted_project_id needs client_ids or required_scope:"
                " each token of each app of a project has the project as its audience."
            )

    @property
    def introspecting_issuer(self) -> TrustedIssuer | None:
        """The issuer that is asked about opaque tokens."""
        if self.introspection is None:
            return None
        url = self.introspection.issuer
        found = [issuer for issuer in self.issuers if url in (None, issuer.url)]
        return found[0] if len(found) == 1 else None


def stytch_issuer(project_id: str, domain: str) -> TrustedIssuer:
    """A Stytch project as the issuer (KNOWN: both forms of `iss`, and the place of the keys)."""
    url = domain.removesuffix("/")
    return TrustedIssuer(url, f"{url}/.well-known/jwks.json", (f"stytch.com/{project_id}",))


def _check_endpoint(field_name: str, url: str) -> None:
    if not is_safe_endpoint(url):
        raise ValueError(
            f"The {field_name} must be an https URL, or an http URL of this machine,"
            " without a user and a fragment."
        )
