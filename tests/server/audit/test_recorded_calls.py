"""Every change is recorded before and after; a change that cannot be recorded is not made."""

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import anyio
import httpx2
import pytest
from disks import AS_ROOT, file_size_limit, fill, make_read_only, small_disk
from examples import APP
from mcp import Client, MCPError, types
from server.audit.logs import bytes_of, events_of, files_of, lines_of, verify
from server.people import (
    CONFIRMED,
    NO,
    YES,
    B,
    Person,
    Preparation,
    Wire,
    asking,
    example_of,
    nothing,
    rotating,
    wire_for,
)
from support import ERAS, answer, offering, refusal

from connected_apps_mcp.audit import AuditLog, Ledger
from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_tools import CATALOGUE
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.storage.records import FolderState

ITSELF = [tool for tool in CATALOGUE if tool.turn != "apply"]
"""The tools that send their changes themselves; the parts of an apply have lines of their own."""

RECORDED: dict[str, tuple[str, dict[str, Any], Preparation]] = (
    CONFIRMED
    | {tool.name: example_of(tool.name) for tool in ITSELF if tool.is_recorded(None)}
    | {"create without a secret": ("create_app", {"client_type": "first_party_public"}, nothing)}
)
"""Calls that are recorded: the tool, its arguments, and what has to be so before."""

UNSENT = {"reveal_client_secret", "reveal_client_secret_to_page", "deliver_client_secret"}
"""Tools that send the service nothing that it has to do."""

WRITING = [case for case, (tool, _, _) in RECORDED.items() if tool not in UNSENT]


# The two lines.


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("case", WRITING)
async def test_a_write_comes_after_its_intent_and_before_its_outcome(
    case: str, era: str, tmp_path: Path
) -> None:
    tool, arguments, prepare = RECORDED[case]
    log, wire, seen = tmp_path / "audit", wire_for(tool), list[list[str]]()
    async with asking(wire, Person(YES), era, folder=tmp_path) as (client, project):
        await prepare(project)
        wire.witness = lambda _: seen.append(events_of(log))
        answer(await client.call_tool(tool, arguments))
    assert seen == [["opened", "intent"]]
    assert events_of(log) == ["opened", "intent", "outcome"]
    assert verify(log).problems == []


@pytest.mark.parametrize("case", RECORDED)
async def test_the_lines_say_who_did_what_and_how_it_ended(case: str, tmp_path: Path) -> None:
    tool, arguments, prepare = RECORDED[case]
    wire, person = wire_for(tool), Person(YES)
    async with asking(wire, person, folder=tmp_path) as (client, project):
        await prepare(project)
        wire.request_ids.clear()
        answer(await client.call_tool(tool, arguments))
        project_id = project.api.project_id
    _, intent, outcome = lines_of(tmp_path / "audit")
    request = {
        key: intent[key] for key in ("tool", "arguments", "project_id", "caller", "software")
    }
    assert request == {
        "tool": tool,
        "arguments": arguments,
        "project_id": project_id,
        "caller": {"user": getpass.getuser()},
        "software": {"name": "a client", "version": "1.2"},
    }
    assert intent.get("answer") == ("accept" if person.questions else None)
    assert (outcome["tool"], outcome["entry"], outcome["ok"]) == (tool, intent["entry"], True)
    assert outcome.get("request_id") == (wire.request_ids[-1] if case in WRITING else None)
    assert "error" not in outcome
    assert "may_have_taken_effect" not in outcome


SHOWN = {
    "reveal_client_secret": "value",
    "reveal at creation": "client_secret.value",
    "reveal at a rotation": "next_client_secret.value",
}


@pytest.mark.parametrize("case", SHOWN)
async def test_of_a_secret_that_is_shown_the_last_four_are_recorded(
    case: str, tmp_path: Path
) -> None:
    tool, arguments, prepare = RECORDED[case]
    async with asking(Wire(), Person(YES), folder=tmp_path) as (client, project):
        await prepare(project)
        secret: Any = answer(await client.call_tool(tool, arguments))
        for key in SHOWN[case].split("."):
            secret = secret[key]
        await client.call_tool("create_app", {"client_type": "third_party", "client_name": secret})
    _, _, outcome, pasted, _ = lines_of(tmp_path / "audit")
    assert outcome["revealed"] == f"…{secret[-4:]}"
    assert pasted["arguments"]["client_name"] == f"[secret …{secret[-4:]}]"
    assert secret.encode() not in b"".join(bytes_of(tmp_path / "audit").values())


