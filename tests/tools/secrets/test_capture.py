"""A secret in a response that is not what the API defines."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tools.secrets.faults import (
    CONFIDENTIAL,
    CREATE,
    GET,
    START,
    FaultyStore,
    Watched,
    alive,
    apps,
    assert_stored_and_valid,
    drifting,
    journal,
    reported,
    storing,
)

from connected_apps_tools import ToolContext, errors
from connected_apps_tools.api.models import CreateAppRevealing
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.redaction import REDACTOR

REVEALING = CreateAppRevealing(client_type="first_party", reveal_secret=True)


def spelled(change: Callable[[str], str]) -> Callable[[dict[str, Any]], httpx2.Response]:
    """A response with a changed text."""
    return lambda body: httpx2.Response(200, content=change(json.dumps(body)).encode())


ODDLY: dict[str, Callable[[str], str]] = {
    "an escaped key": lambda text: text.replace('"client_secret"', r'"client\u005fsecret"'),
    "a byte order mark": lambda text: f"\ufeff{text}",
    "garbage after the JSON": lambda text: f"{text}<!-- cache hit -->",
    "garbage before the JSON": lambda text: f")]}}'\n{text}",
    "an end that is cut off": lambda text: text[:-2],
    "another object before it": lambda text: '{"cache": "hit"}\n' + text,
    "braces before it": lambda text: f"<style>p {{ color: red }}</style>{text}",
    "a line break in a text": lambda text: text.replace('"status": "', '"status": "\n'),
    "half a character": lambda text: text.replace('"status": "', r'"status": "\ud800'),
    "an envelope more": lambda text: f'{{"data": {text}}}',
}


async def test_a_secret_beside_a_missing_field_is_stored_and_the_app_named(
    project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = drifting(status=None)
    with pytest.raises(errors.UnexpectedAnswer, match=r"without the expected .*status") as caught:
        await project.secrets.create(CONFIDENTIAL)
    (client_id,) = await apps(project.secrets)
    assert client_id in str(caught.value.hint)
    await assert_stored_and_valid(project.secrets, wire, client_id)


async def test_a_next_secret_beside_a_missing_field_is_stored(
    project: ToolContext, wire: Watched
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    wire.after[START] = drifting(client_type=None)
    with pytest.raises(errors.UnexpectedAnswer):
        await project.secrets.start_rotation(client_id, revealed=False)
    await assert_stored_and_valid(project.secrets, wire, client_id, "next")


async def test_a_call_is_undone_if_no_store_takes_the_salvaged_secret(
    wire: Watched, tmp_path: Path
) -> None:
    wire.after[CREATE] = drifting(status=None)
    store = FaultyStore(tmp_path / "s", put=StoreError("full"))
    async with storing(wire, tmp_path, store) as lifecycle:
        with pytest.raises(errors.SecretNotKept, match="deleted again"):
            await lifecycle.create(CONFIDENTIAL)
        assert await apps(lifecycle) == []


@pytest.mark.parametrize("drifted", ["", "short", "*" * 48, "x" * 48])
async def test_a_value_that_cannot_be_a_secret_is_not_stored(
    project: ToolContext, wire: Watched, drifted: str
) -> None:
    wire.after[CREATE] = drifting(client_secret=drifted)
    created = await project.secrets.create(CONFIDENTIAL)
    assert created.secret is None
    (report,) = await reported(project.secrets)
    assert created.app.client_id in report


async def test_a_value_that_cannot_be_a_secret_is_not_salvaged(
    project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = drifting(status=None, client_secret="*" * 12)
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert "cannot be its secret" in str(caught.value.hint)
    assert await project.secrets.store.entries() == []
    (client_id,) = await apps(project.secrets)
    (report,) = await reported(project.secrets)
    assert client_id in report


async def test_last_four_in_another_form_do_not_lose_the_secret(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    def redacted(body: dict[str, Any]) -> httpx2.Response:
        last_four = body["connected_app"]["client_secret_last_four"]
        return drifting(client_secret_last_four=f"****{last_four}")(body)

    wire.after[CREATE] = redacted
    created = await project.secrets.create(CONFIDENTIAL)
    assert created.secret
    assert not created.doubtful
    assert await alive(wire, created.app.client_id, created.secret.get_secret_value())
    assert journal(tmp_path) == []


@pytest.mark.parametrize("status", ["active", None], ids=["as promised", "drifting"])
async def test_a_doubtful_secret_is_stored_and_its_intent_stays(
    project: ToolContext, wire: Watched, tmp_path: Path, status: str | None
) -> None:
    wire.after[CREATE] = drifting(client_secret_last_four="none", status=status)
    if status:
        created = await project.secrets.create(CONFIDENTIAL)
        assert created.doubtful
        assert created.location
    else:
        with pytest.raises(errors.UnexpectedAnswer) as caught:
            await project.secrets.create(CONFIDENTIAL)
        assert "may not be its secret" in str(caught.value.hint)
    (client_id,) = await apps(project.secrets)
    await assert_stored_and_valid(project.secrets, wire, client_id)
    assert len(journal(tmp_path)) == 1


async def test_a_secret_that_looks_redacted_is_doubtful(
    project: ToolContext, wire: Watched
) -> None:
    def redacted(body: dict[str, Any]) -> httpx2.Response:
        last_four = body["connected_app"]["client_secret_last_four"]
        return drifting(client_secret=f"{'*' * 12}{last_four}")(body)

    wire.after[CREATE] = redacted
    assert (await project.secrets.create(CONFIDENTIAL)).doubtful


async def test_a_secret_is_salvaged_however_odd_the_rest_is(
    project: ToolContext, wire: Watched
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    wire.after[START] = drifting(client_id=7, client_secret=[1], client_secret_last_four={})
    with pytest.raises(errors.UnexpectedAnswer):
        await project.secrets.start_rotation(client_id, revealed=False)
    assert await project.secrets.store.get(client_id, "next")


async def test_without_a_store_a_salvaged_secret_is_returned(wire: Watched, tmp_path: Path) -> None:
    wire.after[CREATE] = drifting(status=None)
    async with storing(wire, tmp_path, None) as lifecycle:
        created = await lifecycle.create(REVEALING)
    assert created.secret
    assert await alive(wire, created.app.client_id, created.secret.get_secret_value())
    assert journal(tmp_path) == []


async def test_without_a_store_a_secret_that_cannot_be_returned_is_undone(
    wire: Watched, tmp_path: Path
) -> None:
    wire.after |= {CREATE: drifting(status=None), GET: drifting(status=None)}
    async with storing(wire, tmp_path, None) as lifecycle:
        with pytest.raises(errors.SecretNotKept, match="deleted again") as caught:
            await lifecycle.create(REVEALING)
        assert await apps(lifecycle) == []
    assert "base URL" in str(caught.value.hint)


async def test_without_a_store_an_app_without_a_known_secret_stays_in_the_journal(
    wire: Watched, tmp_path: Path
) -> None:
    wire.after[CREATE] = drifting(client_secret="*" * 12)
    async with storing(wire, tmp_path, None) as lifecycle:
        assert (await lifecycle.create(REVEALING)).secret is None
    assert len(journal(tmp_path)) == 1


@pytest.mark.parametrize("case", ODDLY)
async def test_the_secret_of_a_malformed_response_is_stored(
    case: str, project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = spelled(ODDLY[case])
    with suppress(errors.UnexpectedAnswer):
        await project.secrets.create(CONFIDENTIAL)
    (client_id,) = await apps(project.secrets)
    await assert_stored_and_valid(project.secrets, wire, client_id)


@pytest.mark.parametrize("status", [303, 308, 500, 502])
async def test_a_secret_is_stored_with_any_status_of_its_response(
    status: int, project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = lambda body: httpx2.Response(status, json=body)
    with pytest.raises(errors.UnexpectedAnswer, match=str(status)) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert caught.value.may_have_taken_effect
    (client_id,) = await apps(project.secrets)
    await assert_stored_and_valid(project.secrets, wire, client_id)


async def test_a_secret_with_an_escaped_key_is_redacted(
    project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = spelled(ODDLY["an escaped key"])
    created = await project.secrets.create(CONFIDENTIAL)
    assert created.secret
    assert REDACTOR.contains_secret(created.secret.get_secret_value())


@pytest.mark.parametrize("client_id", ["", None, 7])
async def test_a_secret_without_an_app_is_stored_for_the_matching_one(
    client_id: object, project: ToolContext, wire: Watched
) -> None:
    wire.after[CREATE] = drifting(client_id=client_id)
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    (created,) = await apps(project.secrets)
    assert created in str(caught.value.hint)
    await assert_stored_and_valid(project.secrets, wire, created)


async def test_a_secret_that_matches_no_app_is_stored_and_listed_under_another_name(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    wire.after[CREATE] = drifting(client_id="")
    wire.before["POST search"] = httpx2.Response(500)
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        await project.secrets.create(CONFIDENTIAL)
    (entry,) = await project.secrets.store.entries()
    assert entry.key.client_id.startswith("unidentified-")
    assert entry.key.client_id in str(caught.value.hint)
    assert "secrets list" in str(caught.value.hint)
    assert len(journal(tmp_path)) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_create_with_a_redirect_leaves_its_intent(
    status: int, project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    wire.after[CREATE] = lambda _: httpx2.Response(status)
    with pytest.raises(errors.UnexpectedAnswer, match=str(status)) as caught:
        await project.secrets.create(CONFIDENTIAL)
    assert caught.value.may_have_taken_effect
    (created,) = await apps(project.secrets)
    assert created in str(caught.value.hint)
    assert len(journal(tmp_path)) == 1


async def test_a_next_secret_is_stored_for_the_requested_app(
    project: ToolContext, wire: Watched
) -> None:
    created = await project.secrets.create(CONFIDENTIAL)
    wire.after[START] = drifting(client_id="connected-app-test-another")
    with pytest.raises(errors.UnexpectedAnswer, match="for another app") as caught:
        await project.secrets.start_rotation(created.app.client_id, revealed=False)
    assert caught.value.may_have_taken_effect
    assert await project.secrets.store.get(created.app.client_id, "next")


async def test_the_right_one_of_two_secrets_is_salvaged(
    project: ToolContext, wire: Watched
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    wire.after[START] = drifting(status=None, client_secret="x" * 48)
    with pytest.raises(errors.UnexpectedAnswer):
        await project.secrets.start_rotation(client_id, revealed=False)
    await assert_stored_and_valid(project.secrets, wire, client_id, "next")
