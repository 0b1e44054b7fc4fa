"""A made-up population of apps: plausible settings, one of them easy to name, some at fault."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import ConnectedApp, CreateApp
from connected_apps_tools.api.service import Credentials

TARGET_NAME = "Zephyr ledger"
"""The name of the app in the middle. No other app shares a word with it."""

FAULT_EVERY = 10
"""One app in so many has a fault that a review should find."""

_OWNERS = ("Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Garnet", "Harbor", "Ivy", "Jade")
_TOPICS = ("billing", "catalog", "expense", "forum", "hiring", "gift", "menu", "news", "pay", "tax")
_KINDS = ("agent", "bridge", "chat", "daemon", "editor", "feed", "kiosk", "mobile", "portal", "web")

_TYPES = ("first_party", "first_party_public", "third_party", "third_party_public")

_FAULTS: tuple[dict[str, Any], ...] = (
    {"client_type": "third_party", "redirect_urls": ["http://127.0.0.1:8123/callback"]},
    {"redirect_urls": []},
    {"access_token_expiry_minutes": 60 * 24 * 90},
    {"redirect_urls": ["https://xn--pple-43d.example/callback"]},
    {
        "client_type": "first_party",
        "full_access_allowed": True,
        "bypass_consent_for_offline_access": True,
    },
)


def imagine(count: int) -> Iterator[CreateApp]:
    """The first apps of the population, at most 1,000, in the order of creation."""
    names = itertools.product(_OWNERS, _TOPICS, _KINDS)
    for index, words in enumerate(itertools.islice(names, count)):
        name = TARGET_NAME if index == count // 2 - 1 else " ".join(words)
        host = name.lower().replace(" ", "-") + ".example"
        settings = {
            "client_type": _TYPES[index % len(_TYPES)],
            "client_name": name,
            "client_description": f"{name}, run by the {words[1]} team for its customers.",
            "redirect_urls": [f"https://{host}/callback", f"https://staging.{host}/callback"],
            "post_logout_redirect_urls": [f"https://{host}/goodbye"],
            "logo_url": f"https://{host}/logo.png",
        }
        fault = _FAULTS[index // FAULT_EVERY % len(_FAULTS)] if index % FAULT_EVERY == 0 else {}
        yield CreateApp.model_validate(settings | fault)


async def populate(database: Path, count: int) -> ConnectedApp:
    """Create the apps in a sandbox's file. Returns the one in the middle."""
    credentials = Credentials(SANDBOX_CREDENTIALS.project_id, SecretStr(SANDBOX_CREDENTIALS.secret))
    transport = httpx2.ASGITransport(create_sandbox(database=database))
    target = ""
    async with ConnectedAppsClient(
        credentials, base_url="http://localhost", transport=transport
    ) as api:
        for app in imagine(count):
            created = (await api.create(app)).connected_app
            if created.client_name == TARGET_NAME:
                target = created.client_id
        return (await api.get(target)).connected_app
