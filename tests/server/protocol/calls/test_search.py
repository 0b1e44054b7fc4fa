"""Finding apps through the server: filters, bounds, budgets, cursors, progress."""

import json
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from support import SHOWN_APP, answer, connected_to, project_on, refusal

from connected_apps_mcp.protocol.server import build_server


class Service:
    """A service that has these apps, and pages through them as the real one does."""

    def __init__(self, *apps: dict[str, Any]) -> None:
        self.apps = [{**SHOWN_APP, "client_id": f"app-{n}", **app} for n, app in enumerate(apps)]
        self.pages = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.pages += 1
        asked = json.loads(request.content)
        begin = int(asked.get("cursor", 0))
        end = begin + asked.get("limit", 100)
        return httpx2.Response(
            200,
            json={
                "status_code": 200,
                "request_id": "r",
                "connected_apps": self.apps[begin:end],
                "results_metadata": {
                    "total": len(self.apps),
                    "next_cursor": str(end) if end < len(self.apps) else None,
                },
            },
        )


async def found(service: Service, **arguments: Any) -> list[str]:
    async with connected_to(service) as client:
        return ids(answer(await client.call_tool("search_apps", arguments)))


def ids(found: dict[str, Any]) -> list[str]:
    return [app["client_id"] for app in found["apps"]]


MIXED: list[dict[str, Any]] = [
    {"client_name": "Billing portal", "client_description": "Shows invoices"},
    {"client_name": "Mobile", "client_type": "third_party_public"},
    {"client_name": "Intranet", "redirect_urls": ["https://Login.Corp.example:8443/cb"]},
    {"client_name": "Guest", "creation_method": "DCR"},
    {"client_name": "Turning", "next_client_secret_last_four": "abcd"},
    {"client_name": "Bil\u200bling too", "redirect_urls": ["https://corp.example.evil.test/"]},
]


@pytest.mark.parametrize(
    ("filters", "fitting"),
    [
        ({"query": "billing"}, ["app-0", "app-5"]),
        ({"query": "PORTAL invoices"}, ["app-0"]),
        ({"query": "app-3"}, ["app-3"]),
        ({"query": "8443"}, ["app-2"]),
        ({"query": "billing mobile"}, []),
        ({"client_type": "third_party_public"}, ["app-1"]),
        ({"redirect_host": "login.corp.example"}, ["app-2"]),
        ({"redirect_host": "corp.example"}, ["app-2"]),
        ({"redirect_host": "*.corp.example"}, ["app-2"]),
        ({"redirect_host": "example"}, ["app-2"]),
        ({"redirect_host": "https://login.corp.example:8443/any"}, ["app-2"]),
        ({"redirect_host": "LOGIN.corp.example."}, ["app-2"]),
        ({"creation_method": "DCR"}, ["app-3"]),
        ({"creation_method": "dcr"}, ["app-3"]),
        ({"rotating": True}, ["app-4"]),
        ({"rotating": False, "client_type": "first_party", "query": "intranet"}, ["app-2"]),
    ],
)
async def test_filters_choose(filters: dict[str, Any], fitting: list[str]) -> None:
    assert await found(Service(*MIXED), **filters) == fitting


async def test_a_summary_holds_what_it_takes_to_choose() -> None:
    urls = [f"https://{host}.example/cb" for host in ("a", "b", "c", "d")]
    app = {"client_name": "Mine", "redirect_urls": ["https://a.example/other", *urls]}
    async with connected_to(Service(app)) as client:
        result = answer(await client.call_tool("search_apps", {}))
    (summary,) = result["apps"]
    assert summary.pop("version")
    assert summary == {
        "client_id": "app-0",
        "client_name": "Mine",
        "client_type": "first_party",
        "status": "active",
        "redirect_hosts": ["a.example", "b.example", "c.example"],
        "redirect_urls_count": 5,
        "rotating": False,
    }
    assert result["untrusted"] == ["client_name", "redirect_hosts"]


