"""A clone: a new app with the settings of another one, which does not change."""

from typing import Any

import httpx2
import pytest
from examples import APP
from mcp import types
from server.people import YES, A, B, Person, Wire, asking
from support import EVERY_SETTING, SHOWN_APP, answer, connected_to, refusal

from connected_apps_tools.safety.policy import Policy


async def settings_of(client: Any, client_id: str) -> dict[str, Any]:
    """The settings of an app that a clone takes over, and its name."""
    app = answer(await client.call_tool("get_app", {"client_id": client_id}))["app"]
    return {name: app.get(name) for name in [*EVERY_SETTING, "client_type"]}


async def test_a_clone_has_every_setting_of_its_source() -> None:
    async with asking(Wire(), Person(YES)) as (client, _):
        new = {"client_type": "first_party", **EVERY_SETTING}
        source = answer(await client.call_tool("create_app", new))["app"]["client_id"]
        arguments = {"client_id": source, "client_name": "Copy"}
        made = answer(await client.call_tool("clone_app", arguments))["app"]["client_id"]
        copy, original = await settings_of(client, made), await settings_of(client, source)
    assert copy == original | {"client_name": "Copy"}
    assert made != source


async def test_what_should_differ_differs() -> None:
    async with asking(Wire(), Person(YES)) as (client, _):
        given = {"client_name": "Copy", "redirect_urls": [B], "access_token_expiry_minutes": 5}
        made = answer(await client.call_tool("clone_app", {"client_id": APP, **given}))["app"]
    assert {name: made[name] for name in given} == given
    assert made["client_type"] == "first_party"


async def test_a_setting_can_be_emptied() -> None:
    async with asking(Wire(), Person(YES)) as (client, _):
        arguments = {"client_id": APP, "client_name": "Copy", "redirect_urls": []}
        made = answer(await client.call_tool("clone_app", arguments))["app"]
    assert made["redirect_urls"] == []


async def test_a_third_party_clone_has_no_first_party_options() -> None:
    async with asking(Wire(), Person(YES)) as (client, _):
        options = {"full_access_allowed": True, "bypass_consent_for_offline_access": True}
        new = {"client_type": "first_party", "client_name": "Own", **options}
        source = answer(await client.call_tool("create_app", new))["app"]["client_id"]
        arguments = {"client_id": source, "client_name": "Copy", "client_type": "third_party"}
        made = answer(await client.call_tool("clone_app", arguments))["app"]
    assert (made["full_access_allowed"], made["bypass_consent_for_offline_access"]) == (False,) * 2


async def test_the_secret_of_a_clone_is_stored_and_not_returned() -> None:
    async with asking(Wire(), Person(YES)) as (client, project):
        arguments = {"client_id": APP, "client_name": "Copy"}
        made = answer(await client.call_tool("clone_app", arguments))
        stored = await project.secrets.store.get(made["app"]["client_id"])
    assert stored
    assert "value" not in made["client_secret"]
    assert made["client_secret"]["last_four"] == stored.last_four


@pytest.mark.parametrize(
    ("answered", "shown"), [(YES, True), (types.ElicitResult(action="decline"), False)]
)
async def test_a_person_is_asked_before_the_secret_of_a_clone_is_shown(
    answered: types.ElicitResult, *, shown: bool
) -> None:
    wire, person = Wire(), Person(answered)
    arguments = {"client_id": APP, "client_name": "Copy", "reveal_secret": True}
    async with asking(wire, person) as (client, _):
        result = await client.call_tool("clone_app", arguments)
    assert len(person.questions) == 1
    assert result.is_error is not shown
    assert bool(wire.writes) is shown


async def test_a_protected_app_can_be_cloned() -> None:
    policy = Policy.model_validate({"protected_apps": {"client_ids": [APP], "names": ["Mine"]}})
    async with asking(Wire(), Person(YES), policy=policy) as (client, _):
        arguments = {"client_id": APP, "client_name": "Copy"}
        assert answer(await client.call_tool("clone_app", arguments))["app"]["redirect_urls"] == [A]


async def test_the_policy_judges_a_clone_like_any_new_app() -> None:
    wire, policy = Wire(), Policy(redirect_hosts=("corp.example",))
    async with asking(wire, Person(YES), policy=policy) as (client, _):
        arguments = {"client_id": APP, "client_name": "Copy"}
        result = refusal(await client.call_tool("clone_app", arguments))
    assert result["error"] == "PolicyRefusal"
    assert wire.writes == []


async def test_a_dry_run_shows_what_would_be_sent() -> None:
    wire = Wire()
    async with asking(wire, Person(YES)) as (client, _):
        arguments = {"client_id": APP, "client_name": "Copy", "dry_run": True}
        result = answer(await client.call_tool("clone_app", arguments))
    planned = result["would_send"]
    assert result["untrusted"] == ["redirect_urls"]  # the caller wrote the name
    assert planned["method"] == "POST"
    assert planned["body"]["redirect_urls"] == [A]
    assert planned["body"]["client_name"] == "Copy"
    assert wire.writes == []


async def test_an_app_that_is_not_there_cannot_be_cloned() -> None:
    async with asking(Wire(), Person(YES)) as (client, _):
        arguments = {"client_id": "connected-app-test-none", "client_name": "Copy"}
        result = refusal(await client.call_tool("clone_app", arguments))
    assert result["error"] == "connected_app_not_found"


async def test_settings_that_no_new_app_can_have_are_refused_by_name() -> None:
    """A source that the service shows with another type of client than the four known ones."""
    body = {"status_code": 200, "request_id": "r"}
    odd = SHOWN_APP | {"client_type": "fifth_party"}

    def show(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=body | {"connected_app": odd})

    async with connected_to(show) as client:
        arguments = {"client_id": "app", "client_name": "Copy"}
        result = refusal(await client.call_tool("clone_app", arguments))
    assert result["error"] == "InvalidRequest"
    assert "client_type" in result["message"]
