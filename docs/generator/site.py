"""The site: which pages it lists."""

import re

from .places import DOCS, ROOT

LISTED = re.compile(r"^ +- (?:.*: )?([\w/-]+\.md)$", re.MULTILINE)


def unlisted() -> list[str]:
    """The pages that the navigation does not list. The generator of the site leaves them alone."""
    listed = set(LISTED.findall((ROOT / "mkdocs.yml").read_text("utf-8")))
    pages = (path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    return sorted(set(pages) - listed)
