"""What pyproject.toml says about the project: the one place for its version and its home."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

PLACEHOLDER = "OWNER"
"""Stands for the owner of the repository until the project has a public home."""

TITLE = "Connected Apps"
SERVER = "connected-apps"
"""What clients call the server."""

SANDBOX_SERVER = f"{SERVER}-sandbox"


class Project(NamedTuple):
    """The project, as its packages describe it."""

    name: str
    version: str
    description: str
    license: str
    author: str
    home: str
    keywords: list[str]
    pythons: list[str]
    """The versions of Python that it supports, such as 3.11, the oldest first."""

    @property
    def owner(self) -> str:
        """The owner of the repository."""
        return self.home.split("/")[3]

    @property
    def wheel(self) -> str:
        """The name of its wheel."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def sdist(self) -> str:
        """The name of its source distribution."""
        return f"{self.name.replace('-', '_')}-{self.version}.tar.gz"

    @property
    def registry_name(self) -> str:
        """The name in the MCP registry. GitHub proves who may use it."""
        return f"io.github.{self.owner}/{self.name}"


def read_project(root: Path = ROOT) -> Project:
    """The project of a checkout."""
    data = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return Project(
        name=data["name"],
        version=data["version"],
        description=data["description"],
        license=data["license"],
        author=data["authors"][0]["name"],
        home=data["urls"]["Repository"],
        keywords=data["keywords"],
        pythons=re.findall(r"Python :: (3\.\d+)$", "\n".join(data["classifiers"]), re.MULTILINE),
    )
