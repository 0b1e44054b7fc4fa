"""A person is asked before what cannot be undone: each tool, in each era, with every answer."""

import itertools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio import wait_all_tasks_blocked
from examples import APP
from mcp import Client, MCPError, types
from mcp.server.request_state import RequestStateSecurity
from server.people import CONFIRMED, NO, YES, A, B, Person, Wire, asking, rotating, wire_for
from support import ERAS, answer, json_of, refusal

from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_mcp.confirmation.confirm import Mode
from connected_apps_tools.api.models import UpdateApp
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.storage.records import FolderState


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("case", CONFIRMED)
async def test_what_a_person_accepts_is_done(case: str, era: str) -> None:
    tool, arguments, prepare = CONFIRMED[case]
    wire, person = wire_for(tool), Person(YES)
    async with asking(wire, person, era) as (client, project):
        await prepare(project)
        wire.writes.clear()
        answer(await client.call_tool(tool, arguments))
    assert len(person.questions) == 1
    assert wire.writes


NO_YES: dict[str, Any] = {
    "decline": types.ElicitResult(action="decline"),
    "cancel": types.ElicitResult(action="cancel"),
    "no": types.ElicitResult(action="accept", content={"confirm": False}),
    "nothing": types.ElicitResult(action="accept", content={}),
    "no content": types.ElicitResult(action="accept"),
    "a word": types.ElicitResult(action="accept", content={"confirm": "true"}),
    "a number": types.ElicitResult(action="accept", content={"confirm": 1}),
    "more than a yes": types.ElicitResult(
        action="accept", content={"confirm": True, "tool": "delete_app"}
    ),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("given", NO_YES)
@pytest.mark.parametrize("case", CONFIRMED)
async def test_without_a_yes_nothing_happens_and_that_is_said(
    case: str, given: str, era: str
) -> None:
    tool, arguments, prepare = CONFIRMED[case]
    wire, person = wire_for(tool), Person(NO_YES[given])
    async with asking(wire, person, era) as (client, project):
        await prepare(project)
        wire.writes.clear()
        result = refusal(await client.call_tool(tool, arguments))
    assert result["error"] == "NotConfirmed"
    assert result["message"].startswith("Nothing was done: ")
    assert wire.writes == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_fails_to_ask_does_not_agree(era: str) -> None:
    wire = Wire()
    person = Person(types.ErrorData(code=-32000, message="broken"))
    async with asking(wire, person, era) as (client, _):
        if era == "legacy":
            result = await client.call_tool("delete_app", {"client_id": APP})
            assert refusal(result)["error"] == "NotConfirmed"
        else:  # a current client breaks off, before it asks the server again
            with pytest.raises(MCPError, match="broken"):
                await client.call_tool("delete_app", {"client_id": APP})
    assert len(person.questions) == 1
    assert wire.writes == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_reveal_of_a_kept_secret_is_asked_about(era: str) -> None:
    wire, person = Wire(), Person(YES, NO_YES["decline"])
    async with asking(wire, person, era) as (client, project):
        await rotating(project)
        arguments = {"client_id": APP, "which": "next"}
        assert answer(await client.call_tool("reveal_client_secret", arguments))["value"]
        assert refusal(await client.call_tool("reveal_client_secret", arguments))["message"]
    assert len(person.questions) == 2


HARMLESS = [
    ("get_app", {"client_id": APP}),
    ("create_app", {"client_type": "first_party"}),
    ("update_app", {"client_id": APP, "client_name": "New", "access_token_expiry_minutes": 59}),
    ("update_app", {"client_id": APP, "add_redirect_urls": ["https://a.example/other"]}),
    ("update_app", {"client_id": APP, "full_access_allowed": False}),
    ("delete_app", {"client_id": APP, "dry_run": True}),
    ("start_secret_rotation", {"client_id": APP}),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("tool", "arguments"), HARMLESS)
async def test_what_is_harmless_is_not_asked_about(
    tool: str, arguments: dict[str, Any], era: str
) -> None:
    person = Person()
    async with asking(Wire(), person, era, confirm="always") as (client, _):
        answer(await client.call_tool(tool, arguments))
    assert person.questions == []


async def test_a_question_shows_what_a_person_needs() -> None:
    person = Person(NO_YES["decline"])
    async with asking(Wire(), person) as (client, project):
        await client.call_tool("delete_app", {"client_id": APP})
        project_id = project.api.project_id
    (question,) = person.questions
    assert question.splitlines() == [
        "Delete this app? This cannot be undone.",
        f"Project: {project_id} (sandbox)",
        'App: "Mine"',
        "Type: first_party",
        f"Client id: {APP}",
        "Redirect hosts: a.example",
        (
            "Its client id and secrets stop working at once and cannot be restored; tokens already "
            "issued may stay valid until they expire."
        ),
    ]


async def test_the_question_of_an_update_shows_before_and_after() -> None:
    person = Person(NO_YES["decline"])
    arguments = {"client_id": APP, "redirect_urls": [B], "access_token_expiry_minutes": 600}
    async with asking(Wire(), person) as (client, _):
        await client.call_tool("update_app", arguments)
    asked = person.questions[0].splitlines()
    assert "Redirect host added: b.example" in asked
    assert f"Redirect URL removed: {A}" in asked
    assert "Access tokens live longer: 60 → 600 minutes" in asked


async def test_a_question_of_too_many_facts_says_how_many_more_there_are() -> None:
    person = Person(NO_YES["decline"])
    urls = [f"https://{number}.example/" for number in range(100)]
    async with asking(Wire(), person) as (client, _):
        await client.call_tool("update_app", {"client_id": APP, "redirect_urls": urls})
    asked = person.questions[0].splitlines()
    assert len(asked) == 53
    assert asked[-2] == "And 56 more facts, too many to show."


async def test_the_question_of_a_rotation_names_the_secret_that_dies() -> None:
    person = Person(NO_YES["decline"])
    async with asking(Wire(), person) as (client, project):
        await rotating(project)
        app = (await project.api.get(APP)).connected_app
        await client.call_tool("complete_secret_rotation", {"client_id": APP})
    assert f"Secret that ends: …{app.client_secret_last_four}" in person.questions[0]
    assert f"Secret that stays: …{app.next_client_secret_last_four}" in person.questions[0]


@pytest.mark.parametrize("era", ERAS)
async def test_an_app_that_changed_meanwhile_is_asked_about_again(era: str) -> None:
    wire = Wire()
    async with asking(wire, None) as (_, elsewhere):

        async def change_and_agree() -> types.ElicitResult:
            await elsewhere.api.update(UpdateApp(client_id=APP, redirect_urls=[B]))
            return YES

        person = Person(change_and_agree, NO_YES["decline"])
        async with asking(wire, person, era) as (client, _):
            result = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert result["error"] == "NotConfirmed"
    assert "Redirect hosts: a.example" in person.questions[0]
    assert person.questions[1].startswith("The app has changed since you were asked.")
    assert "Redirect hosts: b.example" in person.questions[1]
    assert [write for write in wire.writes if write.startswith("DELETE")] == []


class HeldUp(Wire):
    """A wire on which the first write waits."""

    def __init__(self) -> None:
        super().__init__()
        self.released = anyio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "PUT":
            await self.released.wait()
        return await super().handle_async_request(request)


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_waits_for_another_asks_about_the_app_as_that_one_left_it(
    era: str,
) -> None:
    wire, person = HeldUp(), Person(NO_YES["decline"])
    result: dict[str, Any] = {}

    async def set_urls(*urls: str) -> None:
        arguments = {"client_id": APP, "redirect_urls": list(urls)}
        result[urls[-1]] = json_of(await client.call_tool("update_app", arguments))

    async with asking(wire, person, era) as (client, _), anyio.create_task_group() as calls:
        calls.start_soon(set_urls, A, f"{A}/other")
        await wait_all_tasks_blocked()
        calls.start_soon(set_urls, A)  # which changes nothing yet, and removes a URL by then
        await wait_all_tasks_blocked()
        wire.released.set()
    assert result[f"{A}/other"]["changes"]
    assert result[A]["error"] == "NotConfirmed"
    assert f"Redirect URL removed: {A}/other" in person.questions[0]
    assert len(wire.writes) == 1


async def test_a_rotation_that_is_not_under_way_is_not_completed() -> None:
    """Another one may begin at any moment, and nobody would have been asked about it."""
    wire, person = Wire(), Person()
    async with asking(wire, person) as (client, _):
        arguments = {"client_id": APP, "force": True, "reason": "It is known elsewhere."}
        result = refusal(await client.call_tool("complete_secret_rotation", arguments))
    assert "no rotation of this app is under way" in result["message"]
    assert wire.writes == []
    assert person.questions == []


READS: dict[str, tuple[str, dict[str, Any], int, dict[str, Any]]] = {
    "an unasked update": ("update_app", {"client_name": "Other"}, 1, {}),
    "a confirmed update": ("update_app", {"add_redirect_urls": [B]}, 2, {}),
    "a confirmed delete": ("delete_app", {}, 2, {}),
    "a protected name": ("update_app", {"client_name": "Other"}, 1, {"names": ["Another"]}),
    "a protected name, confirmed": ("delete_app", {}, 2, {"names": ["Another"]}),
}
"""The tool, its arguments, how often it looks at the app, and what the policy protects."""


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("case", READS)
async def test_a_call_looks_at_the_app_no_more_often_than_it_has_to(case: str, era: str) -> None:
    tool, arguments, looks, protected = READS[case]
    wire, person = Wire(), Person(YES)
    policy = Policy.model_validate({"protected_apps": protected} if protected else {})
    async with asking(wire, person, era, policy=policy) as (client, _):
        answer(await client.call_tool(tool, {"client_id": APP, **arguments}))
    assert len(wire.looks) == looks
    assert len(wire.writes) == 1
    assert len(person.questions) == looks - 1


async def test_an_unasked_delete_looks_once_and_writes_once() -> None:
    wire = Wire()
    async with asking(wire, None) as (client, _):
        answer(await client.call_tool("delete_app", {"client_id": APP}))
    assert len(wire.looks) == 1
    assert len(wire.writes) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_is_asked_three_times_at_the_most(era: str) -> None:
    wire = Wire()
    async with asking(wire, None) as (_, elsewhere):
        count = itertools.count()

        async def change_and_agree() -> types.ElicitResult:
            change = UpdateApp(client_id=APP, client_name=f"Name {next(count)}")
            await elsewhere.api.update(change)
            return YES

        person = Person(*[change_and_agree] * 10)
        async with asking(wire, person, era) as (client, _):
            result = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert result["message"] == (
        "Nothing was done: the app kept changing while the question was open."
    )
    assert len(person.questions) == 3
    assert "DELETE" not in json.dumps(wire.writes)


IN_VAIN: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a forbidden update": (
        "update_app",
        {"add_redirect_urls": [B]},
        {"redirect_hosts": ["a.example"]},
    ),
    "a protected app": ("delete_app", {}, {"protected_apps": {"client_ids": [APP]}}),
    "an app of a protected name": ("delete_app", {}, {"protected_apps": {"names": ["Mi\u202ene"]}}),
    "another version to update": ("update_app", {"redirect_urls": [], "if_unchanged": "x"}, {}),
    "another version to delete": ("delete_app", {"if_unchanged": "x"}, {}),
    "a next secret that is not kept": ("complete_secret_rotation", {}, {}),
}
"""The tool, its arguments, and the policy."""


