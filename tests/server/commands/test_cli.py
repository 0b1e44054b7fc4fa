"""The command line: help, version, and refused settings."""

import asyncio
import os
import pty
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from support import REAL, SERVER

from connected_apps_mcp.commands import common
from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.settings import settings

CANARY = "canary-Zx81kQ0pLm27vTn4Rb6wYs3c"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def commands_of(group: click.Group, path: str = "") -> dict[str, click.Command]:
    """A group and every command in it, by the words that name them."""
    commands: dict[str, click.Command] = {path: group}
    for name, command in group.commands.items():
        below = f"{path} {name}".strip()
        found = commands_of(command, below) if isinstance(command, click.Group) else {}
        commands |= found or {below: command}
    return commands


COMMANDS = commands_of(main)
GROUPS = {path: each for path, each in COMMANDS.items() if isinstance(each, click.Group)}


@pytest.mark.parametrize("path", GROUPS)
def test_help_lists_every_command_with_a_whole_sentence(path: str) -> None:
    group = GROUPS[path]
    shown = run(*path.split(), "--help").stdout.partition("Commands:\n")[2]
    for name, command in group.commands.items():
        first_sentence = str(command.help).partition("\n\n")[0].strip()
        assert re.search(rf"^  {name} +{re.escape(first_sentence)}$", shown, re.MULTILINE)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_describes_every_flag(path: str) -> None:
    shown = re.sub(r"\s+", "", run(*path.split(), "--help").stdout)
    for option in COMMANDS[path].params:
        if isinstance(option, click.Option):
            assert option.help
            description = re.escape(re.sub(r"\s+", "", option.help))
            assert re.search(rf"{option.opts[0]}[^.]*{description}", shown)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize(
    "command", [[], ["serve"], ["secrets"], ["secrets", "show"], ["sandbox", "seed"], ["audit"]]
)
def test_each_way_to_ask_for_help_shows_the_same(command: list[str], flag: str) -> None:
    asked = [[*command, flag], ["help", *command]]
    if command:
        asked.append([*command[:-1], "help", command[-1]])
    shown = [run(*arguments) for arguments in asked]
    assert {each.exit_code for each in shown} == {0}
    assert len({each.stdout for each in shown}) == 1
    assert " ".join(["Usage: main", *command]) in shown[0].stdout


def test_help_of_an_unknown_command_is_refused() -> None:
    refused = run("help", "secret")
    assert refused.exit_code == 2
    assert "No such command 'secret'" in refused.stderr


def test_help_of_serve_has_the_flag_and_the_variable_of_every_setting() -> None:
    shown = re.sub(r"\s+", " ", run("serve", "--help").stdout)
    for name in settings.FLAGS:
        assert settings.flag(name) in shown
        assert f"${settings.variable(name)} " in shown


def test_the_version_is_the_version_of_the_package() -> None:
    assert run("--version").stdout == f"main, version {version('connected-apps-mcp')}\n"


def test_there_is_no_flag_for_the_secret() -> None:
    assert not {"secret", "project_id"} & settings.FLAGS.keys()


NO_CREDENTIALS: dict[str, str] = {}

