"""Planning and applying a manifest through a client, on the sandbox."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import httpx2
import pytest
from examples import APP
from mcp import Client, MCPError, types
from server.people import NO, YES, Person, Wire, asking
from support import ERAS, SANDBOX, answer, offering, refusal

from connected_apps_mcp.audit.reading import FolderSnapshot, all_lines
from connected_apps_tools import CATALOGUE, ToolContext
from connected_apps_tools.api.models import CreateApp, UpdateApp
from connected_apps_tools.catalogue.manifest.planning import all_apps
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.scopes import Scope

BINDINGS = f'[{SANDBOX.project_id}]\nmine = "{APP}"\n'
NEW = '[app.new]\nclient_type = "first_party"\nclient_name = "New"\n'
SAME = """
[app.mine]
client_type = "first_party"
client_name = "Mi\\u202Ene"
redirect_urls = ["https://a.example/cb"]
"""
CHANGED = SAME.replace("a.example", "b.example")


async def plan(client: Client, manifest: str, bindings: str = BINDINGS, **more: Any) -> Any:
    given = {"manifest": manifest, "bindings": bindings, **more}
    return answer(await client.call_tool("plan_manifest", given))


async def apply(
    client: Client, manifest: str, bindings: str = BINDINGS, **more: Any
) -> types.CallToolResult:
    """Apply what is planned now."""
    digest = (await plan(client, manifest, bindings, **more))["digest"]
    given = {"manifest": manifest, "bindings": bindings, "digest": digest, **more}
    return await client.call_tool("apply_manifest", given)


async def names_of(project: ToolContext) -> list[str]:
    return sorted(app.client_name for app in await all_apps(project))


def lines_of(project: ToolContext) -> list[dict[str, Any]]:
    log = FolderSnapshot(project.folder / "audit")
    return [json.loads(line) for line in all_lines(log)]


async def create_many(project: ToolContext, count: int) -> str:
    """Create apps, and return the bindings that have them all."""
    bindings = BINDINGS
    for number in range(count):
        request = CreateApp(client_type="third_party_public", client_name=f"Stale {number}")
        created = (await project.api.create(request)).connected_app
        bindings += f'stale-{number} = "{created.client_id}"\n'
    return bindings


async def test_a_plan_says_what_would_happen_and_sends_no_change() -> None:
    wire = Wire()
    async with asking(wire, None) as (client, _):
        planned = await plan(client, NEW + CHANGED)
    assert planned["summary"] == "Apps: 1 to create, 1 to change."
    assert planned["steps"] == [
        'create new "New"',
        '  client_type: "first_party"',
        f'change mine ({APP}) "Mine"',
        "  redirect_urls: + https://b.example/cb",
        "  redirect_urls: - https://a.example/cb",
        "  less protected: Redirect host added: b.example",
        "  less protected: Redirect URL removed: https://a.example/cb",
    ]
    assert planned["untrusted"] == ["steps"]
    assert wire.writes == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_is_asked_once_for_the_whole_plan(era: str) -> None:
    wire, person = Wire(), Person(YES)
    async with asking(wire, person, era) as (client, project):
        done = answer(await apply(client, NEW + CHANGED))
        assert await names_of(project) == ["Mi\u202ene", "New"]
    (question,) = person.questions
    assert "Create: new" in question
    assert "Less protected: mine" in question
    assert done["summary"] == "Done: 2 of 2 steps."
    assert list(done["created"]) == ["new"]
    assert [write.split()[0] for write in wire.writes] == ["POST", "PUT"]


@pytest.mark.parametrize("era", ERAS)
async def test_after_a_no_nothing_is_done(era: str) -> None:
    wire = Wire()
    async with asking(wire, Person(NO), era) as (client, _):
        assert refusal(await apply(client, NEW + CHANGED))["error"] == "NotConfirmed"
    assert wire.writes == []


async def test_where_there_is_nothing_to_do_no_question_is_asked() -> None:
    wire, person = Wire(), Person()
    async with asking(wire, person) as (client, _):
        assert answer(await apply(client, SAME))["summary"] == "Done: 0 of 0 steps."
    assert (person.questions, wire.writes) == ([], [])


async def test_a_digest_of_another_plan_is_refused() -> None:
    wire, person = Wire(), Person()
    async with asking(wire, person) as (client, _):
        digest = (await plan(client, SAME))["digest"]
        given = {"manifest": NEW + SAME, "bindings": BINDINGS, "digest": digest}
        refused = refusal(await client.call_tool("apply_manifest", given))
    assert refused["error"] == "PlanDoesNotFit"
    assert (person.questions, wire.writes) == ([], [])


@pytest.mark.parametrize("era", ERAS)
async def test_an_app_that_changes_while_the_person_reads_stops_it(era: str) -> None:
    wire = Wire()
    project: ToolContext

    async def change() -> types.ElicitResult:
        await project.api.update(UpdateApp(client_id=APP, access_token_expiry_minutes=90))
        return YES

    async with asking(wire, Person(change), era) as (client, project):
        refused = refusal(await apply(client, CHANGED))
    assert refused["error"] == "PlanDoesNotFit"
    assert len(wire.writes) == 1


async def test_each_step_is_on_record_as_a_part_of_the_apply() -> None:
    async with asking(Wire(), Person(YES)) as (client, project):
        answer(await apply(client, NEW + CHANGED))
        intents = [line for line in lines_of(project) if line["event"] == "intent"]
    whole, *parts = intents
    assert (whole["tool"], whole["answer"]) == ("apply_manifest", "accept")
    assert [part["tool"] for part in parts] == ["create_app", "update_app"]
    assert {part["part_of"] for part in parts} == {whole["entry"]}
    assert {part["answer"] for part in parts} == {"accept"}


async def test_a_step_that_the_policy_forbids_stops_all_before_anything_is_sent() -> None:
    wire, person = Wire(), Person()
    policy = Policy.model_validate({"redirect_hosts": ["a.example"]})
    async with asking(wire, person, policy=policy) as (client, _):
        planned = await plan(client, NEW + CHANGED)
        assert planned["refused"] == 1
        refused = refusal(await apply(client, NEW + CHANGED))
    assert refused["error"] == "PolicyRefusal"
    assert "b.example is not allowed" in refused["message"]
    assert (person.questions, wire.writes) == ([], [])


@pytest.mark.parametrize(
    ("off", "manifest"), [("create_app", NEW + SAME), ("update_app", CHANGED), ("delete_app", NEW)]
)
async def test_a_step_of_a_tool_that_is_off_stops_all(off: str, manifest: str) -> None:
    wire = Wire()
    others = [name for name in offering().on if name != off]
    async with asking(wire, Person(), offer=offering(tools=others)) as (client, _):
        refused = refusal(await apply(client, manifest, prune=True))
    assert f"needs {off}, which is off. It is not in --tools." in refused["message"]
    assert wire.writes == []


async def test_it_stops_at_the_first_failure_and_the_next_one_does_the_rest() -> None:
    wire = Wire()
    manifest = NEW.replace("new", "first") + NEW.replace("new", "second") + CHANGED

    async def fail() -> httpx2.Response:
        wire.instead = None
        return httpx2.Response(400, json={"error_type": "bad", "error_message": "No."})

    def second(_request: httpx2.Request) -> None:
        if len(wire.writes) == 2:
            wire.instead = fail

    wire.witness = second
    async with asking(wire, Person()) as (client, project):
        stopped = refusal(await apply(client, manifest))
        assert await names_of(project) == ["Mi\u202ene", "New"]
        done = answer(await apply(client, manifest))
        assert await names_of(project) == ["Mi\u202ene", "New", "New"]
    assert stopped["error"] == "ApplyStopped"
    assert 'Stopped at: create second "New".' in stopped["message"]
    assert 'Done before: create first "New". Not done: 1 more.' in stopped["message"]
    assert stopped["may_have_taken_effect"]
    assert list(done["created"]) == ["second"]


async def test_what_an_apply_has_created_is_known_without_its_bindings() -> None:
    async with asking(Wire(), Person()) as (client, project):
        answer(await apply(client, NEW + SAME))
        assert answer(await apply(client, NEW + SAME))["created"] == {}
        assert await names_of(project) == ["Mi\u202ene", "New"]


async def test_another_app_under_the_key_of_a_created_one_is_new() -> None:
    async with asking(Wire(), Person()) as (client, _):
        answer(await apply(client, NEW + SAME))
        other = await plan(client, NEW.replace('"New"', '"Other"') + SAME)
    assert other["steps"][0] == 'create new "Other"'


async def test_prune_is_refused_where_no_key_is_bound() -> None:
    wire = Wire()
    async with asking(wire, Person()) as (client, _):
        given = {"manifest": NEW, "prune": True}
        refused = refusal(await client.call_tool("plan_manifest", given))
    assert "every app would be deleted" in refused["message"]
    assert wire.writes == []


@pytest.mark.parametrize("era", ERAS)
async def test_fifty_stale_apps_are_deleted_with_one_yes(era: str) -> None:
    wire, person = Wire(), Person(YES)
    async with asking(wire, person, era) as (client, project):
        bindings = await create_many(project, 50)
        done = answer(await apply(client, SAME, bindings, prune=True))
        assert await names_of(project) == ["Mi\u202ene"]
    (question,) = person.questions
    assert all(f'"Stale {number}"' in question for number in range(50))
    assert len(done["deleted"]) == 50


def stale_apps(count: int, setting: Callable[[int], str]) -> str:
    """So many of the apps that `create_many` creates, each with one more setting."""
    return "".join(
        f'[app.stale-{number}]\nclient_type = "third_party_public"\n'
        f'client_name = "Stale {number}"\n{setting(number)}\n'
        for number in range(count)
    )


async def test_forty_lifetimes_are_tightened_with_one_yes() -> None:
    person = Person(YES)
    async with asking(Wire(), person) as (client, project):
        bindings = await create_many(project, 40)
        manifest = SAME + stale_apps(40, lambda _: "access_token_expiry_minutes = 15")
        answer(await apply(client, manifest, bindings))
        lifetimes = [app.access_token_expiry_minutes for app in await all_apps(project)]
    assert lifetimes.count(15) == 40
    (question,) = person.questions
    assert "Change: stale-0 (" in question
    assert all(f'"Stale {number}"' in question for number in range(40))
    assert question.count("access_token_expiry_minutes: 60 → 15") < 5


@pytest.mark.parametrize("era", ERAS)
async def test_a_change_that_a_question_cannot_show_whole_is_refused(era: str) -> None:
    wire, person = Wire(), Person()
    urls = [f"https://a.example/{number}/{'long' * 70}" for number in range(20)]
    manifest = SAME.replace('"https://a.example/cb"', ", ".join(f'"{url}"' for url in urls))
    async with asking(wire, person, era) as (client, _):
        refused = refusal(await apply(client, manifest))
    assert "more than a person can be asked about at once" in refused["message"]
    assert (person.questions, wire.writes) == ([], [])


async def test_two_changes_that_look_alike_when_cut_are_shown_apart() -> None:
    person = Person(YES)
    async with asking(Wire(), person) as (client, project):
        bindings = await create_many(project, 2)
        manifest = SAME + stale_apps(2, lambda n: f'client_description = "{"x" * 400}{n}"')
        answer(await apply(client, manifest, bindings))
    assert person.questions[0].count("\nChange: ") == 2


async def test_an_app_that_is_found_by_its_looks_is_said_to_be_so() -> None:
    async with asking(Wire(), Person()) as (client, project):
        await project.creations.begin("new", "New", "first_party", [])
        request = CreateApp(client_type="first_party", client_name="New")
        await project.api.create(request)
        planned = await plan(client, NEW + SAME)
    assert "it looks like the app that an interrupted apply was creating" in planned["steps"][1]


async def test_an_app_with_the_name_of_a_new_one_is_named() -> None:
    async with asking(Wire(), None) as (client, project):
        created = await project.api.create(CreateApp(client_type="first_party", client_name="New"))
        planned = await plan(client, NEW + SAME)
    client_id = created.connected_app.client_id
    assert planned["steps"][1] == (
        f"  an app of this name is there, {client_id}: import it if it is the one"
    )


async def test_the_progress_of_an_apply_rises() -> None:
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert message
        heard.append((progress, total))

    async with asking(Wire(), Person(YES)) as (client, _):
        digest = (await plan(client, NEW + CHANGED))["digest"]
        given = {"manifest": NEW + CHANGED, "bindings": BINDINGS, "digest": digest}
        answer(await client.call_tool("apply_manifest", given, progress_callback=hear))
    assert heard == [(1, 2), (2, 2)]


@pytest.mark.parametrize("era", ERAS)
async def test_more_than_fits_into_a_question_is_refused_with_the_way_out(era: str) -> None:
    wire, person = Wire(), Person()
    manifest = "".join(
        NEW.replace("new", f"new-{number}").replace('"New"', f'"{"long " * 15}{number}"')
        for number in range(1_000)
    )
    async with asking(wire, person, era) as (client, _):
        refused = refusal(await apply(client, manifest + SAME))
    assert refused["error"] == "NotConfirmed"
    assert "connected-apps-mcp apply" in refused["hint"]
    assert (person.questions, wire.writes) == ([], [])


async def test_a_plan_that_deletes_says_what_is_known_of_the_app() -> None:
    async with asking(Wire(), None) as (client, project):
        await project.secrets.start_rotation(APP, revealed=False)
        planned = await plan(client, NEW, prune=True)
    deleted = planned["steps"][planned["steps"].index(f'delete mine ({APP}) "Mine"') :]
    assert deleted[1].startswith("  seen here since ")
    assert deleted[2].startswith("  its secret is stored here since ")
    assert "list_user_grants" in planned["note"]


async def test_a_plan_is_cut_to_the_size_that_was_asked_for() -> None:
    async with asking(Wire(), None) as (client, project):
        await create_many(project, 100)
        planned = await plan(client, SAME, max_bytes=4_000)
    assert len(json.dumps(planned)) <= 4_000
    assert len(planned["steps"]) + planned["not_shown"] == 100


@pytest.mark.parametrize(
    ("manifest", "bindings", "says"),
    [
        ("[app", "", "apps.toml, line 1"),
        ('[app.a]\nclient_type = "none"', "", "apps.toml, line 2, app.a.client_type"),
        (NEW, "[x]\na = 1", "apps.lock.toml, line 2"),
    ],
)
async def test_a_fault_is_named_with_its_place(manifest: str, bindings: str, says: str) -> None:
    wire = Wire()
    async with asking(wire, None) as (client, _):
        given = {"manifest": manifest, "bindings": bindings}
        assert says in refusal(await client.call_tool("plan_manifest", given))["message"]
    assert wire.requests == []


async def contents_of(client: Client) -> Sequence[str]:
    read = (await client.read_resource("connected-apps://manifest")).contents
    return [each.text for each in read if isinstance(each, types.TextResourceContents)]


async def test_the_resource_has_the_manifest_and_the_bindings_of_what_is_there() -> None:
    async with asking(Wire(), None) as (client, _):
        manifest, bindings = await contents_of(client)
        planned = await plan(client, manifest, bindings)
    assert planned["summary"] == "Apps: 1 as they should be."


async def test_the_resource_is_there_only_with_the_toolset() -> None:
    async with asking(Wire(), None, offer=offering(toolsets=["apps"])) as (client, _):
        assert [each.name for each in (await client.list_resources()).resources] == [APP]
        with pytest.raises(MCPError, match="no such resource"):
            await contents_of(client)


def test_only_an_apply_that_deletes_needs_the_scope_for_that() -> None:
    (tool,) = (tool for tool in CATALOGUE if tool.name == "apply_manifest")
    given = {"manifest": NEW, "digest": "a"}
    assert tool.scopes(tool.read(given)) == {Scope.APPS_WRITE}
    assert tool.scopes(tool.read(given | {"prune": True})) == {Scope.APPS_WRITE, Scope.APPS_DELETE}


async def test_a_client_that_cannot_ask_waits_for_an_approval() -> None:
    wire = Wire()
    async with asking(wire, None, live=True) as (client, _):
        refused = refusal(await apply(client, NEW + SAME))
    assert "connected-apps-mcp approve" in refused["hint"]
    assert wire.writes == []


async def test_two_applies_take_turns() -> None:
    results: list[types.CallToolResult] = []
    async with asking(Wire(), Person(YES, YES)) as (client, project):
        digest = (await plan(client, NEW + SAME))["digest"]
        given = {"manifest": NEW + SAME, "bindings": BINDINGS, "digest": digest}

        async def call() -> None:
            results.append(await client.call_tool("apply_manifest", given))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
        assert await names_of(project) == ["Mi\u202ene", "New"]
    assert sorted(result.is_error or False for result in results) == [False, True]
