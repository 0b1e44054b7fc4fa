"""What the service says about stored secrets, and what recovery makes of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from tools.secrets.faults import (
    CONFIDENTIAL,
    CREATE,
    START,
    FaultyStore,
    Watched,
    drifting,
    journal,
    reported,
    rotating,
    storing,
)

from connected_apps_tools import ToolContext, errors
from connected_apps_tools.secrets import journal as journal_module
from connected_apps_tools.secrets.checking import CheckedSecret, check_stored
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.stores import Which
from connected_apps_tools.storage.errors import StoreError

INTROSPECT = "POST introspect"


async def check(
    lifecycle: SecretLifecycle, client_id: str, which: Which = "current"
) -> CheckedSecret:
    return await check_stored(lifecycle.api, lifecycle.store, client_id, which)


async def test_both_secrets_of_a_rotation_are_alive(project: ToolContext) -> None:
    client_id, _ = await rotating(project.secrets)
    assert (await check(project.secrets, client_id)).state == "alive"
    assert (await check(project.secrets, client_id, "next")).state == "alive"


async def test_a_secret_that_was_replaced_elsewhere_is_dead(project: ToolContext) -> None:
    client_id, _ = await rotating(project.secrets)
    await project.api.complete_rotation(client_id)
    assert (await check(project.secrets, client_id)).state == "dead"
    assert (await check(project.secrets, client_id, "next")).state == "alive"


async def test_a_secret_of_a_deleted_app_is_dead(project: ToolContext) -> None:
    client_id, _ = await rotating(project.secrets)
    await project.api.delete(client_id)
    assert (await check(project.secrets, client_id)).state == "dead"


async def test_a_secret_that_is_not_stored_is_unknown_and_nothing_is_sent(
    project: ToolContext, wire: Watched
) -> None:
    checked = await check(project.secrets, "app", "next")
    assert (checked.state, checked.why) == ("unknown", "No next secret is stored here.")
    assert wire.calls == []


async def test_a_secret_that_cannot_be_read_is_unknown(wire: Watched, tmp_path: Path) -> None:
    async with storing(wire, tmp_path, FaultyStore(tmp_path, get=StoreError("no"))) as lifecycle:
        checked = await check(lifecycle, "app")
    assert checked.state == "unknown"
    assert "cannot be read" in checked.why


@pytest.mark.parametrize(
    ("fault", "transient"),
    [
        (httpx2.Response(404, json={"error_type": "route_not_found"}), False),
        (httpx2.Response(404, text="<html>"), False),
        (httpx2.Response(500), True),
        (httpx2.ConnectError("refused"), True),
    ],
    ids=["no such route", "a page", "a failure", "no connection"],
)
async def test_where_the_service_does_not_say_the_secret_could_not_be_checked(
    project: ToolContext, wire: Watched, fault: httpx2.Response | Exception, transient: bool
) -> None:
    client_id, secret = await rotating(project.secrets)
    wire.before[INTROSPECT] = fault
    checked = await check(project.secrets, client_id, "next")
    assert checked.state == "unknown"
    assert "could not be checked" in checked.why
    assert checked.transient is transient
    assert secret
    assert secret.get_secret_value() not in checked.why


async def doubtful(project: ToolContext, wire: Watched) -> str:
    """An app with a stored secret in doubt, as a response with other last four leaves it."""
    wire.after[CREATE] = drifting(client_secret_last_four="none")
    created = await project.secrets.create(CONFIDENTIAL)
    assert created.doubtful
    del wire.after[CREATE]
    return created.app.client_id


def always_showing(wire: Watched, last_four: str) -> None:
    """Let the service show other last four characters than those of the secret."""
    for call in ("POST search", "GET connected"):
        wire.after[call] = _with_last_four(last_four)


def _with_last_four(last_four: str) -> Any:
    def respond(body: dict[str, Any]) -> httpx2.Response:
        for app in [*body.get("connected_apps", []), body.get("connected_app", {})]:
            app["client_secret_last_four"] = last_four
        return httpx2.Response(200, json=body)

    return respond


async def test_recovery_clears_the_doubt_about_a_secret_that_works(
    project: ToolContext, wire: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RECENT", timedelta(0))
    await doubtful(project, wire)
    always_showing(wire, "none")
    assert await reported(project.secrets) == []
    assert journal(tmp_path) == []


async def test_recovery_reports_a_doubtful_secret_that_does_not_work(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    client_id = await doubtful(project, wire)
    always_showing(wire, "none")
    await project.secrets.store.put(client_id, "current", SecretStr("another-secret-1234"))
    (report,) = await reported(project.secrets)
    assert client_id in report
    assert len(journal(tmp_path)) == 1


async def test_recovery_leaves_the_doubt_where_the_service_does_not_say(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    client_id = await doubtful(project, wire)
    always_showing(wire, "none")
    wire.before[INTROSPECT] = httpx2.Response(404, text="<html>")
    (report,) = await reported(project.secrets)
    assert client_id in report
    assert len(journal(tmp_path)) == 1


async def test_recovery_does_not_believe_a_secret_that_looks_redacted(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    def redacted(body: dict[str, Any]) -> httpx2.Response:
        last_four = body["connected_app"]["client_secret_last_four"]
        return drifting(client_secret=f"redacted****{last_four}")(body)

    wire.after[CREATE] = redacted
    created = await project.secrets.create(CONFIDENTIAL)
    assert created.doubtful
    (report,) = await reported(project.secrets)
    assert created.app.client_id in report
    assert len(journal(tmp_path)) == 1


async def test_recovery_does_not_take_the_current_secret_for_the_lost_next_one(
    project: ToolContext, wire: Watched
) -> None:
    client_id, secret = await rotating(project.secrets)
    assert secret
    await project.api.complete_rotation(client_id)
    wire.after[START] = httpx2.ReadError("reset")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.start_rotation(client_id, revealed=False)
    await project.secrets.store.put(client_id, "next", secret)  # it is the current one
    (report,) = await reported(project.secrets)
    assert client_id in report


async def test_where_nothing_is_in_doubt_recovery_asks_the_service_about_no_secret(
    project: ToolContext, wire: Watched
) -> None:
    await rotating(project.secrets)
    wire.after[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.create(CONFIDENTIAL)
    await reported(project.secrets)
    assert INTROSPECT not in wire.calls
