"""The picture in the README shows what the demo prints now."""

from generator import picture


def test_the_picture_says_what_a_run_says() -> None:
    drawn = picture.shown(picture.PICTURE.read_text("utf-8"))
    assert picture.without_chance(drawn) == picture.without_chance(picture.recording()), (
        "the picture is out of date: run make docs"
    )


def test_a_picture_holds_its_text_unchanged() -> None:
    text = "$ echo '<a & b>'\n  ok  x"
    assert picture.shown(picture.drawn(text)) == text


def test_runs_that_differ_only_by_chance_are_alike() -> None:
    one = "connected-app-test-abdd15db-936d-4e31-a08b-ebe394c2fc43, secret …QrKB withheld"
    other = "connected-app-test-14ea6fa4-c6e7-4016-9a5d-85ffdd245be4, secret …i5-R withheld"
    assert picture.without_chance(one) == picture.without_chance(other)
    assert picture.without_chance(one) != picture.without_chance(one.replace("withheld", "shown"))
