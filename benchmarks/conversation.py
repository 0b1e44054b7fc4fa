"""Calls of a server's tools, and what they cost a model in bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mcp import Client
from mcp.types import CallToolRequest, CallToolRequestParams, CallToolResult, TextContent


class NotOffered(Exception):
    """A tool or an argument that a server does not have. The text names it."""


class WrongAnswer(Exception):
    """An answer that does not answer the question, so that its size means nothing."""


@dataclass
class Cost:
    """Calls, and the bytes of their requests and answers."""

    calls: int = 0
    text: int = 0
    whole: int = 0


class Conversation:
    """Calls of one server's tools, and what they cost.

    A tool goes by this project's name for it; `names` gives the app tools' names on this server.
    """

    def __init__(
        self, client: Client, names: Mapping[str, str], tools: list[dict[str, Any]]
    ) -> None:
        self.client = client
        self._names = names
        self._arguments = {tool["name"]: set(tool["inputSchema"]["properties"]) for tool in tools}
        self.tools = tools
        """All of them, as listed."""
        self.app_tools = [tool for tool in tools if tool["name"] in names.values()]
        self.cost = Cost()

    @classmethod
    async def begin(cls, client: Client, names: Mapping[str, str]) -> Self:
        """List the tools first.

        Raises:
            WrongAnswer: an app tool is not among them.
        """
        tools = [wire(tool) for tool in (await client.list_tools()).tools]
        if lacking := set(names.values()) - {tool["name"] for tool in tools}:
            raise WrongAnswer(f"The server does not list {', '.join(sorted(lacking))}.")
        return cls(client, names, tools)

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and count it.

        Raises:
            NotOffered: the server has no such tool, or not with these arguments.
            WrongAnswer: the tool failed.
        """
        name = self._names.get(tool, tool)
        if name not in self._arguments:
            raise NotOffered(tool)
        if missing := arguments.keys() - self._arguments[name]:
            raise NotOffered(f"{tool}: {', '.join(sorted(missing))}")
        # Not `call_tool`, which checks answers against the output schema: the published description
        # calls a string what may be null, so it would refuse what the generated server answers.
        parameters = CallToolRequestParams(name=name, arguments=arguments)
        result = await self.client.session.send_request(
            CallToolRequest(params=parameters), CallToolResult
        )
        answer = result.structured_content
        if result.is_error or not isinstance(answer, dict):
            raise WrongAnswer(f"{name} answered {result.content}")
        request = size({"name": name, "arguments": arguments})
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        self.cost.calls += 1
        self.cost.text += request + len("".join(texts).encode())
        self.cost.whole += request + size(wire(result))
        return answer


def wire(message: Any) -> dict[str, Any]:  # noqa: ANN401 - any message of the protocol
    """A message as it is sent."""
    sent: dict[str, Any] = message.model_dump(mode="json", by_alias=True, exclude_none=True)
    return sent


def size(value: object) -> int:
    """Bytes of a value as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
