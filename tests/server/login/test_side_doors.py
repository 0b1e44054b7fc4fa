"""Without its scopes or its token, no detour leads a caller to an app."""

import gzip
import json
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import pytest
from examples import APP
from server.login.channels import (
    ACCEPT,
    WAYS,
    Channel,
    asked_for,
    bearer,
    channel,
    modern,
    modern_headers,
    request_of,
)
from server.login.deployment import ALL, Deployment, deployed
from support import MODERN

from connected_apps_mcp.limits import MAX_BODY_BYTES
from connected_apps_tools.scopes import Scope

URI = f"connected-app://{APP}"
READ = {"name": "get_app", "arguments": {"client_id": APP}}
DELETE = {"name": "delete_app", "arguments": {"client_id": APP}}
COMPLETE = {
    "ref": {"type": "ref/resource", "uri": "connected-app://{client_id}"},
    "argument": {"name": "client_id", "value": ""},
}
READS: list[tuple[str, dict[str, Any]]] = [
    ("resources/list", {}),
    ("resources/read", {"uri": URI}),
    ("resources/subscribe", {"uri": URI}),
    ("resources/unsubscribe", {"uri": URI}),
    ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [URI]}}),
    ("completion/complete", COMPLETE),
    ("tools/call", READ),
]
OPEN: list[tuple[str, dict[str, Any]]] = [
    ("tools/list", {}),
    ("prompts/list", {}),
    ("resources/templates/list", {}),
    ("prompts/get", {"name": "review-apps"}),
]
"""What needs a token, and no scope: it shows nothing of the project."""


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(tmp_path) as deployment:
        yield deployment
        assert deployment.wire.app_as_it_is(APP)


@pytest.fixture
async def poor(deployment: Deployment) -> str:
    """A token without scopes of ours."""
    return await deployment.token(frozenset())


def untouched(deployment: Deployment) -> bool:
    """Whether no request reached the service."""
    return not deployment.wire.requests


@pytest.fixture(params=WAYS, ids="-".join)
async def way(request: pytest.FixtureRequest, deployment: Deployment) -> AsyncIterator[Channel]:
    opener = await deployment.token()
    async with channel(deployment.http, deployment.origin, request.param, opener) as way:
        yield way


async def test_nothing_shows_an_app_without_the_scope_to_read(
    deployment: Deployment, way: Channel
) -> None:
    token = await deployment.token(ALL - {Scope.APPS_READ})
    for method, params in READS:
        refused = (await way.ask(token, method, **params)).response
        assert refused.status_code == 403, method
        assert asked_for(refused) == {"apps:read"}
    assert untouched(deployment)


async def test_what_needs_no_scope_shows_nothing_of_the_project(
    deployment: Deployment, way: Channel, poor: str
) -> None:
    for method, params in OPEN:
        reply = await way.ask(poor, method, **params)
        assert reply.response.is_success
        assert APP not in json.dumps(reply.message)
    assert untouched(deployment)


async def test_every_prompt_is_text_alone(deployment: Deployment, way: Channel, poor: str) -> None:
    prompts = (await way.ask(poor, "prompts/list")).result["prompts"]
    assert prompts
    for prompt in prompts:
        given = {each["name"]: APP for each in prompt.get("arguments", [])}
        await way.ask(poor, "prompts/get", name=prompt["name"], arguments=given)
    assert untouched(deployment)


async def test_a_batch_reaches_nothing(deployment: Deployment, way: Channel, poor: str) -> None:
    batch = [request_of("ping", {}), request_of("tools/call", READ, 2)]
    refused = await way.http.post(way.url, json=batch, headers=bearer(poor) | way.headers)
    assert refused.status_code == 403
    assert untouched(deployment)