REFUSED: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no credentials": ([], NO_CREDENTIALS, "STYTCH_PROJECT_ID is not set.*--sandbox"),
    "no secret": ([], REAL | {"STYTCH_SECRET": ""}, "STYTCH_SECRET is not set.*--sandbox"),
    "a secret with a space": (
        [],
        REAL | {"STYTCH_SECRET": f"{CANARY} {CANARY}"},
        "STYTCH_SECRET is malformed",
    ),
    "a placeholder": (
        [],
        REAL | {"STYTCH_SECRET": "${STYTCH_SECRET}"},
        "STYTCH_SECRET is malformed.*placeholder",
    ),
    "a malformed project id": (
        [],
        REAL | {"STYTCH_PROJECT_ID": f"{CANARY}:x"},
        "STYTCH_PROJECT_ID is malformed",
    ),
    "the id of a live project in capitals": (
        ["--base-url", "http://localhost:1"],
        REAL | {"STYTCH_PROJECT_ID": "PROJECT-LIVE-1"},
        "STYTCH_PROJECT_ID is malformed: it must look like.*in lower case",
    ),
    "a project that is neither test nor live": (
        [],
        REAL | {"STYTCH_PROJECT_ID": "project-production-1"},
        "STYTCH_PROJECT_ID is malformed: it must look like project-test-… or project-live-…",
    ),
    "the secret of a live project for a test project": (
        [],
        REAL | {"STYTCH_SECRET": f"secret-live-{CANARY}"},
        "STYTCH_SECRET belongs to a live project. STYTCH_PROJECT_ID names a test project",
    ),
    "the secret of a test project for a live project": (
        [],
        {"STYTCH_PROJECT_ID": "project-live-1", "STYTCH_SECRET": f"secret-test-{CANARY}"},
        "STYTCH_SECRET belongs to a test project. STYTCH_PROJECT_ID names a live project",
    ),
    "a base URL with the path of the operations": (
        ["--base-url", "https://api.example/v1/"],
        REAL,
        "--base-url: the URL must not end in /v1: every operation adds it",
    ),
    "an unknown variable": (
        ["--sandbox"],
        {"CONNECTED_APPS_MCP_TRANSPROT": CANARY},
        "Unknown variable CONNECTED_APPS_MCP_TRANSPROT. Did you mean CONNECTED_APPS_MCP_TRANSPORT?",
    ),
    "an unknown variable, whatever its case": (
        ["demo"],
        {"connected_apps_mcp_sandbx": CANARY},
        "Unknown variable connected_apps_mcp_sandbx. Did you mean CONNECTED_APPS_MCP_SANDBOX?",
    ),
    "an unknown variable for sandbox serve": (
        ["sandbox", "serve"],
        {"CONNECTED_APPS_MCP_SECRET": CANARY},
        "Unknown variable CONNECTED_APPS_MCP_SECRET.",
    ),
    "an unusable database": (
        ["--sandbox", "--sandbox-db", "/dev/null/x"],
        {},
        "--sandbox-db: the file cannot be used as a database",
    ),
    "an unusable database for sandbox serve": (
        ["sandbox", "serve", "--db", "/dev/null/x"],
        {},
        "--db: the file cannot be used as a database",
    ),
    "an empty database": (["--sandbox", "--sandbox-db", ""], {}, "--sandbox-db: the file"),
    "an empty base URL": (["--base-url", ""], REAL, "--base-url: the URL must be absolute"),
    "an unknown flag": (["--sandbx"], {}, "No such option '--sandbx'.*--sandbox"),
    "an unknown command": (["dmeo"], {}, "No such command 'dmeo'.*demo"),
    "a secret as a flag": (["--secret", CANARY], {}, "No such option '--secret'"),
    "a superfluous argument": (["--sandbox", "x"], {}, "unexpected extra argument"),
    "an unknown transport": (
        ["--sandbox", "--transport", "htp"],
        {},
        "--transport or CONNECTED_APPS_MCP_TRANSPORT: Input should be 'stdio', 'http' or 'sse'",
    ),
    "stdio beside another transport": (
        ["--sandbox", "--transport", "stdio,http"],
        {},
        "stdio cannot be combined",
    ),
    "a transport twice": (
        ["--sandbox", "--transport", "http,http"],
        {},
        "--transport names a transport twice",
    ),
    "an unknown confirm mode": (
        ["--sandbox", "--confirm", "sometimes"],
        {},
        "--confirm or CONNECTED_APPS_MCP_CONFIRM: Input should be 'auto', 'always' or 'never'",
    ),
    "a boolean that is not one": (
        ["--sandbox"],
        {"CONNECTED_APPS_MCP_ALLOW_LIVE_WRITES": CANARY},
        "--allow-live-writes or CONNECTED_APPS_MCP_ALLOW_LIVE_WRITES: Input should be a valid bool",
    ),
    "a port that is not a number": (
        ["--sandbox"],
        {"CONNECTED_APPS_MCP_PORT": CANARY},
        "--port or CONNECTED_APPS_MCP_PORT: Input should be a valid integer",
    ),
    "a port out of range": (["--sandbox", "--port", "65536"], {}, "less than or equal to 65535"),
    "a deadline of zero": (["--sandbox", "--deadline", "0"], {}, "--deadline.*greater than 0"),
    "an unknown log level": (["--sandbox", "--log-level", "loud"], {}, "--log-level.*'debug'"),
    "a misspelt log level": (
        ["--sandbox", "--log-level", "warn"],
        {},
        "--log-level or CONNECTED_APPS_MCP_LOG_LEVEL: .* Did you mean warning?",
    ),
    "a choice in capitals": (
        ["--sandbox"],
        {"CONNECTED_APPS_MCP_CONFIRM": "ALWAYS"},
        "Did you mean always?",
    ),
    "one misspelt value of several": (
        ["--sandbox", "--transport", "http,see"],
        {},
        "Did you mean sse?",
    ),
    "an address that others can reach": (
        ["--sandbox", "--transport", "http", "--host", "0.0.0.0"],  # noqa: S104 - refused
        {},
        "--host must be a loopback address.*without --auth",
    ),
    "a host name that is not loopback": (
        ["--sandbox", "--transport", "sse", "--host", "example.com"],
        {},
        "--host must be a loopback address",
    ),
    "a database without a sandbox": (["--sandbox-db", "x"], REAL, "--sandbox-db needs --sandbox"),
    "a kind without a sandbox": (
        ["--sandbox-kind", "b2b"],
        REAL,
        "--sandbox-kind needs --sandbox",
    ),
    "an unknown kind": (
        ["--sandbox", "--sandbox-kind", "both"],
        {},
        "--sandbox-kind or CONNECTED_APPS_MCP_SANDBOX_KIND: Input should be 'consumer' or 'b2b'",
    ),
    "a seed for no sandbox": (["sandbox", "seed"], {}, "Give --db or --url"),
    "a seed for two sandboxes": (
        ["sandbox", "seed", "--db", "x", "--url", "http://127.0.0.1:1"],
        {},
        "Give --db or --url",
    ),
    "a kind for a running sandbox": (
        ["sandbox", "seed", "--url", "http://127.0.0.1:1", "--kind", "b2b"],
        {},
        "--kind goes with --db",
    ),
    "a seed for an unusable database": (
        ["sandbox", "seed", "--db", "/dev/null/x"],
        {},
        "--db: the file cannot be used as a database",
    ),
    "a seed for the service": (
        ["sandbox", "seed", "--url", "https://test.stytch.com"],
        REAL,
        "--url: a sandbox is always on a loopback address",
    ),
    "a seed over plain http": (
        ["sandbox", "seed", "--url", f"http://{CANARY}.example"],
        REAL,
        "--url: the URL must use https",
    ),
    "a seed for a URL without a server": (
        ["sandbox", "seed", "--url", "http://127.0.0.1:1"],
        REAL,
        "--url: no response",
    ),
    "a seed of no apps": (["sandbox", "seed", "--db", "x", "--apps", "0"], {}, "--apps.*x>=1"),
    "a seed file that does not exist": (
        ["sandbox", "seed", "--db", "x", "--from", "/dev/null/x"],
        {},
        "Invalid value for '--from'",
    ),
    "an empty seed file": (
        ["sandbox", "seed", "--db", "x", "--from", "/dev/null"],
        {},
        "--from: Invalid JSON",
    ),
    "a base URL with the sandbox": (
        ["--sandbox", "--base-url", "https://x.example"],
        {},
        "cannot be combined",
    ),
    "a base URL with plain http": (
        ["--base-url", f"http://{CANARY}.example"],
        REAL,
        "--base-url: the URL must use https; http is allowed for a loopback address only",
    ),
    "a base URL with credentials": (
        [],
        REAL | {"CONNECTED_APPS_MCP_BASE_URL": f"https://user:{CANARY}@x.example"},
        "--base-url: the URL must have no user",
    ),
    "half of the credentials for sandbox serve": (
        ["sandbox", "serve"],
        {"STYTCH_PROJECT_ID": "project-test-1"},
        "STYTCH_SECRET is not set",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_settings_are_refused_with_one_message_and_exit_code_2(case: str) -> None:
    arguments, environment, message = REFUSED[case]
    refused = run(*arguments, **environment)
    assert refused.exit_code == 2
    assert CANARY not in refused.stdout
    assert re.search(message, refused.stderr, re.DOTALL)
    assert CANARY not in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("flags", [[], ["serve"], ["serve", "--transport", "stdio"]])
def test_the_sandbox_needs_no_credentials_and_ignores_them(flags: list[str]) -> None:
    done = subprocess.run(
        [*SERVER, *flags, "--sandbox"],
        input="",
        env={"STYTCH_SECRET": "not a secret"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_setting_can_be_an_environment_variable() -> None:
    done = subprocess.run(
        SERVER,
        input="",
        env={"CONNECTED_APPS_MCP_SANDBOX": "1", "CONNECTED_APPS_MCP_BASE_URL": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_flag_wins_over_the_environment() -> None:
    refused = run("--no-sandbox", CONNECTED_APPS_MCP_SANDBOX="1")
    assert "STYTCH_PROJECT_ID is not set" in refused.stderr


def test_a_port_in_use_is_reported() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("--sandbox", "--transport", "http", "--port", port)
    assert refused.exit_code == 2
    assert "cannot listen there" in refused.stderr


def test_a_sandbox_that_cannot_listen_prints_no_credentials() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("sandbox", "serve", "--port", str(taken.getsockname()[1]))
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert "cannot listen there" in refused.stderr


def test_the_command_line_loads_without_the_tools_and_the_protocol() -> None:
    code = "import sys, connected_apps_mcp.commands.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "connected_apps_mcp.settings.settings" in loaded
    assert not loaded & {"connected_apps_tools.api.models", "connected_apps_tools.tool"}
    assert not loaded & {"anyio", "asyncio", "httpx2", "mcp", "mcp_types", "starlette"}
    assert not loaded & {"connected_apps_mcp.telemetry", "opentelemetry", "prometheus_client"}
    assert "psycopg" not in loaded


def test_a_server_over_stdio_starts_without_what_only_some_calls_and_settings_need() -> None:
    code = (
        "import atexit, sys; there = set(sys.modules); "  # the measurement of coverage, for one
        "atexit.register(lambda: print(*set(sys.modules) - there, file=sys.stderr)); "
        "from connected_apps_mcp.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | REAL,
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "connected_apps_mcp.transports.stdio" in loaded
    assert not loaded & {"connected_apps_mcp.transports.http", "connected_apps_mcp.sandbox"}
    assert not loaded & {"aiohttp", "keyring", "pydantic_settings", "sqlite3", "stamina"}
    assert not loaded & {"psycopg", "psycopg_binary"}


def test_commands_run_on_uvloop() -> None:
    async def loop() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert common.run(loop) == "uvloop"


def test_nothing_in_the_working_directory_is_imported(tmp_path: Path) -> None:
    for name in ("server", "tools", "mcp", "connected_apps_tools", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the workspace')")
    script = Path(SERVER[0]).with_name("connected-apps-mcp")
    done = subprocess.run(
        [script, "--sandbox"], input="", cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


@pytest.mark.parametrize("flags", [[], ["--sandbox"]])
def test_a_person_at_a_terminal_reads_what_this_is_and_what_to_do_next(flags: list[str]) -> None:
    terminal, side = pty.openpty()
    with subprocess.Popen(
        [*SERVER, *flags], stdin=side, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        greeting = "".join(process.stderr.readline() for _ in range(8))
        os.close(side)
        os.close(terminal)
    assert "connected-apps-mcp is an MCP server" in greeting
    assert re.findall("^  connected-apps-mcp ([a-z]+) ", greeting, re.MULTILINE) == [
        "demo",
        "login",
        "install",
    ]


def test_a_client_gets_no_greeting() -> None:
    ended = subprocess.run(
        [*SERVER, "--sandbox"], input="", capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stderr == ""


def completed(*words: str) -> list[str]:
    """What the shell offers at the last of these words."""
    shown = run(
        _CONNECTED_APPS_MCP_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["connected-apps-mcp", *words]),
        COMP_CWORD=str(len(words)),
    )
    return re.findall("^plain,(.+)$", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([""], {"serve", "login", "secrets"}),
        (["log"], {"login", "logout"}),
        (["--sandbox-"], {"--sandbox-db", "--sandbox-kind"}),
        (["secrets", "s"], {"show"}),
        (["login", "--proj"], {"--project-id"}),
        (["install", "c"], {"cursor", "codex", "claude-code"}),
    ],
)
def test_the_shell_completes_commands_and_flags(words: list[str], offered: set[str]) -> None:
    assert offered <= set(completed(*words))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_names_the_program(shell: str) -> None:
    shown = run("completion", shell)
    assert shown.exit_code == 0
    assert "_CONNECTED_APPS_MCP_COMPLETE" in shown.stdout
