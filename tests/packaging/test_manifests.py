"""The files that describe the project to others."""

import json
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from support import cannot_run

import bundle
import manifests
import options
from connected_apps_mcp.settings import loading
from project import ROOT, read_project

PROJECT = read_project()

MADE = {name: make() for name, make in manifests.MANIFESTS.items()}

PLUGIN = f"{manifests.PLUGIN}/.claude-plugin/plugin.json"

OF_A_VERSION = ["server.json", PLUGIN, "packaging/gemini/gemini-extension.json"]


def test_the_manifests_are_up_to_date() -> None:
    assert manifests.outdated() == [], "run make manifests"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the scripts read."""
    for name in ["pyproject.toml", "constraints.txt", *manifests.MANIFESTS]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for script in (ROOT / "packaging").glob("*.py"):
        shutil.copy(script, tmp_path / "packaging")
    return tmp_path


def check(checkout: Path) -> subprocess.CompletedProcess[str]:
    script = checkout / "packaging" / "manifests.py"
    return subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )


def test_the_check_is_silent_if_all_are_up_to_date(checkout: Path) -> None:
    done = check(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_names_the_file_that_somebody_changed(checkout: Path) -> None:
    (checkout / "server.json").write_text("{}\n", "utf-8")
    done = check(checkout)
    assert done.returncode == 1
    assert done.stderr == "Out of date: server.json. Run make manifests.\n"


def test_a_new_version_needs_one_edit_and_one_command(checkout: Path) -> None:
    pyproject = checkout / "pyproject.toml"
    old, new = f'version = "{PROJECT.version}"', 'version = "9.8.7"'
    pyproject.write_text(pyproject.read_text("utf-8").replace(old, new), "utf-8")
    subprocess.run([sys.executable, checkout / "packaging" / "manifests.py"], check=True)
    texts = [(checkout / name).read_text("utf-8") for name in OF_A_VERSION]
    assert all('"version": "9.8.7"' in text for text in texts)
    assert PROJECT.version not in "".join(texts)


def test_no_other_file_repeats_the_version() -> None:
    repeated = re.compile(rf"(?<![\d.=]){re.escape(PROJECT.version)}(?![\d.])")
    sources = [*ROOT.glob("server/**/*.py"), *ROOT.glob("tools/**/*.py"), ROOT / "Dockerfile"]
    assert [path.name for path in sources if repeated.search(path.read_text("utf-8"))] == []


def test_the_entry_of_the_registry_fits_its_published_schema() -> None:
    try:
        schemas = files("skillsaw") / "schemas" / "mcp_registry"
    except ModuleNotFoundError:
        cannot_run("they need the tools for packages: `make packages` installs them.")
    # The linter skillsaw ships the published schemas, unchanged.
    schema = json.loads((schemas / "v2025_12_11" / "server.schema.json").read_text("utf-8"))
    assert schema["$id"] == manifests.REGISTRY_SCHEMA
    Draft7Validator(schema).validate(MADE["server.json"])


def fields(manifest: Any) -> dict[str, bool]:
    """The variables that the entry of the registry asks for, and whether each is secret."""
    (package,) = manifest["packages"]
    return {each["name"]: each["isSecret"] for each in package["environmentVariables"]}


def test_only_the_secret_is_marked_as_one() -> None:
    secret = {name for name, is_secret in fields(MADE["server.json"]).items() if is_secret}
    form = bundle.manifest()["user_config"]
    assert secret == {"STYTCH_SECRET"}
    assert {key for key, field in form.items() if field.get("sensitive")} == {"secret"}


def test_every_field_of_a_form_has_a_default_of_its_kind() -> None:
    kinds = {"boolean": bool, "string": str}
    for form in (bundle.manifest()["user_config"], MADE[PLUGIN]["userConfig"]):
        assert all(type(field["default"]) is kinds[field["type"]] for field in form.values())


def test_the_plugin_has_no_switch_that_would_win_over_a_profile() -> None:
    form = MADE[PLUGIN]["userConfig"]
    switches = {key for key, field in form.items() if field["type"] == "boolean"}
    assert switches & set(loading.REMEMBERED) == set()
    assert options.SWITCHES_OF_PROFILES == ["read_only"]


def test_the_image_names_the_entry_of_the_registry() -> None:
    label = f'LABEL io.modelcontextprotocol.server.name="{PROJECT.registry_name}"\n'
    assert label in (ROOT / "Dockerfile").read_text("utf-8")
