"""Many callers at once: each gets its own answers, and the memory of the server stays flat."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult
from server.audit.logs import lines_of
from server.login.channels import bearer
from server.login.deployment import ALL, registered, token_of
from sizes import sized
from support import ERAS, answer, running

CALLERS = sized("callers at once")
MAX_GROWTH = 16 * 1024 * 1024
"""Most bytes that the memory of the server may grow by after the first half."""


@dataclass
class Server:
    """A server in a process of its own."""

    origin: str
    pid: int
    folder: Path

    @property
    def memory(self) -> int:
        """The bytes that are in use."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (kilobytes,) = [line.split()[1] for line in status.splitlines() if "VmRSS" in line]
        return int(kilobytes) * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    flags = ["--transport", "http,sse", "--port", "0", "--sandbox", "--auth", "sandbox"]
    flags += ["--confirm", "always", "--data-dir", str(tmp_path)]
    flags += ["--rate-reads", "0", "--rate-changes", "0"]  # the callers work without a pause
    with running("serve", *flags) as process:
        assert process.stderr
        origin = process.stderr.readline().split()[-1].removesuffix("/mcp")
        yield Server(origin, process.pid, tmp_path)


@dataclass
class Caller:
    """A caller with a client of its own, who works with apps of its own.

    Attributes:
        name: a text that only this caller gives.
        foreign: the names of all others.
        heard: all that it was answered or asked.
    """

    name: str
    token: str
    foreign: set[str] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)

    async def yes(self, _context: Any, params: Any) -> ElicitResult:
        """The answer to a question."""
        self.heard.append(params.message)
        return ElicitResult(action="accept", content={"confirm": True})

    @asynccontextmanager
    async def client(self, server: Server, transport: str, era: str) -> AsyncIterator[Client]:
        """A client of the server."""
        headers = bearer(self.token)
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http:
            target: Any = (
                streamable_http_client(f"{server.origin}/mcp", http_client=http)
                if transport == "http"
                else sse_client(f"{server.origin}/sse", headers=headers, timeout=60)
            )
            answers: Any = self.yes
            async with Client(target, mode=era, elicitation_callback=answers) as client:
                yield client

    async def work(self, client: Client, rounds: int) -> None:
        """Create, read, change and delete apps."""
        for number in range(rounds):
            mine = f"{self.name} {number}"
            app = await self.answer(
                client, "create_app", client_type="first_party_public", client_name=mine
            )
            assert app["app"]["client_name"] == mine
            of_app = {"client_id": app["app"]["client_id"]}
            shown = await self.answer(client, "get_app", **of_app)
            assert shown["app"]["client_name"] == mine
            where = [f"https://{self.name}.example/{number}"]
            changed = await self.answer(client, "update_app", **of_app, redirect_urls=where)
            assert where[0] in str(changed["changes"])
            deleted = await self.answer(client, "delete_app", **of_app)
            assert deleted["deleted"]
            question = self.heard[-2]
            assert mine in question

    async def answer(self, client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a call."""
        found = answer(await client.call_tool(tool, arguments))
        self.heard.append(str(found))
        return found

    def check(self) -> None:
        """Nothing of another caller was heard."""
        everything = "\n".join(self.heard)
        assert self.name in everything
        assert not [name for name in self.foreign if name in everything]
        self.heard.clear()


@pytest.fixture
async def callers(server: Server) -> list[Caller]:
    """Callers, each through an app of its own."""
    names = [f"caller-{number:02}-of-many" for number in range(CALLERS)]
    callers = []
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        for name in names:
            app = await registered(http, server.origin, name)
            token = await token_of(app, ALL, "", f"{server.origin}/mcp")
            callers.append(Caller(name, token, set(names) - {name}))
    return callers


@pytest.mark.series
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_callers_at_once_hear_their_own_answers_in_flat_memory(
    server: Server, callers: list[Caller]
) -> None:
    memory = []
    for _ in range(2):  # the first half warms up
        async with anyio.create_task_group() as tasks:
            for number, caller in enumerate(callers):
                tasks.start_soon(session, server, caller, number)
        memory.append(server.memory)
    assert memory[1] - memory[0] < MAX_GROWTH
    intents = [line for line in lines_of(server.folder / "audit") if line["event"] == "intent"]
    assert len({line["caller"]["client_id"] for line in intents}) == CALLERS
    created = [line for line in intents if line["tool"] == "create_app"]
    owners = {line["arguments"]["client_name"].split()[0]: line["caller"] for line in created}
    assert len({owner["jti"] for owner in owners.values()}) == CALLERS


async def session(server: Server, caller: Caller, number: int) -> None:
    """One session of a caller, over one of the ways to the server."""
    transport = "sse" if number % 4 == 3 else "http"
    async with caller.client(server, transport, ERAS[number % 2]) as client:
        await caller.work(client, sized("rounds of many callers"))
    caller.check()
