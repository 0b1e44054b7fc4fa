"""A whole round of a rotation, beside a deployment that uses the secret all the time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from server.people import Person
from support import ERAS, answer, project_on

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools.safety.destinations import Destination, Destinations
from connected_apps_tools.safety.policy import Policy

PLACES = 3


@dataclass
class Deployment:
    """Places where an app runs. Each authenticates with the secret that it has, again and again.

    Attributes:
        files: the dotenv file of each place, which it reads each time.
        answers: the statuses that all places got, in order.
        used: happens when every place has used its secret once more.
    """

    sandbox: httpx2.ASGITransport
    client_id: str
    files: list[Path]
    answers: list[int] = field(default_factory=list)
    used: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Use the secrets until it is cancelled."""
        async with httpx2.AsyncClient(transport=self.sandbox, base_url="http://localhost") as http:
            while True:
                for file in self.files:
                    used = await http.post(
                        "/v1/oauth2/introspect",
                        data={"token": "any"},
                        auth=(self.client_id, file.read_text().strip().partition("=")[2]),
                    )
                    self.answers.append(used.status_code)
                self.used.set()
                self.used = anyio.Event()

    async def uses_it(self) -> None:
        """Wait until every place has used its secret once more, from beginning to end."""
        for _ in range(2):
            await self.used.wait()


@dataclass
class Round:
    """A rotation of the app of a deployment, through a client."""

    client: Client
    deployment: Deployment

    async def call(self, tool: str, **more: str) -> dict[str, Any]:
        """Call a tool for the app, and let the deployment go on."""
        given = {"client_id": self.deployment.client_id, **more}
        result = await self.client.call_tool(tool, given)
        await self.deployment.uses_it()
        return answer(result)

    async def deliver(self, place: int, which: str = "next") -> None:
        """Bring a secret to a place, past the model."""
        done = await self.call("deliver_client_secret", destination=f"place-{place}", which=which)
        assert done["delivered"]


@asynccontextmanager
async def deployed(era: str, folder: Path) -> AsyncIterator[Round]:
    sandbox = httpx2.ASGITransport(create_sandbox())
    files = [folder / f"place-{place}.env" for place in range(PLACES)]
    places = {file.stem: Destination(file=str(file), key="CLIENT_SECRET") for file in files}
    policy = Policy(destinations=Destinations(places))
    person: Any = Person()
    async with (
        project_on(sandbox) as opened,
        Client(
            build_server(replace(opened, policy=policy)),
            mode=era,
            elicitation_callback=person,
        ) as client,
        anyio.create_task_group() as running,
    ):
        made = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
        client_id = made["app"]["client_id"]
        for name in places:
            given = {"client_id": client_id, "destination": name}
            answer(await client.call_tool("deliver_client_secret", given))
        deployment = Deployment(sandbox, client_id, files)
        running.start_soon(deployment.run)
        await deployment.uses_it()
        yield Round(client, deployment)
        running.cancel_scope.cancel()


@pytest.mark.parametrize("era", ERAS)
async def test_no_request_of_a_deployment_fails_in_a_whole_round(era: str, tmp_path: Path) -> None:
    async with deployed(era, tmp_path) as turn:
        started = await turn.call("start_secret_rotation")
        checked = await turn.call("check_client_secret")
        assert checked["next"]["state"] == "alive"
        for place in range(PLACES):
            await turn.deliver(place)
        assert (await turn.call("check_client_secret"))["next"]["state"] == "alive"
        await turn.call("complete_secret_rotation")
        after = await turn.call("check_client_secret")
        assert after["current"]["state"] == "alive"
        assert after["current"]["last_four"] == started["next_client_secret_last_four"]
        assert "next" not in after
    assert set(turn.deployment.answers) == {200}


@pytest.mark.parametrize("era", ERAS)
async def test_no_request_of_a_deployment_fails_in_a_round_that_is_given_up(
    era: str, tmp_path: Path
) -> None:
    async with deployed(era, tmp_path) as turn:
        await turn.call("start_secret_rotation")
        await turn.deliver(0)
        await turn.deliver(0, "current")
        await turn.call("cancel_secret_rotation")
        assert (await turn.call("check_client_secret"))["current"]["state"] == "alive"
    assert set(turn.deployment.answers) == {200}


async def test_a_deployment_that_misses_the_next_secret_fails_after_the_completion(
    tmp_path: Path,
) -> None:
    async with deployed("auto", tmp_path) as turn:
        await turn.call("start_secret_rotation")
        await turn.deliver(0)
        await turn.call("complete_secret_rotation")
    assert set(turn.deployment.answers) == {200, 401}