@pytest.mark.parametrize("case", IN_VAIN)
async def test_nobody_is_asked_about_what_would_be_refused(case: str) -> None:
    tool, arguments, rules = IN_VAIN[case]
    person, policy = Person(), Policy.model_validate(rules)
    async with asking(Wire(), person, policy=policy) as (client, project):
        await project.api.start_rotation(APP)
        refusal(await client.call_tool(tool, {"client_id": APP, **arguments}))
    assert person.questions == []


async def test_nobody_is_asked_to_show_the_secret_of_a_forbidden_app() -> None:
    person = Person()
    async with asking(Wire(), person, policy=Policy(client_types=("third_party",))) as (client, _):
        tool, arguments, _ = CONFIRMED["reveal at creation"]
        refusal(await client.call_tool(tool, arguments))
    assert person.questions == []


@pytest.mark.parametrize("era", ERAS)
async def test_what_was_declined_is_not_done_where_nobody_has_to_agree_by_now(era: str) -> None:
    wire = Wire()
    async with asking(wire, None) as (_, elsewhere):

        async def change_and_decline() -> types.ElicitResult:
            await elsewhere.api.update(UpdateApp(client_id=APP, redirect_urls=[A, B]))
            return NO

        arguments = {"client_id": APP, "redirect_urls": [A, B], "client_name": "Other"}
        async with asking(wire, Person(change_and_decline), era) as (client, _):
            result = refusal(await client.call_tool("update_app", arguments))
    assert result["error"] == "NotConfirmed"
    assert len(wire.writes) == 1


