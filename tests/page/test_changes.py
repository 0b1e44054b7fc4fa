from collections.abc import Sequence
from typing import Any

import pytest
from page_steps import Open, calls_of, open_app

pytestmark = pytest.mark.page

LOW = {"width": 640, "height": 430}
"""What is left of a window of 1280 by 860 at 200 % zoom."""
MANY = [f"https://other.example/{number}" for number in range(12)]


def begin(tab: Any, app: str, button: str) -> Any:
    """Open an app, and press a button in its panel. Returns the panel."""
    panel = open_app(tab, app)
    panel.get_by_role("button", name=button, exact=True).click()
    panel.locator(".change").wait_for()
    return panel


def press(panel: Any, name: str) -> None:
    panel.get_by_role("button", name=name, exact=True).click()


def sent(tab: Any, tool: str) -> list[dict[str, Any]]:
    """The arguments of the calls of a tool that were not dry runs."""
    calls = calls_of(tab, tool)
    return [call["arguments"] for call in calls if not call["arguments"].get("dry_run")]


def edit(tab: Any, urls: Sequence[str] = ("https://other.example/cb",)) -> Any:
    """Add redirect URLs to an app, up to the difference."""
    panel = begin(tab, "Calendar Sync", "Edit")
    panel.get_by_label("Redirect URLs", exact=True).fill(
        "\n".join(["https://calendar.example/callback", *urls])
    )
    press(panel, "See what it does")
    panel.get_by_text("This will happen").wait_for()
    return panel


def test_the_form_has_the_fields_of_the_schema_with_the_values_of_the_app(open_page: Open) -> None:
    panel = begin(open_page(), "Calendar Sync", "Edit")
    assert panel.get_by_label("Client name").input_value() == "Calendar Sync"
    assert panel.get_by_label("Redirect URLs", exact=True).input_value() == (
        "https://calendar.example/callback"
    )
    assert not panel.get_by_label("Full access allowed").is_checked()


def test_the_difference_is_shown_before_anything_is_sent(open_page: Open) -> None:
    tab = open_page()
    panel = edit(tab)
    assert panel.locator(".diff > .added").all_inner_texts() == [
        "+\nAdded:\nhttps://other.example/cb"
    ]
    assert not sent(tab, "update_app")


def test_a_risky_change_is_made_after_the_person_confirms(open_page: Open) -> None:
    tab = open_page()
    press(edit(tab), "Change the app")
    question = tab.get_by_role("dialog")
    assert "Change this app although it will be less protected?" in question.inner_text()
    press(question, "Yes, do it")
    tab.get_by_text("The app is changed.").first.wait_for()
    first, second = calls_of(tab, "update_app")[-2:]
    assert "answer" not in first
    assert second["answer"]["confirm"] is True
    assert second["arguments"] == first["arguments"]


@pytest.mark.parametrize("how", ["press", "Escape"])
def test_a_change_that_the_person_declines_is_not_made(open_page: Open, how: str) -> None:
    tab = open_page()
    panel = edit(tab)
    press(panel, "Change the app")
    question = tab.get_by_role("dialog")
    if how == "press":
        press(question, "No, do nothing")
    else:
        question.wait_for()
        tab.keyboard.press(how)
    assert "The user declined; nothing was changed." in panel.get_by_role("alert").inner_text()


def test_the_focus_in_a_question_is_on_the_button_that_does_nothing(open_page: Open) -> None:
    tab = open_page()
    press(edit(tab), "Change the app")
    tab.get_by_role("dialog").wait_for()
    assert tab.evaluate("document.activeElement.textContent") == "No, do nothing"


def test_only_what_differs_is_sent_and_only_to_the_version_that_was_read(open_page: Open) -> None:
    tab = open_page()
    panel = begin(tab, "Notes CLI", "Edit")
    panel.get_by_label("Access token expiry minutes").fill("90")
    assert "1 hour 30 minutes" in panel.inner_text()
    press(panel, "See what it does")
    press(panel, "Change the app")
    panel.get_by_text("The app is changed.").wait_for()
    (arguments,) = sent(tab, "update_app")
    assert arguments.keys() == {"client_id", "access_token_expiry_minutes", "if_unchanged"}
    assert arguments["access_token_expiry_minutes"] == 90


@pytest.mark.parametrize(
    ("value", "problem"),
    [("0", "Give at least 1."), ("1.5", "Give a whole number."), ("99999999999", "at most")],
)
def test_a_value_that_the_schema_forbids_is_named_and_not_sent(
    open_page: Open, value: str, problem: str
) -> None:
    tab = open_page()
    panel = begin(tab, "Notes CLI", "Edit")
    panel.get_by_label("Access token expiry minutes").fill(value)
    press(panel, "See what it does")
    assert problem in panel.locator(".problem").inner_text()
    assert not calls_of(tab, "update_app")


