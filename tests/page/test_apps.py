from typing import Any

import pytest
from page_steps import PHONE, Open, open_app

pytestmark = pytest.mark.page

MANY = 10_000


def names(tab: Any) -> list[str]:
    """The names in the table, as far as they are in the document."""
    shown: list[str] = tab.locator("[data-row]").all_inner_texts()
    return shown


def test_a_search_leaves_the_apps_with_all_of_its_words(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_label("Search apps").fill("forms HUMBLE")
    tab.get_by_text("1 of 40 apps").wait_for()
    assert names(tab) == ["Humble Forms 34"]


@pytest.mark.parametrize(
    ("label", "value", "found"),
    [
        ("Type", "first_party_public", "Notes CLI"),
        ("Rotation", "yes", "Reports"),
        ("Findings", "wildcard-redirect", "Back office"),
        ("Findings", "high", "Kalendar Sync"),
    ],
)
def test_a_filter_leaves_the_apps_that_fit(
    open_page: Open, label: str, value: str, found: str
) -> None:
    tab = open_page()
    tab.get_by_role("combobox", name=label).select_option(value)
    tab.get_by_text("of 40 apps").wait_for()
    assert found in names(tab)
    assert len(names(tab)) < 12


def test_the_filter_by_redirect_host_finds_its_subdomains(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_role("textbox", name="Redirect host").fill("office.example")
    tab.get_by_text("1 of 40 apps").wait_for()
    assert names(tab) == ["Back office"]


def test_a_press_on_a_heading_sorts_by_it_and_another_press_turns_the_order(
    open_page: Open,
) -> None:
    tab = open_page()
    heading = tab.get_by_role("columnheader", name="Tokens live")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert tab.locator("[data-row='0']").inner_text() == "P\u0430yroll"


def test_of_ten_thousand_apps_only_the_rows_in_sight_are_in_the_document(open_page: Open) -> None:
    tab = open_page(count=MANY)
    tab.get_by_text("10,000 apps", exact=True).wait_for()
    assert len(names(tab)) < 60
    assert tab.get_by_role("table").get_attribute("aria-rowcount") == str(MANY + 1)


def test_the_last_of_ten_thousand_apps_is_reached_by_scrolling(open_page: Open) -> None:
    tab = open_page(count=MANY)
    tab.get_by_text("10,000 apps", exact=True).wait_for()
    tab.locator(".scroller").evaluate("element => element.scrollTo(0, element.scrollHeight)")
    tab.locator(f"[data-row='{MANY - 1}']").click()
    tab.locator(".detail").wait_for()


def test_the_keyboard_alone_reaches_an_app_and_goes_back_to_its_row(open_page: Open) -> None:
    tab = open_page(count=MANY)
    tab.get_by_text("10,000 apps", exact=True).wait_for()
    tab.locator("[data-row='0']").focus()
    for key in ("End", "ArrowUp", "PageUp", "ArrowDown"):
        tab.keyboard.press(key)
    tab.wait_for_function("Number(document.activeElement.dataset.row) > 9_900")
    reached = int(tab.evaluate("document.activeElement.dataset.row"))
    assert MANY - 40 < reached < MANY - 2
    tab.keyboard.press("Enter")
    tab.locator(".detail").wait_for()
    assert tab.evaluate("document.activeElement.textContent") == "App"
    tab.keyboard.press("Escape")
    tab.locator(".panel").wait_for(state="detached")
    tab.wait_for_function(f"document.activeElement.dataset.row == {reached}")


def test_the_tab_key_stops_once_in_the_table(open_page: Open) -> None:
    tab = open_page()
    assert tab.locator("[data-row][tabindex='0']").count() == 1


def test_an_app_shows_its_hosts_apart_and_its_lifetime_in_words(open_page: Open) -> None:
    panel = open_app(open_page(), "Notes CLI")
    assert "1 day 1 hour" in panel.inner_text()
    assert panel.locator(".url .host").first.inner_text() == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Kalendar Sync", "What stands before the @ is not the host."),
        ("Kalendar Sync", "This host stands for"),
        ("P\u0430yroll", "mixes letters of different scripts"),
        ("P\u0430yroll", "Anybody on the network path can read"),
        ("Back office", "It is not known which URLs this stands for."),
    ],
)
def test_what_is_odd_about_a_redirect_url_is_said(open_page: Open, name: str, said: str) -> None:
    marks = open_app(open_page(), name).locator(".mark").all_inner_texts()
    assert any(said in mark for mark in marks)


