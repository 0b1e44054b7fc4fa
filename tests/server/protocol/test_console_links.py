"""The tool that leads a person to a secret in the console, by a link that the client opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import APP
from mcp import Client, MCPError, types
from server.people import NO, Person, Wire, rotating
from support import ERAS, LISTED, WITH_PAGE, answer, offering, project_on, refusal

from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import CATALOGUE, ToolContext
from connected_apps_tools.context import SecretsCommand
from connected_apps_tools.storage.console_record import (
    ADDRESS,
    KIND,
    LOCK,
    ConsoleRecord,
    RunningConsole,
)
from connected_apps_tools.storage.records import FolderState
from connected_apps_tools.storage.system import lock
from connected_apps_tools.text.redaction import Redactor

TO_CONSOLE = "show_client_secret_in_console"
ORIGIN = "http://127.0.0.1:47110"
NEXT = {"client_id": APP, "which": "next"}
AGREES = types.ElicitResult(action="accept")


class Browser(Person):
    """A person before a client that opens links. Remembers what the client was asked."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*(answers or [AGREES]))
        self.asked: list[types.ElicitRequestParams] = []

    async def __call__(self, context: Any, params: Any) -> Any:
        self.asked.append(params)
        return await super().__call__(context, params)


@asynccontextmanager
async def client_of(
    project: ToolContext, person: Person | None, era: str = "auto", **options: Any
) -> AsyncIterator[Client]:
    """A client that opens links if there is a person, and does not show the page."""
    offer = options.pop("offer", offering())
    server = build_server(project, offer)
    answers: Any = person
    async with Client(server, mode=era, elicitation_callback=answers, **options) as client:
        yield client


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[ToolContext]:
    """A project with a stored next secret."""
    async with project_on(Wire(), folder=tmp_path) as project:
        await rotating(project)
        yield project


@pytest.fixture
def console(project: ToolContext) -> ConsoleRecord:
    """The record of a console that runs."""
    record = ConsoleRecord(project.folder)
    assert record.claim(RunningConsole(ORIGIN, project.api.project_id))
    return record


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.usefixtures("console")
async def test_a_person_is_led_to_the_app_in_the_console(project: ToolContext, era: str) -> None:
    person = Browser()
    async with client_of(project, person, era) as client:
        result = await client.call_tool(TO_CONSOLE, NEXT)
    shown = answer(result)
    assert shown.pop("next_step").startswith("The user can show the next client secret")
    assert shown == NEXT
    (asked,) = person.asked
    assert isinstance(asked, types.ElicitRequestURLParams)
    assert asked.url == f"{ORIGIN}/#app={APP}"
    assert asked.message.startswith("Open this app in the console, in the browser, to see its next")
    assert f"Client id: {APP}" in asked.message


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.usefixtures("console")
async def test_no_message_has_the_secret(project: ToolContext, era: str) -> None:
    person = Browser()
    async with client_of(project, person, era) as client:
        result = await client.call_tool(TO_CONSOLE, NEXT)
    stored = await project.secrets.store.get(APP, "next")
    assert stored
    canary = Redactor()
    canary.add(stored.secret.get_secret_value())
    (asked,) = person.asked
    for said in (result, asked):
        assert not canary.contains_secret(said.model_dump_json())


NOT_OPENED = {
    "declined": (NO, "the user declined"),
    "dismissed": (types.ElicitResult(action="cancel"), "the user did not answer"),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("given", "why"), NOT_OPENED.values(), ids=NOT_OPENED)
@pytest.mark.usefixtures("console")
async def test_a_person_who_does_not_open_it_is_asked_once(
    project: ToolContext, era: str, given: types.ElicitResult, why: str
) -> None:
    person = Browser(given)
    async with client_of(project, person, era) as client:
        refused = refusal(await client.call_tool(TO_CONSOLE, NEXT))
    assert refused["error"] == "NotConfirmed"
    assert why in refused["message"]
    assert len(person.asked) == 1


@pytest.mark.usefixtures("console")
async def test_a_client_that_fails_to_ask_has_led_nobody(project: ToolContext) -> None:
    async def fails() -> types.ElicitResult:
        raise MCPError(code=types.INTERNAL_ERROR, message="no browser")

    async with client_of(project, Browser(fails), "legacy") as client:
        refused = refusal(await client.call_tool(TO_CONSOLE, NEXT))
    assert "the question was not answered" in refused["message"]


# Where there is nothing to lead to.


async def refused_unasked(project: ToolContext, **arguments: Any) -> dict[str, Any]:
    """The refusal of a call that asks nobody."""
    person = Browser()
    async with client_of(project, person) as client:
        refused = refusal(await client.call_tool(TO_CONSOLE, {**NEXT, **arguments}))
    assert person.asked == []
    return refused


async def test_without_a_console_the_refusal_says_how_to_start_one(project: ToolContext) -> None:
    refused = await refused_unasked(project)
    assert refused["message"] == "No console runs."
    assert "connected-apps-mcp console" in refused["hint"]
    assert "with the settings of this server" in refused["hint"]
    assert refused["retry_may_help"]


