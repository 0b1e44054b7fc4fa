"""The file that says which app of a project each key is."""

import pytest
from tools.manifest.manifests import LIVE, TEST

from connected_apps_tools.manifest.documents.bindings import Bindings, read_bindings
from connected_apps_tools.manifest.documents.faults import InvalidManifest


def test_bindings_are_written_sorted_and_read_back() -> None:
    bindings = (
        Bindings().with_bound(TEST, {"b": "app-2", "a": "app-1"}).with_bound(LIVE, {"a": "x"})
    )
    text = bindings.text()
    assert text.endswith(f'\n[{LIVE}]\na = "x"\n\n[{TEST}]\na = "app-1"\nb = "app-2"\n')
    assert read_bindings(text) == bindings
    assert read_bindings(text).text() == text


def test_an_app_that_is_gone_can_be_unbound() -> None:
    bindings = Bindings({TEST: {"a": "app-1", "b": "app-2"}, LIVE: {"a": "app-3"}})
    assert bindings.without(TEST, ["app-1"]) == Bindings(
        {TEST: {"b": "app-2"}, LIVE: {"a": "app-3"}}
    )


def test_a_project_without_bindings_is_not_in_the_file() -> None:
    bindings = Bindings({TEST: {"a": "app-1"}}).without(TEST, ["app-1"])
    assert read_bindings(bindings.text()) == Bindings()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (f'[{TEST}]\na = "x"\nb = "x"', f"line 3, {TEST}.b: {TEST}.a is bound to the same app"),
        (
            f'[{TEST}]\na = "x"\n[{LIVE}]\nb = "x"',
            f"line 4, {LIVE}.b: {TEST}.a is bound to the same app",
        ),
        (
            f'[{TEST}]\na = "connected-app-live-1"',
            f"line 2, {TEST}.a: this app is of another project",
        ),
        (
            f'[{LIVE}]\na = "connected-app-test-1"',
            f"line 2, {LIVE}.a: this app is of another project",
        ),
        (
            f"[{TEST}]\na = 5",
            (
                f"line 2, {TEST}.a: it must be a client id, in quotes: Input should "
                "be a valid string"
            ),
        ),
        (
            f'[{TEST}]\na = "../x"',
            (
                f"line 2, {TEST}.a: it must be a client id, in quotes: it has "
                "characters that are not allowed"
            ),
        ),
        (f'[{TEST}]\n"a b" = "x"', f"line 2, {TEST}.a b: the key of an app must be 1 to 64"),
        ("a = 1", "line 1, a: it must be a table"),
        ('["a b"]', "line 1, a b: it must be a project id: it has characters"),
        ("<<<<<<< HEAD", "line 1, <<<<<<< HEAD: it is not valid TOML: Invalid statement"),
    ],
)
def test_a_fault_is_named_with_its_file_line_and_key(content: str, fault: str) -> None:
    with pytest.raises(InvalidManifest) as refused:
        read_bindings(content)
    assert str(refused.value).startswith(f"apps.lock.toml, {fault}")