async def first_round(
    client: Client, tool: str, arguments: dict[str, Any]
) -> types.InputRequiredResult:
    result = await client.session.call_tool(tool, arguments, allow_input_required=True)
    assert isinstance(result, types.InputRequiredResult)
    return result


async def second_round(
    client: Client, tool: str, arguments: dict[str, Any], state: str | None
) -> Any:
    return await client.session.call_tool(
        tool,
        arguments,
        input_responses={"confirm": YES},
        request_state=state,
        allow_input_required=True,
    )


OTHER = [
    ("delete_app", {"client_id": "connected-app-test-other"}),
    ("update_app", {"client_id": APP, "redirect_urls": []}),
    ("delete_app", {"client_id": APP, "if_unchanged": "x"}),
]


@pytest.mark.parametrize(("tool", "arguments"), OTHER)
async def test_an_answer_holds_for_no_other_tool_and_no_other_arguments(
    tool: str, arguments: dict[str, Any]
) -> None:
    wire = Wire()
    async with asking(wire, Person()) as (client, _):
        asked = await first_round(client, "delete_app", {"client_id": APP})
        with pytest.raises(MCPError, match="requestState"):
            await second_round(client, tool, arguments, asked.request_state)
    assert wire.writes == []


@pytest.mark.parametrize("tamper", ["", "v1.", "x", "{}"])
async def test_a_tampered_state_is_refused(tamper: str) -> None:
    wire = Wire()
    async with asking(wire, Person()) as (client, _):
        asked = await first_round(client, "delete_app", {"client_id": APP})
        state = tamper or (asked.request_state or "")[:-2] + "AA"
        with pytest.raises(MCPError, match="requestState"):
            await second_round(client, "delete_app", {"client_id": APP}, state)
    assert wire.writes == []