async def test_a_secret_that_is_not_shown_is_not_recorded_as_shown(tmp_path: Path) -> None:
    async with asking(Wire(), None, folder=tmp_path) as (client, _):
        answer(await client.call_tool("create_app", {"client_type": "first_party"}))
    assert "revealed" not in lines_of(tmp_path / "audit")[-1]


async def test_an_approval_at_a_terminal_is_recorded_as_one(tmp_path: Path) -> None:
    async with asking(Wire(), None, confirm="always", folder=tmp_path) as (client, _):
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
        approvals = Approvals(FolderState(tmp_path).records(KIND))
        (waiting,) = approvals
        approvals.approve(waiting)
        answer(await client.call_tool("delete_app", {"client_id": APP}))
    _, refused, intent, _ = lines_of(tmp_path / "audit")
    assert (refused["event"], refused.get("answer")) == ("refusal", None)
    assert (intent["event"], intent["answer"]) == ("intent", "approve")


# How it may end.


async def _refused() -> httpx2.Response:
    response = {"error_type": "too_many_connected_apps", "request_id": "request-id-test-1"}
    return httpx2.Response(400, json=response)


async def _refused_by_a_proxy() -> httpx2.Response:
    return httpx2.Response(403, text="<html>")


async def _breaks() -> NoReturn:
    raise httpx2.ReadError("reset")


async def _has_a_bug() -> NoReturn:
    raise RuntimeError("unforeseen")


