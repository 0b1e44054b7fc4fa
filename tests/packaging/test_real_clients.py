"""What `install` writes, judged by the clients that it is for."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import REAL

from connected_apps_mcp.client_configs.clients import BY_KEY
from links import PROJECT

Run = Callable[..., str]
Install = Callable[[Path], Path]

BIN = Path(sys.executable).parent
PROGRAM = BIN / PROJECT.name
SANDBOX = "connected-apps-sandbox"


@dataclass(frozen=True)
class Judge:
    """A client that can be asked about its servers without an account.

    Attributes:
        asked: the command that asks it.
        says: what it says of a server that it can start.
        commented: a configuration as a person has it.
    """

    asked: tuple[str, ...]
    says: str
    commented: str


JUDGES: Mapping[str, Judge] = {
    "claude-code": Judge(
        ("claude", "mcp", "get", SANDBOX),
        "Status: ✔ Connected",
        '{\n  "mcpServers": {"other": {"command": "false", "args": []}},\n  "theme": "dark"\n}',
    ),
    "codex": Judge(
        ("codex", "mcp", "list"),
        "--sandbox  -    -    enabled",
        '# Mine.\n[mcp_servers.other] # another\ncommand = "false"\n\n[tui]\ntheme = "dark"\n',
    ),
    "gemini-cli": Judge(
        ("gemini", "mcp", "list"),
        f"{PROGRAM} --sandbox (stdio) - Connected",
        '// Mine.\n{\n  "mcpServers": {\n    "other": {"command": "false"} // another\n  }\n}\n',
    ),
    "opencode": Judge(
        ("opencode", "mcp", "list"),
        f"✓ {SANDBOX}",
        '{ // Mine.\n  "mcp": {\n    "other": {"type": "local", "command": ["false"]},\n  }\n}',
    ),
}


@pytest.fixture
def person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Install, tools: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a person with these clients, and an empty home."""
    clients = node(Path(__file__).parent / "node")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    trusted = Path.home() / ".gemini" / "trustedFolders.json"
    trusted.parent.mkdir(parents=True)
    trusted.write_text(json.dumps({str(tmp_path): "TRUST_FOLDER"}), "utf-8")
    return {"HOME": str(Path.home()), "PATH": f"{clients}:{tools['PATH']}"}


def written(key: str) -> Path:
    """The configuration of a client, as a person wrote it."""
    file = BY_KEY[key].config("user")
    assert file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(JUDGES[key].commented, "utf-8")
    return file


@pytest.mark.parametrize("key", JUDGES)
def test_a_new_client_starts_the_server(run: Run, person: dict[str, str], key: str) -> None:
    run(PROGRAM, "install", key, "--sandbox", **person)
    assert JUDGES[key].says in run(*JUDGES[key].asked, **person)


@pytest.mark.parametrize("key", JUDGES)
def test_a_client_that_a_person_configured_starts_the_server(
    run: Run, person: dict[str, str], key: str
) -> None:
    written(key)
    run(PROGRAM, "install", key, "--sandbox", **person)
    assert JUDGES[key].says in run(*JUDGES[key].asked, **person)


@pytest.mark.parametrize("key", [key for key in JUDGES if key != "claude-code"])
def test_the_comments_of_a_person_outlive_the_client_on_the_path(
    run: Run, person: dict[str, str], key: str
) -> None:
    file = written(key)
    run(PROGRAM, "install", key, "--sandbox", **person)
    run(PROGRAM, "uninstall", key, **person)
    assert file.read_text("utf-8") == JUDGES[key].commented


def test_codex_makes_its_file_and_uninstall_removes_it(run: Run, person: dict[str, str]) -> None:
    file = BY_KEY["codex"].config("user")
    assert file
    file.parent.mkdir()
    run(PROGRAM, "install", "codex", "--sandbox", **person)
    assert file.exists()
    run(PROGRAM, "uninstall", "codex", **person)
    assert not file.exists()


def test_claude_code_removes_the_server_and_keeps_the_others(
    run: Run, person: dict[str, str]
) -> None:
    written("claude-code")
    run(PROGRAM, "install", "claude-code", "--sandbox", **person)
    run(PROGRAM, "uninstall", "claude-code", **person)
    listed = run("claude", "mcp", "list", **person)
    assert "other: false" in listed
    assert SANDBOX not in listed


@pytest.fixture
def live(run: Run, person: dict[str, str]) -> None:
    """A profile of a live project, and the sandbox, in Claude Code."""
    code = f"""
from pydantic import SecretStr
from connected_apps_mcp.settings.profiles import Profile, Profiles
profile = Profile(project_id="project-live-1", secret_in="file")
Profiles().put("live", profile, SecretStr("{REAL["STYTCH_SECRET"]}"))
"""
    run(BIN / "python", "-c", code, **person)
    run(PROGRAM, "install", "claude-code", "--profile", "live", **person)
    run(PROGRAM, "install", "claude-code", "--sandbox", **person)


@pytest.mark.usefixtures("live")
def test_claude_code_starts_the_live_project_beside_the_sandbox(
    run: Run, person: dict[str, str]
) -> None:
    listed = run("claude", "mcp", "list", **person)
    assert f"connected-apps-live: {PROGRAM} --profile live - ✔ Connected" in listed
    assert f"{SANDBOX}: {PROGRAM} --sandbox - ✔ Connected" in listed


@pytest.mark.usefixtures("live")
def test_only_the_file_of_the_profile_holds_the_credential(
    run: Run, person: dict[str, str]
) -> None:
    run("claude", "mcp", "list", **person)
    holding = [
        file
        for file in Path.home().rglob("*")
        if file.is_file() and REAL["STYTCH_SECRET"].encode() in file.read_bytes()
    ]
    assert [file.parent.name for file in holding] == ["credentials"]
