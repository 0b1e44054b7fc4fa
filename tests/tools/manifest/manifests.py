"""Apps and manifests for tests, written by hand and generated."""

import random
from typing import Any

from hypothesis import strategies as st
from support import SHOWN_APP

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.api.service import INT32_MAX
from connected_apps_tools.manifest.settings import TYPE, TYPES

TEST, LIVE = "project-test-1", "project-live-1"

BOUND = f'[environments]\ntest = "{TEST}"\nlive = "{LIVE}"\n'
"""The table of both environments."""

TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "'''",
        '"""',
        "\\",
        "'\"",
        '{"a": "\n"}',
        "{}",
        " { }\n",
        "\r\n",
        "\u202e",
        "a\u0085b",
        "#",
        "]",
    ]
)
URLS = st.lists(TEXTS, max_size=4)
SETTINGS = st.fixed_dictionaries(
    {TYPE: st.sampled_from(TYPES)},
    optional={
        "client_name": TEXTS,
        "client_description": TEXTS,
        "redirect_urls": URLS,
        "post_logout_redirect_urls": URLS,
        "logo_url": TEXTS,
        "access_token_expiry_minutes": st.sampled_from([1, 30, 60, INT32_MAX]),
        "access_token_custom_audience": TEXTS,
        "access_token_template_content": TEXTS,
        "id_token_template_content": TEXTS,
        "full_access_allowed": st.booleans(),
        "bypass_consent_for_offline_access": st.booleans(),
    },
)
"""Settings as the service may show them, with everything that a text can hold."""


def app(client_id: str = "app", **settings: Any) -> ConnectedApp:
    """An app of the service."""
    shown = SHOWN_APP | {"client_id": client_id, "creation_method": "api"} | settings
    return ConnectedApp.model_validate(shown)


def random_settings(chance: random.Random) -> dict[str, Any]:
    """Some settings that the sandbox accepts for an app of each type."""
    urls = [f"https://{name}.example/cb" for name in "abcde"]
    all_settings = {
        "client_name": chance.choice(["", "Billing", "Mi\u202ene", "a\nb"]),
        "client_description": chance.choice(["", 'It "bills"']),
        "redirect_urls": chance.sample(urls, chance.randint(0, 3)),
        "post_logout_redirect_urls": chance.sample(urls, chance.randint(0, 2)),
        "access_token_expiry_minutes": chance.choice([5, 60, 90]),
        "access_token_template_content": chance.choice(["", "{}", '{"a": {{ user.b }} }']),
        "logo_url": chance.choice(["", "https://a.example/logo.png"]),
    }
    names = chance.sample(sorted(all_settings), chance.randint(1, len(all_settings)))
    return {name: all_settings[name] for name in names}
