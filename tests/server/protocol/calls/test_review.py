"""review_apps through the server."""

from typing import Any

import httpx2
import pytest
from mcp import Client
from support import answer, project_on, refusal

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed

APPS: list[dict[str, Any]] = [
    {"client_type": "third_party", "client_name": "Plain", "redirect_urls": ["http://a.example/"]},
    {
        "client_type": "first_party",
        "client_name": "Open\u202e",
        "redirect_urls": ["https://b.example/cb"],
        "full_access_allowed": True,
        "rotating": True,
    },
    {"client_type": "first_party_public", "client_name": "None"},
]


async def review(apps: list[dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    sandbox = create_sandbox()
    seed(sandbox, Seed.model_validate({"apps": apps}))
    async with (
        project_on(httpx2.ASGITransport(sandbox)) as project,
        Client(build_server(project)) as client,
    ):
        return answer(await client.call_tool("review_apps", arguments))


async def test_findings_name_the_app_the_fact_and_the_fix_worst_first() -> None:
    result = await review(APPS)
    first = result["findings"][0]
    assert first["severity"] == "high"
    assert first["client_name"] == "Plain"
    assert "http://a.example/" in first["fact"]
    assert "update_app" in result["fixes"][first["code"]]
    assert result["scanned"] == result["total"] == 3
    assert result["stopped"] == "end"
    assert sum(result["counts"].values()) == len(result["findings"])


async def test_every_code_that_is_told_has_its_fix_once() -> None:
    result = await review(APPS * 3)
    assert result["fixes"].keys() == {finding["code"] for finding in result["findings"]}
    assert all("fix" not in finding for finding in result["findings"])


async def test_names_of_strangers_are_cleaned_and_marked() -> None:
    result = await review(APPS)
    assert {finding["client_name"] for finding in result["findings"]} == {"Plain", "Open", "None"}
    assert result["untrusted"] == ["client_name", "fact"]


async def test_less_severe_findings_can_be_left_out() -> None:
    result = await review(APPS, min_severity="high")
    assert {finding["severity"] for finding in result["findings"]} == {"high"}


async def test_one_app_can_be_told_of_alone() -> None:
    apps = [{**app, "client_id": f"connected-app-test-{n}"} for n, app in enumerate(APPS)]
    result = await review(apps, client_id="connected-app-test-2")
    assert {finding["client_name"] for finding in result["findings"]} == {"None"}


@pytest.mark.parametrize("max_bytes", [4_000, 24_000])
async def test_a_review_keeps_to_its_budget_and_says_what_is_left_out(max_bytes: int) -> None:
    sandbox = create_sandbox()
    seed(sandbox, Seed.model_validate({"apps": APPS * 100}))
    async with (
        project_on(httpx2.ASGITransport(sandbox)) as project,
        Client(build_server(project)) as client,
    ):
        result = await client.call_tool("review_apps", {"max_bytes": max_bytes})
    assert len(result.content[0].text.encode()) <= max_bytes  # type: ignore[union-attr]
    assert answer(result)["not_told"] > 0


@pytest.mark.parametrize(("bound", "stopped"), [(299, "max_scanned"), (300, "end"), (301, "end")])
async def test_a_review_that_stops_early_says_so(bound: int, stopped: str) -> None:
    result = await review(APPS * 100, max_scanned=bound)
    assert result["stopped"] == stopped
    assert result["scanned"] == min(bound, 300)


async def test_an_app_that_is_not_there_is_not_reported_as_fine() -> None:
    sandbox = create_sandbox()
    async with (
        project_on(httpx2.ASGITransport(sandbox)) as project,
        Client(build_server(project)) as client,
    ):
        result = refusal(await client.call_tool("review_apps", {"client_id": "app-0"}))
    assert result["error"] == "connected_app_not_found"
