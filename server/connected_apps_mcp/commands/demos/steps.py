"""The demo: a real client creates, finds, changes, reads and deletes an app."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import click
import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.auth import OAuthFlowError

# -P: import nothing from the working directory.
PROGRAM = [sys.executable, "-P", "-m", "connected_apps_mcp"]

SERVER = StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], "--sandbox"])

DEMO_NAME = "Billing dashboard"
CALLBACK = "https://billing.example/callback"


class StepFailed(Exception):
    """A step of the demo failed. The text gives the result."""


FAILURES = (StepFailed, MCPError, OAuthFlowError, httpx2.HTTPError)
"""Errors that end the demo. A server that cannot start reports the cause on standard error."""


async def run_demo() -> None:
    """Print the transcript.

    Raises:
        StepFailed: a step failed.
        MCPError: the server does not respond.
    """
    click.echo("$ connected-apps-mcp --sandbox")
    async with Client(SERVER) as client:
        await show(_transcript(client))


async def show(transcript: AsyncIterator[str]) -> None:
    """Print each step as it passes."""
    async for line in transcript:
        click.echo(f"  ok  {line}")
    click.echo("Every step passed.")


async def _transcript(client: Client) -> AsyncIterator[str]:
    tools = [tool.name for tool in (await client.list_tools()).tools]
    yield f"connected    protocol {client.protocol_version}, tools {', '.join(tools)}"

    created = await call(client, "create_app", client_type="first_party", client_name=DEMO_NAME)
    app, secret = created["app"], created["client_secret"]
    check("the secret is withheld", passed="value" not in secret)
    yield f"create_app   {app['client_id']}, secret …{secret['last_four']} withheld"

    found = await call(client, "search_apps", limit=10)
    check(
        "the new app is found", passed=app["client_id"] in [a["client_id"] for a in found["apps"]]
    )
    yield f"search_apps  found among {found['total']}"

    this = {"client_id": app["client_id"]}
    await call(client, "update_app", redirect_urls=[CALLBACK], **this)
    yield f"update_app   redirect_urls {CALLBACK}"

    read = (await call(client, "get_app", **this))["app"]
    check("the change is there", passed=read["redirect_urls"] == [CALLBACK])
    check("the rest is unchanged", passed=read["client_name"] == DEMO_NAME)
    yield "get_app      redirect_urls changed, nothing else"

    await call(client, "delete_app", **this)
    yield "delete_app   deleted"

    gone = await client.call_tool("get_app", this)
    check("the app is gone", passed="connected_app_not_found" in str(gone.content))
    yield "get_app      connected_app_not_found"


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """The result of a tool.

    Raises:
        StepFailed: the tool returned an error.
    """
    result = await client.call_tool(tool, arguments)
    if result.is_error or not isinstance(result.structured_content, dict):
        raise StepFailed(f"{tool} returned {result.content}")
    return result.structured_content


def check(claim: str, *, passed: bool) -> None:
    """Check a claim.

    Raises:
        StepFailed: it is not true.
    """
    if not passed:
        raise StepFailed(f"Not true: {claim}.")
