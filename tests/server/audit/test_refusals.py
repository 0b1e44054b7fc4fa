"""Refused calls cannot fill the audit log."""

from dataclasses import replace
from pathlib import Path

import pytest
from server.audit.logs import CALL, files_of, lines_of, record, verify

from connected_apps_mcp.audit import AuditLog, refusals
from connected_apps_mcp.callers import Caller
from connected_apps_mcp.commands.audit import readable

MANY = 500


def events(folder: Path) -> list[str]:
    return [line["event"] for line in lines_of(folder)]


async def refuse(log: AuditLog, times: int, tool: str = "delete_app") -> None:
    for _ in range(times):
        await log.refused(replace(CALL, tool=tool), "No.")


async def test_a_few_refusals_are_recorded_one_by_one(log: AuditLog, folder: Path) -> None:
    await refuse(log, 3)
    assert events(folder) == ["opened", "refusal", "refusal", "refusal"]


async def test_of_many_refusals_the_rest_is_counted_in_one_line(
    log: AuditLog, folder: Path
) -> None:
    await refuse(log, MANY - 1)
    await refuse(log, 1, "update_app")
    await log.aclose()
    *each, last = lines_of(folder)
    whole = len(each) - 1
    assert whole == refusals.BURST
    counts = last["tools"]
    assert (last["event"], last["count"]) == ("refusals", MANY - whole)
    assert counts == {"delete_app": MANY - whole - 1, "update_app": 1}
    assert verify(folder).problems == []


async def test_a_flood_of_one_caller_counts_none_of_another(log: AuditLog, folder: Path) -> None:
    await refuse(log, MANY)
    await log.refused(replace(CALL, caller=Caller(issuer="issuer", subject="ada")), "No.")
    assert lines_of(folder)[-1]["caller"] == {"issuer": "issuer", "subject": "ada"}


async def test_the_count_stands_before_the_next_call(log: AuditLog, folder: Path) -> None:
    await refuse(log, MANY)
    await record(log)
    assert events(folder)[-3:] == ["refusals", "intent", "outcome"]


async def test_a_count_is_written_while_refusals_go_on(
    log: AuditLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "SECONDS_COUNTED", 0.0)
    await refuse(log, refusals.BURST + 2)
    assert events(folder)[-1] == "refusals"


async def test_after_a_while_refusals_are_recorded_whole_again(
    log: AuditLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refuse(log, refusals.BURST)
    monkeypatch.setattr(refusals, "SECONDS_EACH", 0.0001)
    await refuse(log, 5)
    assert events(folder)[-1] == "refusal"


async def test_a_count_is_shown_readably(log: AuditLog, folder: Path) -> None:
    await refuse(log, MANY)
    await log.aclose()
    last = files_of(folder)[-1].read_bytes().splitlines()[-1]
    assert readable(last).endswith(f"{MANY - refusals.BURST} more calls refused: delete_app 450")
