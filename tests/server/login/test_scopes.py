"""A caller reaches what its scopes cover, and is asked for exactly the scopes of anything else."""

from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path

import pytest
from examples import EXAMPLES
from server.login.channels import WAYS, Channel, Reply, asked_for, channel
from server.login.deployment import ALL, Deployment, deployed
from sizes import sized
from support import PAGE_CAPABILITY, SEEN_WITH_PAGE

from connected_apps_mcp.protocol.access.authorization import READ_APPS, TOKEN
from connected_apps_tools.scopes import Scope

CALLS = {name: (name, example.arguments) for name, example in EXAMPLES.items()} | {
    "create_app that shows the secret": (
        "create_app",
        {"client_type": "first_party", "reveal_secret": True},
    ),
    "start_secret_rotation that shows the secret": (
        "start_secret_rotation",
        {**EXAMPLES["start_secret_rotation"].arguments, "reveal_secret": True},
    ),
}
NEEDED: dict[str, frozenset[Scope]] = {
    "create_app": frozenset({Scope.APPS_WRITE}),
    "get_app": frozenset({Scope.APPS_READ}),
    "update_app": frozenset({Scope.APPS_WRITE}),
    "delete_app": frozenset({Scope.APPS_DELETE}),
    "search_apps": frozenset({Scope.APPS_READ}),
    "clone_app": frozenset({Scope.APPS_WRITE}),
    "start_secret_rotation": frozenset({Scope.SECRETS_ROTATE}),
    "complete_secret_rotation": frozenset({Scope.SECRETS_ROTATE}),
    "cancel_secret_rotation": frozenset({Scope.SECRETS_ROTATE}),
    "reveal_client_secret": frozenset({Scope.SECRETS_REVEAL}),
    "reveal_client_secret_to_page": frozenset({Scope.SECRETS_REVEAL}),
    "check_client_secret": frozenset({Scope.APPS_READ}),
    "deliver_client_secret": frozenset({Scope.SECRETS_REVEAL}),
    "plan_manifest": frozenset({Scope.APPS_READ}),
    "apply_manifest": frozenset({Scope.APPS_WRITE}),
    "list_user_grants": frozenset({Scope.GRANTS_READ}),
    "revoke_user_grant": frozenset({Scope.GRANTS_REVOKE}),
    "list_organization_apps": frozenset({Scope.GRANTS_READ}),
    "get_organization_app": frozenset({Scope.GRANTS_READ}),
    "list_member_grants": frozenset({Scope.GRANTS_READ}),
    "revoke_member_grant": frozenset({Scope.GRANTS_REVOKE}),
    "review_apps": frozenset({Scope.APPS_READ}),
    "get_server_status": frozenset({Scope.APPS_READ}),
    "create_app that shows the secret": frozenset({Scope.APPS_WRITE, Scope.SECRETS_REVEAL}),
    "start_secret_rotation that shows the secret": frozenset(
        {Scope.SECRETS_ROTATE, Scope.SECRETS_REVEAL}
    ),
}
"""What each call needs, as a person wrote it down: not what the catalogue says."""

TO_PAGE, TO_CONSOLE = "reveal_client_secret_to_page", "show_client_secret_in_console"

WITH_PAGE = {"extensions": PAGE_CAPABILITY}
"""The capabilities of a client that has every tool over HTTP."""

SETS = [
    frozenset(some)
    for size in (0, 1, len(Scope), *range(2, len(Scope)))
    for some in combinations(Scope, size)
]
"""All sets of scopes: none, each one, all, pairs, and so on."""


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(tmp_path) as deployment:
        yield deployment


def check(reply: Reply, scopes: frozenset[Scope], needed: frozenset[Scope]) -> None:
    if needed <= scopes:
        assert reply.result
    else:
        assert reply.response.status_code == 403
        assert asked_for(reply.response) == needed


def check_in_band(reply: Reply, scopes: frozenset[Scope], needed: frozenset[Scope]) -> None:
    """Only the session knows that the client sees the tool, so the refusal is a message in it."""
    if needed <= scopes:
        assert reply.result
    else:
        assert reply.message["error"]["message"] == TOKEN


@pytest.fixture(params=WAYS, ids="-".join)
async def way(request: pytest.FixtureRequest, deployment: Deployment) -> AsyncIterator[Channel]:
    opener = await deployment.token()
    async with channel(deployment.http, deployment.origin, request.param, opener, WITH_PAGE) as way:
        yield way


def test_the_table_has_every_tool() -> None:
    assert {tool for tool, _ in CALLS.values()} == {tool.name for tool in SEEN_WITH_PAGE}
    assert CALLS.keys() == NEEDED.keys()


@pytest.mark.series
async def test_a_call_is_let_in_exactly_if_its_scopes_are_there(
    deployment: Deployment, way: Channel
) -> None:
    for scopes in SETS[: sized("sets of scopes")]:
        token = await deployment.token(scopes)
        for name, (tool, arguments) in CALLS.items():
            before = len(deployment.wire.requests)
            reply = await way.call(token, tool, **arguments)
            if tool == TO_PAGE and way.era == "legacy":
                check_in_band(reply, scopes, NEEDED[name])
            else:
                check(reply, scopes, NEEDED[name])
            assert NEEDED[name] <= scopes or len(deployment.wire.requests) == before
        deployment.wire.restore()


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("scopes", [frozenset[Scope](), READ_APPS, ALL])
async def test_a_tool_that_a_client_does_not_see_is_none_whatever_the_scopes(
    deployment: Deployment, way: tuple[str, str], scopes: frozenset[Scope]
) -> None:
    token = await deployment.token(scopes)
    async with channel(deployment.http, deployment.origin, way, token) as without_page:
        for hidden, near in [(TO_PAGE, f"{TO_PAGE}s"), (TO_CONSOLE, f"{TO_CONSOLE}s")]:
            replies = [await without_page.call(token, name) for name in (hidden, near)]
            assert [reply.response.status_code for reply in replies] == [
                replies[1].response.status_code
            ] * 2
            assert replies[0].message["error"] == replies[1].message["error"]
            assert "There is no such tool" in replies[0].message["error"]["message"]


async def test_every_tool_is_listed_whatever_the_scopes(
    deployment: Deployment, way: Channel
) -> None:
    for scopes in [frozenset[Scope](), ALL]:
        listed = await way.ask(await deployment.token(scopes), "tools/list")
        assert {tool["name"] for tool in listed.result["tools"]} == {
            tool.name for tool in SEEN_WITH_PAGE
        }
