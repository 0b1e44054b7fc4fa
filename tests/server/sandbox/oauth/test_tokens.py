"""A code becomes tokens once, and tokens end when they should."""

from __future__ import annotations

from .flow import OAuthClient


async def test_a_code_becomes_an_access_token_and_an_id_token(app: OAuthClient) -> None:
    tokens = await app.tokens("openid apps:read")
    assert tokens["token_type"] == "bearer"
    assert tokens["scope"] == "openid apps:read"
    assert tokens["expires_in"] == 3600
    assert tokens["id_token"]
    assert "refresh_token" not in tokens
