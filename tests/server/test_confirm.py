"""A person is asked before what cannot be undone: each tool, in each era, with every answer."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPError, types
from mcp.server.request_state import RequestStateSecurity
from support import ERAS, answer, project_on, refusal

from connected_apps_mcp import approvals as module
from connected_apps_mcp.app import build_server
from connected_apps_mcp.approvals import FOLDER, Approvals
from connected_apps_mcp.confirm import Mode
from connected_apps_mcp.sandbox import ProjectKind, create_sandbox
from connected_apps_mcp.sandbox.seed import Seed
from connected_apps_mcp.sandbox.seeding import seed
from connected_apps_tools import Project
from connected_apps_tools.models import UpdateApp

APP = "connected-app-test-mine"
A, B = "https://a.example/cb", "https://b.example/cb"
YES = types.ElicitResult(action="accept", content={"confirm": True})
Answering = Callable[[str], Awaitable[types.ElicitResult] | types.ElicitResult]


class Wire(httpx2.AsyncBaseTransport):
    """A sandbox with an app, behind a wire that remembers the writes."""

    def __init__(self, kind: ProjectKind = "consumer") -> None:
        sandbox = create_sandbox(kind=kind)
        grants = [{"client_id": APP, "scopes": ["openid", "email"]}]
        app = {"client_id": APP, "client_type": "first_party", "client_name": "Mi\u202ene"}
        settings = {"redirect_urls": [A], "access_token_expiry_minutes": 60}
        holders: dict[str, Any] = (
            {"users": [{"external_id": "bob", "grants": grants}]}
            if kind == "consumer"
            else {
                "organizations": [
                    {"slug": "acme", "members": [{"external_id": "ann", "grants": grants}]}
                ]
            }
        )
        seed(sandbox, Seed.model_validate({"apps": [app | settings], **holders}))
        self.sandbox = httpx2.ASGITransport(sandbox)
        self.writes: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "GET" and not request.url.path.endswith("/search"):
            self.writes.append(f"{request.method} {request.url.path}")
        return await self.sandbox.handle_async_request(request)


class Person:
    """Who answers questions, and remembers them."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    async def __call__(self, _context: Any, params: Any) -> Any:
        self.questions.append(params.message)
        given = self.answers.pop(0) if self.answers else YES
        if isinstance(given, Exception):
            raise given
        return await given() if callable(given) else given


@asynccontextmanager
async def asking(
    wire: Wire,
    person: Person | None,
    era: str = "auto",
    *,
    live: bool = False,
    folder: Path | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Client, Project]]:
    """A client with this person before it, and the project that it works on."""
    async with project_on(wire, folder=folder) as opened:
        about = replace(opened.about, environment="live" if live else "sandbox")
        project = replace(opened, about=about)
        server = build_server(project, **options)
        answers: Any = person
        async with Client(server, mode=era, elicitation_callback=answers) as client:
            yield client, project


async def rotating(project: Project) -> None:
    await project.custody.start_rotation(APP, revealed=False)


async def nothing(_project: Project) -> None:
    """Nothing to prepare."""


Preparation = Callable[[Project], Awaitable[None]]
CONFIRMED: dict[str, tuple[str, dict[str, Any], Preparation]] = {
    "delete": ("delete_app", {"client_id": APP}, nothing),
    "complete": ("complete_secret_rotation", {"client_id": APP}, rotating),
    "revoke": ("revoke_user_grant", {"user_id": "bob", "client_id": APP}, nothing),
    "revoke of a member": (
        "revoke_member_grant",
        {"organization_id": "acme", "member_id": "ann", "client_id": APP},
        nothing,
    ),
    "reveal at creation": (
        "create_app",
        {"client_type": "first_party", "client_name": "New", "reveal_secret": True},
        nothing,
    ),
    "reveal at a rotation": (
        "start_secret_rotation",
        {"client_id": APP, "reveal_secret": True},
        nothing,
    ),
    "new redirect host": ("update_app", {"client_id": APP, "add_redirect_urls": [B]}, nothing),
    "no redirects": ("update_app", {"client_id": APP, "redirect_urls": []}, nothing),
    "full access": ("update_app", {"client_id": APP, "full_access_allowed": True}, nothing),
    "no consent": (
        "update_app",
        {"client_id": APP, "bypass_consent_for_offline_access": True},
        nothing,
    ),
    "longer tokens": ("update_app", {"client_id": APP, "access_token_expiry_minutes": 61}, nothing),
    "audience": (
        "update_app",
        {"client_id": APP, "access_token_custom_audience": "https://x.example"},
        nothing,
    ),
    "claims": ("update_app", {"client_id": APP, "access_token_template_content": "{}"}, nothing),
    "claims of ID tokens": (
        "update_app",
        {"client_id": APP, "id_token_template_content": "{}"},
        nothing,
    ),
}
"""What is asked about: the tool, its arguments, and what has to be so before."""


