"""The main job, shown by a real client: an app is created, found, changed, read and deleted."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import click
from mcp import Client, MCPError, StdioServerParameters

SERVER = StdioServerParameters(
    # -P: what lies in the working directory is not imported.
    command=sys.executable,
    args=["-P", "-m", "connected_apps_mcp", "--sandbox"],
)

DEMO_NAME = "Billing dashboard"
CALLBACK = "https://billing.example/callback"


class StepFailed(Exception):
    """A step of the demo did not hold. The text says what came back."""


FAILURES = (StepFailed, MCPError)
"""What ends the demo. Where the server broke off, it has said why on standard error."""


async def run_demo() -> None:
    """Print the transcript.

    Raises:
        StepFailed: a step did not hold.
        MCPError: the server does not answer.
    """
    click.echo("$ connected-apps-mcp --sandbox")
    async with Client(SERVER) as client:
        async for line in _transcript(client):
            click.echo(f"  ok  {line}")
    click.echo("Every step held.")


async def _transcript(client: Client) -> AsyncIterator[str]:
    tools = [tool.name for tool in (await client.list_tools()).tools]
    yield f"connected    protocol {client.protocol_version}, tools {', '.join(tools)}"

    created = await _call(client, "create_app", client_type="first_party", client_name=DEMO_NAME)
    app, secret = created["app"], created["client_secret"]
    _hold("the secret is withheld", holds="value" not in secret)
    yield f"create_app   {app['client_id']}, secret …{secret['last_four']} withheld"

    found = await _call(client, "search_apps", limit=10)
    _hold("the new app is found", holds=app["client_id"] in [a["client_id"] for a in found["apps"]])
    yield f"search_apps  found among {found['total']}"

    this = {"client_id": app["client_id"]}
    await _call(client, "update_app", redirect_urls=[CALLBACK], **this)
    yield f"update_app   redirect_urls {CALLBACK}"

    read = (await _call(client, "get_app", **this))["app"]
    _hold("the change is there", holds=read["redirect_urls"] == [CALLBACK])
    _hold("the rest is as it was", holds=read["client_name"] == DEMO_NAME)
    yield "get_app      changed there, and nowhere else"

    await _call(client, "delete_app", **this)
    yield "delete_app   deleted"

    gone = await client.call_tool("get_app", this)
    _hold("the app is gone", holds="connected_app_not_found" in str(gone.content))
    yield "get_app      connected_app_not_found"


async def _call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    if result.is_error or not isinstance(result.structured_content, dict):
        raise StepFailed(f"{tool} answered {result.content}")
    return result.structured_content


def _hold(claim: str, *, holds: bool) -> None:
    if not holds:
        raise StepFailed(f"It does not hold that {claim}.")
