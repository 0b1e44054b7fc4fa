"""The descriptions and schemas of the tools."""

import difflib
import json
import re
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from examples import APP, EXAMPLES, MEMBER, ORGANIZATION, USER
from mcp import Client, types
from mcp.server import Server
from server.people import YES, Person, asking, example_of, wire_for
from support import LISTED, SANDBOX, SEEN_WITH_PAGE, answer, default_tools
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from connected_apps_tools import CATALOGUE, TOOLSET_NAMES, TOOLSETS, Tool
from connected_apps_tools.api import operations
from connected_apps_tools.api.operations import Operation
from connected_apps_tools.errors import InvalidRequest


def size(tools: Iterable[types.Tool]) -> int:
    """Bytes that these tools take in tools/list."""
    result = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode())


def test_the_names_of_the_toolsets_are_those_of_the_catalogue() -> None:
    assert [name for name in TOOLSETS if name] == list(TOOLSET_NAMES)


async def test_the_app_tools_take_no_more_than_9000_bytes(listed: dict[str, types.Tool]) -> None:
    five = ["create_app", "get_app", "update_app", "delete_app", "search_apps"]
    assert size(listed[name] for name in five) <= 9_000


async def test_the_default_tools_take_no_more_than_24500_bytes(
    listed: dict[str, types.Tool],
) -> None:
    assert size(listed[name] for name in default_tools()) <= 24_500


SAYS_IT_BY_NAME = {
    "client_id",
    "client_name",
    "client_description",
    "client_type",
    "add_post_logout_redirect_urls",
    "add_redirect_urls",
    "limit",
    "logo_url",
    "remove_post_logout_redirect_urls",
    "remove_redirect_urls",
    "which",
}
"""Arguments that need no description."""


@pytest.fixture
async def listed(server: Server[Any]) -> dict[str, types.Tool]:
    async with Client(server) as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("name", [tool.name for tool in LISTED])
async def test_a_tool_is_listed_as_it_was_agreed(
    name: str, listed: dict[str, types.Tool], snapshot: SnapshotAssertion
) -> None:
    result = listed[name].model_dump(mode="json", by_alias=True, exclude_none=True)
    assert result == snapshot(extension_class=JSONSnapshotExtension)


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
    for name in listed:
        for argument, schema in listed[name].input_schema["properties"].items():
            assert argument in SAYS_IT_BY_NAME or schema.get("description"), (name, argument)


async def test_every_input_schema_is_flat(listed: dict[str, types.Tool]) -> None:
    for tool in listed.values():
        assert "$defs" not in tool.input_schema
        assert all("anyOf" not in field for field in tool.input_schema["properties"].values())


async def test_bounds_are_told_in_the_words_of_json_schema(listed: dict[str, types.Tool]) -> None:
    limit = listed["search_apps"].input_schema["properties"]["limit"]
    assert limit == {"default": 20, "minimum": 1, "maximum": 1000, "type": "integer"}


CLIENTS = "/v1/connected_apps/clients"
INSTALLED = f"/v1/b2b/organizations/{ORGANIZATION}/connected_apps"
OF_MEMBER = f"/v1/b2b/organizations/{ORGANIZATION}/members/{MEMBER}/connected_apps"
INTROSPECT = f"/v1/public/{SANDBOX.project_id}/oauth2/introspect"
OF_USER = f"/v1/users/{USER}/connected_apps"
PUBLISHED = {
    f"POST {CLIENTS}": "create_app",
    f"GET {CLIENTS}/{APP}": "get_app",
    f"PUT {CLIENTS}/{APP}": "update_app",
    f"DELETE {CLIENTS}/{APP}": "delete_app",
    f"POST {CLIENTS}/search": "search_apps",
    f"POST {CLIENTS}/{APP}/secrets/rotate/start": "start_secret_rotation",
    f"POST {CLIENTS}/{APP}/secrets/rotate": "complete_secret_rotation",
    f"POST {CLIENTS}/{APP}/secrets/rotate/cancel": "cancel_secret_rotation",
    f"POST {INTROSPECT}": "check_client_secret",
    f"GET {OF_USER}": "list_user_grants",
    f"POST {OF_USER}/{APP}/revoke": "revoke_user_grant",
    f"GET {INSTALLED}": "list_organization_apps",
    f"GET {INSTALLED}/{APP}": "get_organization_app",
    f"GET {OF_MEMBER}": "list_member_grants",
    f"POST {OF_MEMBER}/{APP}/revoke": "revoke_member_grant",
}
"""Every operation of the service that is documented, and the tool that reaches it."""


@pytest.mark.parametrize("request_line", PUBLISHED)
async def test_every_published_operation_is_reached_by_a_tool(request_line: str) -> None:
    tool, arguments, prepare = example_of(PUBLISHED[request_line])
    wire = wire_for(tool)
    async with asking(wire, Person(YES)) as (client, project):
        await prepare(project)
        wire.requests.clear()
        answer(await client.call_tool(tool, arguments))
    assert request_line in wire.requests


def test_no_operation_is_without_a_tool() -> None:
    known = [each for each in vars(operations).values() if isinstance(each, Operation)]
    assert len(known) == len(PUBLISHED)


@pytest.mark.parametrize("name", [tool.name for tool in SEEN_WITH_PAGE])
async def test_the_example_of_every_tool_succeeds(name: str) -> None:
    tool, arguments, prepare = example_of(name)
    async with asking(wire_for(name), Person(YES)) as (client, project):
        await prepare(project)
        assert answer(await client.call_tool(tool, arguments))


def test_there_is_an_example_of_every_tool_and_of_nothing_else() -> None:
    assert set(EXAMPLES) == {tool.name for tool in SEEN_WITH_PAGE}


async def test_no_input_schema_has_the_keyword_on_which_a_popular_sdk_fails(
    listed: dict[str, types.Tool],
) -> None:
    for tool in listed.values():
        assert "additionalProperties" not in json.dumps(tool.input_schema), tool.name


@pytest.mark.parametrize("tool", CATALOGUE, ids=lambda tool: tool.name)
def test_an_unknown_argument_is_refused_by_name(tool: Tool[Any, Any]) -> None:
    with pytest.raises(InvalidRequest, match="unheard_of: there is no such argument"):
        tool.read({"unheard_of": 1})


@pytest.mark.parametrize("tool", SEEN_WITH_PAGE, ids=lambda tool: tool.name)
def test_an_optional_argument_that_is_null_counts_as_left_out(tool: Tool[Any, Any]) -> None:
    given = EXAMPLES[tool.name].arguments
    nulls = {name: None for name in tool.request.model_fields if name not in given}
    assert tool.read({**given, **nulls}) == tool.read(given)


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
