"""`install` and `uninstall`, for each client, from a fresh home."""

import json
import os
import pwd
import stat
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from mcp import Client as McpClient
from mcp import StdioServerParameters
from pydantic import SecretStr
from server.client_configs.examples import KINDS, OTHER_SECRET, TRIED, texts_for

from connected_apps_mcp.client_configs.clients import BY_KEY, CLIENTS, Client
from connected_apps_mcp.client_configs.documents import entry_of
from connected_apps_mcp.client_configs.entries import command_of
from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.settings.profiles import Profile, Profiles

SECRET = "secret-canary-Zx81kQ0pLm27"
SCRIPT = Path(sys.executable).with_name("connected-apps-mcp")

PREPARED = [(client.key, kind) for client in CLIENTS for kind in KINDS if kind in texts_for(client)]
"""Each client with each kind of configuration that it may have."""

DEFAULT = ["--profile", "default"]


@pytest.fixture(autouse=True)
def _no_clients_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have only our own program on the PATH, and an empty folder as the project."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / SCRIPT.name).symlink_to(SCRIPT)
    monkeypatch.setenv("PATH", str(folder))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def put(name: str, project_id: str = "project-test-1") -> None:
    profile = Profile(project_id=project_id, secret_in="file")
    Profiles().put(name, profile, SecretStr(SECRET))


def prepare(client: Client, kind: str) -> Path:
    """Write the configuration of a client, unless it is to be absent."""
    file = client.config("user")
    assert file
    if kind != "absent":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(texts_for(client)[kind].encode())
    return file


def entry_in(client: Client, file: Path, name: str) -> dict[str, object]:
    entry = entry_of(client.format, file.read_bytes().decode(), (*client.path, name))
    assert isinstance(entry, dict)
    return dict(entry)


@pytest.mark.parametrize(("key", "kind"), PREPARED)
def test_install_adds_an_entry_that_starts_the_sandbox(key: str, kind: str) -> None:
    client = BY_KEY[key]
    file = prepare(client, kind)
    assert run("install", key, "--sandbox").exit_code == 0
    entry = entry_in(client, file, "connected-apps-sandbox")
    assert command_of(entry) == [os.environ["PATH"] + "/connected-apps-mcp", "--sandbox"]


@pytest.mark.parametrize(("key", "kind"), PREPARED)
def test_installing_twice_changes_nothing(key: str, kind: str) -> None:
    file = prepare(BY_KEY[key], kind)
    run("install", key, "--sandbox")
    before = {each: each.read_bytes() for each in file.parent.iterdir() if each.is_file()}
    again = run("install", key, "--sandbox")
    assert again.stdout.endswith("connected-apps-sandbox is already there.\n")
    assert {each: each.read_bytes() for each in file.parent.iterdir() if each.is_file()} == before


@pytest.mark.parametrize(("key", "kind"), PREPARED)
def test_uninstall_gives_the_original_back_byte_for_byte(key: str, kind: str) -> None:
    client = BY_KEY[key]
    file = prepare(client, kind)
    run("install", key, "--sandbox")
    assert run("uninstall", key).exit_code == 0
    if kind == "absent":
        assert not file.exists()
    else:
        assert file.read_bytes().decode() == texts_for(client)[kind]


@pytest.mark.parametrize(("key", "kind"), PREPARED)
def test_three_entries_side_by_side_come_and_go(key: str, kind: str) -> None:
    client = BY_KEY[key]
    file = prepare(client, kind)
    put("default")
    put("live", "project-live-1")
    for flags in (["--sandbox"], ["--profile", "live"], []):
        assert run("install", key, *flags).exit_code == 0
    assert command_of(entry_in(client, file, "connected-apps-live"))[1:] == ["--profile", "live"]
    assert run("uninstall", key, "--profile", "live").exit_code == 0
    assert command_of(entry_in(client, file, "connected-apps"))[1:] == DEFAULT
    assert run("uninstall", key).exit_code == 0
    if kind not in {"absent", "empty", "windows"}:  # else an emptied parent may stay
        assert file.read_bytes().decode() == texts_for(client)[kind]


