"""The pictures of the documentation, taken of the real console: `make pictures`."""

import os
from pathlib import Path
from typing import Any

import pytest
from consoles import REPORTS, Page, approvals_in, fill, no_to, waiting_call
from page_steps import Open, open_app, press, show_view

from connected_apps_mcp.sandbox.seeds.seed import Seed, SeedApp
from generator.places import DOCS

pytestmark = pytest.mark.page

MOST_BYTES = 200_000
DOCUMENT = DOCS / "how-to/console.md"
NAMES = ("apps", "question", "approvals", "audit")

LOOKALIKE = SeedApp(
    client_type="third_party",
    client_name="P\u0430yroll",
    redirect_urls=["http://p\u0430yroll.example/callback"],
)
QUESTION = """Change this app although it will be less protected?
Project: project-test-00000000-0000-0000-0000-000000000000 (sandbox)
App: "Reports"
Type: first_party
Redirect host added: reports.example.net
Whoever controls an added host can receive its users' sign-ins."""


@pytest.fixture
def tab(console: Page, local_tab: Open, tmp_path: Path) -> Any:
    """A tab with more apps, among them one that looks like another."""
    fill(tmp_path, Seed(generated_apps=36, apps=[LOOKALIKE]))
    opened = local_tab(viewport={"width": 1200, "height": 760})
    opened.goto(console.link)
    opened.get_by_text("40 apps", exact=True).wait_for()
    return opened


def keep(tab: Any, name: str) -> None:
    """Take a picture, and keep it if pictures are wanted."""
    tab.locator(".toast p").wait_for(state="detached")
    image = tab.screenshot(animations="disabled", caret="hide")
    assert len(image) < MOST_BYTES
    if os.environ.get("WRITE_PICTURES"):
        path(name).write_bytes(image)


def path(name: str) -> Path:
    return DOCS / f"pictures/console-{name}.png"


def test_a_picture_of_the_apps(tab: Any) -> None:
    open_app(tab, "P\u0430yroll").get_by_text("mixes letters").first.wait_for()
    tab.get_by_label("Search apps").fill("")
    keep(tab, "apps")


def test_a_picture_of_a_question(tab: Any) -> None:
    panel = open_app(tab, "Calendar Sync")
    press(panel, "Edit")
    panel.get_by_label("Redirect URLs", exact=True).fill(
        "https://calendar.example/callback\nhttps://calendar.example.net/callback"
    )
    press(panel, "See what it does")
    panel.get_by_text("This will happen").wait_for()
    press(panel, "Change the app")
    tab.get_by_role("dialog").wait_for()
    keep(tab, "question")


def test_a_picture_of_a_call_that_waits(tab: Any, tmp_path: Path) -> None:
    urls = ["https://reports.example/callback", "https://reports.example.net/callback"]
    arguments = {"client_id": REPORTS, "redirect_urls": urls}
    call = waiting_call(tool="update_app", arguments=arguments, question=QUESTION)
    approvals_in(tmp_path).add(call)
    show_view(tab, "Approvals")
    tab.locator(".diff > .added").wait_for()
    keep(tab, "approvals")


def test_a_picture_of_the_audit_log(tab: Any, console: Page) -> None:
    cookie = tab.context.cookies(console.url)[0]
    console.cookies.set(cookie["name"], cookie["value"])
    app = console.result("create_app", client_type="first_party", client_name="Invoices")["app"]
    asked = console.ask("delete_app", client_id=REPORTS)
    console.ask("delete_app", no_to(asked), client_id=REPORTS)
    console.result("update_app", client_id=app["client_id"], client_name="Invoices 2")
    console.result("start_secret_rotation", client_id=app["client_id"])
    console.result("complete_secret_rotation", client_id=app["client_id"])
    tab.get_by_label("Search apps").fill("Invoices 2")
    tab.get_by_role("button", name="Invoices 2", exact=True).wait_for()
    show_view(tab, "Audit")
    tab.get_by_text("is whole").wait_for()
    keep(tab, "audit")


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_each_picture(name: str) -> None:
    assert path(name).exists()
    assert f"(../pictures/{path(name).name})" in DOCUMENT.read_text("utf-8")
