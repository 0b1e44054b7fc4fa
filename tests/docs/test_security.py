"""docs/explanation/security.md claims no more than tests show."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "explanation" / "security.md"

ROWS = [
    row
    for table in re.findall(r"\| guarantee \| shown by \|\n.*\n((?:\|.*\n)+)", DOC.read_text())
    for row in table.splitlines()
]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", DOC.read_text())))


def test_there_are_guarantees() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS)
def test_every_guarantee_names_a_test(row: str) -> None:
    assert re.search(r"\| `[\w/]+\.py::test_\w+`(?: `[\w/]+\.py::test_\w+`)* \|$", row)


@pytest.mark.parametrize("named", NAMED)
def test_every_test_that_is_named_is_there(named: str) -> None:
    file, name = named.split("::")
    tree = ast.parse((ROOT / "tests" / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, functions)}
