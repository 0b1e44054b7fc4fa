"""`connected-apps-mcp secrets deliver`, and a delivery through whole processes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from support import SERVER, answer, refusal
from support import secrets_command as command

ECHO = "import sys; s = sys.stdin.read(); print(s); print(s, file=sys.stderr); sys.exit(CODE)"


def as_list(*words: str) -> str:
    return "[" + ", ".join(f"'''{word}'''" for word in words) + "]"


@pytest.fixture
def with_policy(where: list[str], tmp_path: Path) -> list[str]:
    """The flags of a server with three destinations: a file, and two commands that print."""
    policy = tmp_path / "policy.toml"
    start = (sys.executable, "-c")
    policy.write_text(
        f"[destinations.env]\nfile = '{tmp_path / '.env'}'\nkey = 'CLIENT_SECRET'\n"
        f"[destinations.talks]\ncommand = {as_list(*start, ECHO.replace('CODE', '0'))}\n"
        f"[destinations.fails]\ncommand = {as_list(*start, ECHO.replace('CODE', '3'))}\n"
    )
    return [*where, "--policy", str(policy)]


@pytest.fixture
async def app(where: list[str]) -> str:
    """The id of a confidential app that another process created."""
    async with Client(served(where)) as client:
        new = {"client_type": "first_party", "client_name": "Mine"}
        return str(answer(await client.call_tool("create_app", new))["app"]["client_id"])


def served(flags: list[str]) -> StdioServerParameters:
    return StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *flags])


def secret_of(app: str, where: list[str]) -> str:
    return command("show", app, *where).stdout.strip()


async def test_a_secret_is_brought_to_a_file_and_the_list_shows_it(
    app: str, where: list[str], with_policy: list[str], tmp_path: Path
) -> None:
    secret = secret_of(app, where)
    done = command("deliver", app, "env", *with_policy)
    assert done.stdout == f"Delivered the current secret, …{secret[-4:]}, to env.\n"
    assert (tmp_path / ".env").read_text() == f"CLIENT_SECRET={secret}\n"
    assert f"delivered …{secret[-4:]} to env" in command("list", *where).stdout


@pytest.mark.parametrize("name", ["talks", "fails"])
async def test_what_a_command_prints_is_not_printed(
    name: str, app: str, where: list[str], with_policy: list[str]
) -> None:
    done = command("deliver", app, name, *with_policy)
    assert secret_of(app, where) not in done.stdout + done.stderr
    assert done.returncode == (1 if name == "fails" else 0)
    assert ("exit code 3" in done.stderr) == (name == "fails")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["evn"], "Did you mean env?"),
        (["env", "--next"], "No next secret of"),
    ],
)
async def test_what_cannot_be_delivered_is_refused(
    arguments: list[str], why: str, app: str, with_policy: list[str], tmp_path: Path
) -> None:
    refused = command("deliver", app, *arguments, *with_policy)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert why in refused.stderr
    assert not (tmp_path / ".env").exists()


async def test_a_server_delivers_over_stdio_and_shows_nothing(
    app: str, where: list[str], with_policy: list[str], tmp_path: Path
) -> None:
    results: list[Any] = []
    with (tmp_path / "errors").open("w") as errors:
        parameters = served([*with_policy, "--reveal", "never", "--log-level", "debug"])
        async with Client(stdio_client(parameters, errors)) as client:
            for name in ("env", "talks"):
                given = {"client_id": app, "destination": name}
                results.append(answer(await client.call_tool("deliver_client_secret", given)))
            failing = {"client_id": app, "destination": "fails"}
            results.append(refusal(await client.call_tool("deliver_client_secret", failing)))
    secret = secret_of(app, where)
    assert [each.get("delivered") for each in results] == [True, True, None]
    assert (tmp_path / ".env").read_text() == f"CLIENT_SECRET={secret}\n"
    log = "".join(each.read_text() for each in (tmp_path / "data" / "audit").rglob("*.jsonl"))
    assert log.count(f"…{secret[-4:]}") + log.count(f"\\u2026{secret[-4:]}") == 2
    for text in (str(results), log, (tmp_path / "errors").read_text()):
        assert secret not in text


def checked(policy: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVER, "policy", "check", "--policy", policy],
        text=True,
        capture_output=True,
        check=False,
    )


def test_the_check_of_a_policy_notes_which_destinations_cannot_be_used_here(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        "[destinations.a]\ncommand = ['nowhere-to-be-found']\n"
        f"[destinations.b]\nfile = '{tmp_path / 'nowhere' / '.env'}'\nkey = 'KEY'\n"
        f"[destinations.c]\nfile = '{tmp_path / '.env'}'\nkey = 'KEY'\n"
    )
    check = checked(str(policy))
    assert check.returncode == 0
    assert 'destinations.a = { command = ["nowhere-to-be-found"] }' in check.stdout
    notes = [line for line in check.stdout.splitlines() if line.startswith("Note: destinations")]
    assert notes == [
        "Note: destinations.a: The command nowhere-to-be-found is not found.",
        f"Note: destinations.b: There is no folder {tmp_path / 'nowhere'}.",
    ]
