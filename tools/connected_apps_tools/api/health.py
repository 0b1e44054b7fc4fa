"""Whether the service answers, as the status of a server and a diagnosis say it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connected_apps_tools.errors import ConnectedAppsError

from .client import ConnectedAppsClient
from .models import PageOfApps


@dataclass(frozen=True)
class ServiceHealth:
    """Whether the service answers.

    Attributes:
        text: what to say about it.
        problem: why it does not answer as it should.
    """

    text: str
    problem: ConnectedAppsError | None = None


async def ask(api: ConnectedAppsClient) -> str:
    """Make one small read, and say that the service answers. Raises like `api.search`."""
    await api.search(PageOfApps(limit=1))
    return "answers"


async def service_health(check: Callable[[], Awaitable[str]]) -> ServiceHealth:
    """What a check of the service finds; it never fails."""
    try:
        return ServiceHealth(await check())
    except ConnectedAppsError as error:
        return ServiceHealth(f"fails: {error}", error)