@pytest.mark.series
@pytest.mark.parametrize("key", [client.key for client in TRIED])
async def test_the_entry_started_as_written_lists_the_tools(key: str, tmp_path: Path) -> None:
    client = BY_KEY[key]
    file = prepare(client, "typical")
    run("install", key, "--sandbox", "--toolsets", "apps")
    program, *arguments = command_of(entry_in(client, file, "connected-apps-sandbox"))
    server = StdioServerParameters(command=program, args=arguments, cwd=tmp_path)
    async with McpClient(server) as started:
        listed = {tool.name for tool in (await started.list_tools()).tools}
    assert listed == {
        *("create_app", "get_app", "update_app", "delete_app", "search_apps", "clone_app"),
        "get_server_status",
    }


@pytest.mark.parametrize("key", [each.key for each in CLIENTS if each.project])
def test_the_entry_of_a_project_works_on_every_machine(key: str) -> None:
    client = BY_KEY[key]
    assert run("install", key, "--sandbox", "--scope", "project").exit_code == 0
    file = client.config("project")
    assert file
    assert command_of(entry_in(client, file, "connected-apps-sandbox")) == [
        "connected-apps-mcp",
        "--sandbox",
    ]
    assert run("uninstall", key, "--scope", "project").exit_code == 0
    assert not file.exists()


@pytest.mark.parametrize("key", [each.key for each in CLIENTS if not each.project])
def test_a_client_without_projects_refuses_that_scope(key: str) -> None:
    refused = run("install", key, "--sandbox", "--scope", "project")
    assert refused.exit_code == 1
    assert "Use --scope user" in refused.stderr


def test_install_passes_its_flags_on() -> None:
    run("install", "cursor", "--sandbox", "--toolsets", "apps,review", "--read-only")
    file = BY_KEY["cursor"].config("user")
    assert file
    assert command_of(entry_in(BY_KEY["cursor"], file, "connected-apps-sandbox"))[1:] == [
        *("--sandbox", "--toolsets", "apps,review", "--read-only"),
    ]


def test_no_file_but_that_of_the_profile_holds_a_credential() -> None:
    put("default")
    for client in CLIENTS:
        prepare(client, "typical")
    assert run("install", *BY_KEY).exit_code == 0
    holding = [file for file in Path.home().rglob("*") if file.is_file() and holds(file)]
    assert [file.parent.name for file in holding] == ["credentials"]


def holds(file: Path) -> bool:
    return SECRET in file.read_text()


