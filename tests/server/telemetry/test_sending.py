"""What a collector gets of a server, each in a process of its own."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ElicitResult
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from server.telemetry.collector import Collector, attributes, collecting
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from support import SERVER, answer, serving

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox

CREDENTIALS = {
    "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
    "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
}

STRANGER = "Stranger-Zx81kQ0pLm27"
"""What only strangers write."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


class Service:
    """The sandbox as a service, which notes the headers of requests and fails the first ones."""

    def __init__(self, *, failures: int = 0) -> None:
        self._sandbox: ASGIApp = create_sandbox()
        self._failures = failures
        self.traceparents: list[str | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self.traceparents.append(headers.get(b"traceparent", b"").decode() or None)
        if len(self.traceparents) > self._failures:
            await self._sandbox(scope, receive, send)
        else:
            await PlainTextResponse("", 503)(scope, receive, send)


async def say_yes(context: Any, params: Any) -> ElicitResult:  # noqa: ARG001 - the SDK names them
    return ElicitResult(action="accept", content={"confirm": True})


@asynccontextmanager
async def server_on(
    service: ASGIApp, folder: Path, *arguments: str, mode: str = "auto", **environment: str
) -> AsyncIterator[Client]:
    """A client of a server over stdio. Leaving it ends the server, which then sends the rest."""
    with serving(service) as url, (folder / "stderr").open("w") as stderr:
        parameters = StdioServerParameters(
            command=SERVER[0],
            args=[
                *SERVER[1:],
                *("--base-url", url, "--data-dir", str(folder / "data")),
                *("--secret-store", "file", "--confirm", "always"),
                *arguments,
            ],
            env={**os.environ, **CREDENTIALS, **environment},
        )
        transport = stdio_client(parameters, errlog=stderr)
        async with Client(transport, mode=mode, elicitation_callback=say_yes) as client:
            yield client


def with_collector(collector: Collector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}


def tracer_of_the_client(collector: Collector) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


async def test_the_spans_of_a_call_are_one_tree_over_two_processes(
    collector: Collector, tmp_path: Path
) -> None:
    tracer = tracer_of_the_client(collector).get_tracer("client")
    async with server_on(Service(), tmp_path, **with_collector(collector)) as client:
        with tracer.start_as_current_span("the client") as root:
            answer(await client.call_tool("create_app", {"client_type": "first_party"}))
    trace = root.get_span_context().trace_id.to_bytes(16)
    spans = {span.span_id: span for span in collector.spans if span.trace_id == trace}
    (first,) = [span for span in spans.values() if span.parent_span_id not in spans]
    assert first.name == "the client"
    names = {span.name: spans.get(span.parent_span_id) for span in spans.values()}
    call = names["POST /v1/connected_apps/clients"]
    assert call
    assert call.name == "tools/call create_app"
    assert spans[call.parent_span_id].name == "the client"
    assert {"audit append", "secret_store put", "secret_store check"} <= names.keys()


async def test_a_question_to_a_person_has_a_span(collector: Collector, tmp_path: Path) -> None:
    for mode in ("legacy", "auto"):
        environment = with_collector(collector)
        async with server_on(Service(), tmp_path, mode=mode, **environment) as client:
            created = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
            app = {"client_id": created["app"]["client_id"]}
            answer(await client.call_tool("delete_app", app))
        named = {span.span_id: span.name for span in collector.spans}
        asked = [span for span in collector.spans if span.name == "confirmation"]
        assert {named[span.parent_span_id] for span in asked} == {"tools/call delete_app"}
        collector.traces.clear()


async def test_each_attempt_at_the_service_has_a_span_with_its_number(
    collector: Collector, tmp_path: Path
) -> None:
    environment = with_collector(collector)
    async with server_on(Service(failures=2), tmp_path, **environment) as client:
        answer(await client.call_tool("search_apps", {}))
    attempts = [
        attributes(span) for span in collector.spans if span.name.startswith("POST /v1/connected")
    ]
    assert [each.get("http.request.resend_count") for each in attempts] == [None, 1, 2]
    assert [each["http.response.status_code"] for each in attempts] == [503, 503, 200]
    assert [each.get("error.type") for each in attempts] == ["503", "503", None]
    assert {each["url.template"] for each in attempts} == {"/v1/connected_apps/clients/search"}
    assert "connected_apps_mcp.service.retries" in collector.metric_names


@pytest.mark.parametrize("flag", [[], ["--send-trace-context"]], ids=["by default", "asked for"])
async def test_the_service_gets_the_trace_only_if_asked_for(
    collector: Collector, tmp_path: Path, flag: list[str]
) -> None:
    service = Service()
    tracer = tracer_of_the_client(collector).get_tracer("client")
    async with server_on(service, tmp_path, *flag, **with_collector(collector)) as client:
        with tracer.start_as_current_span("the client") as root:
            answer(await client.call_tool("search_apps", {}))
    trace = f"{root.get_span_context().trace_id:032x}"
    named = {span.span_id.hex(): span.name for span in collector.spans}
    got = service.traceparents[-1]
    if not flag:
        assert set(service.traceparents) == {None}
        return
    assert got
    _, of_trace, parent, _ = got.split("-")
    assert of_trace == trace
    assert named[parent] == "POST /v1/connected_apps/clients/search"


async def test_a_collector_gets_all_signals_and_nothing_that_strangers_wrote(
    collector: Collector, tmp_path: Path
) -> None:
    token = "Bearer collector-token-Vq92mT4s"
    environment = with_collector(collector) | {
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={token}",
        "CONNECTED_APPS_MCP_LOG_LEVEL": "debug",
        "OTEL_SERVICE_NAME": "apps-of-the-team",
    }
    async with server_on(Service(), tmp_path, mode="legacy", **environment) as client:
        created = answer(
            await client.call_tool(
                "create_app",
                {
                    "client_type": "first_party",
                    "client_name": STRANGER,
                    "client_description": STRANGER,
                    "redirect_urls": [f"https://{STRANGER.lower()}.example/cb"],
                    "reveal_secret": True,
                },
            )
        )
        secret, client_id = created["client_secret"]["value"], created["app"]["client_id"]
        await client.call_tool("get_app", {"client_id": client_id})
        await client.call_tool("get_app", {"client_id": f"connected-app-{STRANGER}"})
        await client.call_tool("search_apps", {"query": STRANGER, STRANGER: 1})
        for name in (STRANGER, "delete_everything"):
            with pytest.raises(MCPError):
                await client.call_tool(name, {})
            with pytest.raises(MCPError):
                await client.get_prompt(name)
            with pytest.raises(MCPError):
                await client.read_resource(f"connected-apps://apps/{name}")
    assert collector.traces
    assert collector.metrics
    assert collector.records
    text = collector.text.casefold()
    assert "apps-of-the-team" in text
    assert STRANGER.casefold() not in text
    assert secret.casefold() not in text
    assert CREDENTIALS["STYTCH_SECRET"].casefold() not in text
    assert token.casefold() not in text
    assert {each["authorization"] for each in collector.headers} == {token}
    named = {span.name for span in collector.spans}
    assert client_id not in " ".join(named)
    assert {"tools/call _OTHER", "prompts/get _OTHER", "resources/read"} <= named


async def test_a_record_of_the_log_belongs_to_the_trace_of_its_call(
    collector: Collector, tmp_path: Path
) -> None:
    environment = with_collector(collector) | {"CONNECTED_APPS_MCP_LOG_LEVEL": "debug"}
    async with server_on(Service(), tmp_path, **environment) as client:
        answer(await client.call_tool("search_apps", {}))
    (call,) = [span for span in collector.spans if span.name == "tools/call search_apps"]
    (record,) = [
        record
        for record in collector.records
        if record.body.string_value == "POST /v1/connected_apps/clients/search: 200"
        and record.trace_id == call.trace_id
    ]
    assert record.severity_text == "DEBUG"


async def test_the_trace_state_and_the_baggage_of_a_client_are_dropped(
    collector: Collector, tmp_path: Path
) -> None:
    service = Service()
    environment = with_collector(collector)
    meta: Any = {
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "tracestate": f"k={STRANGER}",
        "baggage": f"k={STRANGER}",
    }
    async with server_on(service, tmp_path, "--send-trace-context", **environment) as client:
        answer(await client.call_tool("search_apps", {}, meta=meta))
    (call,) = [span for span in collector.spans if span.name == "tools/call search_apps"]
    assert call.trace_id.hex() == "a" * 32
    assert call.parent_span_id.hex() == "b" * 16
    assert STRANGER not in collector.text


async def test_calls_go_on_without_a_collector(tmp_path: Path) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    async with server_on(Service(), tmp_path, **environment) as client:
        answer(await client.call_tool("search_apps", {}))


@pytest.mark.parametrize(
    ("variables", "sends"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, True),
    ],
    ids=str,
)
async def test_the_standard_variables_say_what_is_sent(
    collector: Collector, tmp_path: Path, variables: dict[str, str], sends: bool
) -> None:
    environment = with_collector(collector) | variables
    async with server_on(Service(), tmp_path, **environment) as client:
        await client.list_tools()
    assert bool(collector.traces) is sends
    if "OTEL_METRICS_EXPORTER" in variables:
        assert not collector.metrics
        assert not collector.logs
    if variables.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
        assert "the protocol is grpc" in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_ATTRIBUTE_COUNT_LIMIT": "many"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "0"},
        {"OTEL_METRIC_EXPORT_INTERVAL": "0"},
        {"OTEL_METRICS_EXEMPLAR_FILTER": "some"},
    ],
    ids=str,
)
async def test_a_server_runs_without_telemetry_where_a_variable_is_malformed(
    collector: Collector, tmp_path: Path, variables: dict[str, str]
) -> None:
    environment = with_collector(collector) | variables
    async with server_on(Service(), tmp_path, **environment) as client:
        answer(await client.call_tool("search_apps", {}))
    assert "A variable of OpenTelemetry is malformed" in (tmp_path / "stderr").read_text()
