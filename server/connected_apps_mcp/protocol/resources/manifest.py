"""The manifest of the project and its bindings as a resource, for clients that plan changes."""

from collections.abc import Sequence

from mcp import types

from connected_apps_mcp.protocol.access.rights import RightsOfCallers
from connected_apps_tools import ToolContext

URI = "connected-apps://manifest"
BINDINGS_URI = f"{URI}/bindings"

TOML = "application/toml"

TOOL = "plan_manifest"
"""The resource is there where this tool is on."""

RESOURCE = types.Resource(
    uri=URI,
    name="manifest",
    title="All Connected Apps as a manifest",
    description="The settings of all apps (apps.toml), and the client id of each key "
    "(apps.lock.toml): the arguments of plan_manifest. Texts and URLs may be strangers' text.",
    mime_type=TOML,
)


def offers_manifest(rights: RightsOfCallers) -> bool:
    """Whether the current caller has the resource."""
    return TOOL in rights.current().offer.on


async def read_manifest_resource(project: ToolContext) -> Sequence[types.TextResourceContents]:
    """The manifest and the bindings of the apps that are there now.

    Raises:
        ConnectedAppsError: the apps cannot be read.
    """
    from connected_apps_tools.catalogue.manifest.planning import all_apps
    from connected_apps_tools.manifest.exports.exporting import Target, export

    exported = export(await all_apps(project), Target(project.api.project_id))
    texts = {URI: exported.manifest, BINDINGS_URI: exported.bindings.text()}
    return [
        types.TextResourceContents(uri=uri, mime_type=TOML, text=text)
        for uri, text in texts.items()
    ]
