"""The code: its storeys, and the targets of the Makefile."""

import ast
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from .markdown import summary, table
from .places import ROOT


def storeys() -> str:
    """The storeys of both packages, from the contracts in pyproject.toml: upper import lower."""
    drawing = [
        line
        for package, folder in (("connected_apps_mcp", "server"), ("connected_apps_tools", "tools"))
        for line in [*_package(folder, package), ""]
    ]
    return "\n".join(["```text", *drawing[:-1], "```", ""])


def _package(folder: str, package: str) -> Iterable[str]:
    path = ROOT / folder / package
    yield f"{folder}/{package}"
    for layer in _layers(package):
        for at, module in enumerate(layer.split(" | ")):
            yield f"  {'├─' if at == 0 else '│ '} {module:<14} {_purpose(path / module)}"


def _layers(package: str) -> list[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == [package]]
    return list(layers)


def _purpose(module: Path) -> str:
    """The first sentence of the docstring of a module or package."""
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return summary(ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "")


def targets() -> str:
    """The targets of the Makefile that have a comment."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    found = re.findall(r"^([a-z-]+):.*## (.+)$", makefile, re.MULTILINE)
    return table(["target", "what it does"], ([f"`make {name}`", said] for name, said in found))
