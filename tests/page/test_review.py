import pytest
from page_steps import Open, show_view

pytestmark = pytest.mark.page


def test_the_picture_has_a_bar_for_each_code_under_its_severity(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Review")
    high = tab.locator(".severity.high")
    assert high.locator(".code").all_inner_texts() == [
        "mixed-script-host",
        "http-redirect",
        "user-info-in-url",
        "wildcard-redirect",
    ]
    widths = high.locator(".bar").evaluate_all("bars => bars.map(bar => bar.style.width)")
    assert widths == ["100%", "50%", "50%", "50%"]


def test_a_press_on_a_bar_leaves_its_findings_in_the_list(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Review")
    tab.get_by_role("button", name="wildcard-redirect").click()
    assert tab.locator(".found h2").all_inner_texts() == ["wildcard-redirect"]
    tab.get_by_role("button", name="wildcard-redirect").click()
    assert tab.locator(".found").count() == 9


def test_a_finding_leads_to_its_app(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Review")
    tab.locator(".found").get_by_role("button", name="Back office").first.click()
    assert "wildcard-redirect" in tab.locator(".findings-of-app").inner_text()


def test_a_code_leads_to_its_apps_in_the_table(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Review")
    found = tab.locator(".found", has_text="open-rotation")
    found.get_by_role("button", name="Show these apps in the table").click()
    tab.get_by_text("2 of 40 apps").wait_for()


def test_the_findings_beyond_the_first_are_shown_by_a_press(open_page: Open) -> None:
    tab = open_page(count=500)
    show_view(tab, "Review")
    found = tab.locator(".found", has_text="open-rotation")
    assert found.locator("li").count() == 5
    found.get_by_role("button", name="Show all").click()
    assert found.locator("li").count() > 5


def test_a_review_without_findings_says_so(open_page: Open) -> None:
    tab = open_page(apps=[])
    show_view(tab, "Review")
    tab.get_by_text("No app is dangerous, odd or left open.").wait_for()


def test_a_review_that_failed_can_be_tried_again(open_page: Open) -> None:
    tab = open_page(failing=["review_apps"])
    show_view(tab, "Review")
    tab.evaluate("link.failing = []")
    tab.get_by_role("button", name="Try again").click()
    tab.get_by_text("A finding is a reason to look").wait_for()
