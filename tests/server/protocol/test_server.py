"""The tools as an MCP client sees them, in both protocol eras, on the sandbox."""

import json
import logging
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.server import Server
from support import EVERY_SETTING, LISTED, SHOWN_APP, answer, connected_to, json_of, refusal

CANARY = "canary-Zx81kQ0pLm27vTn4Rb6wYs3c"


async def create(client: Client, **arguments: Any) -> str:
    created = await client.call_tool("create_app", {"client_type": "first_party", **arguments})
    return str(answer(created)["app"]["client_id"])


async def test_the_tools_are_listed_in_order(client: Client) -> None:
    names = [tool.name for tool in (await client.list_tools()).tools]
    assert names == [tool.name for tool in LISTED]


async def test_schemas_are_those_of_the_request_and_response_types(client: Client) -> None:
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    for tool in filter(None, [tool.where_secrets_show(allowed=True) for tool in LISTED]):
        assert listed[tool.name].input_schema == tool.request.json_schema()
        assert listed[tool.name].output_schema == tool.result.json_schema()


@pytest.mark.parametrize(
    ("name", "read_only", "destructive", "idempotent"),
    [
        ("create_app", False, False, False),
        ("get_app", True, False, True),
        ("update_app", False, True, True),
        ("delete_app", False, True, True),
        ("search_apps", True, False, True),
    ],
)
async def test_hints_say_what_a_tool_does(
    server: Server[Any], name: str, read_only: bool, destructive: bool, idempotent: bool
) -> None:
    async with Client(server) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}[name]
    assert hints
    assert hints.read_only_hint is read_only
    assert hints.destructive_hint is destructive
    assert hints.idempotent_hint is idempotent


async def test_the_server_names_itself_and_warns_of_strangers_text(client: Client) -> None:
    assert client.server_info
    assert client.server_info.name == "connected-apps-mcp"
    assert "strangers" in str(client.instructions)


async def test_an_app_can_be_created_found_changed_read_and_deleted(client: Client) -> None:
    client_id = await create(client, client_name="Mine")
    found = answer(await client.call_tool("search_apps", {}))
    assert [app["client_id"] for app in found["apps"]] == [client_id]
    assert found["total"] == 1
    changed = answer(
        await client.call_tool("update_app", {"client_id": client_id, "client_name": "Yours"})
    )
    assert changed["changes"] == {"client_name": {"before": "Mine", "after": "Yours"}}
    read = answer(await client.call_tool("get_app", {"client_id": client_id}))
    assert read["app"]["client_name"] == "Yours"
    assert read["app"]["version"] == changed["version"]
    deleted = answer(await client.call_tool("delete_app", {"client_id": client_id}))
    assert deleted["deleted"] is True
    assert deleted["former"] == read["app"]
    gone = refusal(await client.call_tool("get_app", {"client_id": client_id}))
    assert gone["error"] == "connected_app_not_found"
    assert gone["status"] == 404
    assert "search_apps" in gone["hint"]
    assert gone["request_id"].startswith("request-id-test-")


@pytest.mark.parametrize("field", EVERY_SETTING)
async def test_create_takes_every_field(client: Client, field: str) -> None:
    arguments = {"client_type": "first_party", field: EVERY_SETTING[field]}
    created = answer(await client.call_tool("create_app", arguments))
    assert created["app"][field] == EVERY_SETTING[field]


@pytest.mark.parametrize("field", EVERY_SETTING)
async def test_update_takes_every_field_and_leaves_the_others(client: Client, field: str) -> None:
    client_id = await create(client)
    before = answer(await client.call_tool("get_app", {"client_id": client_id}))["app"]
    arguments = {"client_id": client_id, field: EVERY_SETTING[field]}
    changed = answer(await client.call_tool("update_app", arguments))
    after = answer(await client.call_tool("get_app", {"client_id": client_id}))["app"]
    assert after == before | {field: EVERY_SETTING[field], "version": changed["version"]}
    assert changed["changes"][field]["after"] == EVERY_SETTING[field]


@pytest.mark.parametrize(
    "client_type", ["first_party", "first_party_public", "third_party", "third_party_public"]
)
async def test_create_takes_every_client_type(client: Client, client_type: str) -> None:
    created = answer(await client.call_tool("create_app", {"client_type": client_type}))
    assert created["app"]["client_type"] == client_type
    assert ("client_secret" in created) == (not client_type.endswith("_public"))


async def test_an_emptied_field_is_empty(client: Client) -> None:
    client_id = await create(client, **EVERY_SETTING)
    arguments = {"client_id": client_id, "redirect_urls": [], "client_name": ""}
    changed = answer(await client.call_tool("update_app", arguments))["changes"]
    assert changed["redirect_urls"]["after"] == []
    assert changed["client_name"] == {"before": EVERY_SETTING["client_name"], "after": ""}


