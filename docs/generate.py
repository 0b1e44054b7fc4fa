"""Writes the parts of the documents that repeat the code: `make docs`.

Each part stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME can have an argument,
as in `client cursor`. People write the rest.
"""

import re
import sys
from collections.abc import Callable, Mapping

import links
from connected_apps_tools.manifest.documents.schema import SCHEMA_FILE, schema_text
from generator import (
    bounds,
    checks,
    clients,
    code,
    commands,
    errors,
    metrics,
    picture,
    settings,
    site,
    tools,
)
from generator.places import DOCS, ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>\w+)(?: (?P<of>[\w-]+))? -->\n).*?(?P<end><!-- end -->)",
    re.DOTALL,
)

PARTS: Mapping[str, Callable[..., str]] = {
    "bounds": bounds.bounds,
    "checks": checks.checks,
    "client": clients.client,
    "clients": clients.clients,
    "commands": commands.commands,
    "errors": errors.errors,
    "exit_codes": commands.exit_codes,
    "flags": settings.flags,
    "links": links.markdown,
    "metrics": metrics.metrics,
    "registry": links.registry_line,
    "service_errors": errors.service_errors,
    "storeys": code.storeys,
    "targets": code.targets,
    "tool_schemas": tools.tool_schemas,
    "tools": tools.tools,
    "toolsets": tools.toolsets,
}


def generated(document: str) -> str:
    """A document, with its generated parts as they have to be."""
    return PART.sub(lambda part: part["begin"] + _written(part) + part["end"], document)


def _written(part: re.Match[str]) -> str:
    return PARTS[part["name"]](*filter(None, [part["of"]]))


def main() -> None:
    """Write the generated parts of every document, the picture, and the schema of the manifest."""
    for path in DOCUMENTS:
        path.write_text(generated(path.read_text("utf-8")), "utf-8")
    picture.write()
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
    if unlisted := site.unlisted():
        sys.exit(f"mkdocs.yml does not list {', '.join(unlisted)}")


if __name__ == "__main__":
    main()
