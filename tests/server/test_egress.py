"""No secret leaves in any form, except one that the caller asked for, in that result."""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from mcp import Client, MCPError, types
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server
from mcp.shared.message import SessionMessage
from mcp.types import PaginatedRequestParams
from support import SANDBOX, Spans, answer, project_on

from connected_apps_mcp import egress
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.transports.http.app import build_app
from connected_apps_mcp.transports.http.network import Network
from connected_apps_tools.text.redaction import REDACTED, REDACTOR, Redactor

CANARY = 'canary-Zx81 "kQ0p/Lm27+vTn4\\é'

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": json.dumps,
    "in JSON, unescaped": lambda secret: json.dumps(secret, ensure_ascii=False),
    "in JSON in JSON": lambda secret: json.dumps(json.dumps({"x": secret})),
    "in a URL": quote,
    "in a URL, wholly escaped": lambda secret: quote(secret, safe=""),
    "in base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "in URL-safe base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "in a Basic header": lambda secret: (
        "Basic " + base64.b64encode(f"project-test-1:{secret}".encode()).decode()
    ),
    "percent-encoded wholly": lambda secret: "".join(f"%{ord(c):02x}" for c in secret),
    "percent-encoded in part": lambda secret: f"{secret[:6]}%{ord(secret[6]):02X}{secret[7:]}",
    "percent-encoded twice": lambda secret: "".join(f"%25{ord(c):02x}" for c in secret),
    "percent-encoded three times": lambda secret: f"%2525{ord(secret[0]):02x}{secret[1:]}",
    "with a hyphen as in JavaScript": lambda secret: secret.replace("-", "\\u002d"),
    "in hexadecimal": lambda secret: secret.encode().hex(),
    "in capital hexadecimal": lambda secret: secret.encode().hex().upper(),
    "in base64 in lines": lambda secret: base64.encodebytes(
        f"{'ab' * 25}{secret}".encode()
    ).decode(),
    "in base64 in lines in JSON": lambda secret: json.dumps(
        base64.encodebytes(f"{'ab' * 25}{secret}".encode()).decode()
    ),
    "in base64 in lines of a mail": lambda secret: (
        base64.encodebytes(f"{'ab' * 25}{secret}".encode()).decode().replace("\n", "\r\n")
    ),
    "within longer base64": lambda secret: base64.b64encode(f"ab{secret}cd".encode()).decode(),
}


@pytest.fixture
def redacted_logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Logs with redaction, as in a server."""
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    egress.redact_logs()
    REDACTOR.add(CANARY)
    yield caplog
    logging.setLogRecordFactory(factory)
    logging.captureWarnings(capture=False)
    sys.excepthook = hook


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    redacted = redactor.redact(f"before {FORMS[form](CANARY)} after")
    assert REDACTED in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "Zx81" not in redacted


def test_other_text_is_unchanged() -> None:
    redactor = Redactor()
    assert redactor.redact("nothing known") == "nothing known"
    redactor.add(CANARY)
    assert redactor.redact_json({"a": ["b", 1, None, True]}) == {"a": ["b", 1, None, True]}


@pytest.mark.parametrize("short", [None, "", "abc"])
def test_a_short_text_is_not_a_secret(short: str | None) -> None:
    redactor = Redactor()
    redactor.add(short)
    assert redactor.redact("abc and so on") == "abc and so on"


def test_only_the_excepted_secret_passes() -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    redactor.add("another-secret-1")
    text = redactor.redact(json.dumps([CANARY, "another-secret-1"]), allow=CANARY)
    assert json.loads(text) == [CANARY, REDACTED]


@pytest.mark.parametrize("form", FORMS)
def test_the_last_four_can_replace_a_long_secret_in_every_form(form: str) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    redacted = redactor.redact_json([FORMS[form](CANARY)], last_four=True)
    assert f"[secret …{CANARY[-4:]}]" in redacted[0]
    assert CANARY[:-4] not in redacted[0]


def test_the_last_four_of_a_short_secret_are_not_shown() -> None:
    redactor = Redactor()
    redactor.add("short-one")
    assert redactor.redact("a short-one", last_four=True) == f"a {REDACTED}"


@pytest.mark.parametrize("form", FORMS)
def test_a_log_record_is_redacted_even_if_its_arguments_split_the_secret(
    redacted_logs: pytest.LogCaptureFixture, form: str
) -> None:
    text = FORMS[form](CANARY)
    half = len(text) // 2
    logging.getLogger("any").error("%s%s", text[:half], text[half:])
    assert "Zx81" not in redacted_logs.text
    assert REDACTED in redacted_logs.text


def test_a_broken_log_call_is_redacted_too(redacted_logs: pytest.LogCaptureFixture) -> None:
    broken = "%d of %s"
    logging.getLogger("any").error(broken, CANARY)
    logging.getLogger("any").error("%(a)s", {"b": CANARY})
    logging.getLogger("any").error(Unprintable())
    assert "Zx81" not in redacted_logs.text
    assert redacted_logs.text.count("cannot be formatted") == 3


class Unprintable:
    """An object that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError(CANARY)


