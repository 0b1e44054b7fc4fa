"""What `make release-check` finds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project import ROOT, read_project

VERSION = read_project().version

READ = [
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "CHANGELOG.md",
    "Dockerfile",
    "server.json",
]


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A checkout that is ready for a release."""
    for folder in ("packaging", ".claude-plugin"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules")
        )
    for name in READ:
        text = (ROOT / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("OWNER", "octocat"), "utf-8")
    subprocess.run([sys.executable, tmp_path / "packaging" / "manifests.py"], check=True)
    edit(tmp_path / "CHANGELOG.md", "## [Unreleased]\n", f"## [{VERSION}] - 2026-12-01\n")
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def check(checkout: Path, tag: str | None = None) -> subprocess.CompletedProcess[str]:
    on_tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": tag} if tag else {}
    return subprocess.run(
        [sys.executable, checkout / "packaging" / "release.py"],
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(checkout.parent), **on_tag},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tag", [None, f"v{VERSION}"])
def test_a_checkout_that_is_ready_passes(ready: Path, tag: str | None) -> None:
    done = check(ready, tag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"connected-apps-mcp {VERSION} is ready for a release.\n"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("CHANGELOG.md", f"## [{VERSION}] - 2026-12-01", "## [Unreleased]", "has no entry"),
        (
            "server.json",
            f'"version": "{VERSION}"',
            '"version": "0.0.9"',
            "Out of date: server.json",
        ),
        (
            "README.md",
            "mcp-name: io.github.octocat/",
            "mcp-name: io.github.other/",
            "Run make docs.",
        ),
        ("Dockerfile", "io.github.octocat/", "io.github.other/", "does not have the label"),
    ],
)
def test_what_does_not_agree_is_refused(
    ready: Path, name: str, old: str, new: str, said: str
) -> None:
    edit(ready / name, old, new)
    done = check(ready)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_tag_of_another_version_is_refused(ready: Path) -> None:
    assert check(ready, "v9.9.9").stderr == f"The tag v9.9.9 is not v{VERSION}.\n"


def test_the_tag_of_the_commit_counts_where_hosted_ci_names_none(ready: Path) -> None:
    git = ["git", "-C", str(ready), "-c", "user.name=n", "-c", "user.email=n@example.com"]
    for command in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "m"],
        ["tag", "v9.9.9"],
    ):
        subprocess.run([*git, *command], check=True)
    assert check(ready).stderr == f"The tag v9.9.9 is not v{VERSION}.\n"


def test_a_placeholder_is_refused(ready: Path) -> None:
    edit(ready / "pyproject.toml", "github.com/octocat/", "github.com/OWNER/")
    assert "the placeholder OWNER" in check(ready).stderr


@pytest.mark.parametrize("version", ["1.0", "1.0.0rc1", "1.0.0.dev1"])
def test_a_version_that_not_every_manifest_takes_is_refused(ready: Path, version: str) -> None:
    edit(ready / "pyproject.toml", f'version = "{VERSION}"', f'version = "{version}"')
    assert f"The version {version} is not of the form 1.2.3" in check(ready).stderr