ENDINGS: dict[str, tuple[Callable[[], Awaitable[httpx2.Response]], dict[str, Any]]] = {
    "the service refuses": (
        _refused,
        {"error": "too_many_connected_apps", "request_id": "request-id-test-1"},
    ),
    "an error without a name": (_refused_by_a_proxy, {"error": "ServiceError"}),
    "no answer": (_breaks, {"error": "NoAnswer", "may_have_taken_effect": True}),
    "a bug": (_has_a_bug, {"error": "RuntimeError", "may_have_taken_effect": True}),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("case", ["create_app", "delete", "start_secret_rotation"])
async def test_an_outcome_says_what_went_wrong(case: str, ending: str, tmp_path: Path) -> None:
    tool, arguments, _ = RECORDED[case]
    wire = Wire()
    wire.instead, expected = ENDINGS[ending]
    async with asking(wire, Person(YES), folder=tmp_path) as (client, _):
        refusal(await client.call_tool(tool, arguments))
    *_, outcome = lines_of(tmp_path / "audit")
    assert (outcome["event"], outcome["ok"]) == ("outcome", False)
    ended = {key: outcome.get(key) for key in ("error", "request_id", "may_have_taken_effect")}
    assert {key: value for key, value in ended.items() if value is not None} == expected


async def test_an_outcome_names_the_request_whose_secret_could_not_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def takes_nothing(*_: object) -> None:
        """A store that takes no secret."""

    wire = Wire()
    async with asking(wire, None, folder=tmp_path) as (client, project):
        monkeypatch.setattr(project.secrets.store, "put", takes_nothing)
        new = {"client_type": "first_party", "client_name": "New"}
        refusal(await client.call_tool("create_app", new))
    *_, outcome = lines_of(tmp_path / "audit")
    assert outcome["error"] == "SecretNotKept"
    assert outcome["request_id"] == wire.request_ids[0]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("case", ["create_app", "delete", "update_app", "cancel_secret_rotation"])
async def test_a_cancelled_call_has_an_outcome(case: str, era: str, tmp_path: Path) -> None:
    tool, arguments, prepare = RECORDED[case]
    wire, arrived, done = Wire(), anyio.Event(), anyio.Event()

    async def hang() -> httpx2.Response:
        arrived.set()
        await done.wait()
        return httpx2.Response(500)

    async with asking(wire, Person(YES), era, folder=tmp_path) as (client, project):
        await prepare(project)
        wire.instead = hang
        async with anyio.create_task_group() as calls:
            calls.start_soon(client.call_tool, tool, arguments)
            await arrived.wait()
            calls.cancel_scope.cancel()
        # The line that failed is written before the next one.
        refusal(await client.call_tool("delete_app", {}))
        done.set()
    _, _, outcome, _ = lines_of(tmp_path / "audit")
    assert (outcome["event"], outcome["error"]) == ("outcome", "Cancelled")
    assert outcome["may_have_taken_effect"]


# Refusals.

POLICY = Policy(
    redirect_hosts=("a.example",), client_types=("first_party",), max_access_token_expiry_minutes=60
)
PROTECTION = Policy.model_validate({"protected_apps": {"client_ids": [APP]}})

REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "no such argument": (
        "update_app",
        {"client_id": APP, "colour": "red"},
        {},
        "InvalidRequest: colour: there is no such argument.",
    ),
    "an invalid id": ("delete_app", {"client_id": "../x"}, {}, "InvalidRequest: client_id: "),
    "a type that the policy forbids": (
        "create_app",
        {"client_type": "third_party"},
        {"policy": POLICY},
        "PolicyRefusal: policy client_types: third_party is not allowed",
    ),
    "an update that the policy forbids": (
        "update_app",
        {"client_id": APP, "add_redirect_urls": [B]},
        {"policy": POLICY},
        "PolicyRefusal: policy redirect_hosts: b.example is not allowed",
    ),
    "the deletion of a protected app": (
        "delete_app",
        {"client_id": APP},
        {"policy": PROTECTION},
        "PolicyRefusal: policy protected_apps: ",
    ),
    "a rotation of a protected app": (
        "cancel_secret_rotation",
        {"client_id": APP},
        {"policy": PROTECTION},
        "PolicyRefusal: policy protected_apps: ",
    ),
    "an app that has changed": (
        "delete_app",
        {"client_id": APP, "if_unchanged": "x"},
        {},
        "AppHasChanged: ",
    ),
    "a read-only server": (
        "delete_app",
        {"client_id": APP},
        {"offer": offering(read_only=True)},
        "The server is read-only (--read-only).",
    ),
    "a read-only server, which shows no secret": (
        "reveal_client_secret",
        {"client_id": APP},
        {"offer": offering(read_only=True)},
        "Secrets are not shown",
    ),
    "a guarded live project": (
        "create_app",
        {"client_type": "first_party"},
        {"offer": offering(live_guard=True)},
        "The project is live: ",
    ),
    "nobody to ask": (
        "delete_app",
        {"client_id": APP},
        {"confirm": "always", "person": None},
        "NotConfirmed: Nothing was done: a person has to confirm first",
    ),
}
"""The tool, its arguments, what the server is like, and the reason that is recorded."""


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_is_recorded_with_its_reason_and_nobody_is_asked(
    case: str, era: str, tmp_path: Path
) -> None:
    tool, arguments, options, reason = REFUSED[case]
    wire, person = Wire(), Person()
    async with asking(wire, **{"person": person, "era": era, "folder": tmp_path, **options}) as (
        client,
        _,
    ):
        if "offer" in options:  # then the tool is off
            with pytest.raises(MCPError):
                await client.call_tool(tool, arguments)
        else:
            refusal(await client.call_tool(tool, arguments))
    _, refused = lines_of(tmp_path / "audit")
    assert (refused["event"], refused["tool"]) == ("refusal", tool)
    assert refused["arguments"] == arguments
    assert refused["reason"].startswith(reason)
    assert person.questions == []
    assert wire.writes == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (NO, "decline"),
        (types.ElicitResult(action="cancel"), "cancel"),
        (types.ElicitResult(action="accept", content={"confirm": "yes"}), None),
    ],
)
@pytest.mark.parametrize("case", CONFIRMED)
async def test_what_a_person_did_not_agree_to_is_recorded_with_the_answer(
    case: str, given: types.ElicitResult, said: str | None, tmp_path: Path
) -> None:
    tool, arguments, prepare = CONFIRMED[case]
    wire = wire_for(tool)
    async with asking(wire, Person(given), folder=tmp_path) as (client, project):
        await prepare(project)
        before = wire.state()
        refusal(await client.call_tool(tool, arguments))
    _, refused = lines_of(tmp_path / "audit")
    assert (refused["event"], refused["tool"]) == ("refusal", tool)
    assert refused["reason"].startswith("NotConfirmed: Nothing was done: ")
    assert refused.get("answer") == said
    assert wire.state() == before


