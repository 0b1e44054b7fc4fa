"""Many callers of replicas to which faults happen at random."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import anyio
import httpx2
import pytest
from balancer import confirmed, headers_of, modern_call, nginx, say_yes
from mcp import Client, MCPError
from mcp.types import CallToolResult
from ports import free_port
from postgres import PostgresServer, grow_old, running_server
from server.replicas.faulty import Replica, Wire
from server.replicas.witness import Witness
from sizes import WHOLE, sized
from support import ERAS, SERVER, json_of, serving

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS
from connected_apps_mcp.settings.credentials import DATABASE_URL
from connected_apps_mcp.settings.settings import PROJECT_ID, SECRET
from connected_apps_tools.secrets.stores.base import SecretKey, Which
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage.postgres.schema import migrate
from connected_apps_tools.storage.postgres.state import DatabaseState

pytestmark = pytest.mark.series

CALLS = sized("random calls of replicas")

CALLERS = 8

LOST = (MCPError, httpx2.HTTPError, OSError, TimeoutError, anyio.ClosedResourceError)
"""What a caller sees of a replica that is gone."""

WEIGHTS = {
    "create_app": 12,
    "update_app": 40,
    "get_app": 10,
    "search_apps": 10,
    "start_secret_rotation": 9,
    "complete_secret_rotation": 7,
    "cancel_secret_rotation": 2,
    "delete_app": 5,
    "answer twice": 5,
}


@dataclass
class Callers:
    """What the callers do, and what they hear."""

    url: str
    random: Random
    left: int = CALLS
    apps: list[str] = field(default_factory=list)
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    """The apps and URLs of the edits that were reported as made."""
    heard: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    uses: list[int] = field(default_factory=list)
    """How often each answer of a person counted that was given at several replicas."""
    numbers: Iterator[int] = field(default_factory=count)

    async def call_until_enough(self, era: str) -> None:
        """Call, with a new connection whenever one is lost."""
        while self.left > 0:
            try:
                async with Client(
                    f"{self.url}/mcp", mode=era, elicitation_callback=say_yes
                ) as client:
                    while self.left > 0:
                        self.left -= 1
                        with anyio.fail_after(60):
                            await self._call(client)
            except* LOST:
                self.outcomes["lost"] += 1
                await anyio.sleep(0.1)

    async def _call(self, client: Client) -> None:
        tool = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        recent = self.apps[-CALLERS:]
        if tool == "create_app" or not recent:
            await self._create(client)
        elif tool == "search_apps":
            self._hear(tool, await client.call_tool(tool, {"limit": 5}))
        elif tool == "answer twice":
            await self._answer_twice(self._taken_out())
        elif tool == "update_app":
            await self._edit(client, self.random.choice(recent))
        else:
            app = self._taken_out() if tool == "delete_app" else self.random.choice(recent)
            self._hear(tool, await client.call_tool(tool, {"client_id": app}))

    def _taken_out(self) -> str:
        return self.apps.pop(self.random.randrange(len(self.apps)))

    async def _create(self, client: Client) -> None:
        new = {"client_type": "first_party", "client_name": f"App {next(self.numbers)}"}
        created = self._hear("create_app", await client.call_tool("create_app", new))
        if "app" in created:
            self.apps.append(created["app"]["client_id"])

    async def _edit(self, client: Client, app: str) -> None:
        url = f"https://{next(self.numbers)}.example/cb"
        change = {"client_id": app, "add_redirect_urls": [url]}
        result = await client.call_tool("update_app", change)
        self._hear("update_app", result)
        if not result.is_error:
            self.acknowledged.append((app, url))

    async def _answer_twice(self, app: str) -> None:
        delete = modern_call("delete_app", arguments={"client_id": app})
        async with httpx2.AsyncClient(base_url=self.url, timeout=60) as http:

            async def send(call: dict[str, Any]) -> dict[str, Any]:
                sent = await http.post("/mcp", json=call, headers=headers_of(call))
                result: dict[str, Any] = sent.raise_for_status().json()["result"]
                return result

            asked = await send(delete)
            if "requestState" not in asked:
                return
            answered, counted = confirmed(delete, asked), list[str]()

            async def use() -> None:
                with anyio.move_on_after(60):
                    text = json.dumps(await send(answered))
                    if '"deleted": true' in text:
                        counted.append(text)

            try:
                async with anyio.create_task_group() as both:
                    for _ in range(3):
                        both.start_soon(use)
            finally:
                self.uses.append(len(counted))

    def _hear(self, tool: str, result: CallToolResult) -> dict[str, Any]:
        heard = json_of(result)
        if result.is_error:
            self.heard.append(json.dumps(heard))
        self.outcomes[f"{tool}: {heard['error'] if result.is_error else 'ok'}"] += 1
        return heard


@dataclass
class World:
    """Replicas of one project, and everything around them."""

    folder: Path
    random: Random
    witness: Witness
    database: PostgresServer
    replicas: list[Replica]
    url: str

    @property
    def database_url(self) -> str:
        return self.database.url("postgres")

    async def endure(self, callers: Callers) -> None:
        """Let faults happen while the callers call."""
        async with anyio.create_task_group() as faults:
            faults.start_soon(self._let_faults_happen)
            async with anyio.create_task_group() as calls:
                for number in range(CALLERS):
                    calls.start_soon(callers.call_until_enough, ERAS[number % 2])
            callers.left = -1
            faults.cancel_scope.cancel()

    async def _let_faults_happen(self) -> None:
        while True:
            await anyio.sleep(self.random.random())
            with anyio.CancelScope(shield=True):
                await self.random.choice(self.replicas).suffer(self.random)

    async def reported(self) -> str:
        """What the replicas have reported after the last calls of killed ones were found."""
        state = DatabaseState(self.database_url)
        await anyio.to_thread.run_sync(grow_old, state, 31)
        state.close()
        await anyio.sleep(25)
        return "".join(replica.reports() for replica in self.replicas)

    def audit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*SERVER, "audit", *arguments],
            env=os.environ | {DATABASE_URL: self.database_url},
            capture_output=True,
            text=True,
            check=False,
        )


@asynccontextmanager
async def running_world(folder: Path, size: int, seed: int) -> AsyncIterator[World]:
    """Replicas behind nginx, one database, one service."""
    random = Random(seed)  # noqa: S311 - reproducible
    witness = Witness(random)
    for name in ("keys", "audit-key"):
        (folder / name).touch(0o600)
        (folder / name).write_text("k" * 40)
    port = free_port()
    with ExitStack() as stack:
        database = stack.enter_context(running_server())
        migrate(database.url("postgres"))
        service = stack.enter_context(serving(witness))
        async with AsyncExitStack() as wires:
            replicas = list[Replica]()
            for name in "abcd"[:size]:
                wire = Wire(database.port)
                await wires.enter_async_context(wire.laid())
                url = database.url("postgres").replace(f":{database.port}/", f":{wire.port}/")
                environment = {
                    DATABASE_URL: url,
                    PROJECT_ID: SANDBOX_CREDENTIALS.project_id,
                    SECRET: SANDBOX_CREDENTIALS.secret,
                }
                arguments = (
                    *("--base-url", service, "--public-url", f"http://127.0.0.1:{port}"),
                    *("--data-dir", str(folder / "data"), "--shared-data-dir"),
                    *("--secret-store", "file", "--audit-key-file", str(folder / "audit-key")),
                    *("--state-key-file", str(folder / "keys"), "--confirm", "always"),
                    *("--transport", "http", "--drain-seconds", "5"),
                )
                replicas.append(Replica(name, folder, arguments, environment, wire))
                await replicas[-1].start()
            stack.enter_context(nginx(folder, port, {each.name: each.port for each in replicas}))
            try:
                yield World(folder, random, witness, database, replicas, f"http://127.0.0.1:{port}")
            finally:
                for replica in replicas:
                    replica.end(signal.SIGKILL)


@pytest.mark.parametrize("size", [2, 4] if WHOLE else [2])
async def test_replicas_keep_every_promise_whatever_happens_to_them(
    tmp_path: Path, size: int
) -> None:
    async with running_world(tmp_path, size, seed=size) as world:
        callers = Callers(world.url, world.random)
        await world.endure(callers)
        reported = await world.reported() + "".join(callers.heard)
        verified = world.audit("verify", "--audit-key-file", str(tmp_path / "audit-key"))
        exported = world.audit("export").stdout.splitlines()
    lines = [json.loads(line) for line in exported]
    assert verified.returncode == 0, verified.stdout
    assert unrecorded(world.witness, lines) == []
    assert twice_created(world.witness) == []
    assert max(callers.uses, default=0) <= 1
    assert lost_edits(world.witness, callers) == []
    assert lost_secrets(world.witness, FileStore(tmp_path / "data" / "secrets"), reported) == []


def unrecorded(witness: Witness, lines: list[dict[str, Any]]) -> list[Any]:
    """Changes that the audit log does not have."""
    recorded = set()
    for line in lines:
        if line["event"] == "intent":
            arguments = line["arguments"]
            about = arguments.get("client_id") or arguments["client_name"]
            for url in arguments.get("add_redirect_urls", [""]):
                recorded.add((line["tool"], about, url))
    return [each for each in witness.changes if (each.tool, each.about, each.added) not in recorded]


def twice_created(witness: Witness) -> list[str]:
    """Apps that were created more than once."""
    created = Counter(each.about for each in witness.changes if each.tool == "create_app")
    return [name for name, times in created.items() if times > 1]


def lost_edits(witness: Witness, callers: Callers) -> list[tuple[str, str]]:
    """Edits that were reported as made, and are not there."""
    return [
        (app, url) for app, url in callers.acknowledged if url not in witness.urls.get(app, [url])
    ]


def lost_secrets(witness: Witness, store: FileStore, reported: str) -> list[tuple[str, Which]]:
    """Secrets that are stored nowhere, and of which no report says so."""
    lost = []
    for app, secrets in witness.secrets.items():
        for which, secret in secrets.items():
            found = store.get(SecretKey(SANDBOX_CREDENTIALS.project_id, app, which))
            if (not found or found.secret.get_secret_value() != secret) and app not in reported:
                lost.append((app, which))
    return lost
