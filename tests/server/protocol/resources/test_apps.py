"""Apps as resources, in both protocol eras, on the sandbox."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError, types
from mcp.server import Server
from support import (
    ERAS,
    EVERY_SETTING,
    SHOWN_APP,
    answer,
    connected_to,
    offering,
    project_on,
)

from connected_apps_mcp.protocol.resources.apps import PAGE_SIZE, SECTIONS
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools import ToolContext
from connected_apps_tools.catalogue.types.app_view import AppView

UNPRINTABLE = "B\u202ei\u200bll\U000e0041ing"


async def create(client: Client, **settings: Any) -> str:
    created = await client.call_tool("create_app", {"client_type": "first_party", **settings})
    return str(answer(created)["app"]["client_id"])


async def read(client: Client, client_id: str) -> dict[str, Any]:
    result = await client.read_resource(f"connected-app://{client_id}")
    (content,) = result.contents
    assert isinstance(content, types.TextResourceContents)
    assert content.mime_type == "application/json"
    shown: dict[str, Any] = json.loads(content.text)
    return shown


@asynccontextmanager
async def client_of_many_apps(count: int, era: str) -> AsyncIterator[Client]:
    sandbox = create_sandbox()
    seed(sandbox, Seed(generated_apps=count))
    async with (
        project_on(httpx2.ASGITransport(sandbox)) as project,
        Client(build_server(project), mode=era) as client,
    ):
        yield client


async def test_the_template_is_listed(client: Client) -> None:
    (template,) = (await client.list_resource_templates()).resource_templates
    assert template.uri_template == "connected-app://{client_id}"
    assert template.mime_type == "application/json"


async def test_an_app_is_shown_in_sections(client: Client) -> None:
    client_id = await create(client, **EVERY_SETTING)
    app = answer(await client.call_tool("get_app", {"client_id": client_id}))["app"]
    settings = {name: app[name] for name in SECTIONS["oauth_config"]}
    assert await read(client, client_id) == {
        "client": {
            "client_id": client_id,
            "client_name": EVERY_SETTING["client_name"],
            "client_description": EVERY_SETTING["client_description"],
            "client_type": "first_party",
            "logo_url": EVERY_SETTING["logo_url"],
            "confidential": True,
            "party": "first_party",
        },
        "oauth_config": settings,
        "lifecycle": {
            "status": "active",
            "creation_method": app["creation_method"],
            "version": app["version"],
            "rotation": {
                "state": "not_rotating",
                "client_secret_last_four": app["client_secret_last_four"],
            },
        },
        "untrusted": [
            "client_name",
            "client_description",
            "redirect_urls",
            "post_logout_redirect_urls",
            "logo_url",
        ],
        "cut": [],
    }


def test_every_field_of_an_app_is_in_one_section() -> None:
    fields = list(chain(*SECTIONS.values()))
    assert sorted(fields) == sorted(AppView.model_fields.keys() - {"cut"})


@pytest.mark.parametrize(
    ("client_type", "confidential", "party"),
    [
        ("first_party", True, "first_party"),
        ("first_party_public", False, "first_party"),
        ("third_party", True, "third_party"),
        ("third_party_public", False, "third_party"),
    ],
)
async def test_the_type_of_an_app_is_shown_as_confidential_and_party(
    server: Server[Any], client_type: str, confidential: bool, party: str
) -> None:
    async with Client(server) as client:
        shown = (await read(client, await create(client, client_type=client_type)))["client"]
    assert (shown["confidential"], shown["party"]) == (confidential, party)


async def test_a_rotation_in_progress_is_shown(client: Client) -> None:
    client_id = await create(client)
    started = answer(await client.call_tool("start_secret_rotation", {"client_id": client_id}))
    assert (await read(client, client_id))["lifecycle"]["rotation"] == {
        "state": "rotating",
        "client_secret_last_four": started["client_secret_last_four"],
        "next_client_secret_last_four": started["next_client_secret_last_four"],
    }


async def test_invisible_text_is_removed_from_an_app(client: Client) -> None:
    shown = await read(client, await create(client, client_name=UNPRINTABLE))
    assert shown["client"]["client_name"] == "Billing"
    assert shown["untrusted"] == ["client_name"]


async def test_apps_are_listed_with_printable_names_marked_as_untrusted(client: Client) -> None:
    client_id = await create(client, client_name=UNPRINTABLE, client_description="Shows\ninvoices")
    listed = await client.list_resources()
    _, entry = listed.resources
    assert entry.uri == f"connected-app://{client_id}"
    assert (entry.name, entry.title) == (client_id, "Billing")
    assert entry.description == "Shows invoices"
    assert entry.mime_type == "application/json"
    assert listed.meta
    assert listed.meta["connected-apps-mcp/untrusted"] == ["title", "description"]


async def test_a_nameless_app_is_listed_without_title(client: Client) -> None:
    await create(client)
    _, entry = (await client.list_resources()).resources
    assert (entry.title, entry.description) == (None, None)


@pytest.mark.parametrize("era", ERAS)
async def test_the_pages_of_the_list_have_every_app_once(era: str) -> None:
    pages: list[list[str]] = []
    async with client_of_many_apps(2 * PAGE_SIZE + 5, era) as client:
        cursor: str | None = None
        while True:
            page = await client.list_resources(cursor=cursor)
            pages.append([entry.uri for entry in page.resources])
            cursor = page.next_cursor
            if cursor is None:
                break
    assert pages[0].pop(0) == "connected-apps://manifest"
    assert [len(page) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 5]
    assert len(set(chain(*pages))) == 2 * PAGE_SIZE + 5


async def test_a_listed_app_can_be_read() -> None:
    async with client_of_many_apps(1, "auto") as client:
        _, entry = (await client.list_resources()).resources
        assert (await read(client, entry.name))["client"]["client_id"] == entry.name


async def test_a_foreign_cursor_is_refused_by_name(client: Client) -> None:
    with pytest.raises(MCPError, match="cursor: it is not a nextCursor") as caught:
        await client.list_resources(cursor="bm90IG91cnM=")
    assert caught.value.error.code == types.INVALID_PARAMS


async def test_an_unknown_app_is_refused_with_the_nearest_id(client: Client) -> None:
    client_id = await create(client)
    near = client_id[:-1] + ("0" if client_id[-1] != "0" else "1")
    with pytest.raises(MCPError, match=f"Did you mean {client_id}") as caught:
        await read(client, near)
    assert caught.value.error.code == types.INVALID_PARAMS
    assert caught.value.error.data["error"] == "connected_app_not_found"


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "connected-app://",
        "connected-app:app",
        "connected-app://../secrets",
        "connected-app://app/secrets",
        "connected-app://app?x=1",
        "connected-app://%61pp",
        "Connected-App://app",
        "connected-app://" + "a" * 200,
    ],
)
async def test_a_uri_of_another_form_is_refused_with_the_right_form(
    client: Client, uri: str
) -> None:
    with pytest.raises(MCPError, match=r"uri: .* connected-app://\{client_id\}") as caught:
        await client.read_resource(uri)
    assert caught.value.error.code == types.INVALID_PARAMS


@pytest.mark.parametrize("era", ERAS)
async def test_an_error_of_the_service_is_an_internal_error(era: str) -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(503, text="canary-Zx81kQ0pLm27")

    async with connected_to(fail, mode=era) as client:
        for asking in (client.list_resources(), client.list_resources(cursor="a")):
            with pytest.raises(MCPError) as caught:
                await asking
            assert caught.value.error.code == types.INTERNAL_ERROR
            assert caught.value.error.data["retry_may_help"] is True
            assert "canary" not in str(caught.value.error)


async def test_a_malformed_id_is_listed_with_an_escaped_uri() -> None:
    def malformed_id(_request: httpx2.Request) -> httpx2.Response:
        app = {**SHOWN_APP, "client_id": "a/../b\u202e c"}
        found = {"connected_apps": [app], "results_metadata": {"total": 1}}
        return httpx2.Response(200, json={"status_code": 200, "request_id": "r", **found})

    async with connected_to(malformed_id) as client:
        _, entry = (await client.list_resources()).resources
    assert entry.uri == "connected-app://a%2F..%2Fb%E2%80%AE%20c"
    assert entry.name == "a/../b c"


@pytest.mark.parametrize("missing", ["get_app", "search_apps"])
@pytest.mark.parametrize("era", ERAS)
async def test_resources_are_off_if_a_tool_that_shows_them_is_off(
    project: ToolContext, missing: str, era: str
) -> None:
    others = [name for name in offering().on if name != missing]
    async with Client(build_server(project, offering(tools=others)), mode=era) as client:
        assert client.server_capabilities
        assert client.server_capabilities.resources is None
        with pytest.raises(MCPError) as caught:
            await client.list_resources()
    assert caught.value.error.code == types.METHOD_NOT_FOUND


async def test_lists_that_do_not_change_may_be_cached_for_long_but_not_shared(
    server: Server[Any],
) -> None:
    async with Client(server, cache=None) as client:
        for listed in (
            await client.list_tools(),
            await client.list_prompts(),
            await client.list_resource_templates(),
        ):
            assert (listed.ttl_ms, listed.cache_scope) == (3_600_000, "private")


async def test_the_list_of_apps_may_be_cached_for_seconds_but_not_shared(
    server: Server[Any],
) -> None:
    async with Client(server, cache=None) as client:
        await create(client)
        listed = await client.list_resources()
    assert (listed.ttl_ms, listed.cache_scope) == (5_000, "private")
