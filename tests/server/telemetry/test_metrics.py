"""The metrics, as Prometheus reads them."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.types import ElicitResult
from opentelemetry.semconv._incubating.metrics import http_metrics as http_conventions
from opentelemetry.semconv._incubating.metrics import mcp_metrics
from opentelemetry.semconv.metrics import http_metrics
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.testclient import TestClient
from support import answer, offering, project_on, refusal, running

from connected_apps_mcp.protocol.prompts import RUNBOOKS
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.telemetry import metrics
from connected_apps_mcp.telemetry.exposition import metrics_app
from connected_apps_mcp.telemetry.opening import Asked, Opened, open_telemetry
from connected_apps_mcp.telemetry.operations import Operations
from connected_apps_tools import ToolContext
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.secrets.stores import SecretKey
from connected_apps_tools.storage.errors import StoreError

Series = dict[str, float]
"""Values by the name of the metric and its labels."""


@pytest.fixture
def opened() -> Iterator[Opened]:
    with open_telemetry(Asked(frozenset(), scraped=True), {}) as opened:
        yield opened


def series(registry: CollectorRegistry) -> Series:
    text = TestClient(metrics_app(registry)).get("/metrics").text
    return {
        f"{sample.name}{sorted(filter(all, sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def named(name: str, **labels: str) -> str:
    return f"{name}{sorted(labels.items())}"


async def say_no(context: object, params: object) -> ElicitResult:  # noqa: ARG001 - the SDK names them
    return ElicitResult(action="decline")


def client_of(project: ToolContext, opened: Opened, **options: object) -> Client:
    server = build_server(project, confirm="always")
    prompts = [each.name for each in RUNBOOKS]
    server.middleware.insert(0, Operations(opened.telemetry, offering().on, prompts))
    return Client(server, **options)  # type: ignore[arg-type]


CREATED = named("connected_apps_mcp_secrets_total", connected_apps_mcp_outcome="stored")


async def test_a_created_secret_is_counted_as_stored(project: ToolContext, opened: Opened) -> None:
    async with client_of(project, opened) as client:
        assert series(opened.registry)[CREATED] == 0
        answer(await client.call_tool("create_app", {"client_type": "first_party"}))
    assert series(opened.registry)[CREATED] == 1


class _Full:
    """A store that takes nothing."""

    kind = where = "full"

    def location(self, key: SecretKey) -> str:
        return str(key)

    def check(self) -> None:
        """It seems to work."""

    def put(self, _key: SecretKey, _secret: SecretStr) -> None:
        raise StoreError("it is full")

    def get(self, _key: SecretKey) -> None:
        """There is none."""

    def remove(self, _key: SecretKey) -> None:
        """There is none."""

    def entries(self, _project_id: str) -> list[object]:
        return []


async def test_a_secret_that_nobody_keeps_is_counted_as_lost(opened: Opened) -> None:
    sandbox = httpx2.ASGITransport(create_sandbox())

    async def keep_apps(request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":  # so the app cannot be deleted again
            return httpx2.Response(400, json={"error_type": "no"})
        return await sandbox.handle_async_request(request)

    async with (
        project_on(httpx2.MockTransport(keep_apps), _Full()) as project,  # type: ignore[arg-type]
        client_of(project, opened) as client,
    ):
        refusal(await client.call_tool("create_app", {"client_type": "first_party"}))
    lost = named("connected_apps_mcp_secrets_total", connected_apps_mcp_outcome="lost")
    assert series(opened.registry)[lost] == 1


async def test_a_question_and_its_answer_are_counted(project: ToolContext, opened: Opened) -> None:
    async with client_of(project, opened, elicitation_callback=say_no) as client:
        created = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
        app = {"client_id": created["app"]["client_id"]}
        refusal(await client.call_tool("delete_app", app))
    found = series(opened.registry)
    for outcome, count in {"asked": 1, "declined": 1, "accepted": 0}.items():
        name = named("connected_apps_mcp_questions_total", connected_apps_mcp_outcome=outcome)
        assert found[name] == count
    rule = named("connected_apps_mcp_refusals_total", connected_apps_mcp_rule="NotConfirmed")
    assert found[rule] == 1


async def test_a_refusal_is_counted_by_the_rule_of_the_policy(
    project: ToolContext, opened: Opened
) -> None:
    from dataclasses import replace

    limited = replace(project, policy=Policy(redirect_hosts=("corp.example",)))
    async with client_of(limited, opened) as client:
        app = {"client_type": "first_party", "redirect_urls": ["https://evil.example/cb"]}
        refusal(await client.call_tool("create_app", app))
    rule = named(
        "connected_apps_mcp_refusals_total", connected_apps_mcp_rule="policy redirect_hosts"
    )
    assert series(opened.registry)[rule] == 1


async def test_no_name_that_a_client_makes_up_makes_a_series(
    project: ToolContext, opened: Opened
) -> None:
    async with client_of(project, opened) as client:
        with pytest.raises(MCPError):
            await client.call_tool("made-up", {})
        before = series(opened.registry).keys()
        for number in range(300):
            with pytest.raises(MCPError):
                await client.call_tool(f"made-up-{number}", {})
    assert series(opened.registry).keys() == before


def test_names_and_units_are_those_of_the_conventions() -> None:
    conventions = {
        mcp_metrics.MCP_SERVER_OPERATION_DURATION,
        mcp_metrics.MCP_SERVER_SESSION_DURATION,
        http_metrics.HTTP_CLIENT_REQUEST_DURATION,
        http_conventions.HTTP_CLIENT_ACTIVE_REQUESTS,
    }
    ours = {each.name for each in metrics.METRICS if not each.name.startswith(metrics.OURS)}
    assert ours == conventions
    for each in metrics.METRICS:
        assert each.kind != "histogram" or each.unit == "s"


def test_the_metrics_have_a_port_of_their_own_on_loopback() -> None:
    with running("--sandbox", "--metrics-port", "0") as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
        shown = httpx2.get(url)
        assert shown.headers["content-type"].startswith("text/plain; version=")
        assert "connected_apps_mcp_calls_active 0" in shown.text
        assert httpx2.get(url, headers={"host": "evil.example"}).status_code == 421
        assert httpx2.get(url.replace("/metrics", "/mcp")).status_code == 404


def test_a_port_for_metrics_that_is_taken_is_refused() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("--sandbox", "--metrics-port", port) as process:
            assert process.wait(timeout=20) == 2
            assert process.stderr
            assert "--metrics-host, --metrics-port: cannot listen" in process.stderr.read()
