"""The keys that seal questions: which files are refused, and what several keys are for."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from examples import APP
from mcp import Client, MCPError, types
from server.audit.logs import lines_of
from server.people import YES, Person, Wire, asking
from support import SERVER, answer

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.confirmation.state_keys import open_security
from connected_apps_tools.storage.records import FolderState

OLD, NEW = "old-canary-Zx81kQ0pLm27vTn4Rb6wYs3c", "new-canary-9fKq2LmZ7vTn4Rb6wYs3cXx1"


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "mode", "rule"),
    [
        (OLD, 0o640, "is open to other users: run chmod 600"),
        (OLD, 0o604, "is open to other users: run chmod 600"),
        ("", 0o600, "give one key or more, each of 32 characters or more"),
        (OLD[:31], 0o600, "give one key or more, each of 32 characters or more"),
        (f"{OLD}\n{NEW[:31]}\n", 0o600, "give one key or more, each of 32 characters or more"),
        (f"{OLD}\n{NEW}\n{OLD}\n", 0o600, "holds a key twice"),
        (OLD + "é", 0o600, "cannot be read (it is not ASCII)"),
    ],
)
def test_a_file_that_seals_nothing_is_refused_without_a_word_of_it(
    text: str, mode: int, rule: str, tmp_path: Path
) -> None:
    path = key_file(tmp_path, text, mode)
    refused = CliRunner().invoke(main, ["--sandbox", "--state-key-file", str(path)])
    assert refused.exit_code == 2
    assert "--state-key-file" in refused.stderr
    assert rule in refused.stderr
    assert "canary" not in refused.output


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    flags = ["--sandbox", "--state-key-file", str(tmp_path / name)]
    refused = CliRunner().invoke(main, flags)
    assert refused.exit_code == 2
    assert "cannot be read" in refused.stderr


def test_a_key_is_in_no_log(tmp_path: Path) -> None:
    flags = ["--state-key-file", str(key_file(tmp_path, OLD)), "--log-level", "debug"]
    done = subprocess.run(
        [*SERVER, "--sandbox", *flags], input="", capture_output=True, text=True, check=True
    )
    assert OLD not in done.stdout + done.stderr


async def question_of(client: Client) -> str:
    """The sealed state that comes with a question."""
    result = await client.session.call_tool(
        "delete_app", {"client_id": APP}, allow_input_required=True
    )
    assert isinstance(result, types.InputRequiredResult)
    return result.request_state or ""


async def agree(client: Client, state: str) -> Any:
    return await client.session.call_tool(
        "delete_app",
        {"client_id": APP},
        input_responses={"confirm": YES},
        request_state=state,
        allow_input_required=True,
    )


async def test_while_keys_are_exchanged_the_old_one_still_opens_and_the_new_one_seals(
    tmp_path: Path,
) -> None:
    wire = Wire()
    before = open_security(key_file(tmp_path, f"{OLD}\n"), FolderState(tmp_path))
    after = open_security(key_file(tmp_path, f"{NEW}\n{OLD}\n"), FolderState(tmp_path))
    async with (
        asking(wire, Person(), folder=tmp_path, security=before) as (old, _),
        asking(wire, Person(), folder=tmp_path, security=after) as (new, _),
    ):
        with pytest.raises(MCPError, match="requestState"):
            await agree(old, await question_of(new))
        assert wire.writes == []
        answer(await agree(new, await question_of(old)))
    assert len(wire.writes) == 1


async def test_a_key_is_in_no_line_of_the_audit_log(tmp_path: Path) -> None:
    security = open_security(key_file(tmp_path, OLD), FolderState(tmp_path))
    async with asking(Wire(), Person(), folder=tmp_path, security=security) as (client, _):
        arguments = {"client_type": "first_party_public", "client_name": f"App {OLD}"}
        answer(await client.call_tool("create_app", arguments))
    _, intent, _ = lines_of(tmp_path / "audit")
    assert intent["arguments"]["client_name"] == f"App [secret …{OLD[-4:]}]"


async def test_a_process_with_another_data_folder_refuses_the_state(tmp_path: Path) -> None:
    """It could not know that the answer was used already."""
    wire, keys = Wire(), key_file(tmp_path, OLD)
    folders = [tmp_path / "one", tmp_path / "other"]
    ours, theirs = (open_security(keys, FolderState(folder)) for folder in folders)
    async with (
        asking(wire, Person(), folder=folders[0], security=ours) as (one, _),
        asking(wire, Person(), folder=folders[1], security=theirs) as (other, _),
    ):
        with pytest.raises(MCPError, match="requestState"):
            await agree(other, await question_of(one))
    assert wire.writes == []
