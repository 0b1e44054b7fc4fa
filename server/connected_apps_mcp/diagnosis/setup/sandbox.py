"""Checks the file of the sandbox."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from connected_apps_mcp.diagnosis.check import Result, broken, ok
from connected_apps_mcp.diagnosis.commands import change_mode
from connected_apps_mcp.settings.settings import Settings

ANOTHER = "name another file with --sandbox-db"


def sandbox(settings: Settings) -> Iterator[Result]:
    """Whether the sandbox can use its file."""
    if not settings.sandbox:
        return
    file = settings.sandbox_db
    if file is None:
        yield ok("The sandbox is in memory: its apps end with the server.")
    elif os.access(file, os.F_OK):
        yield _readable(file)
    elif os.access(file.parent, os.W_OK | os.X_OK):
        yield ok(f"{file} is made at the first use.")
    else:
        folder = shlex.quote(str(file.parent))
        yield broken(
            f"{file} cannot be made.", f"Run: mkdir -p {folder}. If that fails, {ANOTHER}."
        )


def _readable(file: Path) -> Result:
    import sqlite3

    try:
        database = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        return broken(
            f"{file} cannot be used as a database ({error}).", f"Move it away, or {ANOTHER}."
        )
    if not os.access(file, os.W_OK):
        return broken(
            f"{file} cannot be written.",
            f"{change_mode('u+w', file)} If it is not yours, {ANOTHER}.",
        )
    return ok(f"{file} can be used.")
