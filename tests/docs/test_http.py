"""docs/how-to/http.md names the scope of every tool."""

import re
from pathlib import Path

from support import SEEN_WITH_PAGE

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "http.md"


def test_every_tool_is_in_the_row_of_its_scope() -> None:
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \|[^|]*\|([^|]*)\|$", DOCS.read_text("utf-8"), re.M)
    named = {(scope, tool) for scope, tools in rows for tool in re.findall(r"`(\w+)`", tools)}
    in_catalogue = {(str(tool.scope), tool.name) for tool in SEEN_WITH_PAGE}
    assert named - {("secrets:reveal", "reveal_secret")} == in_catalogue
