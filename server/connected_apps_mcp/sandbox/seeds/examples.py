"""An example seed, and generated apps."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from connected_apps_mcp.sandbox.credentials import Environment, ProjectKind
from connected_apps_mcp.sandbox.models import ClientType, ConnectedApp

from .seed import Seed, SeedApp, SeedGrant, SeedMember, SeedOrganization, SeedUser

QUALITIES = ("Amber", "Brisk", "Calm", "Daring", "Early", "Fair", "Gentle", "Humble", "Ideal")
PURPOSES = ("Billing", "Calendar", "Deploy", "Expenses", "Forms", "Garden", "Helpdesk", "Invoices")
CLIENT_TYPES: tuple[ClientType, ...] = (
    "first_party",
    "third_party",
    "first_party_public",
    "third_party_public",
    "third_party",
)


def generated_apps(count: int, environment: Environment) -> Iterator[ConnectedApp]:
    """Generate apps that differ in type, name and redirects, the same ones each time."""
    for number in range(1, count + 1):
        quality = QUALITIES[number % len(QUALITIES)]
        purpose = PURPOSES[number // len(QUALITIES) % len(PURPOSES)]
        host = f"{purpose}-{number}.example".lower()
        client_type = CLIENT_TYPES[number % len(CLIENT_TYPES)]
        redirects = [
            f"https://{path}{host}/callback" for path in ("", "staging.")[: 1 + number % 2]
        ]
        if client_type == "first_party_public":
            redirects = ["http://127.0.0.1/callback", *redirects]
        name = f"{quality} {purpose} {number}"
        yield ConnectedApp(
            client_id=f"connected-app-{environment}-{uuid5(NAMESPACE_URL, f'sandbox:{number}')}",
            client_type=client_type,
            client_name=name,
            client_description=f"Generated app number {number}",
            redirect_urls=redirects,
        )


def example(kind: ProjectKind, environment: Environment) -> Seed:
    """Return three apps, and users or organizations that authorised some of them."""
    calendar, notes, reports = (
        f"connected-app-{environment}-00000000-0000-4000-8000-00000000000{number}"
        for number in (1, 2, 3)
    )
    apps = [
        SeedApp(
            client_id=calendar,
            client_type="third_party",
            client_name="Calendar Sync",
            client_description="Copies meetings into other calendars",
            redirect_urls=["https://calendar.example/callback"],
            logo_url="https://calendar.example/logo.png",
        ),
        SeedApp(
            client_id=notes,
            client_type="first_party_public",
            client_name="Notes CLI",
            client_description="Takes notes in a terminal",
            redirect_urls=["http://127.0.0.1/callback"],
        ),
        SeedApp(
            client_id=reports,
            client_type="first_party",
            client_name="Reports",
            client_description="Sends reports every night; its secret is being rotated",
            redirect_urls=["https://reports.example/callback"],
            rotating=True,
        ),
    ]
    read = SeedGrant(client_id=calendar, scopes=["openid", "profile", "calendar.read"])
    write = SeedGrant(client_id=calendar, scopes=["openid", "calendar.read", "calendar.write"])
    take = SeedGrant(client_id=notes, scopes=["openid", "offline_access"])
    if kind == "consumer":
        users = [
            SeedUser(external_id="ada", grants=[read, take]),
            SeedUser(external_id="grace", grants=[write]),
        ]
        return Seed(apps=apps, users=users)
    organizations = [
        SeedOrganization(
            slug="acme",
            members=[
                SeedMember(external_id="ada", grants=[read, take]),
                SeedMember(external_id="grace", grants=[write]),
            ],
        ),
        SeedOrganization(slug="globex", members=[SeedMember(external_id="alan", grants=[take])]),
    ]
    return Seed(apps=apps, organizations=organizations)
