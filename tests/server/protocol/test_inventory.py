"""What a model is told of the tools: all of it, and every tool's schema."""

import difflib
import json
import re
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import httpx2
import pytest
from mcp import Client, types
from mcp.server import Server
from support import answer, project_on
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import CATALOGUE, DEFAULT_TOOLSETS, TOOLSET_NAMES, TOOLSETS, Tool
from connected_apps_tools.api import operations
from connected_apps_tools.api.operations import Operation
from connected_apps_tools.errors import InvalidRequest


def size(tools: Iterable[types.Tool]) -> int:
    """Bytes that these tools take in tools/list."""
    told = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


def test_the_names_of_the_toolsets_are_those_of_the_catalogue() -> None:
    assert [name for name in TOOLSETS if name] == list(TOOLSET_NAMES)


async def test_the_app_tools_take_no_more_than_9000_bytes(listed: dict[str, types.Tool]) -> None:
    five = ["create_app", "get_app", "update_app", "delete_app", "search_apps"]
    assert size(listed[name] for name in five) <= 9_000


async def test_the_default_tools_take_no_more_than_24000_bytes(
    listed: dict[str, types.Tool],
) -> None:
    default = [tool.name for toolset in DEFAULT_TOOLSETS[None] for tool in TOOLSETS[toolset]]
    assert size(listed[name] for name in [*default, "get_server_status"]) <= 24_000


SHOWN = {
    "client_id": "connected-app-test-1",
    "client_name": "Mine",
    "client_description": "",
    "client_type": "first_party",
    "status": "active",
    "creation_method": "API",
    "redirect_urls": [],
    "post_logout_redirect_urls": [],
    "access_token_expiry_minutes": 60,
    "access_token_template_content": "",
    "full_access_allowed": False,
    "bypass_consent_for_offline_access": False,
    "client_secret": "s" * 44 + "last",
    "client_secret_last_four": "last",
    "next_client_secret": "s" * 44 + "next",
    "next_client_secret_last_four": "next",
}
ANYTHING = {
    "status_code": 200,
    "request_id": "request-id-test",
    "connected_app": SHOWN,
    "connected_apps": [
        SHOWN
        | {
            "connected_app_id": SHOWN["client_id"],
            "name": "Mine",
            "description": "",
            "scopes_granted": "openid",
        }
    ],
    "results_metadata": {"total": 0},
    "client_id": SHOWN["client_id"],
    "connected_app_id": SHOWN["client_id"],
    "name": "Mine",
    "description": "",
    "client_type": "first_party",
    "active_members": [],
}
"""A body in which every operation finds what it promises."""

SAYS_IT_BY_NAME = {
    "client_id",
    "client_name",
    "client_description",
    "client_type",
    "creation_method",
    "limit",
    "logo_url",
    "max_bytes",
    "max_scanned",
    "which",
}
"""Arguments that need no description."""

DESCRIBED_BY_CREATE = {"update_app"}


@pytest.fixture
async def listed(server: Server[Any]) -> dict[str, types.Tool]:
    async with Client(server) as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("name", [tool.name for tool in CATALOGUE])
async def test_a_tool_is_listed_as_it_was_agreed(
    name: str, listed: dict[str, types.Tool], snapshot: SnapshotAssertion
) -> None:
    told = listed[name].model_dump(mode="json", by_alias=True, exclude_none=True)
    assert told == snapshot(extension_class=JSONSnapshotExtension)


async def test_every_tool_has_a_title_and_all_four_hints(listed: dict[str, types.Tool]) -> None:
    for tool in listed.values():
        hints = tool.annotations
        assert tool.title
        assert hints
        assert None not in (
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        )


async def test_descriptions_are_neither_terse_nor_long(listed: dict[str, types.Tool]) -> None:
    for tool in listed.values():
        assert 100 < len(tool.description or "") < 400, tool.name


async def test_no_two_tools_read_alike(listed: dict[str, types.Tool]) -> None:
    for one, other in combinations(listed.values(), 2):
        alike = difflib.SequenceMatcher(None, one.description or "", other.description or "")
        assert alike.ratio() < 0.8, (one.name, other.name)


async def test_every_argument_that_does_not_say_it_by_name_is_described(
    listed: dict[str, types.Tool],
) -> None:
    for name in listed.keys() - DESCRIBED_BY_CREATE:
        for argument, schema in listed[name].input_schema["properties"].items():
            assert argument in SAYS_IT_BY_NAME or schema.get("description"), (name, argument)


async def test_every_input_schema_is_flat(listed: dict[str, types.Tool]) -> None:
    for tool in listed.values():
        assert "$defs" not in tool.input_schema
        assert all("anyOf" not in field for field in tool.input_schema["properties"].values())


async def test_bounds_are_told_in_the_words_of_json_schema(listed: dict[str, types.Tool]) -> None:
    limit = listed["search_apps"].input_schema["properties"]["limit"]
    assert limit == {"default": 20, "minimum": 1, "maximum": 1000, "type": "integer"}


