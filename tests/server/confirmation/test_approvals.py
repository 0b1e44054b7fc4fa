"""Approvals and used answers, whatever a crash, a clock or a flood does to their files."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connected_apps_mcp.callers import Caller
from connected_apps_mcp.confirmation.approvals import (
    KIND,
    LIFETIME,
    MAX_OF_ONE_APP,
    MAX_WAITING,
    USED_ANSWER,
    Approvals,
    PendingCall,
    ProjectLabel,
    _now,
)
from connected_apps_tools.safety.question import Question, digest
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import FolderState

pytestmark = pytest.mark.usefixtures("_folders_of_each_system")

PROJECT = ProjectLabel("project-test-mine", "test")


def pending(tool: str = "delete_app", client_id: str = "mine", **more: Any) -> PendingCall:
    question = Question("Do it?", [("Client id", client_id)], "Then it is done.", "state")
    call = tool, {"client_id": client_id, **more}
    return PendingCall.of(PROJECT, Caller.of_process(), call, question)


def approve(approvals: Approvals, call: PendingCall) -> None:
    """Let a call wait, and approve it."""
    approvals.add(call)
    assert approvals.approve(call)


@pytest.fixture
def approvals(tmp_path: Path) -> Approvals:
    return Approvals(FolderState(tmp_path).records(KIND))


@pytest.fixture
def place(approvals: Approvals) -> Path:
    """The folder of the records."""
    return Path(approvals.place)


def test_an_approval_holds_for_the_call_that_was_shown_and_not_for_its_id(
    approvals: Approvals,
) -> None:
    shown, other = pending("update_app"), pending("delete_app")
    approve(approvals, shown.model_copy(update={"id": other.id}))
    assert not approvals.use_approval(other)


@pytest.mark.parametrize(
    "differs",
    [
        {"project_id": "project-test-other"},
        {"environment": "live"},
        {"caller": {"user": "other"}},
        {"tool": "update_app"},
        {"arguments": {"client_id": "other"}},
        {"state": "another state"},
        {"question": "Another question?"},
    ],
)
def test_every_part_of_a_call_is_compared(approvals: Approvals, differs: dict[str, Any]) -> None:
    call = pending()
    approve(approvals, call.model_copy(update=differs))
    assert not approvals.use_approval(call)


def test_an_approval_is_used_once(approvals: Approvals) -> None:
    approve(approvals, pending())
    assert [approvals.use_approval(pending()), approvals.use_approval(pending())] == [True, False]


def test_who_approves_late_approves_no_second_call(approvals: Approvals) -> None:
    call = pending()
    approve(approvals, call)
    assert approvals.use_approval(call)
    assert not approvals.approve(call)
    assert not approvals.use_approval(call)


def test_a_call_that_was_declined_meanwhile_is_not_approved(approvals: Approvals) -> None:
    call = pending()
    approvals.add(call)
    assert [approvals.remove(call), approvals.remove(call)] == [True, False]
    assert not approvals.approve(call)
    assert list(approvals) == []


def test_a_call_that_has_expired_is_not_approved(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = pending()
    approvals.add(call)
    later = _now() + LIFETIME + timedelta(seconds=1)
    monkeypatch.setattr("connected_apps_mcp.confirmation.approvals._now", lambda: later)
    assert not approvals.approve(call)


def test_an_id_and_a_digest_have_256_bits() -> None:
    assert len(pending().id) == len(digest("anything")) == 64


def test_a_pending_call_names_the_project_and_its_environment(approvals: Approvals) -> None:
    approvals.add(pending())
    (stored,) = approvals
    assert (stored.project_id, stored.environment) == ("project-test-mine", "test")


@pytest.mark.parametrize("left", ["", "2026-", "not a time", "2026-01-01T00:00:00"])
def test_a_damaged_mark_counts_as_used_and_stops_no_other_answer(
    approvals: Approvals, place: Path, left: str
) -> None:
    approvals.use_answer("first")
    (place / f"{USED_ANSWER}damaged").write_text(left)
    assert [approvals.use_answer("damaged"), approvals.use_answer("new")] == [False, True]


def test_a_clock_that_jumps_ahead_lets_no_answer_count_twice(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert approvals.use_answer("answer")
    now = _now() + timedelta(days=1)
    monkeypatch.setattr("connected_apps_mcp.confirmation.approvals._now", lambda: now)
    assert approvals.use_answer("another")
    assert not approvals.use_answer("answer")


def test_marks_are_removed_once_they_are_old_by_both_clocks(
    approvals: Approvals, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approvals.use_answer("answer")
    approvals.use_answer("seen")
    later = _now() + 3 * LIFETIME
    monkeypatch.setattr("connected_apps_mcp.confirmation.approvals._now", lambda: later)
    monotonic = time.monotonic() + 3 * LIFETIME.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: monotonic)
    approvals.use_answer("new")
    left = {path.name for path in place.iterdir()}
    assert left == {f"{USED_ANSWER}seen", f"{USED_ANSWER}new"}


def test_a_clock_that_is_set_back_makes_no_approval_last_longer(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(approvals, pending())
    assert len(list(approvals)) == 1
    monotonic = time.monotonic() + LIFETIME.total_seconds() + 1
    monkeypatch.setattr(time, "monotonic", lambda: monotonic)
    assert not approvals.use_approval(pending())


@pytest.mark.parametrize(("seconds", "counts"), [(50, True), (70, False)])
def test_an_approval_counts_where_a_clock_is_behind_by_a_minute_at_most(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch, seconds: int, *, counts: bool
) -> None:
    approve(approvals, pending())
    behind = _now() - timedelta(seconds=seconds)
    monkeypatch.setattr("connected_apps_mcp.confirmation.approvals._now", lambda: behind)
    assert approvals.use_approval(pending()) is counts


@pytest.mark.parametrize("left", ["", "0123", "not hexadecimal, and of thirty-two"])
def test_an_identity_that_a_crash_left_damaged_is_refused(
    approvals: Approvals, place: Path, left: str
) -> None:
    approvals.use_answer("any")
    (place / ".identity").write_text(left)
    with pytest.raises(StoreError, match=r"\.identity in .* is damaged: remove it"):
        approvals.identity()


def test_the_identity_of_a_folder_stays(approvals: Approvals, tmp_path: Path) -> None:
    again = Approvals(FolderState(tmp_path).records(KIND))
    assert approvals.identity() == again.identity()


def test_a_flood_on_one_app_pushes_out_its_own_calls_alone(approvals: Approvals) -> None:
    approvals.add(pending(client_id="victim"))
    for number in range(3 * MAX_OF_ONE_APP):
        approvals.add(pending(client_id="flooded", number=number))
    about = [each.subject for each in approvals]
    assert about.count("flooded") == MAX_OF_ONE_APP
    assert about.count("victim") == 1


def test_calls_on_many_apps_push_out_those_of_the_app_with_the_most(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connected_apps_mcp.confirmation.approvals.MAX_WAITING", 6)
    approvals.add(pending(client_id="victim"))
    for number in range(3):
        approvals.add(pending(client_id="busy", number=number))
    for number in range(4):
        approvals.add(pending(client_id=f"app-{number}"))
    about = [each.subject for each in approvals]
    assert len(about) == 6 < MAX_WAITING
    assert "victim" in about
    assert about.count("busy") == 1


def test_an_approved_call_is_never_pushed_out(approvals: Approvals) -> None:
    approve(approvals, pending())
    for number in range(2 * MAX_OF_ONE_APP):
        approvals.add(pending(number=number))
    assert approvals.use_approval(pending())


def test_arguments_that_no_person_reads_do_not_wait(approvals: Approvals) -> None:
    with pytest.raises(StoreError, match="the arguments are longer than 262144 characters"):
        approvals.add(pending(long="x" * 262144))


def test_a_data_folder_that_others_can_write_later_is_refused_when_it_is_used(
    approvals: Approvals, place: Path
) -> None:
    approve(approvals, pending())
    os.chmod(place.parent, 0o777)  # noqa: PTH101, S103 - the fault itself
    with pytest.raises(StoreError, match="can be written by other users"):
        approvals.use_approval(pending())
