import pytest
from page_steps import Open, show_view

pytestmark = pytest.mark.page


def test_a_waiting_call_shows_its_question_its_caller_and_its_difference(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Approvals")
    call = tab.get_by_role("article", name="Change this app although it will be less protected?")
    assert "called by user ops" in call.inner_text()
    assert "reports.test.example" in call.locator(".diff > .added").inner_text()


@pytest.mark.parametrize(
    ("button", "said"),
    [("Approve once", "The call is approved."), ("Decline", "The call is declined.")],
)
def test_a_press_decides_on_a_call(open_page: Open, button: str, said: str) -> None:
    tab = open_page()
    show_view(tab, "Approvals")
    call = tab.get_by_role("article", name="Delete this app? This cannot be undone.")
    call.get_by_role("button", name=button).click()
    call.wait_for(state="detached")
    tab.get_by_text(said).wait_for()
    focused = tab.evaluate("document.activeElement.innerText")
    assert focused == "Approvals"


def test_a_call_that_begins_to_wait_appears_by_itself(open_page: Open) -> None:
    tab = open_page(waiting=[])
    show_view(tab, "Approvals")
    tab.get_by_text("No call waits").wait_for()
    tab.evaluate("link.wait({question: 'Go on?\\nApp: \"Mine\"\\nIt cannot be undone.'})")
    tab.get_by_role("article", name="Go on?").wait_for()
    tab.get_by_role("navigation").get_by_text("1 waiting").wait_for()


def test_an_intent_and_its_outcome_are_one_line(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Audit")
    row = tab.get_by_role("row", name="deliver_client_secret")
    assert "Done" in row.inner_text()
    assert "delivered …9wQa" in row.inner_text()
    assert tab.get_by_role("row", name="complete_secret_rotation").get_by_text("No outcome")


@pytest.mark.parametrize(
    ("outcome", "tools"),
    [
        ("Failed", ["update_app"]),
        ("Refused", ["delete_app"]),
        ("No outcome", ["complete_secret_rotation"]),
    ],
)
def test_the_lines_are_filtered_by_outcome(open_page: Open, outcome: str, tools: list[str]) -> None:
    tab = open_page()
    show_view(tab, "Audit")
    tab.get_by_role("combobox", name="Outcome").select_option(outcome)
    tab.locator("tbody tr").nth(1).wait_for(state="detached")
    assert tab.get_by_role("rowheader").all_inner_texts() == tools


def test_the_lines_are_filtered_by_caller_and_app(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Audit")
    tab.get_by_label("Caller").fill("ada")
    tab.locator("tbody tr").nth(1).wait_for(state="detached")
    assert tab.get_by_role("rowheader").all_inner_texts() == ["update_app"]
    tab.get_by_label("Client id of an app").fill("another")
    tab.get_by_text("No line fits").wait_for()


def test_a_line_with_a_text_that_was_cut_hides_no_line(open_page: Open) -> None:
    cut = {"cut": "N" * 1_000, "characters": 2_000, "sha256": "0" * 64}
    line = {"time": "2026-01-01T00:00:00Z", "event": "refusal", "entry": "a", "tool": "delete_app"}
    lines = [
        {**line, "seq": 1},
        {**line, "seq": 2, "caller": {"user": cut}, "software": {"name": cut}, "reason": cut},
        {**line, "seq": 3, "caller": {"subject": cut}, "software": {"name": 1}, "answer": []},
    ]
    tab = open_page(lines=lines)
    show_view(tab, "Audit")
    assert tab.get_by_role("rowheader").all_inner_texts() == ["delete_app"] * 3
    tab.get_by_text("NNNN").first.wait_for()


def test_a_line_leads_to_its_app(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Audit")
    row = tab.get_by_role("row", name="deliver_client_secret")
    row.get_by_role("button", name="Reports").click()
    tab.locator(".detail").wait_for()


def test_the_view_says_that_the_chain_is_whole(open_page: Open) -> None:
    tab = open_page()
    show_view(tab, "Audit")
    tab.get_by_text("The chain of 15 lines is whole.").wait_for()


def test_the_view_says_where_the_log_was_tampered_with(open_page: Open) -> None:
    tab = open_page(problems=["audit.000001.jsonl, line 7: it does not follow."])
    show_view(tab, "Audit")
    assert "line 7: it does not follow." in tab.get_by_role("alert").inner_text()