def test_a_rotation_is_a_timeline_with_what_was_delivered_where(open_page: Open) -> None:
    panel = open_app(open_page(), "Reports")
    steps = panel.locator(".timeline > li > p").all_inner_texts()
    assert steps == [
        "Current secret Done",
        "Next secret Done",
        "Bring the next secret to wherever the app runs Now",
        "Complete the rotation Later",
    ]
    assert "…9wQa delivered to reports-staging" in panel.locator(".timeline").inner_text()


def test_an_app_says_who_authorised_it_in_an_organization(open_page: Open) -> None:
    panel = open_app(open_page(), "Calendar Sync")
    panel.get_by_label("Organization, by its id or slug").fill("acme")
    panel.get_by_role("button", name="Look").click()
    assert "member-test-91c2" in panel.locator(".members").inner_text()


def test_an_app_that_changes_elsewhere_changes_in_the_table_by_itself(open_page: Open) -> None:
    tab = open_page()
    tab.evaluate(
        """link.call("update_app", {
            client_id: [...link.apps.keys()][0], client_name: "Renamed elsewhere"
        })"""
    )
    tab.get_by_label("Search apps").fill("renamed")
    tab.get_by_role("button", name="Renamed elsewhere").wait_for()


def test_an_app_that_is_created_elsewhere_appears_by_itself(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_text("40 apps", exact=True).wait_for()
    tab.evaluate(
        """async () => {
            const [app] = link.apps.values();
            const more = { ...app, client_id: "elsewhere", client_name: "Elsewhere" };
            link.apps.set(more.client_id, more);
            link.tell({ kind: "apps" });
        }"""
    )
    tab.get_by_text("41 apps", exact=True).wait_for()
    tab.get_by_label("Search apps").fill("elsewhere")
    tab.get_by_role("button", name="Elsewhere").wait_for()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"apps": []}, "This project has no apps yet"),
        ({"hanging": ["search_apps"]}, "Reading the apps…"),
        ({"failing": ["search_apps"]}, "The service did not answer in time."),
        ({"hanging": ["about"]}, "Opening…"),
    ],
)
def test_a_table_without_rows_says_why(open_page: Open, given: dict[str, Any], said: str) -> None:
    open_page(**given).get_by_text(said).wait_for()


def test_a_search_that_nothing_fits_can_be_cleared(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_label("Search apps").fill("no such app")
    tab.get_by_role("button", name="Clear the search and the filters").click()
    tab.get_by_text("40 apps", exact=True).wait_for()


def test_what_is_here_stays_in_sight_while_the_console_does_not_answer(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_text("40 apps", exact=True).wait_for()
    failure = {"error": "unreachable", "message": "No answer.", "hint": "Run it again."}
    tab.evaluate("failure => link.tell({kind: 'reachable', failure})", failure)
    said = tab.get_by_role("alert").inner_text()
    assert said.startswith("No answer. What you see may be old. Run it again.")
    assert names(tab)


@pytest.mark.parametrize("viewport", [PHONE, {"width": 640, "height": 450}], ids=["phone", "zoom"])
def test_nothing_is_wider_than_a_narrow_window(open_page: Open, viewport: dict[str, int]) -> None:
    tab = open_page({"viewport": viewport})
    assert _is_as_wide_as_the_window(tab)
    panel = open_app(tab, "Reports")
    assert _is_as_wide_as_the_window(tab)
    panel.get_by_role("button", name="Edit", exact=True).click()
    panel.get_by_role("button", name="See what it does").wait_for()
    assert _is_as_wide_as_the_window(tab)


def test_no_word_of_the_page_is_cut_in_the_table(open_page: Open) -> None:
    cells = open_page(count=1).locator(".app-table td:is(.secret, .lifetime, .findings)")
    assert cells.count()
    cut = cells.evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).length")
    assert cut == 0


def test_the_table_reaches_to_the_end_of_a_phone(open_page: Open) -> None:
    end = (
        open_page({"viewport": PHONE})
        .locator(".list")
        .evaluate("e => e.getBoundingClientRect().bottom")
    )
    assert end == PHONE["height"]


def _is_as_wide_as_the_window(tab: Any) -> bool:
    fits: bool = tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits
