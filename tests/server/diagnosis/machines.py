"""A machine on which all is well, and what its doctor reports."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from support import SANDBOX, serving

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.sandbox import create_sandbox

SECRET = SANDBOX.secret.get_secret_value()


@dataclass
class Desk:
    """The settings of one user, which a test may spoil before it asks the doctor.

    Attributes:
        folder: a folder for the files of the test.
        url: the base URL of a service that works.
        flags: the flags by their name, without dashes.
        environment: the variables to set.
    """

    folder: Path
    url: str
    flags: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.flags["data-dir"])

    @property
    def words(self) -> list[str]:
        """The flags, as words of a command line."""
        return [f"--{name}={value}" if value else f"--{name}" for name, value in self.flags.items()]


@contextmanager
def healthy_desk(folder: Path) -> Iterator[Desk]:
    """A desk on which all is well."""
    with serving(create_sandbox()) as url:
        yield Desk(
            folder,
            url,
            {"base-url": url, "secret-store": "file", "data-dir": str(folder / "data")},
            {"STYTCH_PROJECT_ID": SANDBOX.project_id, "STYTCH_SECRET": SECRET},
        )


@dataclass(frozen=True)
class Report:
    """What the doctor printed.

    Attributes:
        code: the exit code.
        checks: each line of the report.
        text: all that was printed.
    """

    code: int
    checks: list[dict[str, Any]]
    text: str

    def about(self, *states: str) -> set[str]:
        """The checks with a result of these states."""
        return {each["check"] for each in self.checks if each["state"] in states}

    def remedies(self) -> str:
        """All remedies."""
        return "\n".join(each["remedy"] or "" for each in self.checks)


def examine(desk: Desk) -> Report:
    """What the doctor reports about a desk."""
    done = CliRunner().invoke(
        main, ["doctor", "--json", *desk.words], env=desk.environment, catch_exceptions=False
    )
    return Report(done.exit_code, json.loads(done.stdout)["checks"], done.output)