async def test_a_secret_is_withheld_and_the_answer_says_so(client: Client) -> None:
    created = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
    assert created["client_secret"].keys() == {"last_four", "kept_in", "note"}
    assert created["client_secret"]["last_four"] == created["app"]["client_secret_last_four"]
    assert "reveal_client_secret" in created["client_secret"]["note"]


async def test_reveal_secret_shows_the_secret_that_works(
    client: Client, sandbox: httpx2.ASGITransport
) -> None:
    arguments = {"client_type": "third_party", "reveal_secret": True}
    created = answer(await client.call_tool("create_app", arguments))
    secret = created["client_secret"]["value"]
    async with httpx2.AsyncClient(transport=sandbox, base_url="http://localhost") as http:
        introspected = await http.post(
            "/v1/oauth2/introspect",
            data={"token": "x"},
            auth=(created["app"]["client_id"], secret),
        )
    assert introspected.status_code == 200
    assert introspected.json()["active"] is False


async def test_reveal_secret_shows_the_value_once_in_the_result(client: Client) -> None:
    arguments = {"client_type": "third_party", "reveal_secret": True}
    created = answer(await client.call_tool("create_app", arguments))
    assert json.dumps(created).count(created["client_secret"]["value"]) == 1


async def test_a_missing_secret_of_a_confidential_app_is_said() -> None:
    async def forget_the_secret(request: httpx2.Request) -> httpx2.Response:
        body = {"status_code": 200, "request_id": "r", "connected_app": SHOWN_APP}
        return httpx2.Response(200, json=body, request=request)

    async with connected_to(forget_the_secret) as client:
        created = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
    assert "no copy of it exists" in created["client_secret"]["note"]


async def test_pages_follow_each_other(client: Client) -> None:
    ids = {await create(client, client_name=f"App {number}") for number in range(5)}
    seen: list[str] = []
    arguments: dict[str, Any] = {"limit": 2}
    while True:
        page = answer(await client.call_tool("search_apps", arguments))
        seen += [app["client_id"] for app in page["apps"]]
        if "next_cursor" not in page:
            break
        arguments["cursor"] = page["next_cursor"]
    assert len(seen) == 5
    assert set(seen) == ids


async def test_a_total_that_is_switched_off_is_left_out() -> None:
    def no_totals(_request: httpx2.Request) -> httpx2.Response:
        found = {"connected_apps": [], "results_metadata": {"total": -1, "next_cursor": ""}}
        return httpx2.Response(200, json={"status_code": 200, "request_id": "r", **found})

    async with connected_to(no_totals) as client:
        found = answer(await client.call_tool("search_apps", {}))
    assert found == {"apps": [], "scanned": 0, "stopped": "end"}


