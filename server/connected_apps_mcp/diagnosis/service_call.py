"""One read call to the service."""

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial

from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.wiring import open_client
from connected_apps_tools.api.health import ServiceHealth, ask, service_health
from connected_apps_tools.errors import InvalidRequest, ServiceError
from connected_apps_tools.storage.threads import in_thread

SECONDS = 6.0
"""Time for the call, with its retries. A setting may make it shorter."""

REFUSED = {401, 403}
"""Statuses of a response to credentials that do not count."""


@dataclass(frozen=True)
class ServiceCall:
    """What a call to the service showed.

    Attributes:
        health: whether the service answered.
        seconds_ahead: how far the clock of this machine is ahead of the clock of the service; None
            if the service did not say what time it is.
    """

    health: ServiceHealth
    seconds_ahead: float | None

    @property
    def refused(self) -> bool:
        """Whether the service refused the credentials."""
        problem = self.health.problem
        return isinstance(problem, ServiceError) and problem.status in REFUSED


async def call_service(settings: Settings | None) -> ServiceCall | None:
    """Make a call; None if the settings lead to no service, or have no credentials for it."""
    if settings is None or settings.sandbox or await credentials_problem(settings):
        return None
    in_time = settings.model_copy(update={"deadline": min(settings.deadline, SECONDS)})
    try:
        client = open_client(in_time)
    except InvalidRequest:  # `settings` reports the base URL
        return None
    async with client as api:
        health = await service_health(partial(ask, api))
        return ServiceCall(health, _seconds_ahead(api.service_date))


async def credentials_problem(settings: Settings) -> SettingsError | None:
    """Why there are no credentials. The keyring may wait for a person, so this takes a thread."""

    def read() -> SettingsError | None:
        try:
            settings.credentials()
        except SettingsError as error:
            return error
        return None

    return await in_thread(read)


def _seconds_ahead(date: str | None) -> float | None:
    """How far this clock is ahead of a header Date (RFC 9110, section 6.6.1), in seconds."""
    try:
        return time.time() - parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None