# Reads.

READS: list[tuple[str, dict[str, Any]]] = [
    ("get_app", {"client_id": APP}),
    ("get_app", {"client_id": "../x"}),
    ("search_apps", {}),
    ("review_apps", {}),
    ("list_user_grants", {"user_id": "bob"}),
    ("get_server_status", {}),
    ("create_app", {"client_type": "first_party_public", "dry_run": True}),
    ("update_app", {"client_id": APP, "full_access_allowed": True, "dry_run": True}),
    ("delete_app", {"client_id": APP, "dry_run": True}),
]


@pytest.mark.parametrize("era", ERAS)
async def test_reads_and_dry_runs_are_neither_recorded_nor_asked_about(
    era: str, tmp_path: Path
) -> None:
    wire, person = Wire(), Person()
    async with asking(wire, person, era, confirm="always", folder=tmp_path) as (client, _):
        for tool, arguments in READS:
            await client.call_tool(tool, arguments)
    assert person.questions == []
    assert wire.writes == []
    assert bytes_of(tmp_path) == {}


async def test_reads_go_on_where_nothing_can_be_recorded(tmp_path: Path) -> None:
    for name in ("audit", KIND):
        (tmp_path / name).write_text("in the way")
    async with asking(Wire(), None, folder=tmp_path) as (client, _):
        read = answer(await client.call_tool("get_app", {"client_id": APP}))
        planned = answer(await client.call_tool("delete_app", {"client_id": APP, "dry_run": True}))
    assert read["app"]["client_id"] == APP
    assert planned["deleted"] is False


# Where nothing can be recorded.


def remove(log: Path) -> None:
    """Take a file of the log away."""
    files_of(log)[0].unlink()


def tamper(log: Path) -> None:
    """Put another digest at the end."""
    file = files_of(log)[0]
    file.write_bytes(file.read_bytes()[:-67] + b"0" * 64 + b'"}\n')


def cut_off(log: Path) -> None:
    """Take the last line away."""
    file = files_of(log)[0]
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


def open_to_others(log: Path) -> None:
    """Let everybody look into it."""
    log.chmod(0o755)


HARM = [remove, tamper, cut_off, open_to_others]


async def refuses_all_that_leaves_a_mark(client: Client, wire: Wire) -> None:
    wire.writes.clear()
    for tool, arguments, _ in RECORDED.values():
        if "member" not in tool:
            error = refusal(await client.call_tool(tool, arguments))
            if error["error"] != "connected_app_not_rotating_secret":
                assert error["error"] == "AuditFailed"
                assert "The audit log cannot be written" in error["message"]
                assert "may_have_taken_effect" not in error
    assert wire.writes == []


@pytest.mark.parametrize("harm", HARM)
async def test_with_a_log_that_was_tampered_with_nothing_is_done(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    wire = Wire()
    async with asking(wire, Person(), folder=tmp_path) as (client, project):
        await rotating(project)
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "Other"}))
        harm(tmp_path / "audit")
        await refuses_all_that_leaves_a_mark(client, wire)


async def test_with_a_log_that_may_not_grow_nothing_is_done(tmp_path: Path) -> None:
    wire = Wire()
    async with asking(wire, Person(), folder=tmp_path) as (client, project):
        await rotating(project)
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "x" * 900}))
        size = files_of(tmp_path / "audit")[0].stat().st_size
        with file_size_limit(size):
            await refuses_all_that_leaves_a_mark(client, wire)
        answer(await client.call_tool("delete_app", {"client_id": APP}))
    assert verify(tmp_path / "audit").problems == []