def test_a_backup_has_the_earlier_text_for_its_owner_only() -> None:
    file = prepare(BY_KEY["cursor"], "typical")
    file.chmod(0o644)
    run("install", "cursor", "--sandbox")
    backup = file.with_name("mcp.json.before-connected-apps-1")
    assert backup.read_text() == texts_for(BY_KEY["cursor"])["typical"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_dry_run_shows_the_entry_and_no_text_of_others(command: str) -> None:
    file = prepare(BY_KEY["cursor"], "typical")
    if command == "uninstall":
        run("install", "cursor", "--sandbox")
    before = file.read_bytes()
    shown = run(command, "cursor", "--sandbox", "--dry-run")
    assert shown.exit_code == 0
    assert f"Cursor: {file}, mcpServers.connected-apps-sandbox\n" in shown.stdout
    assert ("+" if command == "install" else "-") + '   "args": [' in shown.stdout
    assert OTHER_SECRET not in shown.output
    assert file.read_bytes() == before


def test_a_changed_entry_of_ours_is_replaced() -> None:
    client = BY_KEY["cursor"]
    file = prepare(client, "typical")
    run("install", "cursor", "--sandbox")
    run("install", "cursor", "--sandbox", "--read-only")
    assert command_of(entry_in(client, file, "connected-apps-sandbox"))[-1] == "--read-only"
    run("uninstall", "cursor")
    assert file.read_text() == texts_for(client)["typical"]


def test_another_server_of_our_name_is_left_alone() -> None:
    file = prepare(BY_KEY["cursor"], "absent")
    file.parent.mkdir()
    file.write_text('{"mcpServers": {"connected-apps-sandbox": {"command": "theirs"}}}')
    refused = run("install", "cursor", "--sandbox")
    assert refused.exit_code == 1
    assert f"{file} has another server named connected-apps-sandbox" in refused.stderr
    assert "theirs" in file.read_text()
    assert "no entry of this server" in run("uninstall", "cursor").stdout
    assert "theirs" in file.read_text()


def test_a_damaged_file_stops_only_its_own_client() -> None:
    damaged = prepare(BY_KEY["cursor"], "typical")
    damaged.write_text('{"mcpServers": {')
    done = run("install", "cursor", "windsurf", "--sandbox")
    assert done.exit_code == 1
    assert f"Cursor: nothing was changed. {damaged}: " in done.stderr
    assert "Windsurf: connected-apps-sandbox is in" in done.stdout
    assert damaged.read_text() == '{"mcpServers": {'


@pytest.mark.parametrize("flags", [[], ["--profile", "live"]])
def test_a_profile_that_does_not_exist_is_refused(flags: list[str]) -> None:
    refused = run("install", "cursor", *flags)
    assert refused.exit_code == 2
    assert "connected-apps-mcp login" in refused.stderr
    assert not (Path.home() / ".cursor").exists()


def test_an_unknown_client_is_refused_with_the_one_that_was_meant() -> None:
    refused = run("install", "curser", "--sandbox")
    assert refused.exit_code == 2
    assert "Did you mean cursor?" in refused.stderr


def test_without_a_terminal_the_clients_must_be_named() -> None:
    prepare(BY_KEY["cursor"], "typical")
    refused = run("install", "--sandbox")
    assert refused.exit_code == 2
    assert "Name the clients, or use --all. Found here: cursor." in refused.stderr


def test_all_means_the_clients_that_are_found() -> None:
    for key in ("cursor", "zed"):
        prepare(BY_KEY[key], "typical")
    done = run("install", "--all", "--sandbox")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["Cursor", "Zed", "Next"]


def test_without_any_client_all_is_refused() -> None:
    assert "No client was found here" in run("install", "--all", "--sandbox").stderr


@pytest.mark.parametrize("command", [["install", "--sandbox"], ["uninstall"]])
@pytest.mark.parametrize("clients", [["cursor"], ["--all"]])
def test_without_a_home_folder_the_refusal_says_so(
    command: list[str], clients: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_uid: int) -> NoReturn:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    refused = run(*command, *clients)
    assert refused.exit_code == 2
    assert "No home folder: HOME is not set" in refused.stderr


def test_in_a_folder_that_is_gone_the_refusal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    refused = run("install", "cursor", "--sandbox", "--scope", "project")
    assert refused.exit_code == 2
    assert "This folder is gone." in refused.stderr


def test_the_help_names_every_client() -> None:
    shown = " ".join(run("install", "--help").stdout.split())
    named = shown.partition("Clients: ")[2].partition(". Without")[0]
    assert set(named.replace("- ", "-").replace(" and ", ", ").split(", ")) == set(BY_KEY)


def stand_in(program: str, tmp_path: Path) -> Path:
    """The log of a stand-in for a client's own command, which adds nothing."""
    log = tmp_path / f"{program}.log"
    script = tmp_path / "bin" / program
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{log}'\n")
    script.chmod(0o755)
    return log


def test_the_command_of_a_client_is_preferred(tmp_path: Path) -> None:
    log = stand_in("claude", tmp_path)
    prepare(BY_KEY["claude-code"], "typical")
    run("install", "claude-code", "--sandbox")
    used = log.read_text().splitlines()
    assert used[:3] == ["mcp", "add-json", "connected-apps-sandbox"]
    assert json.loads(used[3])["args"] == ["--sandbox"]
    assert used[4:] == ["--scope", "user"]


def test_where_that_command_adds_nothing_the_file_is_edited(tmp_path: Path) -> None:
    stand_in("claude", tmp_path)
    assert run("install", "claude-code", "--sandbox").exit_code == 0
    file = Path.home() / ".claude.json"
    assert entry_in(BY_KEY["claude-code"], file, "connected-apps-sandbox")


OWN = [
    ("codex", "codex", ["mcp", "add", "connected-apps-sandbox", "--"]),
    ("vscode", "code", ["--add-mcp"]),
]


@pytest.mark.parametrize(("key", "program", "words"), OWN)
def test_a_command_that_loses_comments_makes_new_files(
    tmp_path: Path, key: str, program: str, words: list[str]
) -> None:
    log = stand_in(program, tmp_path)
    prepare(BY_KEY[key], "absent").parent.mkdir(parents=True)
    run("install", key, "--sandbox")
    assert log.read_text().splitlines()[: len(words)] == words


@pytest.mark.parametrize(("key", "program", "words"), OWN)
def test_a_command_that_loses_comments_is_not_used_on_a_file_of_a_person(
    tmp_path: Path, key: str, program: str, words: list[str]
) -> None:
    log = stand_in(program, tmp_path)
    prepare(BY_KEY[key], "commented")
    assert run("install", key, "--sandbox").exit_code == 0
    assert not log.exists(), words


def test_a_command_without_the_folder_of_its_client_is_not_used(tmp_path: Path) -> None:
    log = stand_in("code", tmp_path)
    assert run("install", "vscode", "--sandbox").exit_code == 0
    assert not log.exists()


@pytest.mark.parametrize(
    "command",
    [
        {"command": "npx", "args": ["server-filesystem", "/home/me/connected-apps-mcp"]},
        {"command": "uvx", "args": ["other", "--log", "connected-apps-mcp.log"]},
    ],
)
def test_a_server_that_works_on_our_checkout_stays(command: dict[str, object]) -> None:
    file = prepare(BY_KEY["cursor"], "empty")
    file.write_text(json.dumps({"mcpServers": {"connected-apps-files": command}}))
    before = file.read_bytes()
    assert "no entry of this server" in run("uninstall", "cursor").stdout
    assert file.read_bytes() == before


def test_an_entry_that_a_person_named_stays() -> None:
    client = BY_KEY["cursor"]
    file = prepare(client, "empty")
    file.write_text('{"mcpServers": {"stytch": {"command": "connected-apps-mcp"}}}')
    before = file.read_bytes()
    run("install", "cursor", "--sandbox")
    run("uninstall", "cursor")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ["/opt/venv/bin/connected-apps-mcp"],
        ["/usr/bin/uvx", "connected-apps-mcp", "--sandbox"],
        ["/usr/bin/uvx", "--from", "file:///a.whl", "connected-apps-mcp"],
        ["/usr/bin/pipx", "run", "connected-apps-mcp"],
        ["/usr/bin/python3", "-P", "-m", "connected_apps_mcp"],
    ],
)
def test_an_entry_of_ours_is_removed_however_it_starts(words: list[str]) -> None:
    file = prepare(BY_KEY["cursor"], "empty")
    entry = {"command": words[0], "args": words[1:]}
    file.write_text(json.dumps({"mcpServers": {"connected-apps": entry}}))
    assert "connected-apps is removed" in run("uninstall", "cursor").stdout


