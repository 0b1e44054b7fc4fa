"""Reads what the checks look at."""

import math
from collections.abc import Mapping
from functools import partial

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_tools.api.ttl_cache import TtlCache

from .check import Machine
from .service_call import call_service


def machine_with(flags: Mapping[str, object]) -> Machine:
    """This machine, as a server with these flags finds it."""
    settings: Settings | None = None
    malformed = ""
    try:
        settings = loading.read_unchecked(**flags)
    except SettingsError as error:
        malformed = str(error)
    call = TtlCache(partial(call_service, settings), math.inf)
    return Machine(settings, malformed, call)
