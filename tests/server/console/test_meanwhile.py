"""The page shows what other processes do: calls that wait, the audit log, changes of apps."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from consoles import (
    CALENDAR,
    Page,
    approvals_in,
    console,
    console_at_terminal,
    flags_for,
    waiting_call,
)
from mcp import Client, StdioServerParameters
from server.audit.logs import CALL, files_of, log_in, record
from server.terminal import at_terminal
from support import SERVER

from connected_apps_mcp.audit import Outcome
from connected_apps_mcp.audit.reading import FolderSnapshot
from connected_apps_mcp.console.approvals import Waiting
from connected_apps_mcp.console.audit_view import PAGE_CALLS, AuditFilter, AuditView
from connected_apps_mcp.console.events import Happenings
from connected_apps_mcp.console.session import Session


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with console(tmp_path) as page:
        yield page


def events_until(page: Page, kind: str, happens: Any) -> list[dict[str, Any]]:
    """The events from something that happens to one of a kind."""
    events = page.events()
    seen: list[dict[str, Any]] = []
    next(events)
    happens()
    for event in events:
        seen.append(event)
        if event["kind"] == kind:
            return seen
    raise AssertionError("the stream has ended")


def test_a_call_that_waits_is_shown_as_the_terminal_shows_it(page: Page, tmp_path: Path) -> None:
    approvals_in(tmp_path).add(waiting_call())
    (call,) = page.get("api/approvals").json()["result"]
    expected = waiting_call()
    assert call["question"] == expected.question
    assert (call["tool"], call["caller"]) == (expected.tool, expected.caller)
    assert call["since"] < call["until"]


@pytest.mark.parametrize("approve", [True, False])
def test_a_press_decides_once(page: Page, tmp_path: Path, *, approve: bool) -> None:
    approvals_in(tmp_path).add(waiting_call())
    decision = {"approve": approve}
    assert page.post(f"api/approvals/{'a' * 64}", json=decision).json() == {"result": None}
    assert page.get("api/approvals").json()["result"] == []
    assert [call.approved for call in approvals_in(tmp_path)] == [True] * approve
    again = page.post(f"api/approvals/{'a' * 64}", json=decision).json()
    assert again["error"]["error"] == "NotWaiting"


def test_a_page_that_begins_to_listen_reads_again_what_it_may_have_missed(page: Page) -> None:
    with page.stream("GET", "api/events") as stream:
        lines = stream.iter_lines()
        seen = [next(lines) for _ in range(5)]
    assert seen == ['data: {"kind":"approvals"}', "", 'data: {"kind":"audit"}', "", ":"]


def test_an_event_says_that_other_calls_wait(page: Page, tmp_path: Path) -> None:
    seen = events_until(page, "approvals", lambda: approvals_in(tmp_path).add(waiting_call()))
    assert seen == [{"kind": "approvals"}]


def test_a_change_in_this_console_is_an_event(page: Page) -> None:
    rename = partial(page.result, "update_app", client_id=CALENDAR, client_name="Other")
    assert events_until(page, "app", rename) == [
        {"kind": "audit"},
        {"kind": "app", "client_id": CALENDAR},
    ]


async def test_a_change_by_a_client_of_another_process_is_an_event(
    page: Page, tmp_path: Path
) -> None:
    command, arguments = SERVER[0], [*SERVER[1:], "serve", *flags_for(tmp_path)]
    async with Client(StdioServerParameters(command=command, args=arguments)) as client:
        events = page.events()
        next(events)
        given = {"client_id": CALENDAR, "client_name": "Other"}
        assert not (await client.call_tool("update_app", given)).is_error
        while next(events) != {"kind": "app", "client_id": CALENDAR}:
            pass


async def test_a_creation_by_a_client_of_another_process_is_an_event(
    page: Page, tmp_path: Path
) -> None:
    command, arguments = SERVER[0], [*SERVER[1:], "serve", *flags_for(tmp_path)]
    async with Client(StdioServerParameters(command=command, args=arguments)) as client:
        events = page.events()
        next(events)
        assert not (await client.call_tool("create_app", {"client_type": "third_party"})).is_error
        while next(events) != {"kind": "apps"}:
            pass


def test_the_audit_log_is_shown_with_its_chain(page: Page) -> None:
    page.result("update_app", client_id=CALENDAR, client_name="Other")
    shown = page.audit()
    assert [line["event"] for line in shown["lines"]] == ["opened", "intent", "outcome"]
    assert shown["chain"] == {"whole": True, "lines": 3, "problems": []}
    assert not shown["more"]


def test_a_log_that_somebody_tampered_with_is_named(page: Page, tmp_path: Path) -> None:
    page.result("update_app", client_id=CALENDAR, client_name="Other")
    (file,) = files_of(tmp_path / "data/audit")
    file.write_bytes(file.read_bytes().replace(b'"ok":true', b'"ok":null'))
    chain = page.audit()["chain"]
    assert not chain["whole"]
    assert "audit.000001.jsonl, line 3" in chain["problems"][0]


UNREADABLE = [
    '{"seq": 4, "event": "intent", "arguments": []}',
    '{"seq": 4, "event": "intent", "tool": []}',
    '{"seq": 4, "event": "outcome", "entry": {}}',
    '{"seq": 4, "event": "intent", "tool": "\\ud800"}',
    '{"seq": 4, "event": "intent", "deep": ' + "[" * 500 + "]" * 500 + "}",
    '["seq", "event"]',
    "[]",
    "{",
]


@pytest.mark.parametrize("line", UNREADABLE)
def test_a_line_that_somebody_added_is_named_and_breaks_nothing(
    page: Page, tmp_path: Path, line: str
) -> None:
    page.result("update_app", client_id=CALENDAR, client_name="Other")
    (file,) = files_of(tmp_path / "data/audit")
    file.write_bytes(file.read_bytes() + line.encode() + b"\n")
    shown = page.audit()
    assert len(shown["lines"]) == 3
    assert not shown["chain"]["whole"]
    next(page.events())


def test_a_number_that_json_does_not_know_is_shown_as_none(page: Page, tmp_path: Path) -> None:
    page.result("update_app", client_id=CALENDAR, client_name="Other")
    (file,) = files_of(tmp_path / "data/audit")
    added = b'{"seq": 4, "event": "intent", "duration_ms": NaN, "more": 1e999}\n'
    file.write_bytes(file.read_bytes() + added)
    assert page.audit()["lines"][-1] == {
        "seq": 4,
        "event": "intent",
        "duration_ms": None,
        "more": None,
    }


def test_a_log_on_standard_error_is_named_as_the_reason(tmp_path: Path) -> None:
    with console(tmp_path, "--audit-log", "-") as page:
        refused = page.get("api/audit").json()
        assert "standard error" in refused["error"]["message"]
        next(page.events())


@pytest.mark.parametrize("wanted", [{"outcome": "any"}, {"before": "0"}, {"more": "1"}])
def test_a_filter_of_another_form_is_refused(page: Page, wanted: dict[str, str]) -> None:
    assert page.get("api/audit", params=wanted).status_code == 400


async def test_older_calls_are_on_the_next_page_whole(tmp_path: Path) -> None:
    log = log_in(tmp_path / "audit", max_bytes=4_000)
    await record(log, PAGE_CALLS + 10)
    view = AuditView(partial(FolderSnapshot, tmp_path / "audit"))
    latest = await view.page(AuditFilter(outcome="ok"))
    assert latest["more"]
    assert len(latest["lines"]) == 2 * PAGE_CALLS
    older = await view.page(AuditFilter(outcome="ok", before=latest["lines"][0]["seq"]))
    assert not older["more"]
    assert len(older["lines"]) == 2 * 10


@pytest.mark.parametrize(
    ("wanted", "tools"),
    [
        ({"client_id": "connected-app-test-1"}, ["failing", "delete_app", "refused", "open"]),
        ({"client_id": "connected-app-test-2"}, []),
        ({"caller": "OPER"}, ["failing", "delete_app", "refused", "open"]),
        ({"caller": "claude"}, ["failing", "delete_app", "refused", "open"]),
        ({"caller": "nobody"}, []),
        ({"outcome": "ok"}, ["delete_app"]),
        ({"outcome": "failed"}, ["failing"]),
        ({"outcome": "refused"}, ["refused"]),
        ({"outcome": "open"}, ["open"]),
    ],
)
async def test_a_filter_leaves_the_calls_that_fit(
    tmp_path: Path, wanted: dict[str, Any], tools: list[str]
) -> None:
    log = log_in(tmp_path)
    await log.outcome(await log.intend(replace(CALL, tool="failing")), Outcome("NoAnswer"))
    await record(log)
    await log.refused(replace(CALL, tool="refused"), "why")
    await log.intend(replace(CALL, tool="open"))
    page = await AuditView(partial(FolderSnapshot, tmp_path)).page(AuditFilter(**wanted))
    assert [line["tool"] for line in page["lines"] if line["event"] != "outcome"] == tools


async def test_a_page_that_begins_to_listen_to_a_long_log_reads_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connected_apps_mcp.console.events.LOOK_BACK", 10)
    await record(log_in(tmp_path / "audit", max_bytes=4_000), 60)
    read = list[int]()

    class Counted(FolderSnapshot):
        def data(self, number: int) -> bytes | None:
            read.append(number)
            return super().data(number)

    waiting = Waiting(approvals_in(tmp_path))
    events = Happenings(waiting, partial(Counted, tmp_path / "audit"), Session()).events()
    assert await anext(events) == {"kind": "approvals"}
    assert len(read) * 2 < len(files_of(tmp_path / "audit"))


def test_a_second_console_says_where_the_first_one_runs(page: Page, tmp_path: Path) -> None:
    with at_terminal("console", "--no-open", *flags_for(tmp_path)) as second:
        code, said = second.end()
    assert code == 2
    assert f"A console runs already, at {page.origin}." in said


def test_without_a_project_it_shows_a_sandbox_with_examples() -> None:
    with console_at_terminal() as (page, terminal):
        found = page.enter().result("search_apps")
        assert CALENDAR in [app["client_id"] for app in found["apps"]]
    assert b"No project is set up" in terminal.shown


def test_a_signal_ends_it_also_while_a_page_listens(tmp_path: Path) -> None:
    with console_at_terminal(*flags_for(tmp_path)) as (page, terminal):
        next(page.enter().events())
        terminal.interrupt()
        code, said = terminal.end()
    assert code == 0
    assert "The console has ended." in said
    assert "Traceback" not in said
