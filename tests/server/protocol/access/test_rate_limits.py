"""A caller makes so many calls a minute. One more is refused, and says when to try again."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError, types
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from server.audit.logs import lines_of
from support import ERAS, answer, offering, refusal

from connected_apps_mcp.audit import AuditLog
from connected_apps_mcp.callers import Caller, CallerToken
from connected_apps_mcp.limits import MAX_RATED_CALLERS, TOO_MANY_REQUESTS
from connected_apps_mcp.protocol.access import rate_limits
from connected_apps_mcp.protocol.access.authorization import Authorization
from connected_apps_mcp.protocol.access.rate_limits import MIN_BURST, SECOND, Rate, RateLimits
from connected_apps_mcp.protocol.server import AnyServer, build_server
from connected_apps_tools import ToolContext

NEW = {"client_type": "first_party"}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


@pytest.fixture(autouse=True)
def refusals_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "REFUSAL_SECONDS", 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(project: ToolContext, log: AuditLog, clock: Clock) -> RateLimits:
    """20 reads and 10 changes at once."""
    offer = offering()
    return RateLimits(
        offer.on,
        Authorization(offer.on, log, project.api.project_id).refuse,
        reads=Rate(200, clock),
        changes=Rate(60, clock),
    )


@pytest.fixture
def server(project: ToolContext, log: AuditLog, limits: RateLimits) -> AnyServer:
    return build_server(project, offering(), confirm="never", audit=log, checks=[limits])


@contextmanager
def being(subject: str) -> Iterator[None]:
    """Make requests with the token of a subject."""
    caller = Caller(issuer="https://issuer.example", subject=subject)
    token = CallerToken(token="", client_id="agent", scopes=[], caller=caller)
    named = auth_context_var.set(AuthenticatedUser(token))
    try:
        yield
    finally:
        auth_context_var.reset(named)


@asynccontextmanager
async def connected(server: AnyServer, subject: str, **options: Any) -> AsyncIterator[Client]:
    with being(subject):
        async with Client(server, **options) as client:
            yield client


async def create_all(client: Client) -> None:
    """Make as many changes as can be made at once."""
    for _ in range(MIN_BURST):
        answer(await client.call_tool("create_app", NEW))


@pytest.mark.parametrize("era", ERAS)
async def test_a_change_beyond_the_limit_is_refused_and_says_when(
    server: AnyServer, era: str
) -> None:
    async with connected(server, "anna", mode=era) as client:
        await create_all(client)
        refused = refusal(await client.call_tool("create_app", NEW))
    assert refused == {
        "error": "TooManyCalls",
        "message": "Too many calls in a short time: there is room for one in 1 second.",
        "hint": "Nothing was sent. Wait for so long, then try again.",
        "retry_after": 1,
        "retry_may_help": True,
    }


async def test_a_refused_change_does_not_reach_the_service(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
        before = answer(await client.call_tool("search_apps", {}))
        refusal(await client.call_tool("create_app", NEW))
        assert answer(await client.call_tool("search_apps", {})) == before


async def test_after_the_wait_there_is_room_for_one_call(server: AnyServer, clock: Clock) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
        clock.wait(1)
        answer(await client.call_tool("create_app", NEW))
        refusal(await client.call_tool("create_app", NEW))


async def test_another_caller_is_not_limited_by_the_first(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
    async with connected(server, "ben") as client:
        answer(await client.call_tool("create_app", NEW))


async def test_a_caller_has_one_limit_in_all_sessions(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
    async with connected(server, "anna") as client:
        refusal(await client.call_tool("create_app", NEW))


async def test_reads_go_on_when_there_is_no_room_for_changes(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
        answer(await client.call_tool("search_apps", {}))


async def test_a_call_that_shows_a_secret_counts_as_a_change(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
        refused = await client.call_tool("reveal_client_secret", {"client_id": "x"})
    assert refusal(refused)["error"] == "TooManyCalls"


PROMPT = types.PromptReference(name="rotate-secret")
READS: Mapping[str, Callable[[Client], Awaitable[object]]] = {
    "resources/list": lambda client: client.list_resources(),
    "resources/templates/list": lambda client: client.list_resource_templates(),
    "resources/read": lambda client: client.read_resource("connected-app://x"),
    "completion/complete": lambda client: client.complete(
        PROMPT, {"name": "client_id", "value": ""}
    ),
}


async def read_all(client: Client) -> None:
    """Make as many reads as can be made at once."""
    for _ in range(20):
        answer(await client.call_tool("search_apps", {}))


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", READS)
async def test_a_read_beyond_the_limit_is_refused_and_says_when(
    server: AnyServer, era: str, method: str
) -> None:
    async with connected(server, "anna", mode=era) as client:
        await read_all(client)
        with pytest.raises(MCPError, match=r"in 1 second\. Nothing was sent") as refused:
            await READS[method](client)
    assert refused.value.error.code == TOO_MANY_REQUESTS
    assert refused.value.error.data["retry_after"] == 1


async def test_a_call_that_reads_beyond_the_limit_is_refused(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await read_all(client)
        assert refusal(await client.call_tool("search_apps", {}))["error"] == "TooManyCalls"


async def test_lists_of_tools_and_prompts_are_free(server: AnyServer) -> None:
    async with connected(server, "anna") as client:
        await read_all(client)
        for _ in range(30):
            await client.session.list_tools()
            await client.session.list_prompts()


async def test_a_refused_change_is_a_line_in_the_audit_log(server: AnyServer, folder: Path) -> None:
    async with connected(server, "anna") as client:
        await create_all(client)
        refusal(await client.call_tool("delete_app", {"client_id": "x"}))
    last = lines_of(folder)[-1]
    assert (last["event"], last["tool"], last["reason"]) == ("refusal", "delete_app", "rate_limit")
    assert last["caller"]["subject"] == "anna"


async def test_a_refused_read_or_dry_run_is_no_line_in_the_audit_log(
    server: AnyServer, folder: Path
) -> None:
    async with connected(server, "anna") as client:
        await read_all(client)
        await create_all(client)
        before = lines_of(folder)
        refusal(await client.call_tool("search_apps", {}))
        refusal(await client.call_tool("delete_app", {"client_id": "x", "dry_run": True}))
    assert lines_of(folder) == before


@given(
    per_minute=st.integers(1, 10_000),
    waits=st.lists(st.floats(0, 30), max_size=60),
)
def test_no_caller_makes_more_calls_than_the_burst_and_what_the_time_allows(
    per_minute: int, waits: list[float]
) -> None:
    clock = Clock()
    rate, began = Rate(per_minute, clock), clock.now
    burst, made = max(MIN_BURST, per_minute // 10), 0
    for wait in waits:
        clock.wait(wait)
        while not rate.take("anna"):
            made += 1
        allowed = burst + (clock.now - began) // (60 * SECOND // per_minute)
        assert made <= allowed


@given(per_minute=st.integers(1, 10_000))
def test_after_the_seconds_that_a_refusal_names_there_is_room(per_minute: int) -> None:
    clock = Clock()
    rate = Rate(per_minute, clock)
    while not (seconds := rate.take("anna")):
        pass
    clock.wait(seconds)
    assert rate.take("anna") == 0


def test_0_calls_a_minute_mean_that_there_is_no_limit(clock: Clock) -> None:
    rate = Rate(0, clock)
    assert not any(rate.take("anna") for _ in range(1000))


def test_a_caller_that_has_not_called_for_long_is_forgotten(clock: Clock) -> None:
    rate = Rate(60, clock)
    rate.take("anna")
    clock.wait(60)
    rate.take("ben")
    assert list(rate._full_at) == ["ben"]


def test_only_so_many_callers_are_remembered(clock: Clock) -> None:
    rate = Rate(60, clock)
    for number in range(MAX_RATED_CALLERS + 1):
        rate.take(str(number))
    assert len(rate._full_at) == MAX_RATED_CALLERS