BODIES = {
    "the tool escaped": '{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":{"n\\u0061me":"delete\\u005fapp","arguments":%s}}',
    "the method escaped": '{"jsonrpc":"2.0","id":901,"m\\u0065thod":"tools\\/c\\u0061ll",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "a harmless tool first": '{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":{"name":"none","name":"delete_app","arguments":%s}}',
    "a harmless tool last": '{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":{"name":"delete_app","name":"none","arguments":%s}}',
    "a harmless method first": '{"jsonrpc":"2.0","id":901,"method":"ping","method":"tools/call",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "a harmless method last": '{"jsonrpc":"2.0","id":901,"method":"tools/call","method":"ping",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "harmless parameters first": '{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{},'
    '"params":{"name":"delete_app","arguments":%s}}',
    "harmless parameters last": '{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":{"name":"delete_app","arguments":%s},"params":{}}',
    "escaped and plain": '{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":{"name":"delete_app","n\\u0061me":"none","arguments":%s}}',
    "white space": ' \n\t{"jsonrpc" : "2.0","id":901, "method"\n:"tools/call",'
    '"params":{"name":"delete_app","arguments":%s}} ',
    "another case": '{"jsonrpc":"2.0","id":901,"Method":"tools/call","method":"tools/call",'
    '"params":{"Name":"none","name":"delete_app","arguments":%s}}',
    "a byte order mark": '\ufeff{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "two messages": '{"jsonrpc":"2.0","id":901,"method":"ping"}'
    '{"jsonrpc":"2.0","id":902,"method":"tools/call","params":{"name":"delete_app","arguments":%s}}',
    "no id": '{"jsonrpc":"2.0","method":"tools/call",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "a number that is none": '{"jsonrpc":"2.0","id":901,"x":NaN,"method":"tools/call",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "a lone surrogate": '{"jsonrpc":"2.0","id":901,"x":"\\ud800","method":"tools/call",'
    '"params":{"name":"delete_app","arguments":%s}}',
    "deep nesting": '{"jsonrpc":"2.0","id":901,"x":'
    + "[" * 300
    + "]" * 300
    + ',"method":"tools/call","params":{"name":"delete_app","arguments":%s}}',
    "parameters in a list": '{"jsonrpc":"2.0","id":901,"method":"tools/call",'
    '"params":["delete_app",%s]}',
}


async def test_no_spelling_of_a_body_deletes_an_app(
    deployment: Deployment, way: Channel, poor: str
) -> None:
    rest = json.dumps(DELETE["arguments"])
    headers = bearer(poor) | way.headers | {"content-type": "application/json"}
    if way.era != "legacy":
        rest += f', "_meta": {json.dumps(MODERN)}'
        headers |= modern_headers(modern("tools/call", DELETE))
    for spelling in BODIES.values():
        body = spelling.replace("%s", rest).encode()
        await way.http.post(way.url, content=body, headers=headers)
        assert (await way.ask(poor, "tools/list")).result
        assert untouched(deployment), spelling


@pytest.mark.parametrize("spelling", ["a byte order mark", "a lone surrogate", "deep nesting"])
async def test_a_body_that_only_some_parsers_read_is_refused_whatever_the_scopes(
    deployment: Deployment, way: Channel, spelling: str
) -> None:
    headers = bearer(await deployment.token()) | way.headers
    headers |= {"content-type": "application/json"}
    rest = json.dumps(DELETE["arguments"])
    if way.era != "legacy":
        rest += f', "_meta": {json.dumps(MODERN)}'
        headers |= modern_headers(modern("tools/call", DELETE))
    body = BODIES[spelling].replace("%s", rest).encode()
    refused = await way.http.post(way.url, content=body, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == -32700
    assert untouched(deployment)


async def test_the_encoding_of_a_body_hides_nothing(
    deployment: Deployment, way: Channel, poor: str
) -> None:
    body = json.dumps(modern("tools/call", DELETE)).encode()
    headers = bearer(poor) | way.headers | {"content-type": "application/json"}
    if way.era != "legacy":
        headers |= modern_headers(modern("tools/call", DELETE))
    for encoding, content in [
        ("gzip", gzip.compress(body)),
        ("identity", json.dumps(modern("tools/call", DELETE)).encode("utf-16")),
    ]:
        sent = headers | {"content-encoding": encoding}
        refused = await way.http.post(way.url, content=content, headers=sent)
        assert refused.is_client_error
    assert untouched(deployment)


async def test_a_body_in_many_pieces_is_read_whole(
    deployment: Deployment, way: Channel, poor: str
) -> None:
    message = modern("tools/call", DELETE)

    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(message).encode():
            yield bytes([byte])

    headers = bearer(poor) | way.headers | {"content-type": "application/json"}
    if way.era != "legacy":
        headers |= modern_headers(message)
    refused = await way.http.post(way.url, content=pieces(), headers=headers)
    assert asked_for(refused) == {"apps:delete"}
    assert untouched(deployment)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_body_over_the_bound_is_refused(
    deployment: Deployment, way: Channel, poor: str, declared: bool
) -> None:
    body = json.dumps({**modern("tools/call", DELETE), "x": "x" * MAX_BODY_BYTES}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    headers = bearer(poor) | way.headers | {"content-type": "application/json"}
    content: Any = body if declared else pieces()
    refused = await way.http.post(way.url, content=content, headers=headers)
    assert refused.status_code == 413
    assert untouched(deployment)


@pytest.mark.parametrize(
    "changed",
    [
        {"mcp-method": "ping"},
        {"mcp-name": "none"},
        {"mcp-method": "ping", "mcp-name": "none"},
        {"mcp-protocol-version": "2025-11-25"},
        {"mcp-protocol-version": "1999-01-01"},
    ],
    ids=str,
)
async def test_headers_that_differ_from_the_body_open_nothing(
    deployment: Deployment, poor: str, changed: dict[str, str]
) -> None:
    message = modern("tools/call", DELETE)
    headers = bearer(poor) | modern_headers(message) | changed
    refused = await deployment.http.post(f"{deployment.origin}/mcp", json=message, headers=headers)
    assert asked_for(refused) == {"apps:delete"}
    assert untouched(deployment)


SENDING = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
PATHS = [
    "/mcp/",
    "//mcp",
    "/MCP",
    "/%6dcp",
    "/mcp%2f",
    "/mcp;x",
    "/mcp?x=/healthz",
    "/healthz/../mcp",
    "/healthz/%2e%2e/mcp",
    "/./mcp",
    "/healthz%00/mcp",
    "/.well-known/oauth-protected-resource/../../mcp",
    "/messages",
    "/messages/",
    "/messages//",
    "/messages/x",
    "/%6dessages/",
    "/sse",
    "/sse/",
    "/",
]


async def test_without_a_token_no_path_leads_in(deployment: Deployment) -> None:
    message = modern("tools/call", DELETE)
    for method, path in product(["GET", "HEAD", *SENDING], PATHS):
        status = await raw(deployment, method, path, json.dumps(message), modern_headers(message))
        assert (path, status) == (path, 401)
    assert untouched(deployment)


async def test_beyond_its_scopes_no_path_leads_in(deployment: Deployment, poor: str) -> None:
    message = modern("tools/call", DELETE)
    headers = modern_headers(message) | bearer(poor)
    for method, path in product(SENDING, PATHS):
        status = await raw(deployment, method, path, json.dumps(message), headers)
        assert 300 <= status < 500, (method, path)
    assert untouched(deployment)


async def test_the_public_paths_serve_no_calls(deployment: Deployment) -> None:
    message = modern("tools/call", DELETE)
    paths = ["/healthz", "/.well-known/oauth-protected-resource/mcp"]
    for method, path in product(["POST", "PUT", "DELETE"], paths):
        status = await raw(deployment, method, path, json.dumps(message), modern_headers(message))
        assert status == 405
    assert untouched(deployment)


async def raw(
    deployment: Deployment, method: str, path: str, body: str, headers: dict[str, str]
) -> int:
    """The status of a request with a path as it is written here."""
    host, _, port = deployment.origin.removeprefix("http://").rpartition(":")
    fields = {"host": f"{host}:{port}", "connection": "close", "content-length": str(len(body))}
    head = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in (fields | headers).items())]
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(("\r\n".join(head) + "\r\n\r\n" + body).encode())
        return int((await stream.receive()).split()[1])


async def test_two_tokens_are_refused(deployment: Deployment, poor: str) -> None:
    rich = await deployment.token()
    message = modern("tools/call", READ)
    for first, second in [(poor, rich), (rich, poor), (rich, rich)]:
        headers = [
            *modern_headers(message).items(),
            ("Authorization", f"Bearer {first}"),
            ("authorization", f"Bearer {second}"),
        ]
        refused = await deployment.http.post(
            f"{deployment.origin}/mcp", json=message, headers=headers
        )
        assert refused.status_code == 400
    assert untouched(deployment)


async def test_a_header_that_is_not_one_token_is_refused(deployment: Deployment, poor: str) -> None:
    rich = await deployment.token()
    url, message = f"{deployment.origin}/mcp", modern("tools/call", READ)
    for value in [
        f"Bearer {poor}, Bearer {rich}",
        f"Bearer {poor} {rich}",
        f"Bearer  {poor}\t{rich}",
        f"Basic {rich}",
        rich,
    ]:
        headers = modern_headers(message) | {"authorization": value}
        refused = await deployment.http.post(url, json=message, headers=headers)
        assert refused.status_code == 401
    assert untouched(deployment)


async def test_a_token_in_the_url_is_refused(deployment: Deployment) -> None:
    token = await deployment.token()
    message = modern("tools/call", READ)
    names = ["access_token", "x=1&access_token", "%61ccess_token"]
    for path, name in product(["/mcp", "/sse", "/messages/"], names):
        url = f"{deployment.origin}{path}?{name}={token}"
        for more in [{}, bearer(token)]:
            headers = modern_headers(message) | more
            refused = await deployment.http.post(url, json=message, headers=headers)
            assert refused.status_code == 400
    assert untouched(deployment)


async def test_a_token_in_the_body_counts_for_nothing(deployment: Deployment) -> None:
    token = await deployment.token()
    form = {"access_token": token, "method": "tools/call"}
    refused = await deployment.http.post(f"{deployment.origin}/mcp", data=form, headers=ACCEPT)
    assert refused.status_code == 401


async def test_a_request_beyond_the_scopes_changes_no_session(
    deployment: Deployment, poor: str
) -> None:
    async with channel(deployment.http, deployment.origin, ("http", "legacy"), poor) as way:
        assert (await way.call(poor, "get_app", client_id=APP)).response.status_code == 403
        rich = await deployment.token()
        assert (await way.call(rich, "get_app", client_id=APP)).tool_result["app"]
        assert (await way.call(poor, "get_app", client_id=APP)).response.status_code == 403


@pytest.mark.parametrize("header", ["", "Authorization: Bearer a.b.c\r\n"])
async def test_a_request_without_a_valid_token_is_refused_before_its_body_comes(
    deployment: Deployment, header: str
) -> None:
    authority = deployment.origin.removeprefix("http://")
    host, _, port = authority.rpartition(":")
    head = f"POST /mcp HTTP/1.1\r\nHost: {authority}\r\n{header}Content-Length: 100000\r\n\r\n"
    with anyio.fail_after(10):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(head.encode())
            assert (await stream.receive()).startswith(b"HTTP/1.1 401 ")