async def test_a_console_that_has_ended_is_none(project: ToolContext) -> None:
    record = ConsoleRecord(project.folder)
    lock = record.claim(RunningConsole(ORIGIN, project.api.project_id))
    assert lock
    record.leave(lock)
    assert (await refused_unasked(project))["message"] == "No console runs."


async def test_a_console_that_was_killed_is_none(project: ToolContext) -> None:
    lock = ConsoleRecord(project.folder).claim(RunningConsole(ORIGIN, project.api.project_id))
    assert lock
    lock.close()
    assert (await refused_unasked(project))["message"] == "No console runs."


async def test_a_console_that_was_killed_is_none_also_while_others_look(
    project: ToolContext,
) -> None:
    record = ConsoleRecord(project.folder)
    killed = record.claim(RunningConsole(ORIGIN, project.api.project_id))
    assert killed
    killed.close()
    with (project.folder / KIND / LOCK).open("rb") as looked_at:
        assert lock(looked_at.fileno(), wait=False, shared=True)
        assert record.find() is None


@pytest.mark.parametrize("text", ["", "null", '"ab"', '["one"]', "[1, 2]", "[" * 9_000])
@pytest.mark.usefixtures("console")
async def test_a_damaged_record_leads_nowhere(project: ToolContext, text: str) -> None:
    FolderState(project.folder).records(KIND).write(ADDRESS, text)
    assert (await refused_unasked(project))["message"] == "No console runs."


async def test_a_console_of_another_project_is_not_opened(project: ToolContext) -> None:
    assert ConsoleRecord(project.folder).claim(RunningConsole(ORIGIN, "project-test-other"))
    refused = await refused_unasked(project)
    assert refused["message"] == "The console that runs shows another project."
    assert "ended first" in refused["hint"]


@pytest.mark.usefixtures("console")
async def test_a_secret_in_memory_is_in_no_console(project: ToolContext) -> None:
    about = replace(project.server, secrets_command=SecretsCommand(fleeting="file"))
    refused = await refused_unasked(replace(project, server=about))
    assert "in memory" in refused["message"]


@pytest.mark.usefixtures("console")
async def test_nobody_is_led_to_a_secret_that_is_not_stored(project: ToolContext) -> None:
    refused = await refused_unasked(project, which="current")
    assert refused["message"] == "No current secret of this app is stored here."


@pytest.mark.usefixtures("console")
async def test_nobody_is_led_to_an_app_that_is_not_there(project: ToolContext) -> None:
    refused = await refused_unasked(project, client_id="connected-app-test-none")
    assert refused["error"] == "connected_app_not_found"


# Who sees it.


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_opens_links_sees_one_tool_more(project: ToolContext, era: str) -> None:
    async with client_of(project, Browser(), era) as client:
        listed = await names(client)
    usual = [tool.name for tool in LISTED]
    assert [name for name in listed if name != TO_CONSOLE] == usual
    assert TO_CONSOLE in listed


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("person", [None, Browser()], ids=["asks nothing", "shows the page"])
async def test_a_client_that_opens_no_links_or_shows_the_page_knows_nothing_of_it(
    project: ToolContext, era: str, person: Person | None
) -> None:
    extensions = WITH_PAGE if person else []
    async with client_of(project, person, era, extensions=extensions) as client:
        assert TO_CONSOLE not in await names(client)
        status = answer(await client.call_tool("get_server_status", {}))
        with pytest.raises(MCPError, match="There is no such tool"):
            await client.call_tool(TO_CONSOLE, NEXT)
    assert TO_CONSOLE not in status["tools_off"]


async def test_a_client_that_shows_the_page_does_not_get_it_where_there_is_no_page(
    project: ToolContext,
) -> None:
    offer = offering(tools=[tool.name for tool in CATALOGUE if tool.name != "get_app"])
    async with client_of(project, Browser(), offer=offer, extensions=WITH_PAGE) as client:
        assert TO_CONSOLE not in await names(client)


async def test_it_is_announced_as_a_read(project: ToolContext) -> None:
    async with client_of(project, Browser()) as client:
        (tool,) = [each for each in (await client.list_tools()).tools if each.name == TO_CONSOLE]
    assert tool.annotations
    assert tool.annotations.read_only_hint


HIDING: dict[str, Any] = {
    "--reveal never": offering(reveals=False),
    "--read-only": offering(read_only=True),
    "the toolset is off": offering(toolsets=["apps"]),
}


@pytest.mark.parametrize("offer", HIDING.values(), ids=HIDING)
@pytest.mark.usefixtures("console")
async def test_what_ends_showing_secrets_ends_it(project: ToolContext, offer: Any) -> None:
    person = Browser()
    async with client_of(project, person, offer=offer) as client:
        assert TO_CONSOLE not in await names(client)
        status = answer(await client.call_tool("get_server_status", {}))
        with pytest.raises(MCPError, match="There is no such tool"):
            await client.call_tool(TO_CONSOLE, NEXT)
    assert TO_CONSOLE in status["tools_off"]
    assert person.asked == []


def test_one_tool_is_for_clients_that_open_links() -> None:
    assert [tool.name for tool in CATALOGUE if tool.listed_to == "links"] == [TO_CONSOLE]
