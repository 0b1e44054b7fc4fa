import pytest

from connected_apps_tools.text.printable import (
    MAX_MESSAGE,
    cut,
    did_you_mean,
    nearest,
    printable,
    printable_url,
    redact_tokens,
)
from connected_apps_tools.text.redaction import REDACTOR

UUID = "b05c992f-ebdc-489d-a754-c7e70ba13141"


def test_the_nearest_name_is_found() -> None:
    assert nearest("redirect_uris", ["client_name", "redirect_urls"]) == "redirect_urls"


def test_a_different_name_is_not_suggested() -> None:
    assert did_you_mean("zebra", ["client_name", "redirect_urls"]) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two lines"),
        ("\x1b[31mred", " [31mred"),
        ("right\u202eleft", "rightleft"),
        ("zero\u200bwidth", "zerowidth"),
        ("tag\U000e0041s", "tags"),
        ("x" * 999, "x" * MAX_MESSAGE + "…"),
    ],
)
def test_untrusted_text_is_made_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_invisible_characters_of_a_url_are_encoded() -> None:
    shown = printable_url("https://a.example/\u202e\n \u3000?q", 99)
    assert shown == "https://a.example/%E2%80%AE%0A%20%E3%80%80?q"


@pytest.mark.parametrize(
    "secret",
    [
        "YEdImT5xAVh7SJxY1zgtjJXez03_lcgG19OW4pR8lsvSwiZL",
        "secret-test-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789=",
        "c2VjcmV0LXRlc3QtYWJjZGVmZ2hpamts",
        "00000000000000000000",
        f"connected-app-test-{UUID}-and-more-0",
        f"project-test-{UUID}.SuperSecret",
        "q83/Zm9v/YmFy+QUJD/ZGVm/0a1=",
        "q83%2FZm9v%2FYmFy%2BQUJD%2FZGVm",
    ],
)
def test_a_possible_secret_is_redacted(secret: str) -> None:
    assert redact_tokens(f"before {secret}, after") == "before [redacted], after"


@pytest.mark.parametrize(
    "text",
    [
        f"connected-app-test-{UUID}",
        f"request-id-live-{UUID}",
        f"project-test-{UUID}",
        f"It is connected-app-live-{UUID}.",
        "third_party_clients_require_consent_for_offline_access",
        "The Connected App requested could not be found.",
        "https://stytch.com/docs/api/errors/404",
        "The URL https://app2.example/callback is not allowed.",
    ],
)
def test_ids_and_words_are_not_redacted(text: str) -> None:
    assert redact_tokens(text) == text


SECRET = "canary-Zx81kQ0pLm27vTn4Rb6wYs3c"


@pytest.mark.parametrize("place", range(30, MAX_MESSAGE + 1, 47))
def test_no_part_of_a_secret_is_left_where_text_is_cut(place: int) -> None:
    REDACTOR.add(SECRET)
    text = "x " * (place // 2) + SECRET + " x" * MAX_MESSAGE
    for limit in range(place, place + len(SECRET) + 2, 3):
        assert "can" not in cut(text, limit)
        assert "can" not in printable(text, limit)
        assert "can" not in printable_url(text, limit)


@pytest.mark.parametrize("shown", range(1, len(SECRET)))
def test_no_part_of_a_token_is_left_where_an_error_is_cut(shown: int) -> None:
    text = "x " * ((MAX_MESSAGE - shown) // 2) + "unseen-Zx81kQ0pLm27vTn4Rb6wYs3c and so on"
    assert "unseen" not in redact_tokens(text)


def test_invisible_characters_do_not_hide_a_secret_from_cut() -> None:
    REDACTOR.add(SECRET)
    assert "can" not in printable("\u200b".join(SECRET), 20)


@pytest.mark.parametrize("written", [SECRET, "".join(f"%{ord(c):02x}" for c in SECRET)])
@pytest.mark.parametrize("limit", range(20, 60, 7))
def test_no_part_of_a_secret_is_left_of_a_long_url_with_hidden_characters(
    written: str, limit: int
) -> None:
    REDACTOR.add(SECRET)
    url = f"https://a.example/\u200b{written}" + "\u200b" * 10_000
    shown = printable_url(url, limit)
    assert "can" not in shown
    assert "%63%61" not in shown
    assert len(shown) == limit + 1
