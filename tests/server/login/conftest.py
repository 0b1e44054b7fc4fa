"""A server that lets in who has a token of the sandbox's issuer."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from server.login.clocks import Clock
from support import listening


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def url(clock: Clock) -> Iterator[str]:
    arguments = ["--transport", "http,sse", "--sandbox", "--auth", "sandbox"]
    with listening(*arguments, **clock.environment) as urls:
        yield urls["http"]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        yield client