async def test_in_full_detail_an_app_is_as_get_app_shows_it(client: Client) -> None:
    created = await client.call_tool(
        "create_app", {"client_type": "third_party_public", "redirect_urls": ["https://a.example"]}
    )
    client_id = answer(created)["app"]["client_id"]
    (app,) = answer(await client.call_tool("search_apps", {"detail": "full"}))["apps"]
    assert app == answer(await client.call_tool("get_app", {"client_id": client_id}))["app"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 7},
        {"limit": 7, "query": "app"},
        {"max_scanned": 7},
        {"max_scanned": 7, "query": "app"},
        {"limit": 1000, "max_bytes": 4000},
        {"limit": 1000, "max_bytes": 4000, "query": "app"},
        {"limit": 1000, "max_bytes": 4000, "detail": "full"},
        {"limit": 3, "max_scanned": 5, "query": "app", "rotating": False},
    ],
)
async def test_a_cursor_goes_on_exactly_where_the_answer_stopped(arguments: dict[str, Any]) -> None:
    service = Service(*({"client_name": f"App {n}"} for n in range(2345)))
    seen: list[str] = []
    scanned = 0
    async with connected_to(service) as client:
        cursor: dict[str, Any] = {}
        while cursor is not None and len(seen) < 100:
            result = answer(await client.call_tool("search_apps", {**arguments, **cursor}))
            seen += ids(result)
            scanned += result["scanned"]
            cursor = {"cursor": result["next_cursor"]}
    assert seen == [f"app-{n}" for n in range(len(seen))]
    assert scanned == len(seen)


async def test_every_app_is_found_once_to_the_very_end() -> None:
    service = Service(*({"client_name": f"App {n}"} for n in range(2345)))
    seen: list[str] = []
    arguments: dict[str, Any] = {"limit": 500, "query": "app", "max_bytes": 300_000}
    async with connected_to(service) as client:
        while True:
            result = answer(await client.call_tool("search_apps", arguments))
            seen += ids(result)
            if "next_cursor" not in result:
                break
            arguments["cursor"] = result["next_cursor"]
    assert result["stopped"] == "end"
    assert seen == [f"app-{n}" for n in range(2345)]


@pytest.mark.parametrize(
    ("arguments", "stopped"),
    [
        ({"limit": 3}, "limit"),
        ({"limit": 10}, "end"),
        ({"limit": 11}, "end"),
        ({"limit": 3, "query": "xxx"}, "limit"),
        ({"max_scanned": 3, "query": "xxx"}, "max_scanned"),
        ({"max_scanned": 10, "query": "nothing"}, "end"),
        ({"detail": "full", "max_bytes": 4000, "limit": 10}, "max_bytes"),
    ],
)
async def test_an_answer_says_why_it_stopped(arguments: dict[str, Any], stopped: str) -> None:
    service = Service(*({"client_name": "x" * 190} for _ in range(10)))
    async with connected_to(service) as client:
        result = answer(await client.call_tool("search_apps", arguments))
    assert result["stopped"] == stopped
    assert ("next_cursor" in result) == (stopped != "end")


@pytest.mark.parametrize("detail", ["summary", "full"])
@pytest.mark.parametrize("max_bytes", [4000, 24_000, 300_000])
async def test_no_answer_exceeds_its_budget(max_bytes: int, detail: str) -> None:
    huge = {
        "client_name": "\U0001f600" * 500,
        "client_description": "é" * 5000,
        "redirect_urls": [f"https://{'x' * 60}.example/{n}{'y' * 900}" for n in range(20)],
    }
    service = Service(*[huge] * 300)
    async with connected_to(service) as client:
        arguments = {"limit": 1000, "max_bytes": max_bytes, "detail": detail}
        result = await client.call_tool("search_apps", arguments)
    assert len(result.content[0].text.encode()) <= max_bytes  # type: ignore[union-attr]
    assert answer(result)["apps"]


async def test_an_app_larger_than_the_budget_is_summarised_and_that_is_said() -> None:
    large = {"redirect_urls": [f"https://a.example/{n}{'y' * 900}" for n in range(20)]}
    async with connected_to(Service(large)) as client:
        arguments = {"detail": "full", "max_bytes": 4000}
        result = answer(await client.call_tool("search_apps", arguments))
    assert result["apps"][0]["redirect_urls_count"] == 20
    assert "app-0" in result["note"]


@pytest.mark.parametrize("cursor", ["x", "é", "e30", "W10=", "eyJvZmZzZXQiOi0xfQ==", "A" * 9999])
async def test_a_foreign_cursor_is_refused(client: Client, cursor: str) -> None:
    result = refusal(await client.call_tool("search_apps", {"cursor": cursor}))
    assert result["error"] == "InvalidRequest"
    assert result["message"].startswith("cursor: ")


