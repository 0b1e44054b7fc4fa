"""The made-up apps answer as the tools of the server do."""

from typing import Any

import pytest
from page_steps import Open

from connected_apps_tools.catalogue.toolsets import CATALOGUE

pytestmark = pytest.mark.page

TOOLS = {tool.name: tool for tool in CATALOGUE}
FIRST, SECOND = "[...link.apps.keys()][0]", "[...link.apps.keys()][1]"
CALLS: list[tuple[str, str]] = [
    ("search_apps", "{}"),
    ("review_apps", "{}"),
    ("get_app", f"{{client_id: {FIRST}}}"),
    ("create_app", "{client_type: 'third_party', client_name: 'New'}"),
    ("create_app", "{client_type: 'third_party', dry_run: true}"),
    ("clone_app", f"{{client_id: {SECOND}, client_name: 'Copy'}}"),
    ("update_app", f"{{client_id: {FIRST}, client_name: 'Other'}}"),
    ("update_app", f"{{client_id: {FIRST}, client_name: 'Other', dry_run: true}}"),
    ("delete_app", f"{{client_id: {FIRST}, dry_run: true}}"),
    ("start_secret_rotation", f"{{client_id: {SECOND}}}"),
    ("cancel_secret_rotation", f"{{client_id: {FIRST}}}"),
    ("check_client_secret", f"{{client_id: {FIRST}}}"),
    ("deliver_client_secret", f"{{client_id: {FIRST}, destination: 'a', dry_run: true}}"),
]


@pytest.mark.parametrize(("tool", "arguments"), CALLS)
def test_a_made_up_result_has_the_fields_of_the_real_one(
    open_page: Open, tool: str, arguments: str
) -> None:
    outcome = open_page().evaluate(f"link.call('{tool}', {arguments})")
    result: dict[str, Any] = outcome["result"]
    if tool == "review_apps":  # a finding in a result is without its fix
        for finding in result["findings"]:
            finding["fix"] = result["fixes"][finding["code"]]
    read = TOOLS[tool].result.model_validate(result)
    assert result.keys() <= read.model_fields_set
