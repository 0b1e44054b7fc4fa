"""The libraries that stores need, and how to install them."""

import re
import sys
from importlib.metadata import requires
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.command_lines import command_line

DISTRIBUTION = "connected-apps-mcp"

SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
"""The folder of the programs in an environment."""

LIBRARIES = {"aws": "boto3", "vault": "hvac"}
"""The library for each store. The store's name is also the name of the extra."""


def require_library(store: str) -> None:
    """Check that the library of a store is installed, without loading it.

    Raises:
        StoreError: it is missing. The text says how to install it.
    """
    library = LIBRARIES[store]
    if find_spec(library) is None:
        raise StoreError(
            f"the {store} store needs {library}, which is missing: {how_to_add(store)}"
        )


def how_to_add(extra: str, prefix: Path | None = None) -> str:
    """The command that installs the libraries of an extra at `prefix`, by default this environment.

    It names the libraries, not the extra, since the source of this program is unknown.
    """
    prefix = prefix or Path(sys.prefix)
    names = _requirements(extra)
    if (prefix / "pipx_metadata.json").exists():
        return "run " + command_line(["pipx", "inject", DISTRIBUTION, *names])
    by_uv = (prefix / "pyvenv.cfg").exists() and "\nuv = " in (prefix / "pyvenv.cfg").read_text()
    if by_uv and not (prefix / "uv-receipt.toml").exists() and "archive-v0" in prefix.parts:
        flags = chain.from_iterable(("--with", name) for name in names)
        return "start it with " + command_line(["uvx", *flags])
    python = str(prefix / SCRIPTS / "python")
    if by_uv:
        return "run " + command_line(["uv", "pip", "install", "--python", python, *names])
    return "run " + command_line([python, "-m", "pip", "install", *names])


def _requirements(extra: str) -> list[str]:
    """The requirements of an extra (PEP 508), without the marker."""
    given = (each.partition(";") for each in requires(DISTRIBUTION) or [])
    return [
        name.strip()
        for name, _, marker in given
        if re.search(rf"""extra == ['"]{extra}['"]""", marker)
    ]
