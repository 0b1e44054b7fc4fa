"""Calls over the limit are refused until the window ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2

from connected_apps_mcp.sandbox import RateLimit, create_sandbox
from connected_apps_mcp.sandbox.service.rate_limit import RateLimiter

Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
SEARCH = "/connected_apps/clients/search"


async def test_calls_over_the_limit_are_refused(connect: Connect) -> None:
    client = await connect(create_sandbox(rate_limit=RateLimit(2, 3600)))
    answers = [await client.post(SEARCH) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error_type"] == "too_many_requests"
    assert "retry-after" not in answers[-1].headers


async def test_a_refusal_can_send_retry_after(connect: Connect) -> None:
    client = await connect(create_sandbox(rate_limit=RateLimit(0, 3600, retry_after=True)))
    answer = await client.post(SEARCH)
    assert 0 < int(answer.headers["retry-after"]) <= 3600


async def test_each_operation_has_its_own_limit(connect: Connect) -> None:
    client = await connect(create_sandbox(rate_limit=RateLimit(1, 3600)))
    await client.post(SEARCH)
    assert (await client.get("/connected_apps/clients/x")).status_code == 404


async def test_calls_with_wrong_credentials_do_not_count(connect: Connect) -> None:
    client = await connect(create_sandbox(rate_limit=RateLimit(1, 3600)))
    await client.post(SEARCH, auth=("other", "other"))
    assert (await client.post(SEARCH)).status_code == 200


async def test_introspection_is_limited_in_the_oauth_shape(connect: Connect) -> None:
    client = await connect(create_sandbox(rate_limit=RateLimit(0, 3600)))
    answer = await client.post("/oauth2/introspect", data={"token": "any"})
    assert answer.status_code == 429
    assert answer.json()["error"] == "too_many_requests"


def test_a_new_window_opens_when_the_last_one_has_ended() -> None:
    now = 100.0
    limiter = RateLimiter(RateLimit(1, 10), clock=lambda: now)
    assert limiter.seconds_to_wait("search") is None
    now = 107.5
    assert limiter.seconds_to_wait("search") == 3
    now = 110.0
    assert limiter.seconds_to_wait("search") is None


def test_a_wait_is_never_rounded_beyond_the_window() -> None:
    limiter = RateLimiter(RateLimit(0, 3600), clock=lambda: 496.20700000000005)
    assert limiter.seconds_to_wait("search") == 3600
