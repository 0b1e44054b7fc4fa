from typing import Any

import pytest
from pydantic import SecretStr

from connected_apps_mcp.auth import (
    AuthConfig,
    IntrospectionCredentials,
    TrustedIssuer,
    stytch_issuer,
)
from connected_apps_tools.scopes import Scope

ISSUERS = (TrustedIssuer("https://a.example"), TrustedIssuer("https://b.example"))
GOOD: dict[str, Any] = {"issuers": ISSUERS, "resources": ("https://mcp.example.com/mcp",)}
SECRET = SecretStr("canary")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuers", ()),
        ("issuers", (ISSUERS[0], ISSUERS[0])),
        ("issuers", (ISSUERS[0], TrustedIssuer("https://c.example", None, ("https://a.example",)))),
        ("resources", ()),
        ("resources", ("mcp.example.com",)),
        ("resources", ("https://mcp.example.com/mcp#x",)),
        ("resources", ("https://mcp.example.com:99999/mcp",)),
        ("client_ids", frozenset()),
        ("accepted_project_id", "project-1"),
        ("scope_names", {Scope.APPS_READ: "x", Scope.APPS_WRITE: "x"}),
        ("scope_names", {Scope.APPS_READ: ""}),
        ("introspection", IntrospectionCredentials("server", SECRET)),
        ("introspection", IntrospectionCredentials("server", SECRET, "https://c.example")),
    ],
)
def test_a_field_that_makes_no_sense_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        AuthConfig(**{**GOOD, field: value})


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "a.example",
            "http://a.example",
            "ftp://a.example",
            "https://",
            "https://u@a.example",
        ),
        *("https://a.example#x", "https://a.example?x", "https://a.example:x", "https://*.example"),
        "https://\u0430.example",
    ],
)
def test_an_issuer_has_a_safe_url(url: str) -> None:
    with pytest.raises(ValueError, match="url of the issuer"):
        TrustedIssuer(url)


@pytest.mark.parametrize("url", ["http://keys.example/jwks", "/jwks", ""])
def test_the_keys_are_at_a_safe_url(url: str) -> None:
    with pytest.raises(ValueError, match="jwks_url"):
        TrustedIssuer("https://a.example", url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1"])
def test_an_issuer_on_this_machine_needs_no_tls(url: str) -> None:
    assert TrustedIssuer(url).names == (url,)


def test_a_stytch_project_is_an_issuer_with_two_names() -> None:
    issuer = stytch_issuer("project-test-1", "https://x.customers.stytch.dev/")
    assert issuer.names == ("https://x.customers.stytch.dev", "stytch.com/project-test-1")
    assert issuer.jwks_url == "https://x.customers.stytch.dev/.well-known/jwks.json"


def test_a_configuration_does_not_show_its_secret() -> None:
    credentials = IntrospectionCredentials("server", SECRET, ISSUERS[0].url)
    assert "canary" not in repr(AuthConfig(**GOOD, introspection=credentials))
