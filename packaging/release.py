"""Says what stands in the way of a release: `make release-check`."""

import os
import re
import subprocess
from collections.abc import Iterator

from links import registry_line
from manifests import outdated
from project import PLACEHOLDER, ROOT, read_project

PROJECT = read_project()


def problems() -> Iterator[str]:
    """A sentence for each thing that is not ready."""
    if PROJECT.owner == PLACEHOLDER:
        yield f"Repository in pyproject.toml names no owner, only the placeholder {PLACEHOLDER}."
    if not re.fullmatch(r"\d+\.\d+\.\d+", PROJECT.version):
        yield f"The version {PROJECT.version} is not of the form 1.2.3, which every manifest takes."
    if not re.search(
        rf"^## \[{re.escape(PROJECT.version)}\] - \d{{4}}-\d\d-\d\d$", _text("CHANGELOG.md"), re.M
    ):
        yield f"CHANGELOG.md has no entry of the form ## [{PROJECT.version}] - 2026-01-31."
    if outdated():
        yield f"Out of date: {', '.join(outdated())}. Run make manifests."
    if registry_line() not in _text("README.md"):
        yield f"README.md does not have the line {registry_line().strip()}. Run make docs."
    if f'"{PROJECT.registry_name}"' not in _text("Dockerfile"):
        yield f"The Dockerfile does not have the label {PROJECT.registry_name}."
    tag = _tag()
    if tag and tag != f"v{PROJECT.version}":
        yield f"The tag {tag} is not v{PROJECT.version}."


def _text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def _tag() -> str:
    """The tag that is released: the one that hosted CI names, else the one of this commit."""
    if os.environ.get("GITHUB_REF_TYPE") == "tag":
        return os.environ["GITHUB_REF_NAME"]
    done = subprocess.run(
        ["git", "describe", "--exact-match", "--tags"],  # noqa: S607 - the user's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def main() -> None:
    """Report what is not ready."""
    found = list(problems())
    if found:
        raise SystemExit("\n".join(found))
    print(f"{PROJECT.name} {PROJECT.version} is ready for a release.")  # noqa: T201


if __name__ == "__main__":
    main()
