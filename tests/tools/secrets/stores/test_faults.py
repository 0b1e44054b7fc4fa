"""The stores when AWS or Vault fails, hangs, lies or redirects."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send
from support import serving
from tools.secrets.stores.backends import SECRET, TOKEN, assert_unseen, aws_at

from connected_apps_tools.secrets.stores import SecretKey, SecretStore, aws, vault
from connected_apps_tools.storage.errors import StoreError

KEY = SecretKey("project-test-1", "connected-app-test-1")
OPERATIONS: dict[str, Callable[[SecretStore], object]] = {
    "check": lambda store: store.check(),
    "put": lambda store: store.put(KEY, SecretStr(SECRET)),
    "get": lambda store: store.get(KEY),
    "remove": lambda store: store.remove(KEY),
    "entries": lambda store: store.entries(KEY.project_id),
}
READING = ["get", "entries"]

OpenAt = Callable[[str], SecretStore]
Serve = Callable[[ASGIApp], str]


def answering(status: int, body: bytes, **headers: str) -> ASGIApp:
    """A server that always sends this response."""
    return _server(status, lambda _: body, headers)


def quoting(status: int) -> ASGIApp:
    """A server that quotes the whole request in its error."""
    return _server(status, lambda sent: sent + f" {SECRET} {TOKEN}".encode(), {})


def _server(status: int, body: Callable[[bytes], bytes], headers: dict[str, str]) -> ASGIApp:
    sent_headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sent = f"{scope['path']} {scope['headers']} ".encode() + await _whole_body(receive)
        await send({"type": "http.response.start", "status": status, "headers": sent_headers})
        await send({"type": "http.response.body", "body": body(sent)})

    return app


async def hanging(_: Scope, receive: Receive, __: Send) -> None:
    """A server that never responds."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole_body(receive: Receive) -> bytes:
    whole, more = b"", True
    while more:
        message = await receive()
        whole += message.get("body", b"")
        more = message.get("more_body", False)
    return whole


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve applications until the test ends."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serving(app))


@pytest.fixture(params=["aws", "vault"])
def open_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAt]:
    """Open a store with its server at a URL and short timeouts."""
    monkeypatch.setattr(aws, "READ_SECONDS", 0.3)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    monkeypatch.setattr(vault, "VAULT_SECONDS", 0.3)
    with ExitStack() as stack:

        def open_aws(url: str) -> SecretStore:
            stack.enter_context(aws_at(url))
            return aws.AwsStore()

        def open_vault(url: str) -> SecretStore:
            return vault.VaultStore(url, SecretStr(TOKEN))

        yield {"aws": open_aws, "vault": open_vault}[request.param]


def assert_fails(store: SecretStore, names: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Each method of the store fails without showing a secret."""
    caplog.set_level(logging.DEBUG, logger="connected_apps_tools")
    for name in names:
        with pytest.raises(StoreError, match=r"AWS Secrets Manager|Vault|damaged") as caught:
            OPERATIONS[name](store)
        assert_unseen(caught.value, caplog)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503])
def test_an_error_that_quotes_the_request_shows_no_secret(
    open_at: OpenAt, serve: Serve, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    store = open_at(serve(quoting(status)))
    # For Vault, 404 always means that there is no such secret.
    found = list(OPERATIONS) if status != 404 or store.kind == "aws" else ["check", "put"]
    assert_fails(store, found, caplog)


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "InternalServiceError", "ExpiredTokenException", "1", ""]
)
def test_an_error_in_the_services_format_shows_no_secret(
    open_at: OpenAt, serve: Serve, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    body = f'{{"__type": "{code}", "message": "{SECRET}", "errors": ["{SECRET} {TOKEN}"]}}'
    assert_fails(open_at(serve(answering(403, body.encode()))), list(OPERATIONS), caplog)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff garbage \x80" + SECRET.encode(),
        b"<html>" + SECRET.encode() + b"</html>",
        b"[]",
        b"null",
        b'"' + SECRET.encode() + b'"',
        b"{}",
        b'{"data": null, "SecretString": null, "SecretList": null}',
        b'{"data": {}, "SecretString": "", "SecretList": [{}]}',
        b'{"data": {"data": {}, "keys": 1}, "SecretString": "{}"}',
        b'{"SecretList": [{"Name": "connected-apps-mcp/project-test-1/x"}]}',
        b'{"data": {"data": {"secret": "secret-canary-Zx81kQ0pLm27"}, "keys": [1]}}',
        b'{"SecretString": "secret-canary-Zx81kQ0pLm27", "SecretList": 1}',
    ],
)
def test_an_invalid_response_is_an_error(
    open_at: OpenAt, serve: Serve, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    store = open_at(serve(answering(200, body)))
    assert_fails(store, ["get"], caplog)
    try:
        # AWS's library reads a response without a list as an empty list.
        assert store.entries(KEY.project_id) == []
    except StoreError as error:
        assert_unseen(error, caplog)


def test_a_server_that_hangs_times_out(
    open_at: OpenAt, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    assert_fails(open_at(serve(hanging)), list(OPERATIONS), caplog)


def test_a_server_that_is_not_there_is_an_error(
    open_at: OpenAt, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_fails(open_at(f"http://127.0.0.1:{port}"), list(OPERATIONS), caplog)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(
    open_at: OpenAt, serve: Serve, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    visits: list[Scope] = []

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        visits.append(scope)
        await answering(200, b"{}")(scope, receive, send)

    away = answering(status, b"{}", location=serve(elsewhere))
    assert_fails(open_at(serve(away)), list(OPERATIONS), caplog)
    assert visits == []


def test_another_secret_than_was_put_is_returned_unchanged(open_at: OpenAt, serve: Serve) -> None:
    document = (
        '{"project_id": "p", "client_id": "c", "which": "next", "last_four": "other",'
        ' "stored_at": "2026-01-01T00:00:00Z", "secret": "another-secret"}'
    )
    escaped = document.replace('"', '\\"')
    lie = f'{{"data": {{"data": {document}}}, "SecretString": "{escaped}"}}'
    stored = open_at(serve(answering(200, lie.encode()))).get(KEY)
    assert stored
    assert stored.secret.get_secret_value() == "another-secret"
