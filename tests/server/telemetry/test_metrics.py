"""The metrics, as Prometheus reads them."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace

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
from support import HELLO, answer, offering, project_on, refusal, running

from connected_apps_mcp.protocol.prompts import RUNBOOKS
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.telemetry import metrics
from connected_apps_mcp.telemetry.exposition import metrics_app
from connected_apps_mcp.telemetry.opening import Asked, Opened, open_telemetry
from connected_apps_mcp.telemetry.operations import Operations
from connected_apps_tools import ToolContext
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.secrets.journal import Intent
from connected_apps_tools.secrets.recovery import recover
from connected_apps_tools.secrets.stores import SecretKey
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.database import Database

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


async def test_an_audit_log_that_cannot_be_written_is_counted(
    project: ToolContext, opened: Opened
) -> None:
    (project.folder / "audit").write_text("no folder")
    failures = named("connected_apps_mcp_audit_failures_total")
    async with client_of(project, opened) as client:
        assert series(opened.registry)[failures] == 0
        refusal(await client.call_tool("create_app", {"client_type": "first_party"}))
    assert series(opened.registry)[failures] > 0


async def test_calls_that_an_earlier_process_left_unfinished_are_shown(
    project: ToolContext, opened: Opened
) -> None:
    journal, api = project.secrets.journal, project.api
    intent = Intent(act="start_secret_rotation", project_id=api.project_id, origin="elsewhere")
    journal.record(intent)
    journal.release(intent)
    await recover(project.secrets)
    assert series(opened.registry)[named("connected_apps_mcp_interrupted_calls")] == 1
    journal.remove(intent)
    await recover(project.secrets)
    assert series(opened.registry)[named("connected_apps_mcp_interrupted_calls")] == 0


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


def test_a_session_over_http_is_measured_when_it_ends() -> None:
    arguments = ("--sandbox", "--transport", "http", "--port", "0", "--metrics-port", "0")
    with running(*arguments) as process:
        assert process.stderr
        shown, url = (process.stderr.readline().split()[-1] for _ in range(2))
        headers = {"accept": "application/json, text/event-stream"}
        opened = httpx2.post(url, json=HELLO[0], headers=headers)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        assert "mcp_server_session_duration_seconds_count" not in httpx2.get(shown).text
        httpx2.delete(url, headers=headers | session)
        assert "mcp_server_session_duration_seconds_count 1.0" in httpx2.get(shown).text


def test_a_port_for_metrics_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("--sandbox", "--metrics-port", port) as process:
            assert process.wait(timeout=20) == 2
            assert process.stderr
            assert "--metrics-host, --metrics-port: cannot listen" in process.stderr.read()


def test_a_connection_to_the_database_counts_while_it_is_in_use(
    opened: Opened, database_url: str
) -> None:
    name = named("connected_apps_mcp_database_connections_active")
    with Database(database_url) as database:
        with database.connection():
            assert series(opened.registry)[name] == 1
        assert series(opened.registry)[name] == 0