def with_earlier(more: dict[str, object]) -> Path:
    """The entry for the sandbox in Cursor, with more in it than `install` writes."""
    client = BY_KEY["cursor"]
    run("install", "cursor", "--sandbox")
    file = prepare(client, "absent")
    entry = entry_in(client, file, "connected-apps-sandbox") | more
    file.write_text(json.dumps({"mcpServers": {"connected-apps-sandbox": entry}}))
    return file


def test_what_a_client_added_to_the_entry_stays() -> None:
    file = with_earlier({"autoApprove": ["get_app"], "env": {}})
    before = file.read_bytes()
    assert "is already there" in run("install", "cursor", "--sandbox").stdout
    assert file.read_bytes() == before


def test_a_credential_in_an_earlier_entry_goes() -> None:
    file = with_earlier({"env": {"STYTCH_SECRET": SECRET}})
    run("install", "cursor", "--sandbox")
    assert SECRET not in file.read_text()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_dry_run_does_not_show_a_credential_in_an_earlier_entry(command: str) -> None:
    with_earlier({"env": {"STYTCH_SECRET": SECRET}})
    shown = run(command, "cursor", "--sandbox", "--dry-run")
    assert '"STYTCH_SECRET": "***"' in shown.stdout
    assert SECRET not in shown.output


