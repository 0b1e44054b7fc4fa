"""The apps as `import` blocks, for those who manage them with Terraform.

The vendor's provider has the resource `stytch_connected_app`, and its import id is
`project_slug.environment_slug.client_id` (KNOWN: the documentation in its repository, after release
3.2.0). The API does not show the slugs.
"""

import json
from collections.abc import Mapping

HEAD = """\
# Terraform 1.5 or newer: `terraform plan -generate-config-out=apps.tf` writes the resources.
# Set STYTCH_IMPORT_PROJECT_SECRET to the secret of the project while it imports.
"""

PROJECT_SLUG, ENVIRONMENT_SLUG = "PROJECT_SLUG", "ENVIRONMENT_SLUG"
"""What stands for slugs that are not given. A person has to replace them."""


def import_blocks(
    bound: Mapping[str, str],
    project_slug: str = PROJECT_SLUG,
    environment_slug: str = ENVIRONMENT_SLUG,
) -> str:
    """An `import` block for each key and client id, sorted by key."""
    blocks = (
        f"\nimport {{\n  to = stytch_connected_app.{_name(key)}\n"
        f"  id = {_quoted(f'{project_slug}.{environment_slug}.{bound[key]}')}\n}}\n"
        for key in sorted(bound)
    )
    return HEAD + "".join(blocks)


def _name(key: str) -> str:
    """The name of a resource, which cannot begin with a digit. No key begins with an underscore."""
    return f"_{key}" if key[0].isdigit() else key


def _quoted(text: str) -> str:
    """A string of HCL, without anything that it would fill in."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
