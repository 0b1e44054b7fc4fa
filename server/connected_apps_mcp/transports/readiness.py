"""Whether more requests should come to this process, as /readyz says it."""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connected_apps_tools.api.ttl_cache import TtlCache
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.storage.errors import StoreError

logger = logging.getLogger(__name__)

READY_SECONDS = 5.0
"""How long the outcome of the checks counts. So probes cannot make the server work."""

CHECK_SECONDS = 10.0
"""Timeout of a check (seconds)."""

DRAINING = "draining"

Check = Callable[[], Awaitable[object]]
"""Raises if what it checks does not work."""


class Readiness:
    """Whether everything works that calls need, until a shutdown begins."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        """Use these checks, by the code of what they check."""
        self._checks = checks
        self._problems = TtlCache(self._check, READY_SECONDS)
        self._ended = False

    def end(self) -> None:
        """Say from now on that no more requests should come."""
        self._ended = True

    async def problem(self) -> str | None:
        """The code of what does not work; None if the process is ready."""
        return DRAINING if self._ended else await self._problems()

    async def show(self, _request: Request) -> Response:
        """Answer a probe, with no more than a code: everybody may ask."""
        problem = await self.problem()
        return PlainTextResponse(problem or "ok", 503 if problem else 200)

    async def _check(self) -> str | None:
        found = {code: await _failure(check) for code, check in self._checks.items()}
        problems = {code: why for code, why in found.items() if why}
        for code, why in problems.items():
            logger.warning("Not ready: %s: %s", code, why)
        return next(iter(problems), None)


async def _failure(check: Check) -> str | None:
    """Why a check fails; None if it does not."""
    try:
        with anyio.fail_after(CHECK_SECONDS):
            await check()
    except (ConnectedAppsError, StoreError) as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} seconds"
    return None