def test_a_traceback_in_a_log_is_redacted(redacted_logs: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("any").exception("It failed")
    assert "ValueError" in redacted_logs.text
    assert "Zx81" not in redacted_logs.text


def test_a_traceback_without_a_secret_is_unchanged(redacted_logs: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("plain")
    except ValueError:
        logging.getLogger("any").exception("It failed")
    assert "ValueError: plain" in redacted_logs.text


def test_the_traceback_of_a_crash_is_redacted() -> None:
    script = (
        "from connected_apps_mcp.egress import redact_logs\n"
        "from connected_apps_tools.text.redaction import REDACTOR\n"
        "import logging, sys, warnings\n"
        "logging.basicConfig()\n"
        "secret = sys.stdin.read()\n"
        "REDACTOR.add(secret); redact_logs()\n"
        "warnings.warn(secret)\n"
        "raise RuntimeError(secret)\n"
    )
    crashed = subprocess.run(
        [sys.executable, "-c", script],
        input="canary-Zx81",
        capture_output=True,
        text=True,
        check=False,
    )
    assert crashed.returncode == 1
    assert f"RuntimeError: {REDACTED}" in crashed.stderr
    assert f"UserWarning: {REDACTED}" in crashed.stderr
    assert "Zx81" not in crashed.stderr


@asynccontextmanager
async def http_client_of(server: Server[Any]) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of a server over Streamable HTTP, without a network."""
    authority = "127.0.0.1:8000"
    app = build_app(server, ["http"], Network(authority))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url=f"http://{authority}"
        ) as connection,
    ):
        yield connection


@asynccontextmanager
async def client_of(server: Server[Any]) -> AsyncIterator[Client]:
    """A client of a server over Streamable HTTP."""
    async with http_client_of(server) as connection:
        wire = streamable_http_client(f"{connection.base_url}/mcp", http_client=connection)
        async with Client(wire) as client:
            yield client


@pytest.fixture
async def client(server: Server[Any]) -> AsyncIterator[Client]:
    async with client_of(server) as connected:
        yield connected


async def test_a_shown_secret_is_in_no_later_result(client: Client) -> None:
    arguments = {"client_type": "first_party", "reveal_secret": True}
    created = answer(await client.call_tool("create_app", arguments))
    value, client_id = created["client_secret"]["value"], created["app"]["client_id"]
    renamed = await client.call_tool(
        "update_app", {"client_id": client_id, "client_description": f"It is {value}"}
    )
    change = {"client_description": {"after": f"It is {REDACTED}"}}
    assert answer(renamed)["changes"] == change
    assert value not in str(await client.call_tool("search_apps", {}))


async def test_a_result_that_shows_one_secret_shows_no_other(client: Client) -> None:
    first = answer(
        await client.call_tool("create_app", {"client_type": "first_party", "reveal_secret": True})
    )["client_secret"]["value"]
    second = answer(
        await client.call_tool(
            "create_app",
            {"client_type": "first_party", "reveal_secret": True, "client_name": first},
        )
    )
    assert second["app"]["client_name"] == REDACTED
    assert len(second["client_secret"]["value"]) == 48


@pytest.mark.parametrize("form", FORMS)
async def test_the_project_secret_is_redacted_in_every_response_of_the_service(form: str) -> None:
    secret = SANDBOX.secret.get_secret_value()

    def echo(_request: httpx2.Request) -> httpx2.Response:
        message = f"Wrong: {FORMS[form](secret)}"
        return httpx2.Response(400, json={"error_type": "bad", "error_message": message})

    async with (
        project_on(httpx2.MockTransport(echo)) as project,
        client_of(build_server(project)) as client,
    ):
        result = str(await client.call_tool("get_app", {"client_id": "app"}))
    assert secret not in result
    assert FORMS[form](secret) not in result


def test_a_ticket_lets_its_own_secret_pass_once() -> None:
    REDACTOR.add(CANARY)
    REDACTOR.add("another-secret-1")
    both = [CANARY, "another-secret-1"]
    message = json.dumps({"_meta": egress.reveal(CANARY), "text": json.dumps(both), "x": both})
    shown = json.loads(egress.redact(message))
    assert shown["x"] == [CANARY, REDACTED]
    assert json.loads(shown["text"]) == [CANARY, REDACTED]
    assert json.loads(egress.redact(message))["x"] == [REDACTED, REDACTED]


def test_a_forged_ticket_lets_nothing_pass() -> None:
    REDACTOR.add(CANARY)
    forged = json.dumps({"_meta": {egress.REVEALS: "0" * 32}, "x": CANARY})
    assert json.loads(egress.redact(forged))["x"] == REDACTED


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
TRACED: dict[str, dict[str, Any]] = {
    "the method": PING | {"method": CANARY},
    "the method of a notification": {"jsonrpc": "2.0", "method": f"notifications/{CANARY}"},
    "the id": PING | {"id": CANARY},
    "the name of a tool": PING | {"method": "tools/call", "params": {"name": CANARY}},
    "the name of a prompt": PING | {"method": "prompts/get", "params": {"name": CANARY}},
    "the trace state": PING
    | {
        "params": {
            "_meta": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "k=TOKEN"}
        }
    },
}


@pytest.mark.parametrize("part", TRACED)
async def test_no_secret_that_a_client_sends_gets_into_a_span(
    spans: Spans, server: Server[Any], part: str
) -> None:
    REDACTOR.add(CANARY)
    REDACTOR.add("token-Zx81kQ0pLm27")
    message = json.loads(json.dumps(TRACED[part]).replace("TOKEN", "token-Zx81kQ0pLm27"))
    async with Client(spans.of(server), mode="legacy") as client:
        written = client.session._dispatcher._write_stream  # type: ignore[attr-defined]
        await written.send(SessionMessage(types.jsonrpc_message_adapter.validate_python(message)))
        await client.list_tools()
    assert "tools/list" in spans.text()
    assert "Zx81" not in spans.text()


def test_the_sdk_gives_a_server_tracing_and_no_other_middleware() -> None:
    (tracing,) = Server[Any]("any").middleware
    assert type(tracing).__name__ == "OpenTelemetryMiddleware"


async def test_no_secret_of_an_error_gets_into_a_span(spans: Spans, server: Server[Any]) -> None:
    async def explode(_ctx: Any, _params: Any) -> Any:
        raise RuntimeError(CANARY)

    async def refuse(_ctx: Any, _params: Any) -> Any:
        raise MCPError(code=1, message=CANARY)

    REDACTOR.add(CANARY)
    server.add_request_handler("prompts/list", PaginatedRequestParams, explode)
    server.add_request_handler("resources/list", PaginatedRequestParams, refuse)
    async with Client(spans.of(server)) as client:
        with pytest.raises(MCPError):
            await client.list_prompts()
        with pytest.raises(MCPError):
            await client.list_resources()
    assert "resources/list" in spans.text()
    assert "Zx81" not in spans.text()


@pytest.mark.parametrize(
    "body",
    [
        {"jsonrpc": "2.0", "id": 1, "method": 5, "params": CANARY * 3},
        {"x": f"{'-' * 12}{CANARY}"},
        CANARY,
        [PING | {"method": CANARY}],
    ],
)
async def test_an_unreadable_message_is_not_quoted(
    server: Server[Any], body: dict[str, Any]
) -> None:
    REDACTOR.add(CANARY)
    async with http_client_of(server) as connection:
        refused = await connection.post(
            "/mcp", json=body, headers={"accept": "application/json, text/event-stream"}
        )
    assert refused.status_code == 400
    assert "alidation error" in refused.json()["error"]["message"]
    assert not any(CANARY[at : at + 8] in refused.text for at in range(len(CANARY) - 8))


async def test_the_name_of_an_argument_is_cut_without_leaving_part_of_a_secret(
    client: Client,
) -> None:
    REDACTOR.add("token-Zx81kQ0pLm27")
    for length in range(40, 70):
        name = "x" * length + "token-Zx81kQ0pLm27"
        refused = str(await client.call_tool("get_app", {name: 1}))
        assert "there is no such argument" in refused
        assert "tok" not in refused


async def test_no_secret_is_in_a_header(server: Server[Any]) -> None:
    REDACTOR.add("token-Zx81kQ0pLm27")
    async with http_client_of(server) as connection:
        moved = await connection.get("/healthz/", params={"key": "token-Zx81kQ0pLm27"})
    assert moved.status_code == 307
    assert "Zx81" not in str(moved.headers)


async def test_no_secret_is_in_a_trace(spans: Spans, server: Server[Any]) -> None:
    async with Client(spans.of(server)) as client:
        created = answer(
            await client.call_tool(
                "create_app", {"client_type": "first_party", "reveal_secret": True}
            )
        )
        value, client_id = created["client_secret"]["value"], created["app"]["client_id"]
        await client.call_tool("start_secret_rotation", {"client_id": client_id})
        upcoming = answer(
            await client.call_tool(
                "reveal_client_secret", {"client_id": client_id, "which": "next"}
            )
        )["value"]
        await client.call_tool("get_app", {"client_id": value})
        for name in (value, upcoming):
            with pytest.raises(MCPError):
                await client.call_tool(name, {})
    exported = spans.text()
    assert "create_app" in exported
    assert value not in exported
    assert upcoming not in exported


async def test_an_unexpected_error_is_sent_without_its_text(
    server: Server[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(_ctx: Any, _params: Any) -> Any:
        raise RuntimeError("canary-Zx81")

    server.add_request_handler("prompts/list", PaginatedRequestParams, explode)
    async with Client(server, mode="legacy") as client:
        with pytest.raises(MCPError, match="Internal server error") as caught:
            await client.list_prompts()
    assert "Zx81" not in str(caught.value)
    assert "Zx81" not in caplog.text
