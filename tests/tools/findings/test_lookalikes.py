import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import sized

from connected_apps_tools.findings.lookalikes import mixes_scripts, scripts, skeleton, spelling


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PayPal", "paypal"),
        ("PayPal", "p\u0430yp\u0430l"),
        ("PayPal", "PayPaI"),
        ("PayPal", "PAYPA1"),
        ("PayPal", "Paypa|"),
        ("Google", "G00gle"),
        ("Google", "G\u03bf\u03bfgle"),
        ("HYMN", "\u0397\u03a5\u039c\u039d"),
        ("hub", "\u04bbu\u042c"),
        ("Acme App", "acme-app"),
        ("Acme App", "Acme\u200bApp"),
        ("Acme", "\xc1cm\xe9"),
        ("Acme", "\uff21\uff43\uff4d\uff45"),
        ("Acme", "\U0001d400cme"),
        ("Acme", "A\u3164cme"),
        ("Acme", "Ac\ufe0fme"),
        ("Acme", "\u202eAcme"),
        ("modern", "rnodern"),
        ("Slack", "S\u0142ack"),
        ("\u0412\u0445\u043e\u0434", "\u0432\u0425\u041e\u0414"),
    ],
)
def test_look_alikes_have_the_same_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PayPal", "PayPals"),
        ("Acme", "Acne"),
        ("\u65e5\u672c", "\u65e5\u5149"),
        ("\u0939\u093f", "\u0939\u0941"),
        ("App 2", "App 3"),
    ],
)
def test_texts_that_look_different_have_different_skeletons(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_a_text_without_letters_and_digits_has_an_empty_skeleton() -> None:
    assert skeleton(" -\u200b!\u3164 ") == ""


def test_a_spelling_keeps_look_alikes_apart() -> None:
    assert spelling("Acme-App") == spelling("ACME app") != spelling("\u0410cme App")


@pytest.mark.series
@given(st.text(st.characters(exclude_categories=())))
@settings(max_examples=sized("random names"))
def test_any_text_has_a_skeleton_that_case_and_separators_do_not_change(text: str) -> None:
    assert skeleton(f" {text}- ") == skeleton(text)
    assert skeleton(skeleton(text)) == skeleton(text)


def test_a_skeleton_does_not_change_when_taken_twice() -> None:
    letters = list(map(chr, range(0x3000)))
    assert [skeleton(skeleton(c)) for c in letters] == list(map(skeleton, letters))


@pytest.mark.parametrize(
    ("label", "mixed"),
    [
        ("paypal-2", False),
        ("p\u0430ypal", True),
        ("\u03bfffice", True),
        ("\u043f\u0440\u0438\u043c\u0435\u0440", False),
        ("caf\xe9", False),
        ("\u65e5\u672c\u306e\u30ab\u30d5\u30a7abc", False),
        ("\u65e5\u672c\u0430", True),
        ("", False),
    ],
)
def test_scripts_that_are_not_written_together_are_mixed(label: str, mixed: bool) -> None:
    assert mixes_scripts(label) is mixed


def test_scripts_are_named() -> None:
    assert scripts("p\u0430ypal-7") == ["CYRILLIC", "LATIN"]