def wire_for(case: str) -> Wire:
    return Wire("b2b" if "member" in case else "consumer")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("case", CONFIRMED)
async def test_what_a_person_accepts_is_done(case: str, era: str) -> None:
    tool, arguments, prepare = CONFIRMED[case]
    wire, person = wire_for(case), Person(YES)
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
    wire, person = wire_for(case), Person(NO_YES[given])
    async with asking(wire, person, era) as (client, project):
        await prepare(project)
        wire.writes.clear()
        told = refusal(await client.call_tool(tool, arguments))
    assert told["error"] == "NotConfirmed"
    assert told["message"].startswith("Nothing was done: ")
    assert wire.writes == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_fails_to_ask_does_not_agree(era: str) -> None:
    wire = Wire()
    person = Person(types.ErrorData(code=-32000, message="broken"))
    async with asking(wire, person, era) as (client, _):
        with suppress(MCPError):  # a current client's own, before it asks the server again
            result = await client.call_tool("delete_app", {"client_id": APP})
            assert refusal(result)["error"] == "NotConfirmed"
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
        "Delete this app for good?",
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
    assert asked[-2] == "And 56 more, which are too many to be shown."


async def test_the_question_of_a_rotation_names_the_secret_that_dies() -> None:
    person = Person(NO_YES["decline"])
    async with asking(Wire(), person) as (client, project):
        await rotating(project)
        app = (await project.api.get(APP)).connected_app
        await client.call_tool("complete_secret_rotation", {"client_id": APP})
    assert f"Secret that dies: …{app.client_secret_last_four}" in person.questions[0]
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
            told = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert told["error"] == "NotConfirmed"
    assert "Redirect hosts: a.example" in person.questions[0]
    assert person.questions[1].startswith("The app has changed since you were asked.")
    assert "Redirect hosts: b.example" in person.questions[1]
    assert [write for write in wire.writes if write.startswith("DELETE")] == []


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
    async with asking(Wire(), None, era) as (client, _):
        answer(await client.call_tool("delete_app", {"client_id": APP}))


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("confirm", "live"), [("auto", True), ("always", False), ("always", True)])
async def test_where_the_client_cannot_ask_it_is_refused_with_the_way_out(
    era: str, confirm: Mode, *, live: bool
) -> None:
    wire = Wire()
    async with asking(wire, None, era, confirm=confirm, live=live) as (client, _):
        told = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert told["error"] == "NotConfirmed"
    assert "connected-apps-mcp approve" in told["hint"]
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
        approvals = Approvals(tmp_path / FOLDER)
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
        approvals = Approvals(tmp_path / FOLDER)
        (waiting,) = approvals
        approvals.approve(waiting)
        refusal(await client.call_tool("update_app", changed))
    assert wire.writes == []


async def test_an_approval_holds_for_the_app_as_it_was(tmp_path: Path) -> None:
    wire = Wire()
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, _):
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
        approvals = Approvals(tmp_path / FOLDER)
        (waiting,) = approvals
        approvals.approve(waiting)
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "Other"}))
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert "DELETE" not in json.dumps(wire.writes)


async def test_an_approval_is_over_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(Wire(), None, confirm="always", folder=tmp_path) as (client, _):
        refusal(await client.call_tool("delete_app", {"client_id": APP}))
        approvals = Approvals(tmp_path / FOLDER)
        (waiting,) = approvals
        approvals.approve(waiting)
        monkeypatch.setattr(module, "KEPT", timedelta())
        refusal(await client.call_tool("delete_app", {"client_id": APP}))


async def test_where_approvals_cannot_be_kept_nothing_happens(tmp_path: Path) -> None:
    wire = Wire()
    (tmp_path / FOLDER).write_text("in the way")
    async with asking(wire, None, confirm="always", folder=tmp_path) as (client, _):
        told = refusal(await client.call_tool("delete_app", {"client_id": APP}))
    assert "cannot be asked" in told["message"]
    assert wire.writes == []