def test_a_new_app_is_created_and_shown(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_role("button", name="New app").click()
    panel = tab.locator(".panel")
    panel.get_by_label("Client type").select_option("third_party")
    panel.get_by_label("Client name").fill("Brand new")
    press(panel, "See what it does")
    press(panel, "Create the app")
    assert "It is stored in the keyring" in panel.locator(".finished").inner_text()
    press(panel, "Show the app")
    panel.locator(".detail").get_by_text("Brand new").wait_for()


def test_an_app_without_a_type_is_not_created(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_role("button", name="New app").click()
    press(tab.locator(".panel"), "See what it does")
    assert tab.locator(".problem").inner_text() == "This is needed."


def test_a_clone_needs_a_name_of_its_own(open_page: Open) -> None:
    tab = open_page()
    panel = begin(tab, "Calendar Sync", "Clone")
    panel.get_by_label("Client name").fill("Calendar copy")
    press(panel, "See what it does")
    press(panel, "Create the clone")
    panel.get_by_text("The clone is created.").wait_for()
    (arguments,) = sent(tab, "clone_app")
    assert arguments.keys() == {"client_id", "client_name"}


def test_a_deleted_app_leaves_the_table(open_page: Open) -> None:
    tab = open_page()
    panel = begin(tab, "Calendar Sync", "Delete")
    press(panel, "Delete the app")
    press(tab.get_by_role("dialog"), "Yes, do it")
    panel.get_by_text("The app is deleted.").wait_for()
    tab.get_by_text("0 of 39 apps").or_(tab.get_by_text("1 of 39 apps")).wait_for()


def test_a_rotation_is_started_delivered_and_completed(open_page: Open) -> None:
    tab = open_page()
    panel = begin(tab, "Calendar Sync", "Start a rotation")
    press(panel, "Start the rotation")
    press(panel, "Show the app")
    press(panel, "Deliver a secret")
    assert panel.get_by_label("Which").input_value() == "next"
    panel.get_by_label("Destination").fill("calendar")
    press(panel, "See what it does")
    press(panel, "Deliver the secret")
    press(tab.get_by_role("dialog"), "Yes, do it")
    press(panel, "Show the app")
    panel.locator(".deliveries", has_text="…nXt1 delivered to calendar").wait_for()
    press(panel, "Complete")
    press(panel, "Complete the rotation")
    press(tab.get_by_role("dialog"), "Yes, do it")
    press(panel, "Show the app")
    panel.get_by_text("…nXt1 is the only secret that works.").wait_for()


def test_a_delivery_says_what_goes_where_before_it_does(open_page: Open) -> None:
    panel = begin(open_page(), "Reports", "Deliver a secret")
    panel.get_by_label("Destination").fill("reports-live")
    press(panel, "See what it does")
    said = panel.locator(".preview .settings")
    assert said.inner_text().split("\n") == ["Secret", "next, …9wQa", "Destination", "reports-live"]


def is_in_sight(part: Any) -> bool:
    """Whether nothing covers the middle of a part, and it is within the window."""
    seen: bool = part.evaluate("""e => {
        const { x, y, width, height } = e.getBoundingClientRect();
        return e.contains(document.elementFromPoint(x + width / 2, y + height / 2));
    }""")
    return seen


def test_in_a_low_window_a_preview_begins_at_its_start(open_page: Open) -> None:
    panel = edit(open_page({"viewport": LOW}), MANY)
    assert is_in_sight(panel.get_by_text("This will happen"))


def test_in_a_low_window_a_question_shows_its_act_and_its_answers(open_page: Open) -> None:
    tab = open_page({"viewport": LOW})
    press(edit(tab), "Change the app")
    question = tab.get_by_role("dialog")
    assert is_in_sight(question.get_by_role("heading"))
    assert is_in_sight(question.get_by_role("button", name="No, do nothing"))
    assert is_in_sight(question.get_by_role("button", name="Yes, do it"))


def test_in_a_low_window_a_refusal_comes_into_sight(open_page: Open) -> None:
    tab = open_page({"viewport": LOW})
    panel = edit(tab, MANY)
    press(panel, "Change the app")
    press(tab.get_by_role("dialog"), "No, do nothing")
    refusal = panel.get_by_role("alert")
    refusal.wait_for()
    assert is_in_sight(refusal)


def test_a_completion_that_is_refused_can_be_forced_with_a_reason(open_page: Open) -> None:
    tab = open_page()
    panel = begin(tab, "Reports", "Complete")
    press(panel, "Complete the rotation")
    assert "no known secret may be left" in panel.get_by_role("alert").inner_text()
    press(panel, "Back to the form")
    panel.get_by_label("Force").check()
    panel.get_by_label("Reason").fill("It is in use everywhere.")
    press(panel, "See what it does")
    press(panel, "Complete the rotation")
    press(tab.get_by_role("dialog"), "Yes, do it")
    panel.get_by_text("The rotation is complete: only the new secret works.").wait_for()
    forced = sent(tab, "complete_secret_rotation")[-1]
    assert forced["force"] is True
    assert forced["reason"] == "It is in use everywhere."


def test_what_is_deleted_is_shown_before_it_is(open_page: Open) -> None:
    panel = begin(open_page(), "Calendar Sync", "Delete")
    panel.get_by_role("heading", name="This will happen").wait_for()
    assert panel.locator(".settings .host").all_inner_texts() == ["calendar.example"]


def test_a_change_can_be_said_in_the_conversation_without_a_name_of_strangers(
    open_page: Open,
) -> None:
    tab = open_page()
    panel = begin(tab, "Reports", "Drop the next secret")
    press(panel, "Drop the next secret")
    press(panel, "Say it in the conversation")
    (said,) = tab.evaluate("link.said")
    assert said.startswith("I did this in the page: drop the next secret (connected-app-")


@pytest.mark.parametrize(
    ("tool", "button"),
    [
        ("delete_app", "Delete"),
        ("update_app", "Edit"),
        ("deliver_client_secret", "Deliver a secret"),
    ],
)
def test_what_the_server_does_not_offer_has_no_button(
    open_page: Open, tool: str, button: str
) -> None:
    panel = open_app(open_page(without=[tool]), "Reports")
    assert panel.get_by_role("button", name=button, exact=True).count() == 0