async def test_an_answer_without_a_question_is_no_answer() -> None:
    wire = Wire()
    async with asking(wire, Person()) as (client, _):
        result = await second_round(client, "delete_app", {"client_id": APP}, None)
    assert isinstance(result, types.InputRequiredResult)
    assert wire.writes == []


async def test_an_expired_state_is_refused() -> None:
    wire = Wire()
    security = RequestStateSecurity(keys=["k" * 32], ttl=0.05)
    async with asking(wire, Person(), security=security) as (client, _):
        asked = await first_round(client, "delete_app", {"client_id": APP})
        await anyio.sleep(0.1)
        with pytest.raises(MCPError, match="requestState"):
            await second_round(client, "delete_app", {"client_id": APP}, asked.request_state)
    assert wire.writes == []


async def test_an_answer_counts_once() -> None:
    wire = Wire()
    async with asking(wire, Person()) as (client, project):
        await rotating(project)
        arguments = {"client_id": APP, "which": "next"}
        asked = await first_round(client, "reveal_client_secret", arguments)
        answer(await second_round(client, "reveal_client_secret", arguments, asked.request_state))
        again = await second_round(client, "reveal_client_secret", arguments, asked.request_state)
    assert "used already" in refusal(again)["message"]


async def test_processes_that_share_keys_open_each_others_questions(tmp_path: Path) -> None:
    wire = Wire()
    shared: dict[str, Any] = {"folder": tmp_path}
    keys = ["k" * 32]
    async with (
        asking(wire, Person(), security=RequestStateSecurity(keys=keys), **shared) as (one, _),
        asking(wire, Person(), security=RequestStateSecurity(keys=keys), **shared) as (other, _),
    ):
        arguments = {"client_id": APP}
        asked = await first_round(one, "delete_app", arguments)
        answer(await second_round(other, "delete_app", arguments, asked.request_state))
        replayed = await second_round(one, "delete_app", arguments, asked.request_state)
    assert refusal(replayed)["error"] == "connected_app_not_found"
    assert len(wire.writes) == 1


async def test_a_process_with_another_key_refuses_the_state() -> None:
    wire = Wire()
    async with asking(wire, Person()) as (one, _), asking(wire, Person()) as (other, _):
        asked = await first_round(one, "delete_app", {"client_id": APP})
        with pytest.raises(MCPError, match="requestState"):
            await second_round(other, "delete_app", {"client_id": APP}, asked.request_state)
    assert wire.writes == []


