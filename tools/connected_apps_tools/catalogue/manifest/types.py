"""The requests and results of the toolset manifest."""

from pydantic import Field

from connected_apps_tools.api.models import Request, Result
from connected_apps_tools.catalogue.types.app_requests import MaxBytes
from connected_apps_tools.manifest import MAX_BYTES
from connected_apps_tools.scopes import Scope


class ManifestRequest(Request):
    """A manifest, and which app of the project each of its keys is."""

    manifest: str = Field(
        min_length=1, max_length=MAX_BYTES, description="The text of the manifest (apps.toml)."
    )
    bindings: str = Field(
        "",
        max_length=MAX_BYTES,
        description="The text of the bindings (apps.lock.toml). A key without one is a new app.",
    )
    prune: bool = Field(default=False, description="Delete the apps that it does not have.")


class PlanManifest(ManifestRequest):
    """What to plan."""

    max_bytes: MaxBytes = 24_000


class ApplyManifest(ManifestRequest):
    """What to apply."""

    digest: str = Field(
        min_length=1, max_length=64, description="The digest of the plan that the user has seen."
    )

    @property
    def more_scopes(self) -> frozenset[Scope]:
        """Deleting apps needs a scope of its own."""
        return frozenset({Scope.APPS_DELETE}) if self.prune else frozenset()


class PlannedManifest(Result):
    """What has to happen, for people."""

    untrusted: list[str] | None = None
    summary: str
    steps: list[str]
    not_shown: int
    """How many more lines there was no room for."""
    refused: int
    """How many steps the policy forbids."""
    digest: str
    note: str | None = None


class AppliedManifest(Result):
    """What was done."""

    summary: str
    created: dict[str, str]
    """The client id of each new app, by its key."""
    deleted: list[str]
    secrets_in: str | None = None
    note: str | None = None
