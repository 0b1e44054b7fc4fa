"""Tokens of a certified issuer of others count while they should, whatever happens to its keys."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import httpx2
import pytest
from sizes import sized
from support import answer, listening

from connected_apps_mcp.auth.issuers.introspection import ACTIVE_SECONDS
from connected_apps_mcp.auth.issuers.kept import MAX_AGE_SECONDS, PAUSE_SECONDS, REFRESH_SECONDS

from .clocks import Clock
from .foreign import SECRET, SERVER, ForeignIssuer, connected
from .nodes import program
from .trying import status_of

CLIENTS = [f"jwt-{n}" for n in range(12)] + [f"opaque-{n}" for n in range(4)]
ROTATIONS = 3


@pytest.fixture(scope="module")
def issuer() -> Iterator[ForeignIssuer]:
    with program("issuer.mjs") as running:
        yield ForeignIssuer(running.receive()["url"], running)


@pytest.fixture(scope="module")
def url(clock: Clock, issuer: ForeignIssuer) -> Iterator[str]:
    given = {"INTROSPECTION_CLIENT_ID": SERVER, "INTROSPECTION_SECRET": SECRET}
    environment = {f"CONNECTED_APPS_MCP_{name}": value for name, value in given.items()}
    arguments = ["--transport", "http", "--auth", "issuer", "--auth-issuer", issuer.url]
    with listening(*arguments, "--sandbox", **environment, **clock.environment) as urls:
        yield urls["http"]


@dataclass
class Place:
    """The server, and what is needed to try tokens at it."""

    url: str
    issuer: ForeignIssuer
    http: httpx2.AsyncClient
    clock: Clock
    calls: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(len(CLIENTS)))
    """Callers at work hold a part of it during each round."""

    async def later(self, seconds: float) -> None:
        """Let time pass between the calls: they have a deadline on the same clock."""
        for _ in CLIENTS:
            await self.calls.acquire()
        self.clock.move(seconds)
        for _ in CLIENTS:
            self.calls.release()

    async def token(self, client: str = "jwt-0") -> str:
        return await self.issuer.token(self.http, client, self.url)

    async def status(self, token: str) -> int:
        return await status_of(self.http, self.url, token)


@pytest.fixture
async def place(url: str, issuer: ForeignIssuer, http: httpx2.AsyncClient, clock: Clock) -> Place:
    clock.move(PAUSE_SECONDS)
    return Place(url, issuer, http, clock)


@dataclass
class Caller:
    """Calls all the time, with tokens that count and then with one that does not."""

    place: Place
    client: str
    never: list[str]
    """Tokens that do not count. All callers share the list."""
    calls: int = 0

    async def work(self) -> None:
        async with connected(
            self.place.url, self.place.issuer, self.place.http, self.client
        ) as client:
            while True:
                async with self.place.calls:
                    answer(await client.call_tool("search_apps", {}))
                    token = self.never[self.calls % len(self.never)]
                    assert await self.place.status(token) == 401
                self.calls += 1


@dataclass
class Callers:
    """Callers at work."""

    place: Place
    never: list[str]
    each: list[Caller] = field(init=False)

    def __post_init__(self) -> None:
        self.each = [Caller(self.place, client, self.never) for client in CLIENTS]

    async def rounds(self, count: int) -> None:
        """Wait until each caller has begun and ended so many rounds."""
        goals = [caller.calls + count + 1 for caller in self.each]
        while any(caller.calls < goal for caller, goal in zip(self.each, goals, strict=True)):  # noqa: ASYNC110 - of many
            await anyio.sleep(0.01)


@pytest.mark.series
async def test_callers_at_work_do_not_notice_that_keys_rotate(place: Place) -> None:
    token = await place.token()
    elsewhere = await place.issuer.token(place.http, "jwt-0", "https://elsewhere.example/mcp")
    forged = token[:-20] + token[-20:-10].swapcase() + token[-10:]
    callers = Callers(place, [elsewhere, forged, "not-a-token"])
    signed = [token]
    async with anyio.create_task_group() as tasks:
        for caller in callers.each:
            tasks.start_soon(caller.work)
        for _ in range(ROTATIONS):
            await callers.rounds(sized("calls between rotations"))
            place.issuer.do("rotate")
            signed.append(await place.token())
            await callers.rounds(1)
            await place.later(REFRESH_SECONDS)
            await callers.rounds(1)
            *withdrawn, before, newest = signed
            assert await place.status(before) == 200
            assert await place.status(newest) == 200
            assert {await place.status(old) for old in withdrawn} <= {401}
            callers.never.extend(withdrawn[-1:])
        await callers.rounds(1)
        tasks.cancel_scope.cancel()


async def test_a_key_that_was_never_announced_counts_at_once(place: Place) -> None:
    before = await place.token()
    assert await place.status(before) == 200
    place.clock.move(PAUSE_SECONDS)
    place.issuer.do("replace")
    assert await place.status(await place.token()) == 200
    assert await place.status(before) == 401


async def test_a_second_such_key_counts_after_the_pause(place: Place) -> None:
    assert await place.status(await place.token()) == 200
    place.clock.move(PAUSE_SECONDS)
    place.issuer.do("replace")
    assert await place.status(await place.token()) == 200
    place.issuer.do("replace")
    newest = await place.token()
    assert await place.status(newest) == 401
    place.clock.move(PAUSE_SECONDS)
    assert await place.status(newest) == 200


async def test_a_revoked_opaque_token_counts_no_longer_than_it_is_kept(place: Place) -> None:
    token = await place.token("opaque-0")
    assert await place.status(token) == 200
    await place.issuer.revoke(place.http, "opaque-0", token)
    assert await place.status(token) == 200
    place.clock.move(ACTIVE_SECONDS)
    assert await place.status(token) == 401


async def test_tokens_count_for_a_while_after_the_issuer_fell_silent(place: Place) -> None:
    token = await place.token()
    place.clock.move(REFRESH_SECONDS)
    assert await place.status(token) == 200
    place.issuer.do("fail")
    place.clock.move(REFRESH_SECONDS)
    assert await place.status(token) == 200
    place.clock.move(MAX_AGE_SECONDS)
    status = await place.status(token)
    place.issuer.do("recover")
    assert status == 503
    place.clock.move(PAUSE_SECONDS)
    assert await place.status(token) == 200
