"""The audit log names who called, and no text of a token is anywhere."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import jwt
import pytest
from examples import APP
from server.login.channels import WAYS, bearer, channel, modern, modern_headers
from server.login.deployment import ADA, ALL, GRACE, Deployment, deployed, registered, token_of
from support import running

from connected_apps_tools.scopes import Scope


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(tmp_path) as deployment:
        yield deployment


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def named(token: str) -> dict[str, str]:
    """How the audit log names the holder of a token."""
    claims = claims_of(token)
    return {
        "issuer": claims["iss"],
        "subject": claims["sub"],
        "client_id": claims["client_id"],
        "jti": claims["jti"],
    }


async def post(deployment: Deployment, token: str, path: str = "/mcp") -> int:
    """Call a tool; the status of the response."""
    message = modern("tools/call", {"name": "delete_app", "arguments": {"client_id": APP}})
    headers = modern_headers(message) | bearer(token)
    url = deployment.origin + path
    return (await deployment.http.post(url, json=message, headers=headers)).status_code


async def test_a_call_beyond_the_scopes_leaves_one_line(deployment: Deployment) -> None:
    token = await deployment.token(frozenset({Scope.APPS_READ}))
    assert await post(deployment, token) == 403
    (line,) = deployment.recorded()
    assert line["event"] == "refusal"
    assert line["tool"] == "delete_app"
    assert line["arguments"] == {"client_id": APP}
    assert line["caller"] == named(token)
    assert line["reason"] == "insufficient_scope: it needs apps:delete"


async def test_a_token_that_does_not_count_leaves_one_line(deployment: Deployment) -> None:
    token = await deployment.token()
    head, claims, signature = token.split(".")
    elsewhere = await deployment.token(resource="https://elsewhere.example/mcp")
    refused = {
        f"{head}.{claims}.{'A' * 10}{signature[10:]}": "bad signature",
        f"{head}.{claims[::-1]}.{signature}": "malformed",
        elsewhere: "wrong audience",
        "opaque": "opaque",
    }
    for bad in refused:
        assert await post(deployment, bad) == 401
    lines = deployment.recorded()
    assert [line["reason"] for line in lines] == [f"token: {why}" for why in refused.values()]
    assert {line["tool"] for line in lines} == {"POST /mcp"}
    assert [line["caller"] for line in lines] == [{}] * len(refused)


async def test_a_request_without_a_token_leaves_no_line(deployment: Deployment) -> None:
    assert (await deployment.http.post(f"{deployment.origin}/mcp")).status_code == 401
    assert not deployment.recorded()


LONG = "x" * 100_000
"""The name of a tool, as only a caller with ill intent gives it."""


async def test_a_refused_read_is_recorded_by_its_method_whatever_name_it_gives(
    deployment: Deployment,
) -> None:
    token = await deployment.token(frozenset())
    for name in ["delete_app", LONG]:
        message = modern("resources/list", {"name": name, "arguments": {"client_id": APP}})
        headers = modern_headers(message) | bearer(token)
        url = f"{deployment.origin}/mcp"
        refused = await deployment.http.post(url, json=message, headers=headers)
        assert refused.status_code == 403
    assert [line["tool"] for line in deployment.recorded()] == ["resources/list"] * 2


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_each_line_names_the_caller_of_its_call_also_for_calls_at_once(
    deployment: Deployment, way: tuple[str, str]
) -> None:
    ada = await deployment.token(subject=ADA)
    grace = await deployment.token(subject=GRACE, app="two")
    origin, http = deployment.origin, deployment.http
    async with (
        channel(http, origin, way, ada) as of_ada,
        channel(http, origin, way, grace) as of_grace,
        anyio.create_task_group() as tasks,
    ):

        async def create(token: str, number: int) -> None:
            session = of_ada if token == ada else of_grace
            name = f"{claims_of(token)['sub']} {number}"
            await session.call(token, "create_app", client_type="first_party", client_name=name)

        for number in range(10):
            tasks.start_soon(create, ada, number)
            tasks.start_soon(create, grace, number)
    intents = [line for line in deployment.recorded() if line["event"] == "intent"]
    assert len(intents) == 20
    for line in intents:
        subject = line["arguments"]["client_name"].split()[0]
        assert line["caller"] == named(ada if subject == ADA else grace)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_line_names_the_token_of_its_request_in_a_session_that_another_one_began(
    deployment: Deployment, way: tuple[str, str]
) -> None:
    first, later = await deployment.token(), await deployment.token()
    async with channel(deployment.http, deployment.origin, way, first) as opened:
        for token in (later, first):
            await opened.call(token, "create_app", client_type="first_party")
    intents = [line for line in deployment.recorded() if line["event"] == "intent"]
    assert [line["caller"] for line in intents] == [named(later), named(first)]


async def test_no_text_of_a_token_is_in_a_log_a_line_or_a_response(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    good, narrow = await deployment.token(), await deployment.token(frozenset())
    elsewhere = await deployment.token(resource="https://elsewhere.example/mcp")
    forged = good[:-20] + good[-20:][::-1]
    url = f"{deployment.origin}/mcp"
    caplog.clear()  # what issuing them logged is the issuer's
    for way in WAYS:
        async with channel(deployment.http, deployment.origin, way, good) as opened:
            for token in (good, narrow, elsewhere, forged):
                for tool in ("search_apps", "create_app"):
                    reply = await opened.call(token, tool, **ARGUMENTS[tool])
                    heard += [str(reply.response.headers), reply.response.text]
                    heard.append(json.dumps(reply.message))
    for token in (good, forged):
        response = await deployment.http.post(f"{url}?access_token={token}", json={})
        heard += [str(response.headers), response.text]
    heard += [path.read_text() for path in (deployment.folder / "audit").glob("*.jsonl")]
    heard += [
        f"{record.name} {record.getMessage()} {record.exc_text}"
        for record in caplog.records
        if ours(record)
    ]
    everything = "\n".join(heard)
    for token in (good, narrow, elsewhere, forged):
        for part in (token, *token.split(".")[1:]):
            assert part not in everything


ARGUMENTS: dict[str, dict[str, Any]] = {
    "search_apps": {},
    "create_app": {"client_type": "first_party"},
}


def ours(record: logging.LogRecord) -> bool:
    """Whether the server writes such records: not the client, and it has no access log."""
    return not record.name.startswith(("httpx2", "httpcore", "uvicorn.access"))


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_no_text_of_a_token_is_in_the_log_of_a_process_even_at_debug(
    way: tuple[str, str],
) -> None:
    flags = ["--transport", "http,sse", "--sandbox", "--auth", "sandbox", "--log-level", "debug"]
    with running("serve", "--port", "0", *flags) as process:
        assert process.stderr
        origin = process.stderr.readline().split()[-1].removesuffix("/mcp")
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
            app = await registered(http, origin, "one")
            good = await token_of(app, ALL, "", f"{origin}/mcp")
            narrow = await token_of(app, frozenset(), "", f"{origin}/mcp")
            elsewhere = await token_of(app, ALL, "", "https://elsewhere.example")
            async with channel(http, origin, way, good) as opened:
                for token in (good, narrow, elsewhere):
                    await opened.call(token, "create_app", **ARGUMENTS["create_app"])
            await http.post(f"{origin}/mcp?access_token={good}", json={})
        process.terminate()
        logged = await anyio.to_thread.run_sync(process.stderr.read)
    assert "POST /v1/connected_apps/clients: 200" in logged
    for token in (good, narrow, elsewhere):
        for part in (token, *token.split(".")[1:]):
            assert part not in logged