def test_a_dry_run_does_not_show_a_credential_among_the_words_of_a_command() -> None:
    with_earlier({"command": "env", "args": [f"STYTCH_SECRET={SECRET}", "connected-apps-mcp"]})
    shown = run("uninstall", "cursor", "--dry-run")
    assert '"***"' in shown.stdout
    assert SECRET not in shown.output


@pytest.mark.parametrize(
    ("variable", "value", "name", "arguments"),
    [
        ("CONNECTED_APPS_MCP_PROFILE", "live", "connected-apps-live", ["--profile", "live"]),
        ("CONNECTED_APPS_MCP_SANDBOX", "1", "connected-apps-sandbox", ["--sandbox"]),
        ("CONNECTED_APPS_MCP_READ_ONLY", "0", "connected-apps", [*DEFAULT, "--no-read-only"]),
        ("CONNECTED_APPS_MCP_TOOLSETS", "apps", "connected-apps", [*DEFAULT, "--toolsets", "apps"]),
    ],
)
def test_a_variable_becomes_a_flag_of_the_entry(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str, arguments: list[str]
) -> None:
    put("default")
    put("live", "project-live-1")
    monkeypatch.setenv(variable, value)
    assert run("install", "cursor").exit_code == 0
    file = prepare(BY_KEY["cursor"], "absent")
    assert command_of(entry_in(BY_KEY["cursor"], file, name))[1:] == arguments


def test_credentials_in_the_environment_do_not_hide_the_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("default")
    monkeypatch.setenv("STYTCH_PROJECT_ID", "project-test-1")
    monkeypatch.setenv("STYTCH_SECRET", SECRET)
    assert run("install", "cursor").exit_code == 0


def test_a_profile_with_the_name_of_the_sandbox_is_refused() -> None:
    put("sandbox")
    refused = run("install", "cursor", "--profile", "sandbox")
    assert refused.exit_code == 2
    assert "would replace that of --sandbox" in refused.stderr


def test_a_folder_that_the_client_moved_is_followed(tmp_path: Path) -> None:
    moved = tmp_path / "models"
    (Path.home() / ".lmstudio-home-pointer").write_text(f"{moved}\n")
    assert run("install", "lm-studio", "--sandbox").exit_code == 0
    assert entry_in(BY_KEY["lm-studio"], moved / "mcp.json", "connected-apps-sandbox")


@pytest.mark.parametrize("text", [b"a\0b", b"\xff", b"a\nb"])
def test_a_damaged_pointer_to_a_folder_does_not_count(text: bytes) -> None:
    (Path.home() / ".lmstudio-home-pointer").write_bytes(text)
    assert run("install", "lm-studio", "--sandbox").exit_code == 0
    assert (Path.home() / ".lmstudio" / "mcp.json").exists()


def test_claude_code_and_copilot_share_the_entry_of_a_project() -> None:
    project = ("--sandbox", "--scope", "project")
    run("install", "claude-code", *project)
    assert "is already there" in run("install", "copilot-cli", *project).stdout


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_every_client_names_its_source(client: Client) -> None:
    assert client.source.startswith("https://")
