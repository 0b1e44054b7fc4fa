"""Sandboxes of both kinds, with the same apps and the same grants."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette

from connected_apps_mcp.sandbox import ProjectKind, create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed

CALENDAR = "connected-app-test-calendar"
NOTES = "connected-app-test-notes"
UNUSED = "connected-app-test-unused"
ADA = "user-test-ada"
ACME = "organization-test-acme"
GRACE = "member-test-grace"
ALAN = "member-test-alan"

APPS = [
    {
        "client_id": CALENDAR,
        "client_type": "third_party",
        "client_name": "Calendar",
        "client_description": "Copies meetings",
        "logo_url": "https://calendar.example/logo.png",
    },
    {"client_id": NOTES, "client_type": "first_party_public", "client_name": "Notes"},
    {"client_id": UNUSED, "client_type": "first_party"},
]
GRANTS = [
    {"client_id": NOTES, "scopes": ["openid", "offline_access"]},
    {"client_id": CALENDAR, "scopes": ["openid"]},
]
PLANS: dict[ProjectKind, dict[str, Any]] = {
    "consumer": {
        "apps": APPS,
        "users": [
            {"user_id": ADA, "external_id": "ada", "grants": GRANTS},
            {"user_id": "user-test-other", "external_id": "other", "grants": GRANTS[:1]},
        ],
    },
    "b2b": {
        "apps": APPS,
        "organizations": [
            {
                "organization_id": ACME,
                "slug": "acme",
                "external_id": "customer-1",
                "members": [
                    {"member_id": GRACE, "external_id": "grace", "grants": GRANTS},
                    {"member_id": ALAN, "external_id": "alan", "grants": GRANTS[:1]},
                ],
            },
            {"slug": "globex", "members": [{"external_id": "grace", "grants": GRANTS[1:]}]},
            {"slug": "empty"},
        ],
    },
}


def seeded(kind: ProjectKind, **options: Any) -> Starlette:
    """A seeded sandbox of a kind."""
    app = create_sandbox(kind=kind, **options)
    seed(app, Seed.model_validate(PLANS[kind]))
    return app
