"""`connected-apps-mcp export` and `import`: write apps of the project into a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.commands.common import print_stderr

from .running import manifest_file, on_project, project_flags

if TYPE_CHECKING:
    from connected_apps_mcp.commands.manifest.files import ManifestFiles
    from connected_apps_mcp.settings.settings import Settings
    from connected_apps_tools import ToolContext
    from connected_apps_tools.manifest.documents.bindings import Bindings
    from connected_apps_tools.manifest.documents.manifest import Manifest
    from connected_apps_tools.manifest.exports.exporting import Export, Target

_environment = click.option(
    "--environment",
    metavar="NAME",
    help="Name of the environment that the manifest binds to the project, if it has none yet. "
    "Default: live for a live project, else test.",
)


@click.command()
@click.option("--only", "keys", multiple=True, metavar="KEY", help="Write this app. Repeatable.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["toml", "hcl", "schema"]),
    default="toml",
    show_default=True,
    help="toml writes the manifest. hcl prints import blocks for Terraform, and schema the JSON "
    "Schema of a manifest for editors; both write nothing.",
)
@_environment
@manifest_file
@project_flags
def export(
    keys: tuple[str, ...],
    form: str,
    environment: str | None,
    path: Path,
    **flags: object,
) -> None:
    """Write the apps of the project into a manifest.

    The manifest (apps.toml) has every setting that is not the default, and no ids and no secrets.
    The bindings beside it (apps.lock.toml) say which app each key is. Comments and order of a
    manifest that is there stay, and so do its apps that the project does not have.
    """
    if form == "schema":
        from connected_apps_tools.manifest.documents.schema import schema_text

        click.echo(schema_text(), nl=False)
        return

    async def act(_settings: Settings, project: ToolContext) -> None:
        from connected_apps_mcp.commands.manifest.files import ManifestFiles
        from connected_apps_tools.catalogue.manifest.planning import all_apps, created_by_applies
        from connected_apps_tools.deadline import deadline
        from connected_apps_tools.manifest.exports import exporting
        from connected_apps_tools.manifest.exports.terraform import import_blocks

        files = ManifestFiles(path)
        manifest, bindings = files.manifest_if_any(), files.bindings()
        with deadline(project.api.deadline):
            apps = await all_apps(project)
        await project.sightings.of(apps)
        created = await created_by_applies(project, bindings, apps)
        found = {key: client_id for key, (client_id, _) in created.items()}
        known = bindings.with_bound(project.api.project_id, found)
        target = _target(project, manifest, known, environment)
        exported = exporting.export(apps, target, only=keys or None)
        for client_id in exported.left_out:
            print_stderr(f"Left out: {client_id} has a value that a manifest cannot express.")
        if form == "hcl":
            bound = exported.bindings.of(project.api.project_id)
            click.echo(import_blocks(bound), nl=False)
        else:
            _write(files, bindings, target, exported)
            await project.creations.forget(found)

    on_project(act, flags)


@click.command("import")
@click.argument("client_id")
@click.argument("key")
@_environment
@manifest_file
@project_flags
def import_app(
    client_id: str, key: str, environment: str | None, path: Path, **flags: object
) -> None:
    """Write one app of the project into a manifest, under a key.

    For an app that somebody has created elsewhere. An app that the manifest has under the key
    already gets the settings that it has at the service.
    """

    async def act(_settings: Settings, project: ToolContext) -> None:
        from connected_apps_mcp.commands.manifest.files import ManifestFiles
        from connected_apps_tools.deadline import deadline
        from connected_apps_tools.manifest.exports import exporting

        files = ManifestFiles(path)
        manifest, bindings = files.manifest_if_any(), files.bindings()
        with deadline(project.api.deadline):
            app = (await project.api.get(client_id)).connected_app
        target = _target(project, manifest, bindings, environment)
        _write(files, bindings, target, exporting.adopt(app, key, target))

    on_project(act, flags)


def _target(
    project: ToolContext, manifest: Manifest | None, bindings: Bindings, environment: str | None
) -> Target:
    from connected_apps_tools.manifest.exports.exporting import Target

    return Target(project.api.project_id, manifest, bindings, environment)


def _write(files: ManifestFiles, earlier: Bindings, target: Target, exported: Export) -> None:
    """Write what has changed. The bindings first: an app without one would be created again."""
    written = [
        path
        for path, changed in (
            (files.bindings_path, files.write_bindings(earlier, exported.bindings)),
            (files.path, files.write_manifest(target.manifest, exported.manifest)),
        )
        if changed
    ]
    count = len(exported.bindings.of(target.project_id))
    apps = f"{count:,} app{'' if count == 1 else 's'} of {target.project_id}"
    names = " and ".join(map(str, written))
    click.echo(f"Wrote {names}: {apps}." if written else f"Nothing has changed: {apps}.")
