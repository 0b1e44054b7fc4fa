"""What `make` and `make test` say while they work."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "target",
    [
        *("install", "demo", "test", "test-page", "test-all", "docs", "bench", "bench-speed"),
        *("wheel", "packages"),
    ],
)
def test_each_slow_step_is_announced_in_the_line_before(target: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    planned = subprocess.run(
        ["/usr/bin/env", "make", "--dry-run", f"--file={CHECKOUT / 'Makefile'}", target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    slow = [at for at, line in enumerate(planned) if re.search(r"-m (venv|pip)|bin/pytest ", line)]
    assert len(slow) >= 2, planned
    assert all(planned[at - 1].startswith("echo ") for at in slow)


def test_tests_without_a_secret_service_are_counted_in_a_line_that_says_how_to_have_them(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}"),
            *("--no-cov", "tests/tools/secrets/stores/test_contract.py"),
            *("-k", "keyring and removed_twice"),
        ],
        cwd=CHECKOUT,
        env={name: os.environ[name] for name in os.environ.keys() - {"CI", "WHOLE_TESTS"}}
        | {"PATH": "/none"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"\n[1-9]\d* tests were skipped: they need a Secret Service, .*", ran)
    assert "On Debian: apt-get install dbus gnome-keyring" in ran
    assert re.search(
        r"\n`make test-all` runs whole what ran in part: .*\d+ of [\d,]+ random f", ran
    )
