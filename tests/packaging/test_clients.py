"""The plugin for Claude Code and the extension for Gemini CLI, judged by these clients."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from project import ROOT

Run = Callable[..., str]
Install = Callable[[Path], Path]

CLAUDE = "packaging/claude-code"
GEMINI = "packaging/gemini"


@pytest.fixture(scope="module")
def clients(node: Install) -> Path:
    return node(Path(__file__).parent / "node")


@pytest.mark.parametrize("folder", [".", CLAUDE])
def test_claude_code_finds_nothing_wrong(run: Run, clients: Path, folder: str) -> None:
    assert "Validation passed" in run(
        clients / "claude", "plugin", "validate", "--strict", ROOT / folder
    )


def test_the_directory_of_claude_code_takes_the_plugin(run: Run, clients: Path) -> None:
    validate = ["plugin", "validate", "--profile", "directory", ROOT / CLAUDE]
    assert "Validation passed" in run(clients / "claude", *validate)


def test_gemini_cli_finds_nothing_wrong(run: Run, clients: Path) -> None:
    validated = run(clients / "gemini", "extensions", "validate", ROOT / GEMINI)
    assert "successfully validated" in validated
    assert "arning" not in validated


def test_claude_code_connects_to_the_server_of_a_new_plugin(
    run: Run, clients: Path, published: Mapping[str, str]
) -> None:
    claude = clients / "claude"
    run(claude, "plugin", "marketplace", "add", ROOT, **published)
    run(claude, "plugin", "install", "connected-apps@connected-apps-mcp", **published)
    assert "uvx connected-apps-mcp - ✔ Connected" in run(claude, "mcp", "list", **published)


def test_gemini_cli_lists_the_servers_of_a_new_extension(
    run: Run, clients: Path, published: Mapping[str, str]
) -> None:
    gemini = clients / "gemini"
    run(gemini, "extensions", "link", ROOT / GEMINI, "--consent", **published)
    connected = "uvx connected-apps-mcp --sandbox (stdio) - Connected"
    for _ in range(4):  # it gives a server few seconds to start, and the machine may be busy
        listed = run(gemini, "mcp", "list", **published)
        if connected in listed:
            break
    assert connected in listed
    assert "uvx connected-apps-mcp (stdio) - Disconnected" in listed  # nobody has logged in