@pytest.mark.parametrize("era", ERAS)
async def test_where_the_client_cannot_ask_a_test_project_goes_on(era: str) -> None:
    wire = Wire()
    async with asking(wire, None, era) as (client, _):
        answer(await client.call_tool("delete_app", {"client_id": APP}))
    assert [write.split()[0] for write in wire.writes] == ["DELETE"]
    assert wire.app_as_it_is(APP) == {}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("confirm", "live"), [("auto", True), ("always", False), ("always", True)])
async def test_where_the_client_cannot_ask_it_is_refused_with_the_way_out(
    era: str, confirm: Mode, *, live: bool
) -> None:
    wire = Wire()
    async with asking(wire, None, era, confirm=confirm, live=live) as (client, _):
        result = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert result["error"] == "NotConfirmed"
    assert "connected-apps-mcp approve" in result["hint"]
    assert wire.writes == []


@pytest.mark.parametrize("live", [True, False])
async def test_with_never_nobody_is_asked(*, live: bool) -> None:
    person = Person()
    async with asking(Wire(), person, confirm="never", live=live) as (client, _):
        answer(await client.call_tool("delete_app", {"client_id": APP}))
    assert person.questions == []


async def test_an_approved_call_goes_through_once(tmp_path: Path) -> None:
    wire = Wire()
    arguments = {"client_id": APP, "add_redirect_urls": [B]}
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, project):
        refusal(await client.call_tool("update_app", arguments))
        approvals = Approvals(FolderState(tmp_path).records(KIND))
        (waiting,) = approvals
        assert waiting.arguments == arguments
        assert "b.example" in waiting.question
        approvals.approve(waiting)
        answer(await client.call_tool("update_app", arguments))
        await project.api.update(UpdateApp(client_id=APP, redirect_urls=[A]))
        refusal(await client.call_tool("update_app", arguments))


@pytest.mark.parametrize(
    "changed",
    [{"client_id": APP, "redirect_urls": []}, {"client_id": APP, "add_redirect_urls": [A, B]}],
)
async def test_an_approval_holds_for_no_other_arguments(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    wire = Wire()
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, _):
        refusal(await client.call_tool("update_app", {"client_id": APP, "add_redirect_urls": [B]}))
        approvals = Approvals(FolderState(tmp_path).records(KIND))
        (waiting,) = approvals
        approvals.approve(waiting)
        refusal(await client.call_tool("update_app", changed))
    assert wire.writes == []


async def test_an_approval_holds_for_the_app_as_it_was(tmp_path: Path) -> None:
    wire = Wire()
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, _):
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
        approvals = Approvals(FolderState(tmp_path).records(KIND))
        (waiting,) = approvals
        approvals.approve(waiting)
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "Other"}))
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert "DELETE" not in json.dumps(wire.writes)


async def test_an_approval_is_over_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire()
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, _):
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
        approvals = Approvals(FolderState(tmp_path).records(KIND))
        (waiting,) = approvals
        approvals.approve(waiting)
        monkeypatch.setattr("connected_apps_mcp.confirmation.approvals.LIFETIME", timedelta())
        refused = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert refused["error"] == "NotConfirmed"
    assert wire.writes == []


async def test_where_approvals_cannot_be_kept_nothing_happens(tmp_path: Path) -> None:
    wire = Wire()
    (tmp_path / KIND).write_text("in the way")
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, _):
        result = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert "cannot be asked" in result["message"]
    assert wire.writes == []


MISSING = [
    ("delete_app", {"client_id": APP}),
    ("reveal_client_secret", {"client_id": APP}),
    ("deliver_client_secret", {"client_id": APP, "destination": "env"}),
    ("complete_secret_rotation", {"client_id": APP}),
]


