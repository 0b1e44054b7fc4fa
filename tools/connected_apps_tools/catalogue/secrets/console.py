"""The tool that leads a person to a client secret in the console, past the model."""

from typing import Any, Literal
from urllib.parse import quote

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import ConnectedApp, Result, RevealClientSecret
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.plan import Plan, returning
from connected_apps_tools.safety.question import Link, Question, facts_about
from connected_apps_tools.storage.console_record import ConsoleRecord, RunningConsole
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.tool import Effect, Tool

from .rotation import stored_secret

START = (
    "Ask the user to run connected-apps-mcp console in a terminal, with the settings of this "
    "server; then call again."
)


class LedToConsole(Result):
    """Where the user can see a secret."""

    client_id: str
    which: Literal["current", "next"]
    next_step: str


async def show_client_secret_in_console(
    context: ToolContext, request: RevealClientSecret
) -> Plan[LedToConsole]:
    """Let the user see a client secret that is stored here, outside of this conversation.

    The user is asked to open the console in the browser, and can show the secret there. The result
    says where, and never has the secret. The console has to run on this machine.
    """
    app = await context.read_app(request.client_id)
    await stored_secret(context, request)
    console = await _console(context)
    led = LedToConsole(
        client_id=request.client_id,
        which=request.which,
        next_step=f"The user can show the {request.which} client secret in the console, in the "
        "browser. Nobody has to repeat it here.",
    )
    # What is behind the # is sent to no server.
    url = f"{console.origin}/#app={quote(request.client_id, safe='')}"
    return Plan(perform=returning(led), link=Link(url, _opening(app, request.which)))


async def _console(context: ToolContext) -> RunningConsole:
    """The console of this project.

    Raises:
        InvalidRequest: none runs, or none can show the secret.
    """
    if context.server.secrets_command.fleeting:
        raise InvalidRequest("The secrets of this sandbox are in memory: no console can show one.")
    try:
        console = await in_thread(ConsoleRecord(context.folder).find)
    except StoreError as error:
        raise InvalidRequest(f"Whether a console runs cannot be read: {error}") from None
    if console and console.project_id == context.api.project_id:
        return console
    refusal = InvalidRequest(
        "The console that runs shows another project." if console else "No console runs."
    )
    refusal.hint = f"It has to be ended first. {START}" if console else START
    refusal.transient = True
    raise refusal


def _opening(app: ConnectedApp, which: str) -> Question:
    return Question(
        f"Open this app in the console, in the browser, to see its {which} client secret?",
        facts_about(app),
        "The model will not know it. To open the app shows no secret yet: press Show there.",
        version_of(app),
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        show_client_secret_in_console,
        "Show a client secret in the console",
        RevealClientSecret,
        LedToConsole,
        Effect.READS,
        about="secrets",
        listed_to="links",
    ),
)
