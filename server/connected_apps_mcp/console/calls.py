"""Calls tools as an agent does: by MCP, within this process.

So a call of the person passes all that a call of an agent passes: lock, plan, policy, question,
audit log and deadline. A question goes to the page. Its id is the sealed state of the call: it fits
the same tool and arguments only, and an answer counts once.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Literal

from mcp import Client, MCPError, types
from mcp.client.context import ClientRequestContext
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from connected_apps_mcp.confirmation.answers import FORM_FIELD
from connected_apps_mcp.egress import REVEALS
from connected_apps_mcp.protocol.resources.page import about_server
from connected_apps_mcp.protocol.server import SERVER_NAME, AnyServer
from connected_apps_tools import ToolContext

SOFTWARE = f"{SERVER_NAME} console"
"""What the audit log calls the console."""

REVEAL = "reveal_client_secret"

Outcome = dict[str, Any]
"""What the page reads: a result, an error or a question."""

Called = types.CallToolResult | types.InputRequiredResult
_CALLED: TypeAdapter[Called] = TypeAdapter(Called)

ASK_AGAIN = "Make the call again without an answer: the question is asked anew."
SHOWN_ELSEWHERE = "A secret is shown by api/secret only."


class Body(BaseModel):
    """The body of a request of the page."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(Body):
    """The answer of the person to a question."""

    answer: str = Field(max_length=10_000)
    confirm: bool


class Call(Body):
    """A call of a tool, again with the answer where it led to a question."""

    tool: str = Field(max_length=200)
    arguments: dict[str, Any] = Field(default_factory=dict)
    answer: Answer | None = None


class WantedSecret(Body):
    """Which secret to show."""

    client_id: str = Field(max_length=200)
    which: Literal["current", "next"]
    answer: Answer | None = None

    @property
    def call(self) -> Call:
        """The call that shows it."""
        given = {"client_id": self.client_id, "which": self.which}
        return Call(tool=REVEAL, arguments=given, answer=self.answer)


class Calls:
    """Calls the tools of a server, for the person at the page."""

    def __init__(self, client: Client, project: ToolContext) -> None:
        self._client = client
        self._project = project

    async def about(self) -> Outcome:
        """The project and its tools, as the page reads them in a client too."""
        return {"result": about_server(self._project, (await self._client.list_tools()).tools)}

    async def call(self, call: Call) -> Outcome:
        """Call a tool that shows no secret."""
        if call.tool == REVEAL:
            return {"error": {"error": "InvalidRequest", "message": SHOWN_ELSEWHERE}}
        return _outcome(await self._made(call))

    async def reveal(self, wanted: WantedSecret) -> Outcome:
        """Show a secret. The edge lets it pass once, by the ticket in `_meta`."""
        called = await self._made(wanted.call)
        outcome = _outcome(called)
        if isinstance(called, types.CallToolResult) and "result" in outcome:
            shown = outcome["result"]
            fields = {name: shown[name] for name in ("value", "stored_at", "note") if name in shown}
            return {"result": fields, "_meta": {REVEALS: (called.meta or {}).get(REVEALS)}}
        return outcome

    async def _made(self, call: Call) -> Called | MCPError:
        params = types.CallToolRequestParams(
            name=call.tool,
            arguments=call.arguments,
            input_responses={FORM_FIELD: _elicited(call.answer)} if call.answer else None,
            request_state=call.answer.answer if call.answer else None,
        )
        try:
            # Not `call_tool`, which compares each result with the schema of our own server.
            return await self._client.session.send_request(
                types.CallToolRequest(params=params), _CALLED
            )
        except MCPError as error:
            return error


@asynccontextmanager
async def open_calls(server: AnyServer, project: ToolContext) -> AsyncIterator[Calls]:
    """Calls of the tools of a server."""
    software = types.Implementation(name=SOFTWARE, version=version(SERVER_NAME))
    async with Client(server, client_info=software, elicitation_callback=_asked) as client:
        yield Calls(client, project)


async def _asked(
    context: ClientRequestContext,  # noqa: ARG001 - the SDK's
    params: types.ElicitRequestParams,  # noqa: ARG001 - as above
) -> types.ElicitResult:
    """Say that this client asks. A server of today asks by the result of the call."""
    return types.ElicitResult(action="cancel")


def _elicited(answer: Answer) -> types.ElicitResult:
    if answer.confirm:
        return types.ElicitResult(action="accept", content={FORM_FIELD: True})
    return types.ElicitResult(action="decline")


def _outcome(called: Called | MCPError) -> Outcome:
    match called:
        case MCPError():
            return {"error": _failure(called.error)}
        case types.InputRequiredResult(input_requests=requests, request_state=state):
            asked = (requests or {})[FORM_FIELD].params
            return {"question": {"id": state, "text": getattr(asked, "message", "")}}
        case types.CallToolResult(is_error=True, content=[types.TextContent(text=text)]):
            return {"error": json.loads(text)}
        case _:
            return {"result": called.structured_content}


def _failure(error: types.ErrorData) -> dict[str, Any]:
    """An error of the protocol, such as an unknown tool or an answer that fits no question."""
    data = error.data if isinstance(error.data, dict) else {}
    if "message" in data:
        return data
    if data.get("reason") == "invalid_request_state":
        said = "The answer does not fit this call, or came too late. Nothing was done."
        return {"error": "InvalidAnswer", "message": said, "hint": ASK_AGAIN}
    return {"error": "InvalidRequest", "message": error.message}
