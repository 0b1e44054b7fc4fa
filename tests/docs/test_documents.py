"""The documents say what is so: what they repeat of the code, and what they link and name."""

import re
from pathlib import Path

import pytest

import generate
from generator import markdown, site
from generator.places import ROOT

DOCUMENTS = pytest.mark.parametrize(
    "document", generate.DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)

FOLDERS = [
    ROOT,
    ROOT / "server" / "connected_apps_mcp",
    ROOT / "tools" / "connected_apps_tools",
]
"""Where the paths in the documents begin."""

PATHS = re.compile(r"`((?:\w+/)+\w+\.py|(?:server|tools|tests|docs|benchmarks)/[\w./-]+)`")
TARGETS = re.compile(r"\bmake ([a-z-]+)(?=`| +#)")


def all_text() -> str:
    return "".join(path.read_text("utf-8") for path in generate.DOCUMENTS)


@DOCUMENTS
def test_the_generated_parts_are_up_to_date(document: Path) -> None:
    text = document.read_text("utf-8")
    assert text == generate.generated(text), f"{document.name} is out of date: run make docs"


def test_every_part_that_can_be_generated_is_in_a_document() -> None:
    parts = [part[0].partition("\n")[0] for part in generate.PART.finditer(all_text())]
    assert len(parts) == len(set(parts))
    assert {part["name"] for part in generate.PART.finditer(all_text())} == set(generate.PARTS)


@DOCUMENTS
def test_every_document_that_is_linked_is_there(document: Path) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in linked if not (document.parent / link).exists()] == []


@DOCUMENTS
def test_every_file_that_is_named_by_its_path_is_there(document: Path) -> None:
    named = PATHS.findall(document.read_text("utf-8"))
    missing = [path for path in named if not any((each / path).exists() for each in FOLDERS)]
    assert missing == []


def test_every_make_target_that_the_readme_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(TARGETS.findall((ROOT / "README.md").read_text("utf-8")))
    assert named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_the_site_lists_every_page() -> None:
    assert site.unlisted() == []


def test_the_summary_of_a_text_is_its_first_sentence() -> None:
    assert markdown.summary("An app, i.e. a\n client. More.") == "An app, i.e. a client."
    assert markdown.summary("No end") == "No end"
