"""The settings of authentication contradict neither each other nor the transport."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import listening

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.settings import SettingsError

ISSUER = ("https://issuer.example",)
HTTP: dict[str, Any] = {"sandbox": True, "transport": "http"}
REAL: dict[str, Any] = {"transport": "http"}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYTCH_PROJECT_ID", "project-test-11111111-1111-4111-8111-111111111111")
    monkeypatch.setenv("STYTCH_SECRET", "secret-test-11111111111111111111")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"auth": "sandbox", "sandbox": True}, "--auth needs --transport http"),
        (REAL | {"auth": "sandbox"}, "--auth sandbox needs --sandbox"),
        (HTTP | {"auth": "stytch", "auth_issuer": ISSUER}, "--auth stytch needs a Stytch project"),
        (REAL | {"auth": "issuer"}, "--auth issuer needs --auth-issuer"),
        (HTTP | {"auth_issuer": ISSUER}, "--auth-issuer cannot be used with --auth none"),
        (REAL | {"auth": "stytch", "auth_issuer": (*ISSUER, "https://b.example")}, "takes one"),
        (
            REAL | {"auth": "stytch", "auth_issuer": ISSUER, "auth_project_audience": True},
            "--auth-project-audience needs --auth stytch, and",
        ),
        (HTTP | {"auth": "sandbox", "auth_required_scope": "apps:read"}, "auth-project-audience"),
        (HTTP | {"scope_prefix": "x:"}, "--scope-prefix needs --auth"),
        (HTTP | {"auth": "sandbox", "scope_names": "apps:rad=x"}, "--scope-names: apps:rad"),
        (HTTP | {"auth": "sandbox", "scope_names": "apps:read"}, "apps:read needs a name"),
        (
            HTTP | {"auth": "sandbox", "scope_names": "apps:read=x,apps:write=x"},
            "two scopes have the same name",
        ),
        (HTTP | {"auth": "sandbox", "scope_names": "apps:read=a b"}, "apps:read needs a name"),
        (HTTP | {"auth": "sandbox", "scope_names": 'apps:read="'}, "apps:read needs a name"),
        (HTTP | {"auth": "sandbox", "scope_names": "apps:read=a,apps:read=b"}, "has two names"),
        (HTTP | {"auth": "sandbox", "scope_prefix": "two words"}, "--scope-prefix"),
        (HTTP | {"auth": "password"}, "--auth"),
        (HTTP | {"auth": "sandbox", "auth_scopes": "policy"}, "needs grant_scopes in the policy"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        loading.load(**given)


def test_one_half_of_the_introspection_credentials_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTED_APPS_MCP_INTROSPECTION_CLIENT_ID", "server")
    with pytest.raises(SettingsError, match="INTROSPECTION_SECRET belong together"):
        loading.load(transport="http", auth="issuer", auth_issuer=ISSUER)


def test_scopes_have_the_names_that_the_operator_gives_them() -> None:
    names = loading.load(
        **HTTP, auth="sandbox", scope_prefix="mcp.", scope_names="apps:read=readers"
    ).scopes
    assert names["apps:read"] == "readers"  # type: ignore[index]
    assert names["apps:write"] == "mcp.apps:write"  # type: ignore[index]


def test_where_the_policy_grants_the_scopes_clients_ask_the_issuer_for_none(
    tmp_path: Path,
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[callers]]\ngrant_scopes = ["apps:read"]\n')
    flags = ["--transport", "http", "--sandbox", "--auth", "sandbox", "--auth-scopes", "policy"]
    with listening(*flags, "--policy", str(policy)) as urls:
        refused = httpx2.post(urls["http"], trust_env=False)
        challenge = refused.headers["www-authenticate"]
        assert refused.status_code == 401
        assert "scope=" not in challenge
        metadata = httpx2.get(challenge.split('"')[-2], trust_env=False).json()
    assert "scopes_supported" not in metadata