APP = "connected-app-test-1"
CLIENTS = "/v1/connected_apps/clients"
ORGANIZATION = "/v1/b2b/organizations/acme/connected_apps"
MEMBER = "/v1/b2b/organizations/acme/members/ann/connected_apps"
PUBLISHED = [
    ("create_app", {"client_type": "first_party"}, f"POST {CLIENTS}"),
    ("get_app", {"client_id": APP}, f"GET {CLIENTS}/{APP}"),
    ("update_app", {"client_id": APP, "client_name": "New"}, f"PUT {CLIENTS}/{APP}"),
    ("delete_app", {"client_id": APP}, f"DELETE {CLIENTS}/{APP}"),
    ("search_apps", {}, f"POST {CLIENTS}/search"),
    ("start_secret_rotation", {"client_id": APP}, f"POST {CLIENTS}/{APP}/secrets/rotate/start"),
    (
        "complete_secret_rotation",
        {"client_id": APP, "force": True, "reason": "known elsewhere"},
        f"POST {CLIENTS}/{APP}/secrets/rotate",
    ),
    ("cancel_secret_rotation", {"client_id": APP}, f"POST {CLIENTS}/{APP}/secrets/rotate/cancel"),
    ("list_user_grants", {"user_id": "bob"}, "GET /v1/users/bob/connected_apps"),
    (
        "revoke_user_grant",
        {"user_id": "bob", "client_id": APP},
        f"POST /v1/users/bob/connected_apps/{APP}/revoke",
    ),
    ("list_organization_apps", {"organization_id": "acme"}, f"GET {ORGANIZATION}"),
    (
        "get_organization_app",
        {"organization_id": "acme", "client_id": APP},
        f"GET {ORGANIZATION}/{APP}",
    ),
    ("list_member_grants", {"organization_id": "acme", "member_id": "ann"}, f"GET {MEMBER}"),
    (
        "revoke_member_grant",
        {"organization_id": "acme", "member_id": "ann", "client_id": APP},
        f"POST {MEMBER}/{APP}/revoke",
    ),
]
"""Every operation of the service's OpenAPI descriptions, and the call that reaches it."""


@pytest.mark.parametrize(("tool", "arguments", "request_line"), PUBLISHED)
async def test_every_published_operation_is_reached_by_a_tool(
    tool: str, arguments: dict[str, Any], request_line: str
) -> None:
    sent: list[str] = []

    def answer_anything(request: httpx2.Request) -> httpx2.Response:
        sent.append(f"{request.method} {request.url.path}")
        return httpx2.Response(200, json=ANYTHING)

    async with (
        project_on(httpx2.MockTransport(answer_anything)) as project,
        Client(build_server(project)) as client,
    ):
        answer(await client.call_tool(tool, arguments))
    assert request_line in sent


async def test_no_operation_is_without_a_tool() -> None:
    known = [each for each in vars(operations).values() if isinstance(each, Operation)]
    assert len(known) == len(PUBLISHED)


async def test_no_input_schema_has_the_keyword_on_which_a_popular_sdk_fails(
    listed: dict[str, types.Tool],
) -> None:
    for tool in listed.values():
        assert "additionalProperties" not in json.dumps(tool.input_schema), tool.name


@pytest.mark.parametrize("tool", CATALOGUE, ids=lambda tool: tool.name)
def test_an_unknown_argument_is_refused_by_name(tool: Tool[Any, Any]) -> None:
    with pytest.raises(InvalidRequest, match="unheard_of: there is no such argument"):
        tool.read({"unheard_of": 1})


REQUIRED = {
    "client_id": APP,
    "client_type": "first_party",
    "user_id": "bob",
    "organization_id": "acme",
    "member_id": "ann",
}


@pytest.mark.parametrize("tool", CATALOGUE, ids=lambda tool: tool.name)
def test_an_optional_argument_that_is_null_counts_as_left_out(tool: Tool[Any, Any]) -> None:
    fields = tool.request.model_fields
    required = {name: REQUIRED[name] for name, field in fields.items() if field.is_required()}
    if tool.name == "update_app":
        required["client_name"] = "New"
    nulls = {name: None for name in fields if name not in required}
    assert tool.read({**required, **nulls}) == tool.read(required)


PATTERNED = [
    (tool, name)
    for tool in CATALOGUE
    for name, schema in tool.request.json_schema()["properties"].items()
    if "pattern" in schema
]


@pytest.mark.parametrize(
    ("tool", "name"), PATTERNED, ids=[f"{tool.name}-{name}" for tool, name in PATTERNED]
)
def test_a_refusal_says_in_words_what_a_pattern_asks_for(tool: Tool[Any, Any], name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{name}: must be") as caught:
        tool.read({name: " "})
    assert not re.search(r"[\^$\\\[]", str(caught.value))
