"""No code, token or client secret is stored, logged or repeated."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connected_apps_mcp.sandbox import create_sandbox

from .flow import ORIGIN, REDIRECT, OAuthClient

CANARY = "canary-value-that-must-not-return"


async def everything_secret(app: OAuthClient) -> list[str]:
    """The secrets of a flow with a refresh, an introspection, an error and a revocation."""
    assert app.secret is not None
    code = await app.code(scope="openid offline_access")
    tokens = (await app.redeem(code)).json()
    again = (await app.refresh(tokens["refresh_token"])).json()
    await app.introspect(again["access_token"])
    await app.post("token", grant_type="authorization_code", code=tokens["access_token"])
    await app.post("revoke", token=tokens["refresh_token"])
    names = ("access_token", "refresh_token", "id_token")
    return [app.secret, code, again["access_token"], *(tokens[name] for name in names)]


def bytes_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_nothing_secret_is_logged(app: OAuthClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        secrets = await everything_secret(app)
    assert not [each for each in secrets if each in caplog.text]


async def test_nothing_secret_is_in_the_database_file(
    connect: Callable[..., Awaitable[httpx2.AsyncClient]],
    create: Callable[..., Awaitable[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    sandbox = create_sandbox(database=tmp_path / "sandbox.sqlite3")
    made = await create(await connect(sandbox), redirect_urls=[REDIRECT])
    app = OAuthClient(await connect(sandbox, None), made["client_id"], made["client_secret"])
    secrets = await everything_secret(app)
    stored = bytes_in(tmp_path)
    assert app.client_id.encode() in stored
    assert not [each for each in secrets if each.encode() in stored]


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": CANARY},
        {"grant_type": "authorization_code", "code": CANARY, "code_verifier": CANARY},
        {"grant_type": "refresh_token", "refresh_token": CANARY, "scope": CANARY},
        {"client_secret": CANARY, "grant_type": "refresh_token"},
    ],
)
async def test_an_error_does_not_repeat_what_was_sent(
    app: OAuthClient, form: dict[str, str]
) -> None:
    response = await app.post("token", **form)
    assert response.status_code in {400, 401}
    assert CANARY not in response.text


async def test_a_bearer_token_is_not_repeated(app: OAuthClient) -> None:
    headers = {"authorization": f"Bearer {CANARY}"}
    response = await app.http.get(f"{ORIGIN}/v1/oauth2/userinfo", headers=headers)
    assert response.status_code == 401
    assert CANARY not in response.text
    assert CANARY not in str(response.headers)
