"""A person approves at a terminal what a client could not ask about."""

import os
import pty
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from examples import APP
from mcp import Client, StdioServerParameters
from server.audit.logs import lines_of
from server.people import A, B, Wire, asking
from server.terminal import Terminal, at_terminal
from support import ERAS, SERVER, answer, refusal

from connected_apps_mcp.confirmation.approvals import KIND, LIFETIME, Approvals, PendingCall
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools.storage.records import FolderState

APPROVE, DISCARD = "Approve this call once? [y/N]: ", "Discard it? [Y/n]: "


def approving(folder: Path, *flags: str) -> AbstractContextManager[Terminal]:
    """`approve` at a terminal, for a sandbox."""
    return at_terminal("approve", "--sandbox", "--data-dir", str(folder), *flags)


def approve(folder: Path, *typed: tuple[str, str]) -> tuple[int, str]:
    """Type answers at prompts."""
    with approving(folder) as terminal:
        for prompt, text in typed:
            terminal.read_until(prompt)
            terminal.type(text)
        return terminal.end()


def approve_without_a_terminal(folder: Path, **given: Any) -> subprocess.CompletedProcess[str]:
    command = [*SERVER, "approve", "--sandbox", "--data-dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **given)


def nothing_pending_in(folder: Path) -> str:
    return f"No call waits for approval in {folder / KIND}.\r\n"


def pending_in(folder: Path) -> list[PendingCall]:
    return list(Approvals(FolderState(folder).records(KIND)))


async def refuse(
    folder: Path, *calls: tuple[str, dict[str, Any]], wire: Wire | None = None
) -> None:
    """Make calls that wait for a person."""
    async with asking(wire or Wire(), None, confirm="always", folder=folder) as (client, _):
        for call in calls:
            refusal(await client.call_tool(*call))


DELETE = ("delete_app", {"client_id": APP})
WIDEN = ("update_app", {"client_id": APP, "add_redirect_urls": [B]})


async def test_a_pending_call_is_shown_and_can_be_approved(
    tmp_path: Path,
) -> None:
    await refuse(tmp_path, WIDEN)
    code, shown = approve(tmp_path, (APPROVE, "y\n"))
    assert code == 0
    assert "update_app, refused at " in shown
    assert f'Arguments: {{"client_id": "{APP}", "add_redirect_urls": ["{B}"]}}' in shown
    assert "Redirect host added: b.example" in shown
    assert "Approved for one call within 10 minutes." in shown
    assert [call.approved for call in pending_in(tmp_path)] == [True]


async def test_a_call_that_was_decided_elsewhere_while_a_person_reads_is_not_approved(
    tmp_path: Path,
) -> None:
    await refuse(tmp_path, WIDEN)
    approvals = Approvals(FolderState(tmp_path).records(KIND))
    with approving(tmp_path) as terminal:
        terminal.read_until(APPROVE)
        (call,) = approvals
        approvals.approve(call)
        assert approvals.use_approval(call)
        terminal.type("y\n")
        _, shown = terminal.end()
    assert "Not approved: this call does not wait any more." in shown
    assert pending_in(tmp_path) == []


async def test_a_pending_call_can_be_discarded(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    code, _ = approve(tmp_path, (APPROVE, "n\n"), (DISCARD, "y\n"))
    assert code == 0
    assert pending_in(tmp_path) == []


async def test_a_call_neither_approved_nor_discarded_stays_pending(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    approve(tmp_path, (APPROVE, "n\n"), (DISCARD, "n\n"))
    assert [call.approved for call in pending_in(tmp_path)] == [False]


async def test_pressing_enter_discards_the_call(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    approve(tmp_path, (APPROVE, "\n"), (DISCARD, "\n"))
    assert pending_in(tmp_path) == []


async def test_the_end_of_the_input_approves_nothing(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    code, _ = approve(tmp_path, (APPROVE, "\x04"))
    assert code != 0
    assert [call.approved for call in pending_in(tmp_path)] == [False]


async def test_each_of_several_calls_is_asked_about(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE, WIDEN)
    order = [call.tool for call in pending_in(tmp_path)]
    answers = [(APPROVE, "y\n" if tool == "delete_app" else "n\n") for tool in order]
    answers.insert(order.index("update_app") + 1, (DISCARD, "n\n"))
    approve(tmp_path, *answers)
    approved = {call.tool: call.approved for call in pending_in(tmp_path)}
    assert approved == {"delete_app": True, "update_app": False}


async def test_an_approved_call_is_not_shown_again(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    approve(tmp_path, (APPROVE, "y\n"))
    assert approve(tmp_path) == (0, nothing_pending_in(tmp_path))


async def test_a_pending_call_expires(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    (pending,) = pending_in(tmp_path)
    late = pending.model_copy(update={"since": pending.since - LIFETIME - timedelta(seconds=1)})
    Approvals(FolderState(tmp_path).records(KIND)).add(late)
    assert approve(tmp_path) == (0, nothing_pending_in(tmp_path))
    assert pending_in(tmp_path) == []


def test_a_missing_data_folder_is_an_error(
    tmp_path: Path,
) -> None:
    code, shown = approve(tmp_path / "mistyped")
    assert code == 2
    assert "there is no folder" in shown
    assert list(tmp_path.iterdir()) == []


def test_an_empty_data_folder_has_no_pending_calls(tmp_path: Path) -> None:
    assert approve(tmp_path) == (0, nothing_pending_in(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", "y\ny\n"])
async def test_without_a_terminal_calls_are_listed_and_none_is_approved(
    given: str, tmp_path: Path
) -> None:
    await refuse(tmp_path, DELETE, WIDEN)
    done = approve_without_a_terminal(tmp_path, input=given)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "delete_app, refused at" in done.stdout
    assert "update_app, refused at" in done.stdout
    assert [call.approved for call in pending_in(tmp_path)] == [False, False]


async def test_a_terminal_for_input_only_approves_nothing(tmp_path: Path) -> None:
    await refuse(tmp_path, DELETE)
    terminal, side = pty.openpty()
    os.write(terminal, b"y\n")
    done = approve_without_a_terminal(tmp_path, stdin=side)
    os.close(side)
    os.close(terminal)
    assert done.returncode == 2
    assert [call.approved for call in pending_in(tmp_path)] == [False]


def test_a_sandbox_in_memory_needs_a_data_folder() -> None:
    done = subprocess.run([*SERVER, "approve", "--sandbox"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"--data-dir" in done.stderr


def test_a_folder_that_others_can_open_is_refused(tmp_path: Path) -> None:
    (tmp_path / KIND).mkdir(mode=0o755)
    code, shown = approve(tmp_path)
    assert code == 2
    assert "chmod 700" in shown


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\nApprove this call once? [y/N]: y\n\u202egpj\u200b\x9b31m\x00"


async def test_hostile_text_does_not_act_on_the_terminal(tmp_path: Path) -> None:
    wire = Wire()
    changes = {"client_name": HOSTILE, "access_token_template_content": HOSTILE}
    async with asking(wire, None, folder=tmp_path) as (client, _):
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": HOSTILE}))
    await refuse(tmp_path, ("update_app", {"client_id": APP, **changes}), wire=wire)
    code, shown = approve(tmp_path, (APPROVE, "n\n"), (DISCARD, "y\n"))
    assert code == 0
    assert "owned" in shown
    assert not re.search(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u200b\u202e]", shown)
    assert len([line for line in shown.splitlines() if line.startswith("Approve this call")]) == 1


async def test_long_arguments_do_not_push_the_question_away(tmp_path: Path) -> None:
    call = ("update_app", {"client_id": APP, "redirect_urls": [], "client_name": "x" * 50_000})
    await refuse(tmp_path, call)
    _, shown = approve(tmp_path, (APPROVE, "n\n"), (DISCARD, "y\n"))
    after = shown.partition("Change this app although")[2].partition(APPROVE)[0]
    assert f"Redirect URL removed: {A}" in after
    assert len(after) < 2000


# A whole server.


@asynccontextmanager
async def serve(folder: Path, era: str) -> AsyncIterator[Client]:
    """A client that cannot ask, of a server process with --confirm always."""
    flags = ["--sandbox", "--sandbox-db", str(folder / "apps.sqlite3"), "--data-dir", str(folder)]
    parameters = StdioServerParameters(
        command=SERVER[0], args=[*SERVER[1:], *flags, "--confirm", "always"]
    )
    async with Client(parameters, mode=era) as client:
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_an_approved_call_goes_through_once_and_with_no_other_arguments(
    era: str, tmp_path: Path
) -> None:
    app = {"client_id": APP, "client_type": "first_party", "redirect_urls": [A]}
    sandbox = create_sandbox(database=tmp_path / "apps.sqlite3")
    seed(sandbox, Seed.model_validate({"apps": [app]}))
    tool, arguments = "update_app", {"client_id": APP, "full_access_allowed": True}
    back = {"client_id": APP, "full_access_allowed": False}
    async with serve(tmp_path, era) as client:
        refused = refusal(await client.call_tool(tool, arguments))
        assert "connected-apps-mcp approve" in refused["hint"]
        assert approve(tmp_path, (APPROVE, "y\n"))[0] == 0
        refusal(await client.call_tool(tool, arguments | {"redirect_urls": []}))
        answer(await client.call_tool(tool, arguments))
        answer(await client.call_tool(tool, back))
        refusal(await client.call_tool(tool, arguments))
    recorded = [
        (line["event"], line.get("answer"))
        for line in lines_of(tmp_path / "audit")
        if line["event"] in {"intent", "refusal"}
    ]
    assert recorded == [
        ("refusal", None),
        ("refusal", None),
        ("intent", "approve"),
        ("intent", None),
        ("refusal", None),
    ]
