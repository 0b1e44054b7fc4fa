"""Each client has a page, with the text that `install` writes."""

import pytest

from connected_apps_mcp.client_configs.clients import CLIENTS, Client
from connected_apps_mcp.client_configs.documents import entry_of
from generator import clients
from generator.places import DOCS

PAGES = DOCS / "clients"

EACH = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)


def test_there_is_a_page_for_each_client_and_for_no_other() -> None:
    pages = {path.stem for path in PAGES.glob("*.md")} - {"index"}
    assert pages == {client.key for client in CLIENTS}


@EACH
def test_a_page_has_the_name_of_its_client_and_what_is_generated_for_it(client: Client) -> None:
    page = (PAGES / f"{client.key}.md").read_text("utf-8")
    assert page.startswith(f"# {client.title}\n\n<!-- generated: client {client.key} -->\n")


@EACH
def test_the_text_that_is_shown_has_three_entries_in_the_shape_of_the_client(
    client: Client,
) -> None:
    shown = clients.client(client.key).partition(f"```{client.format}\n")[2].partition("```")[0]
    entries = entry_of(client.format, shown, client.path)
    assert isinstance(entries, dict)
    assert list(entries) == ["connected-apps-sandbox", "connected-apps", "connected-apps-live"]
