"""What the stores need beside this program, and how its user adds that."""

import re
import shlex
import sys
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

from connected_apps_tools.storage.errors import StoreError

DISTRIBUTION = "connected-apps-mcp"

LIBRARIES = {"aws": "boto3", "vault": "hvac"}
"""The library that a store needs, by the store, which is also the name of our extra."""


def require_library(store: str) -> None:
    """See that the library of a store is installed, without loading it.

    Raises:
        StoreError: it is not. The text says how to add it to this installation.
    """
    library = LIBRARIES[store]
    if find_spec(library) is None:
        raise StoreError(
            f"the {store} store needs {library}, which is missing: {how_to_add(store)}"
        )


def how_to_add(extra: str, prefix: Path | None = None) -> str:
    """How to add the libraries of an extra to the environment at `prefix`, which is this one's.

    It names the libraries and not the extra, since it cannot know where the program came from.
    """
    prefix = prefix or Path(sys.prefix)
    names = _requirements(extra)
    libraries = shlex.join(names)
    if (prefix / "pipx_metadata.json").exists():
        return f"run pipx inject {DISTRIBUTION} {libraries}"
    by_uv = (prefix / "pyvenv.cfg").exists() and "\nuv = " in (prefix / "pyvenv.cfg").read_text()
    if by_uv and not (prefix / "uv-receipt.toml").exists() and "archive-v0" in prefix.parts:
        return "start it with uvx " + " ".join(f"--with {shlex.quote(name)}" for name in names)
    python = shlex.quote(str(prefix / "bin" / "python"))
    if by_uv:
        return f"run uv pip install --python {python} {libraries}"
    return f"run {python} -m pip install {libraries}"


def _requirements(extra: str) -> list[str]:
    """What the extra asks for, in the form of PEP 508, without the condition."""
    given = (each.partition(";") for each in requires(DISTRIBUTION) or [])
    return [
        name.strip()
        for name, _, marker in given
        if re.search(rf"""extra == ['"]{extra}['"]""", marker)
    ]
