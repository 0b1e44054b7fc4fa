"""One example call of each tool that a client with the page sees.

Every suite that goes through all tools takes its calls from here.
The app `APP` and the other names are those of the seeded sandbox in `server/people.py`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.plans.comparison import Project, compare
from connected_apps_tools.safety.policy import Policy

APP = "connected-app-test-mine"
USER, ORGANIZATION, MEMBER = "bob", "acme", "ann"
PUBLIC_KEY = (
    "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAvkC9lfCmh+rWsAO22irdlQLLmxe8HGcLl+SjpFLcrTpFSYLS"
    "bX/DuNc37/ClqOrtam4d4FQEm9L0AJVwA+1Yf1XLO6kzW5Oivuh8iwsb1LDdFEQ6wkbStsKi9aXTqG44/0QWYDgNAhdw"
    "d7lrJXuy22k5ZFoiwvIBBuktfvjW5pzcODIZoUqPHCMQcBJBmEqlKL6FetL0ftn3xIOIpQcPgWH37MCGe3o9fe+Ksb63"
    "COJ2mU/Zgbz741amWkr7vdv7KWLqokPvTRigX5awUpPxVb+HvYXKZ5YxeXcmTXN6TW+peKeWgNLRSp7PGtUomVGrMFDL"
    "tHaL4wFcK0V0mBl5YPjj6ePg0RyElGjLxItrXClCFv3I5WGQdtCZBsSwwX8BBlFH5LPWaSXXWNQzSUBV2Wh035eLnR7+"
    "BhNHM8G3uFXeGj2sPYyGq+JWSrGNspywc0LZ19yXpA/dlTzP/vw1oIFE073JYoNco3cWkqcDIlCfaoCBcv6KlnCiCmFV"
    "fQXhAgMBAAE="
)
"""A key as a page makes it. Nobody has the private one."""


@dataclass(frozen=True)
class Example:
    """A call that succeeds on the seeded sandbox.

    Attributes:
        arguments: what the call gives.
        kind: the kind of project that it needs; None for any.
        rotating: whether a rotation has to be under way.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    kind: Literal["consumer", "b2b"] | None = None
    rotating: bool = False


MANIFEST = '[app.new]\nclient_type = "third_party"\nclient_name = "From a manifest"\n'


def _digest() -> str:
    """The digest of the plan for `MANIFEST`, in a project that has no such app."""
    project = Project(SANDBOX_CREDENTIALS.project_id, [], Bindings(), Policy())
    return compare(read_manifest(MANIFEST), project).digest


EXAMPLES: dict[str, Example] = {
    "create_app": Example({"client_type": "third_party", "client_name": "New"}),
    "get_app": Example({"client_id": APP}),
    "update_app": Example({"client_id": APP, "client_name": "Other"}),
    "delete_app": Example({"client_id": APP}),
    "search_apps": Example(),
    "clone_app": Example({"client_id": APP, "client_name": "Copy"}),
    "start_secret_rotation": Example({"client_id": APP}),
    "complete_secret_rotation": Example({"client_id": APP}, rotating=True),
    "cancel_secret_rotation": Example({"client_id": APP}, rotating=True),
    "reveal_client_secret": Example({"client_id": APP, "which": "next"}, rotating=True),
    "check_client_secret": Example({"client_id": APP}, rotating=True),
    "deliver_client_secret": Example(
        {"client_id": APP, "destination": "env", "which": "next"}, rotating=True
    ),
    "reveal_client_secret_to_page": Example(
        {"client_id": APP, "which": "next", "public_key": PUBLIC_KEY}, rotating=True
    ),
    "list_user_grants": Example({"user_id": USER}, kind="consumer"),
    "revoke_user_grant": Example({"user_id": USER, "client_id": APP}, kind="consumer"),
    "list_organization_apps": Example({"organization_id": ORGANIZATION}, kind="b2b"),
    "get_organization_app": Example(
        {"organization_id": ORGANIZATION, "client_id": APP}, kind="b2b"
    ),
    "list_member_grants": Example(
        {"organization_id": ORGANIZATION, "member_id": MEMBER}, kind="b2b"
    ),
    "revoke_member_grant": Example(
        {"organization_id": ORGANIZATION, "member_id": MEMBER, "client_id": APP}, kind="b2b"
    ),
    "review_apps": Example(),
    "plan_manifest": Example({"manifest": MANIFEST}),
    "apply_manifest": Example({"manifest": MANIFEST, "digest": _digest()}),
    "get_server_status": Example(),
}
