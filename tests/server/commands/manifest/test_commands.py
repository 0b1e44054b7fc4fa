"""`connected-apps-mcp export`, `import`, `plan` and `apply`, as processes on a sandbox."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import pytest
from server.terminal import at_terminal
from support import REAL, SERVER

from connected_apps_tools.manifest.applying.creations import Creations
from connected_apps_tools.manifest.documents.bindings import read_bindings
from connected_apps_tools.manifest.documents.schema import schema_text
from connected_apps_tools.storage.records import FolderState

PROJECT = "project-test-00000000-0000-0000-0000-000000000000"

TWO = """\
# What we sell
[app.billing]
client_type = "first_party"  # confidential
client_name = "Billing"
redirect_urls = ["https://billing.example/cb"]

[app.web]
client_type = "third_party_public"
client_name = "Web"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def where(tmp_path: Path) -> list[str]:
    """The flags of a sandbox that several commands share."""
    return ["--sandbox", "--sandbox-db", str(tmp_path / "s.db"), "--data-dir", str(tmp_path / "d")]


@pytest.fixture
def run(tmp_path: Path, where: list[str]) -> Run:
    """Run a command in a folder of its own, on the sandbox unless it names a project."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def run(command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        flags = [] if environment else where
        return subprocess.run(
            [*SERVER, command, *arguments, *flags],
            cwd=folder,
            env=REAL | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def manifest(run: Run, tmp_path: Path) -> Path:  # noqa: ARG001 - it makes the folder
    """A manifest with two apps that are new."""
    path = tmp_path / "repository" / "apps.toml"
    path.write_text(TWO)
    return path


def lock_of(manifest: Path) -> Path:
    return manifest.with_name("apps.lock.toml")


def applied(run: Run) -> subprocess.CompletedProcess[str]:
    """Save a plan, and apply it."""
    assert run("plan", "--out", "plan.json").returncode == 3
    return run("apply", "plan.json")


def test_a_plan_of_changes_ends_with_3(run: Run, manifest: Path) -> None:
    done = run("plan")
    assert done.returncode == 3
    assert done.stdout == (
        'create billing "Billing"\n'
        '  client_type: "first_party"\n'
        "  redirect_urls: + https://billing.example/cb\n"
        'create web "Web"\n'
        '  client_type: "third_party_public"\n'
        "\n"
        "Apps: 2 to create.\n"
    )
    assert not lock_of(manifest).exists()


@pytest.mark.usefixtures("manifest")
def test_a_plan_without_changes_ends_with_0(run: Run) -> None:
    assert applied(run).returncode == 0
    done = run("plan")
    assert (done.returncode, done.stdout) == (0, "Apps: 2 as they should be.\n")


def test_a_plan_that_fails_ends_with_1(run: Run) -> None:
    done = run("plan")
    assert done.returncode == 1
    assert "apps.toml: there is no such file; connected-apps-mcp export writes one" in done.stderr


@pytest.mark.usefixtures("manifest")
def test_a_plan_with_a_wrong_setting_ends_with_2(run: Run) -> None:
    done = run("plan", "--deadline", "soon")
    assert done.returncode == 2
    assert "--deadline" in done.stderr


@pytest.mark.usefixtures("manifest")
def test_a_plan_is_printed_for_programs(run: Run) -> None:
    planned = json.loads(run("plan", "--json").stdout)
    assert planned["counts"] == {"create": 2}
    assert [step["key"] for step in planned["steps"]] == ["billing", "web"]
    assert planned["project_id"] == PROJECT


def test_a_saved_plan_is_applied_without_a_question(run: Run, manifest: Path) -> None:
    done = applied(run)
    assert done.returncode == 0
    assert "Done: 2 of 2 steps." in done.stdout
    assert "[1 of 2] create billing" in done.stderr
    assert read_bindings(lock_of(manifest).read_text()).of(PROJECT).keys() == {"billing", "web"}


def test_a_saved_plan_is_refused_if_anything_has_changed(run: Run, manifest: Path) -> None:
    assert run("plan", "--out", "plan.json").returncode == 3
    manifest.write_text(TWO.replace('"Web"', '"Shop"'))
    done = run("apply", "plan.json")
    assert done.returncode == 1
    assert "The plan no longer fits what is there: web." in done.stderr
    assert not lock_of(manifest).exists()


def test_a_saved_plan_that_somebody_edited_is_refused(run: Run, manifest: Path) -> None:
    assert run("plan", "--out", "plan.json").returncode == 3
    plan = manifest.with_name("plan.json")
    plan.write_text(plan.read_text().replace('"Web"', '"Shop"'))
    done = run("apply", "plan.json")
    assert done.returncode == 1
    assert "was changed after it was made" in done.stderr


@pytest.mark.usefixtures("manifest")
def test_without_a_terminal_an_apply_needs_a_saved_plan(run: Run) -> None:
    done = run("apply")
    assert done.returncode == 2
    assert "connected-apps-mcp plan --out FILE" in done.stderr
    assert run("plan").returncode == 3


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("n\n", 3)])
def test_at_a_terminal_it_asks_once(
    run: Run, manifest: Path, where: list[str], typed: str, left: int
) -> None:
    with at_terminal("apply", "--file", str(manifest), *where) as terminal:
        terminal.read_until("Do all of this? [y/N]: ")
        assert b"Apps: 2 to create." in terminal.shown
        terminal.type(typed)
        code, shown = terminal.end()
    assert shown.count("Do all of this?") == 1
    assert code == (1 if left else 0)
    assert run("plan").returncode == left


def test_the_time_in_which_a_person_reads_does_not_count(
    run: Run, manifest: Path, where: list[str]
) -> None:
    short = ["--deadline", "2"]
    with at_terminal("apply", "--file", str(manifest), *where, *short) as terminal:
        terminal.read_until("Do all of this? [y/N]: ")
        time.sleep(2.5)
        terminal.type("y\n")
        assert terminal.end()[0] == 0
    assert run("plan").returncode == 0


def test_ctrl_c_ends_the_question(manifest: Path, where: list[str]) -> None:
    with at_terminal("apply", "--file", str(manifest), *where) as terminal:
        terminal.read_until("Do all of this? [y/N]: ")
        time.sleep(1)  # as a person does, who reads: now it waits for the answer
        terminal.interrupt()
        code, shown = terminal.end()
    assert code == 1
    assert shown.endswith("Aborted!\r\n")


@pytest.mark.usefixtures("manifest")
def test_a_plan_is_saved_over_no_other_file(run: Run, manifest: Path) -> None:
    done = run("plan", "--out", "apps.toml")
    assert done.returncode == 1
    assert "apps.toml is there and is no saved plan. Choose another name." in done.stderr
    assert manifest.read_text() == TWO
    assert run("plan", "--out", "plan.json").returncode == 3
    assert run("plan", "--out", "plan.json").returncode == 3


def test_an_export_after_an_interrupted_apply_has_the_keys_of_the_manifest(
    run: Run, manifest: Path, tmp_path: Path
) -> None:
    written = TWO.replace("app.web", "app.shop")
    manifest.write_text(written)
    assert applied(run).returncode == 0
    bound = read_bindings(lock_of(manifest).read_text()).of(PROJECT)
    lock_of(manifest).unlink()
    anyio.run(leave_created, tmp_path / "d", bound)
    assert run("export").returncode == 0
    assert manifest.read_text() == written
    assert run("plan").returncode == 0


async def leave_created(data: Path, bound: Mapping[str, str]) -> None:
    """Leave what an apply leaves that is killed before it writes the bindings."""
    creations = Creations(FolderState(data).records("applies"), PROJECT)
    for key, client_id in bound.items():
        await creations.end(await creations.begin(key, "Any", "first_party", []), client_id)


@pytest.mark.usefixtures("manifest")
def test_prune_deletes_what_the_manifest_does_not_have(run: Run, manifest: Path) -> None:
    assert applied(run).returncode == 0
    manifest.write_text(TWO.partition("[app.web]")[0])
    kept = run("plan")
    assert kept.stdout.endswith("Apps: 1 not in the manifest, 1 as they should be.\n")
    assert run("plan", "--prune", "--out", "plan.json").returncode == 3
    assert run("apply", "plan.json").returncode == 0
    assert read_bindings(lock_of(manifest).read_text()).of(PROJECT).keys() == {"billing"}
    assert run("plan", "--prune").returncode == 0


def test_prune_beside_a_saved_plan_is_refused(run: Run) -> None:
    done = run("apply", "plan.json", "--prune")
    assert done.returncode == 2
    assert "the plan says already" in done.stderr


def test_a_breach_of_the_policy_is_marked_and_not_applied(
    run: Run, manifest: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('redirect_hosts = ["other.example"]')
    planned = run("plan", "--policy", str(policy), "--out", "plan.json")
    assert "  refused: policy redirect_hosts: billing.example is not allowed" in planned.stdout
    done = run("apply", "plan.json", "--policy", str(policy))
    assert done.returncode == 1
    assert "billing.example is not allowed" in done.stderr
    assert not lock_of(manifest).exists()


def test_a_live_project_needs_the_word_of_the_operator(run: Run, manifest: Path) -> None:
    assert manifest.exists()
    live = {"STYTCH_PROJECT_ID": "project-live-1", "STYTCH_SECRET": "secret-of-the-project"}
    done = run("apply", **live)
    assert done.returncode == 2
    assert "--allow-live-writes" in done.stderr


def test_each_step_of_an_apply_is_in_the_audit_log(
    run: Run, manifest: Path, where: list[str]
) -> None:
    assert manifest.exists()
    assert applied(run).returncode == 0
    data = where[where.index("--data-dir") + 1]
    shown = run("audit", "tail", "--data-dir", data, HOME=data)
    assert shown.stdout.count("create_app  ok") == 2
    assert shown.stdout.count("part of ") == 2
    assert run("audit", "verify", "--data-dir", data, HOME=data).returncode == 0


def test_the_secrets_of_new_apps_are_stored_and_not_printed(
    run: Run, manifest: Path, where: list[str]
) -> None:
    done = applied(run)
    app = read_bindings(lock_of(manifest).read_text()).of(PROJECT)["billing"]
    shown = subprocess.run(
        [*SERVER, "secrets", "show", app, *where], capture_output=True, text=True, check=True
    )
    secret = shown.stdout.strip()
    assert len(secret) > 20
    written = [path.read_text() for path in manifest.parent.iterdir()]
    assert not [text for text in [done.stdout, done.stderr, *written] if secret in text]


def test_an_export_writes_what_is_there_and_plans_to_nothing(run: Run, manifest: Path) -> None:
    assert applied(run).returncode == 0
    for path in (manifest, lock_of(manifest)):
        path.unlink()
    done = run("export")
    assert done.stdout == f"Wrote apps.lock.toml and apps.toml: 2 apps of {PROJECT}.\n"
    assert run("plan").returncode == 0
    assert manifest.stat().st_mode & 0o777 == 0o644


def test_an_export_leaves_comments_and_writes_what_has_changed(run: Run, manifest: Path) -> None:
    assert applied(run).returncode == 0
    edited = TWO.replace('"Web"', '"Shop"  # soon')
    manifest.write_text(edited)
    done = run("export")
    assert done.stdout == f"Wrote apps.toml: 2 apps of {PROJECT}.\n"
    assert manifest.read_text() == edited.replace('"Shop"', '"Web"')
    assert run("export").stdout == f"Nothing has changed: 2 apps of {PROJECT}.\n"


def test_an_export_of_one_key_leaves_the_others_out(run: Run, manifest: Path) -> None:
    assert applied(run).returncode == 0
    manifest.unlink()
    assert run("export", "--only", "web").returncode == 0
    assert "[app.web]" in manifest.read_text()
    assert "billing" not in manifest.read_text()


def test_an_export_for_terraform_prints_import_blocks(run: Run, manifest: Path) -> None:
    assert applied(run).returncode == 0
    before = manifest.read_text()
    printed = run("export", "--format", "hcl").stdout
    assert "to = stytch_connected_app.billing" in printed
    assert manifest.read_text() == before


def test_the_schema_is_printed_for_editors(run: Run) -> None:
    assert run("export", "--format", "schema").stdout == schema_text()


def test_an_app_is_imported_under_a_key(run: Run, manifest: Path) -> None:
    assert applied(run).returncode == 0
    app = read_bindings(lock_of(manifest).read_text()).of(PROJECT)["web"]
    lock_of(manifest).unlink()
    manifest.unlink()
    assert run("import", app, "shop").returncode == 0
    assert "[app.shop]" in manifest.read_text()
    assert read_bindings(lock_of(manifest).read_text()).of(PROJECT) == {"shop": app}
    assert run("plan").returncode == 0


@pytest.mark.usefixtures("manifest")
def test_an_app_that_does_not_exist_is_not_imported(run: Run) -> None:
    done = run("import", "connected-app-test-none", "shop")
    assert done.returncode == 1
    assert "could not be found" in done.stderr