@AS_ROOT
@pytest.mark.parametrize("fail", [fill, make_read_only])
async def test_on_a_disk_that_takes_nothing_nothing_is_done(
    fail: Callable[[Path], object], tmp_path: Path
) -> None:
    wire = Wire()
    with small_disk("64k") as disk:
        log = AuditLog(Ledger(disk / "audit"))
        async with asking(wire, Person(), folder=tmp_path, audit=log) as (client, project):
            await rotating(project)
            answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "Other"}))
            fail(disk)
            await refuses_all_that_leaves_a_mark(client, wire)
        assert verify(disk / "audit").problems == []


async def test_a_refusal_that_cannot_be_recorded_goes_before_the_next_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, wire = tmp_path / "audit", Wire()
    async with asking(wire, Person(NO), folder=tmp_path) as (client, _):
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "x" * 900}))
        with file_size_limit(files_of(log)[0].stat().st_size):
            error = refusal(await client.call_tool("delete_app", {"client_id": APP}))
        assert error["error"] == "NotConfirmed"
        assert "1 lines are missing in the audit log" in caplog.text
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "Other"}))
    assert events_of(log) == ["opened", "intent", "outcome", "refusal", "intent", "outcome"]


# Sessions.


async def test_the_log_of_a_mixed_session_is_whole(tmp_path: Path) -> None:
    wire, person = Wire(), Person(NO)
    async with asking(wire, person, folder=tmp_path) as (client, _):
        for tool, arguments, _ in RECORDED.values():
            await client.call_tool(tool, arguments)
            person.answers = [NO] if len(person.questions) % 2 else [YES]
        for tool, arguments in READS:
            await client.call_tool(tool, arguments)
    report = verify(tmp_path / "audit")
    assert (report.pending, report.torn, report.problems) == ({}, 0, [])
    assert {"intent", "outcome", "refusal"} <= set(events_of(tmp_path / "audit"))


async def test_two_servers_write_one_log(tmp_path: Path) -> None:
    wire, count = Wire(), 10

    async def work(client: Client) -> None:
        for number in range(count):
            arguments = {"client_type": "first_party_public", "client_name": str(number)}
            answer(await client.call_tool("create_app", arguments))

    async with (
        asking(wire, None, folder=tmp_path) as (one, _),
        asking(wire, None, folder=tmp_path) as (other, _),
        anyio.create_task_group() as servers,
    ):
        servers.start_soon(work, one)
        servers.start_soon(work, other)
    lines = lines_of(tmp_path / "audit")
    assert sorted(line["event"] for line in lines) == (
        ["intent"] * 2 * count + ["opened"] + ["outcome"] * 2 * count
    )
    report = verify(tmp_path / "audit")
    assert (report.pending, report.problems) == ({}, [])


@pytest.mark.parametrize("era", ERAS)
async def test_a_yes_is_recorded_although_the_call_is_refused_after_it(
    era: str, tmp_path: Path
) -> None:
    wire = Wire()
    async with asking(wire, None) as (_, elsewhere):

        async def delete_and_agree() -> types.ElicitResult:
            await elsewhere.api.delete(APP)
            return YES

        async with asking(wire, Person(delete_and_agree), era, folder=tmp_path) as (client, _):
            refusal(await client.call_tool("delete_app", {"client_id": APP}))
    _, refused = lines_of(tmp_path / "audit")
    assert (refused["event"], refused["answer"]) == ("refusal", "accept")
    assert refused["reason"].startswith("NotFound")


async def test_a_bug_before_anything_is_sent_is_recorded_as_a_refusal(tmp_path: Path) -> None:
    wire = Wire()

    async def has_a_bug() -> NoReturn:
        raise RuntimeError("canary")

    wire.meanwhile = has_a_bug
    async with asking(wire, Person(YES), folder=tmp_path) as (client, _):
        result = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    _, refused = lines_of(tmp_path / "audit")
    assert refused["event"] == "refusal"
    assert "canary" not in str(refused)
    assert "canary" not in str(result)
    assert "may_have_taken_effect" not in result
    assert wire.writes == []
