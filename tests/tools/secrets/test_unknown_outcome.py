"""Creates without a response: which app may be theirs."""

from datetime import timedelta

import httpx2
import pytest
from tools.secrets.faults import CONFIDENTIAL, CREATE, Watched, apps, reported

from connected_apps_tools import ToolContext, errors
from connected_apps_tools.api.models import CreateApp
from connected_apps_tools.secrets import journal as journal_module
from connected_apps_tools.secrets import unknown_outcome


async def test_an_unknown_outcome_is_reported_with_matching_apps_and_not_repeated(
    project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert wire.calls.count(CREATE) == 1
    (client_id,) = await apps(project.secrets)
    assert client_id in str(caught.value.hint)
    assert "start_secret_rotation" in str(caught.value.hint)
    (report,) = await reported(project.secrets)
    assert client_id in report


async def test_an_unknown_outcome_without_a_trace_is_reported_as_such(
    project: ToolContext, wire: Watched
) -> None:
    wire.before[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert "no trace of it" in str(caught.value.hint)
    (report,) = await reported(project.secrets)
    assert "may still take effect" in report


async def test_an_app_that_appears_late_is_reported_then(
    project: ToolContext, wire: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.before[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.create(CONFIDENTIAL)
    assert await reported(project.secrets)
    del wire.before[CREATE]
    late = await project.api.create(CONFIDENTIAL)
    monkeypatch.setattr(journal_module, "RECENT", timedelta(0))
    (report,) = await reported(project.secrets)
    assert late.connected_app.client_id in report
    await project.api.delete(late.connected_app.client_id)
    (report,) = await reported(project.secrets)
    assert "unless the service has changed the name" in report
    assert await reported(project.secrets) == []


async def test_an_unknown_outcome_that_cannot_be_checked_is_reported_as_such(
    project: ToolContext, wire: Watched
) -> None:
    wire.before |= {
        CREATE: httpx2.ReadTimeout("late"),
        "POST search": httpx2.ConnectError("refused"),
    }
    with pytest.raises(errors.NoAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert "checking that failed" in str(caught.value.hint)
    (report,) = await reported(project.secrets)
    assert "could not be checked" in report


async def test_apps_with_a_stored_secret_are_not_reported_as_lost(
    project: ToolContext, wire: Watched
) -> None:
    created = await project.secrets.create(CONFIDENTIAL)
    wire.before[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert created.app.client_id not in str(caught.value.hint)


async def test_a_search_that_is_too_long_is_reported(
    project: ToolContext, wire: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_outcome, "MAX_PAGES", 0)
    wire.after[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.create(CONFIDENTIAL)
    (report,) = await reported(project.secrets)
    assert "could not be checked" in report


async def test_only_a_few_of_many_matching_apps_are_named(
    project: ToolContext, wire: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_outcome, "MAX_NAMED", 3)
    for _ in range(10):
        await project.api.create(CONFIDENTIAL)
    wire.after[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.create(CONFIDENTIAL)
    (report,) = await reported(project.secrets)
    assert report.count("connected-app-test-") == 3
    assert "or one of 8 more" in report


async def test_an_app_with_a_name_normalized_by_the_service_matches(
    project: ToolContext, wire: Watched
) -> None:
    wire.before[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.create(
            CreateApp(client_type="first_party", client_name=" Billing  APP ")
        )
    del wire.before[CREATE]
    tidied = CreateApp(client_type="first_party", client_name="Billing App")
    client_id = (await project.api.create(tidied)).connected_app.client_id
    (report,) = await reported(project.secrets)
    assert client_id in report
