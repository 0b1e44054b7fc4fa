"""The texts that strangers write to deceive, in every view."""

import re
from typing import Any

import pytest
from hostile import CORPUS, LONG, LONG_URL, deceives, urls_of
from page_steps import PHONE, Open, open_app, show_view

pytestmark = pytest.mark.page

ROW_OF_A_PHONE = 67.5


def app_with(text: str) -> dict[str, Any]:
    """An app with a text in every field, as if the server had not made it printable."""
    return {
        "client_id": text[:16],
        "client_name": text,
        "client_description": text[:LONG],
        "client_type": text[:LONG],
        "status": text[:LONG],
        "version": text[:64],
        "creation_method": text[:LONG],
        "redirect_urls": urls_of(text[:LONG_URL]),
        "post_logout_redirect_urls": urls_of(text[:LONG_URL]),
        "logo_url": f"https://kilroy.example/{text}",
        "client_id_metadata_url": text,
        "full_access_allowed": True,
        "bypass_consent_for_offline_access": True,
        "access_token_expiry_minutes": 60,
        "access_token_custom_audience": text[:LONG],
        "access_token_template_content": text[:LONG],
        "id_token_template_content": text[:LONG],
        "client_secret_last_four": text[:4],
        "next_client_secret_last_four": text[4:8],
        "deliveries": [
            {"destination": text[:64], "last_four": text[:4], "delivered_at": text[:64]}
        ],
    }


def line_with(text: str) -> dict[str, Any]:
    """A line of the audit log with a text in every field."""
    return {
        "seq": 1,
        "time": text[:64],
        "event": "refusal",
        "tool": text[:100],
        "caller": {"user": text[:1_000]},
        "software": {"name": text[:1_000]},
        "answer": text[:100],
        "reason": text[:1_000],
        "arguments": {"client_id": text[:200]},
    }


def look_at_every_view(tab: Any) -> list[str]:
    """What a person reads in each view, and in the question before a deletion."""
    read = [tab.locator("body").inner_text()]
    tab.locator("[data-row='0']").click()
    tab.locator(".detail").wait_for()
    read.append(tab.locator("body").inner_text())
    for button in ("Edit", "Clone", "Deliver a secret"):
        tab.get_by_role("button", name=button, exact=True).click()
        tab.locator(".change form").wait_for()
        read.append(tab.locator("body").inner_text())
        tab.get_by_role("button", name="Back to the app").click()
        tab.locator(".detail").wait_for()
    tab.get_by_role("button", name="Delete", exact=True).click()
    tab.get_by_role("button", name="Delete the app").click()
    tab.get_by_role("dialog").wait_for()
    read.append(tab.locator("body").inner_text())
    tab.get_by_role("button", name="No, do nothing").click()
    for view in ("Review", "Approvals", "Audit"):
        show_view(tab, view)
        tab.locator("main li, main tbody tr").first.wait_for()
        read.append(tab.locator("body").inner_text())
    return read


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_the_texts_of_strangers_are_only_ever_shown_and_whole_in_sight(
    open_page: Open, text: str
) -> None:
    tab = open_page(apps=[app_with(text)], lines=[line_with(text)])
    for read in look_at_every_view(tab):
        assert not deceives(re.sub(r"[\n\t]", "", read))
    elements = "img, iframe, embed, object, a, form[action], [onerror], [style*=url]"
    assert tab.locator(elements).count() == 0


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_no_text_of_a_stranger_breaks_the_layout(open_page: Open, text: str) -> None:
    tab = open_page({"viewport": PHONE}, apps=[app_with(text)], lines=[line_with(text)])
    heights = tab.locator(".measure").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().height)"
    )
    assert heights == [ROW_OF_A_PHONE]
    tab.locator("[data-row='0']").click()
    tab.locator(".detail").wait_for()
    for view in ("", "Review", "Approvals", "Audit"):
        if view:
            show_view(tab, view)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_long_outcome_leaves_room_for_what_was_called(open_page: Open) -> None:
    line = {**line_with("x " * 500), "tool": "update_app"}
    tab = open_page({"viewport": PHONE}, lines=[line])
    show_view(tab, "Audit")
    name = tab.locator(".audit tbody th").bounding_box()
    assert name["width"] > PHONE["width"] / 3


def test_the_texts_of_strangers_have_a_typeface_and_a_ground_of_their_own(open_page: Open) -> None:
    tab = open_page(apps=[app_with("Connected Apps")])
    look = "e => [getComputedStyle(e).fontFamily, getComputedStyle(e).backgroundColor]"
    theirs = tab.locator(".name .theirs").evaluate(look)
    ours = tab.locator(".top .title").evaluate(look)
    assert theirs[0] != ours[0]
    assert theirs[1] != ours[1]
    tags = open_app_of(tab).locator(".tag .theirs").evaluate_all(f"all => all.map({look})")
    assert tags == [theirs] * 3


def test_a_long_text_is_cut_with_a_way_to_see_all_of_it(open_page: Open) -> None:
    text = "Kilroy" + "A" * 994
    panel = open_app_of(open_page(apps=[app_with(text)]))
    name = panel.locator(".app-name")
    assert len(name.inner_text()) < 400
    name.get_by_role("button", name="Show all 1,000 characters").click()
    assert name.inner_text() == text


def test_a_million_characters_are_shown_a_part_at_a_time(open_page: Open) -> None:
    panel = open_app_of(open_page(apps=[app_with("Kilroy" + "A" * 999_994)]))
    name = panel.locator(".app-name")
    name.get_by_role("button", name="Show 10,000 more characters of 1,000,000").click()
    assert 10_000 < len(name.inner_text()) < 11_000


def open_app_of(tab: Any) -> Any:
    """Open the only app."""
    tab.locator("[data-row='0']").click()
    tab.locator(".detail").wait_for()
    return tab.locator(".panel")


def test_right_to_left_text_does_not_move_what_is_around_it(open_page: Open) -> None:
    panel = open_app(
        open_page(apps=[app_with("\u05e9\u05dc\u05d5\u05dd")]), "\u05e9\u05dc\u05d5\u05dd"
    )
    assert panel.locator(".app-name bdi").evaluate("e => getComputedStyle(e).unicodeBidi") == (
        "isolate"
    )