async def test_pages_that_go_round_are_noticed() -> None:
    def round_and_round(_request: httpx2.Request) -> httpx2.Response:
        found = {"connected_apps": [], "results_metadata": {"total": 1, "next_cursor": "same"}}
        return httpx2.Response(200, json={"status_code": 200, "request_id": "r", **found})

    async with connected_to(round_and_round) as client:
        result = answer(await client.call_tool("search_apps", {"query": "x"}))
    assert result["stopped"] == "empty_page"
    assert "pages do not end" in result["note"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_progress_is_reported_page_by_page(mode: Any) -> None:
    result: list[tuple[float, float | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        result.append((progress, total))

    service = Service(*({} for _ in range(2500)))
    async with (
        project_on(httpx2.MockTransport(service)) as project,
        Client(build_server(project), mode=mode) as client,
    ):
        await client.call_tool("search_apps", {"query": "none"}, progress_callback=listen)
    assert result == [(1000, 2500), (2000, 2500), (2500, 2500)]


async def test_a_search_that_is_cancelled_reads_no_further_page() -> None:
    service = Service(*({} for _ in range(5000)))
    async with connected_to(service) as client:
        with anyio.CancelScope() as scope:

            async def cancel(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
                scope.cancel()

            await client.call_tool("search_apps", {"query": "none"}, progress_callback=cancel)
        assert scope.cancelled_caught
        await anyio.sleep(0.1)
    assert service.pages <= 2


@pytest.mark.parametrize(
    "filters", [{"query": "   "}, {"redirect_host": "a b"}, {"redirect_host": "https://"}]
)
async def test_a_filter_that_can_fit_nothing_is_refused(filters: dict[str, str]) -> None:
    service = Service(*MIXED)
    async with connected_to(service) as client:
        result = refusal(await client.call_tool("search_apps", filters))
    assert result["error"] == "InvalidRequest"
    assert result["message"].startswith(f"{next(iter(filters))}: ")
    assert service.pages == 0


async def test_an_app_that_does_not_fit_does_not_stand_in_the_way_of_others() -> None:
    wide = "\U0001f600" * 200
    urls = [f"com.{n}.{wide}:/" for n in range(3)]
    service = Service({"client_name": wide, "redirect_urls": urls}, {"client_name": "Mine"})
    async with connected_to(service) as client:
        result = answer(await client.call_tool("search_apps", {"max_bytes": 4000}))
    assert ids(result) == ["app-0", "app-1"]


RANKED: list[dict[str, Any]] = [
    {"client_id": "connected-app-test-billing0"},
    {"redirect_urls": ["https://a.example/billing"]},
    {"redirect_urls": ["https://billing.example/cb"]},
    {"client_description": "For billing"},
    {"client_name": "The billing portal"},
    {"client_name": "Billing"},
]


async def test_names_come_before_urls_and_ids() -> None:
    assert await found(Service(*RANKED), query="billing") == [
        "app-5",
        "app-4",
        "app-3",
        "app-2",
        "app-1",
        "connected-app-test-billing0",
    ]


async def test_a_cursor_goes_on_where_a_ranked_answer_stopped() -> None:
    every: list[str] = []
    arguments: dict[str, Any] = {"query": "billing", "limit": 2}
    async with connected_to(Service(*RANKED)) as client:
        for _ in range(3):
            result = answer(await client.call_tool("search_apps", arguments))
            every += ids(result)
            arguments["cursor"] = result.get("next_cursor")
    assert every == await found(Service(*RANKED), query="billing")


@pytest.mark.parametrize("query", ["app", "connected", "test", "connected-app-live-"])
async def test_what_every_id_begins_with_finds_no_app_by_its_id(query: str) -> None:
    service = Service({"client_id": "connected-app-test-1", "client_name": "Mine"})
    assert await found(service, query=query) == []


async def test_an_id_finds_its_app() -> None:
    service = Service({"client_id": "connected-app-test-6b1f2f4e"}, {"client_name": "6b1f"})
    assert await found(service, query="connected-app-test-6b1f2f4e") == [
        "connected-app-test-6b1f2f4e"
    ]


async def test_where_no_app_fits_the_one_with_the_nearest_name_is_named() -> None:
    service = Service({"client_name": "Intranet"}, {"client_name": "Billing portal"})
    async with connected_to(service) as client:
        result = answer(await client.call_tool("search_apps", {"query": "biling portl"}))
    assert result["apps"] == []
    assert result["note"] == "No app fits. The app with the nearest name is app-1."


async def test_a_cursor_of_another_query_is_refused() -> None:
    async with connected_to(Service(*RANKED)) as client:
        result = answer(await client.call_tool("search_apps", {"query": "billing", "limit": 1}))
        other = {"query": "portal", "cursor": result["next_cursor"]}
        refused = refusal(await client.call_tool("search_apps", other))
    assert refused["message"] == "cursor: it belongs to a search with another query."


async def test_no_near_name_is_given_where_later_pages_may_fit() -> None:
    service = Service(*({"client_name": "Billing portal"} for _ in range(20)))
    async with connected_to(service) as client:
        arguments = {"query": "biling portl", "max_scanned": 10}
        result = answer(await client.call_tool("search_apps", arguments))
    assert result["stopped"] == "max_scanned"
    assert "note" not in result
