"""Random faults over create and rotation: no secret is lost in silence, none leaks."""

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from pydantic import SecretStr
from sizes import sized
from support import Spans, project_on

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools import ToolContext
from connected_apps_tools.api.models import ConnectedApp, PageOfApps
from connected_apps_tools.secrets.recovery import recover
from connected_apps_tools.secrets.stores import SecretKey, StoredEntry, StoredSecret, Which
from connected_apps_tools.storage.errors import StoreError

FAULTS = sized("random faults")

BEFORE: list[Callable[[], httpx2.Response | Exception]] = [
    lambda: httpx2.ConnectError("refused"),
    lambda: httpx2.ReadTimeout("late"),
    lambda: httpx2.Response(429, json={"error_type": "too_many_requests"}),
    lambda: httpx2.Response(503, text="<html>busy</html>"),
]
"""What may happen instead of a call."""


def _html(body: bytes) -> httpx2.Response:
    return httpx2.Response(502, text=f"<html>{body.decode()}</html>")


def _cut(body: bytes) -> httpx2.Response:
    return httpx2.Response(200, content=body[: len(body) * 2 // 3])


def _without_status(body: bytes) -> httpx2.Response:
    return httpx2.Response(200, content=re.sub(rb'"status":"\w+",?', b"", body))


def _elsewhere(body: bytes) -> httpx2.Response:
    """The secret under an unknown name, in a list, and in a header."""
    answer = json.loads(body)
    app = answer.get("connected_app", {})
    secret = app.pop("client_secret", None) or app.pop("next_client_secret", None)
    app["new_secret_name"], answer["more"] = secret, [{"shown": [secret]}]
    return httpx2.Response(200, json=answer, headers={"x-debug": str(secret)})


def _in_an_error(body: bytes) -> httpx2.Response:
    """The secret in an error message."""
    message = f"Failed after {body.decode()}"
    return httpx2.Response(500, json={"error_type": "oops", "error_message": message})


AFTER: list[Callable[[bytes], httpx2.Response | Exception]] = [
    _html,
    _cut,
    _without_status,
    _elsewhere,
    _in_an_error,
    lambda _: httpx2.ReadError("reset"),
]
"""What may become of an answer after the call was carried out."""


class Chance:
    """A seeded source of faults, which counts them and can be switched off."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.count = 0
        self.on = True

    def strikes(self, probability: float) -> bool:
        struck = self.on and self.random.random() < probability
        self.count += struck
        return struck

    @contextmanager
    def spared(self) -> Iterator[None]:
        self.on = False
        yield
        self.on = True


class FaultyWire(httpx2.AsyncBaseTransport):
    """The sandbox behind a wire that breaks at random, and remembers every secret it carried."""

    def __init__(self, chance: Chance) -> None:
        self._sandbox = httpx2.ASGITransport(create_sandbox())
        self._chance = chance
        self.secrets: set[str] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._chance.strikes(0.35):
            return self._happen(self._chance.random.choice(BEFORE)())
        response = await self._sandbox.handle_async_request(request)
        body = await response.aread()
        self.secrets.update(re.findall(r'client_secret":"([^"]+)"', body.decode()))
        if self._chance.strikes(0.4):
            return self._happen(self._chance.random.choice(AFTER)(body))
        return httpx2.Response(response.status_code, content=body)

    def _happen(self, fault: httpx2.Response | Exception) -> httpx2.Response:
        if isinstance(fault, Exception):
            raise fault
        return fault


class FaultyStore:
    """A store in memory that fails, breaks or lies at random."""

    kind = "faulty"
    where = "memory"

    def __init__(self, chance: Chance, probability: float) -> None:
        self._chance = chance
        self._probability = probability
        self._kept: dict[SecretKey, StoredSecret] = {}

    def _meet_fate(self) -> None:
        if self._chance.strikes(self._probability):
            raise self._chance.random.choice([StoreError("full"), OSError("gone"), KeyError("bug")])

    def location(self, key: SecretKey) -> str:
        return f"memory, {key.client_id}"

    def check(self) -> None:
        self._meet_fate()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        self._meet_fate()
        if not self._chance.strikes(self._probability):
            self._kept[key] = StoredSecret.now(key, secret)

    def get(self, key: SecretKey) -> StoredSecret | None:
        self._meet_fate()
        return self._kept.get(key)

    def remove(self, key: SecretKey) -> None:
        self._meet_fate()
        self._kept.pop(key, None)

    def entries(self, project_id: str) -> list[StoredEntry]:
        return [
            kept.without_secret()
            for key, kept in self._kept.items()
            if key.project_id == project_id
        ]


async def live(client: Client, chance: Chance) -> list[str]:
    """Create apps and rotate their secrets; returns all that left the server."""
    left: list[str] = []
    apps: list[str] = []
    for _ in range(25):
        if not apps or chance.random.random() < 0.5:
            tool = "create_app"
            arguments = {"client_type": "first_party", "client_name": f"App {len(left)}"}
        else:
            tool = chance.random.choice(
                ["start_secret_rotation", "complete_secret_rotation", "cancel_secret_rotation"]
            )
            arguments = {"client_id": chance.random.choice(apps)}
        result = await client.call_tool(tool, arguments)
        left.append(str(result))
        apps += re.findall(r"connected-app-test-[0-9a-f-]{36}", left[-1])
    return left


async def is_safe(project: ToolContext, app: ConnectedApp) -> bool:
    """Whether each secret that the service has of an app is kept, with the same last four."""
    last_fours: dict[Which, str | None] = {
        "current": app.client_secret_last_four,
        "next": app.next_client_secret_last_four,
    }
    for which, last_four in last_fours.items():
        kept = await project.secrets.store.get(app.client_id, which)
        if last_four and (kept is None or kept.last_four != last_four):
            return False
    return True


@pytest.mark.series
async def test_no_secret_is_lost_in_silence_and_none_leaves(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    spans: Spans,
) -> None:
    struck = 0
    for seed in range(FAULTS):
        chance = Chance(seed)
        folder = tmp_path / str(seed)
        wire = FaultyWire(chance)
        stores = FaultyStore(chance, 0.15), FaultyStore(chance, 0.3)
        async with project_on(wire, *stores, folder=folder) as project:
            async with Client(spans.of(build_server(project))) as client:
                left = await live(client, chance)
            with chance.spared():
                reports = "\n".join(report.for_models for report in await recover(project.secrets))
                found = await project.api.search(PageOfApps(limit=1000))
                lost = [
                    app.client_id
                    for app in found.connected_apps
                    if not await is_safe(project, app) and app.client_id not in reports
                ]
        assert lost == [], f"seed {seed}: in silence"
        traced = spans.text()
        outside = "\n".join(
            [*left, reports, caplog.text, *capfd.readouterr(), traced, *_files(folder)]
        )
        assert [secret for secret in wire.secrets if secret in outside] == [], f"seed {seed}"
        assert "create_app" in traced
        caplog.clear()
        spans.clear()
        struck += chance.count
        if struck >= FAULTS:
            return
    raise AssertionError(f"only {struck} faults")


def _files(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.rglob("*") if file.is_file()]