async def test_results_are_compact_json(client: Client) -> None:
    result = await client.call_tool("search_apps", {})
    assert result.content[0].text == '{"apps":[],"scanned":0,"total":0,"stopped":"end"}'  # type: ignore[union-attr]


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown argument": (
        "create_app",
        {"client_type": "first_party", "redirect_uris": [CANARY]},
        "redirect_uris: there is no such argument. Did you mean redirect_urls?",
    ),
    "a confirmation of the model's own": (
        "delete_app",
        {"client_id": "app", "confirm": CANARY},
        "confirm: there is no such argument.",
    ),
    "a missing type": ("create_app", {"client_name": CANARY}, "client_type: Field required."),
    "no arguments": ("get_app", {}, "client_id: Field required."),
    "another type": (
        "create_app",
        {"client_type": CANARY},
        "client_type: Input should be 'first_party'",
    ),
    "a number for a string": (
        "create_app",
        {"client_type": "first_party", "client_name": 81181181},
        "client_name: Input should be a valid string.",
    ),
    "a string for a list": (
        "create_app",
        {"client_type": "first_party", "redirect_urls": CANARY},
        "redirect_urls: Input should be a valid",
    ),
    "a number in a list": (
        "create_app",
        {"client_type": "first_party", "redirect_urls": ["https://a.example", 81181181]},
        "redirect_urls.1: Input should be a valid string.",
    ),
    "an object for a template": (
        "create_app",
        {"client_type": "first_party", "access_token_template_content": {"role": CANARY}},
        "access_token_template_content: Input should be a valid string.",
    ),
    "a string for a number": (
        "search_apps",
        {"limit": "81181181"},
        "limit: Input should be a valid integer.",
    ),
    "a number out of bounds": (
        "search_apps",
        {"limit": 81181181},
        "limit: Input should be less than or equal to 1000.",
    ),
    "a string for a switch": (
        "create_app",
        {"client_type": "first_party", "reveal_secret": CANARY},
        "reveal_secret: Input should be a valid boolean.",
    ),
    "null for what is required": ("get_app", {"client_id": None}, "client_id: must not be null."),
    "nothing but null": (
        "update_app",
        {"client_id": "app", "client_name": None},
        'give at least one field to change besides client_id; to make one empty, send "" or []',
    ),
    "the end of a name": (
        "create_app",
        {"client_type": "first_party", "name": CANARY},
        "name: there is no such argument. Did you mean client_name?",
    ),
    "an id": (
        "get_app",
        {"id": CANARY},
        "id: there is no such argument. Did you mean client_id?",
    ),
    "an id of two": (
        "revoke_user_grant",
        {"id": CANARY, "user_id": "bob", "client_id": "app"},
        "id: there is no such argument. Did you mean user_id or client_id?",
    ),
    "blanks to look for": ("search_apps", {"query": "  "}, "query: must be at least one word."),
    "no change": ("update_app", {"client_id": "app"}, "give at least one field to change"),
    "an unsafe id": (
        "get_app",
        {"client_id": f"../{CANARY}"},
        "client_id: must be 1 to 128 letters, digits, hyphens and underscores",
    ),
    "a long id": ("get_app", {"client_id": CANARY * 400}, "client_id: String should have at most"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_names_field_and_rule_and_repeats_no_value(
    client: Client, case: str
) -> None:
    tool, arguments, rule = REFUSED[case]
    result = await client.call_tool(tool, arguments)
    refused = refusal(result)
    assert refused["error"] == "InvalidRequest"
    assert rule in refused["message"]
    assert CANARY not in str(result)
    assert "81181181" not in str(result)
    assert "Nothing was sent" in refused["hint"]


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_is_not_sent(case: str) -> None:
    def unreachable(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(request)

    tool, arguments, _ = REFUSED[case]
    async with connected_to(unreachable) as client:
        assert refusal(await client.call_tool(tool, arguments))["error"] == "InvalidRequest"


async def test_a_foreign_argument_name_is_cut_and_cleaned(client: Client) -> None:
    refused = refusal(await client.call_tool("get_app", {"client_id": "a", "x\x1b\n" * 9999: 1}))
    assert "\x1b" not in refused["message"]
    assert "\n" not in refused["message"]
    assert len(refused["message"]) < 200


async def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(client: Client) -> None:
    with pytest.raises(MCPError, match="Did you mean delete_app") as caught:
        await client.call_tool("delete_apps", {})
    assert caught.value.error.code == -32602


async def test_an_error_of_the_service_reaches_the_model_with_its_type(client: Client) -> None:
    arguments = {"client_type": "third_party", "full_access_allowed": True}
    refused = refusal(await client.call_tool("create_app", arguments))
    assert refused["error"] == "third_party_clients_cannot_use_full_access"
    assert refused["retry_may_help"] is False
    assert "first-party" in refused["hint"]


async def test_an_unreachable_service_is_said_and_whether_to_try_again() -> None:
    def refuse(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"connection refused {CANARY}")

    async with connected_to(refuse) as client:
        refused = refusal(await client.call_tool("get_app", {"client_id": "app"}))
    assert refused["error"] == "NotSent"
    assert refused["retry_may_help"] is True
    assert CANARY not in str(refused)


@pytest.mark.parametrize(("tool", "doubtful"), [("get_app", None), ("delete_app", True)])
async def test_an_unexpected_error_shows_the_model_none_of_its_text(
    caplog: pytest.LogCaptureFixture, tool: str, doubtful: bool | None
) -> None:
    def explode(request: httpx2.Request) -> httpx2.Response:
        if doubtful and request.method == "GET":  # so that the change itself explodes
            body = {"status_code": 200, "request_id": "r", "connected_app": SHOWN_APP}
            return httpx2.Response(200, json=body)
        raise ZeroDivisionError(CANARY)

    async with connected_to(explode) as client:
        result = await client.call_tool(tool, {"client_id": "app"})
    assert "unexpected" in refusal(result)["message"]
    assert refusal(result).get("may_have_taken_effect") is doubtful
    assert CANARY not in str(result)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "ZeroDivisionError" in record.getMessage()
    assert CANARY not in caplog.text


async def test_the_schemas_tell_a_client_what_the_answers_keep(client: Client) -> None:
    # The SDK's client checks each answer against the output schema, and raises where it differs.
    client_id = await create(client, **EVERY_SETTING)
    for tool, arguments in {
        "get_app": {"client_id": client_id},
        "update_app": {"client_id": client_id, "client_name": "x"},
        "search_apps": {},
        "delete_app": {"client_id": client_id},
    }.items():
        assert json_of(await client.call_tool(tool, arguments))