@pytest.mark.parametrize(("tool", "arguments"), MISSING)
async def test_what_the_question_does_not_find_is_not_done_unasked(
    tool: str, arguments: dict[str, Any]
) -> None:
    """The first read is answered by a copy of the service that lags behind."""
    wire = Wire()
    asked: list[httpx2.Request] = []

    async def lagging(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET" and not asked:
            asked.append(request)
            body = {"error_type": "connected_app_not_found", "error_message": "Not found."}
            return httpx2.Response(404, json=body)
        return await wire.handle_async_request(request)

    transport: Any = httpx2.MockTransport(lagging)
    async with asking(transport, Person()) as (client, _):
        result = refusal(await client.call_tool(tool, arguments))
    assert result["error"] == "connected_app_not_found"
    assert wire.writes == []


async def test_a_grant_that_the_list_does_not_show_is_not_revoked_unasked() -> None:
    wire = Wire()

    async def lagging(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/connected_apps"):
            body = {"status_code": 200, "request_id": "r", "connected_apps": []}
            return httpx2.Response(200, json=body)
        return await wire.handle_async_request(request)

    transport: Any = httpx2.MockTransport(lagging)
    async with asking(transport, Person()) as (client, _):
        arguments = {"user_id": "bob", "client_id": APP}
        result = refusal(await client.call_tool("revoke_user_grant", arguments))
    assert "no such authorisation" in result["message"]
    assert wire.writes == []


async def test_a_yes_to_one_rotation_completes_no_other() -> None:
    wire = Wire()
    async with asking(wire, None) as (_, elsewhere):

        async def another_one() -> None:
            await elsewhere.secrets.cancel_rotation(APP)
            await elsewhere.secrets.start_rotation(APP, revealed=False)

        async def yes_and_then_another() -> types.ElicitResult:
            await another_one()
            return YES

        person = Person(yes_and_then_another, NO_YES["decline"])
        async with asking(wire, person, "legacy") as (client, _):
            await rotating(elsewhere)
            result = refusal(
                await client.call_tool(
                    "complete_secret_rotation",
                    {"client_id": APP, "force": True, "reason": "It is known elsewhere."},
                )
            )
    assert result["error"] == "NotConfirmed"
    assert not [write for write in wire.writes if write.endswith("/rotate")]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_app", {"client_type": "first_party_public", "reveal_secret": True}),
        ("reveal_client_secret", {"client_id": APP, "which": "next"}),
        ("deliver_client_secret", {"client_id": APP, "destination": "env"}),
    ],
)
async def test_nobody_is_asked_about_a_secret_that_will_not_be_shown(
    tool: str, arguments: dict[str, Any]
) -> None:
    person = Person()
    async with asking(Wire(), person) as (client, _):
        await client.call_tool(tool, arguments)
    assert person.questions == []


async def test_the_question_shows_where_a_long_template_differs() -> None:
    template = '{"a": "' + "x" * 400 + '"}'
    widened = template[:-1] + ', "role": "admin"}'
    person = Person(YES, NO_YES["decline"])
    async with asking(Wire(), person) as (client, _):
        for content in (template, widened):
            arguments = {"client_id": APP, "access_token_template_content": content}
            await client.call_tool("update_app", arguments)
    assert '"role": "admin"' in person.questions[1]


async def test_while_a_person_is_asked_a_client_hears_that_the_server_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connected_apps_mcp.confirmation.answers.PROGRESS_SECONDS", 0.01)
    heard: list[str | None] = []
    shown: list[float] = []
    two_reports = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the SDK passes them by name
        heard.append(message)
        shown.append(progress)
        if len(heard) > 1:
            two_reports.set()

    wire = Wire()

    async def say_yes_then() -> types.ElicitResult:
        await two_reports.wait()
        return YES

    async with asking(wire, Person(say_yes_then), "legacy") as (client, _):
        with anyio.fail_after(10):
            answer(await client.call_tool("delete_app", {"client_id": APP}, progress_callback=hear))
    assert set(heard) == {"Waiting for the user's answer"}
    assert shown == sorted(set(shown))


async def test_progress_does_not_fall_when_a_person_is_asked_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connected_apps_mcp.confirmation.answers.PROGRESS_SECONDS", 0.01)
    shown: list[float] = []
    reports = [anyio.Event()]

    async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the SDK passes them by name
        shown.append(progress)
        reports[0].set()

    wire = Wire()
    async with asking(wire, None) as (_, elsewhere):

        async def change_and_agree() -> types.ElicitResult:
            seen = len(shown)
            reports[0] = anyio.Event()
            await reports[0].wait()
            await elsewhere.api.update(UpdateApp(client_id=APP, client_name=f"Name {seen}"))
            return YES

        person = Person(change_and_agree, change_and_agree, NO_YES["decline"])
        async with asking(wire, person, "legacy") as (client, _):
            await client.call_tool("delete_app", {"client_id": APP}, progress_callback=hear)
    assert len(person.questions) == 3
    assert len(shown) >= 2
    assert shown == sorted(set(shown))
