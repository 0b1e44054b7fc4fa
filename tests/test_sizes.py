"""Each long series runs whole somewhere."""

from pathlib import Path

TESTS = Path(__file__).parent


def test_each_file_with_a_long_series_marks_it() -> None:
    texts = {file.name: file.read_text("utf-8") for file in TESTS.rglob("test_*.py")}
    users = {name: text for name, text in texts.items() if "from sizes import sized\n" in text}
    assert len(users) > 15
    assert [name for name, text in users.items() if "mark.series" not in text] == []
