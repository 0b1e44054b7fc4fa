"""The servers that are measured: this one, and its peers."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load.messages import Request, call_tool
from node_packages import NodeMissing, node_for
from servers import SANDBOX_ENVIRONMENT, SERVER, CannotCompare, generated_names

FOLDER = Path(__file__).parent

THIS, FROM_OPENAPI, LOW_LEVEL, TYPESCRIPT = "here", "from_openapi", "low-level", "TypeScript"
SDK_ALONE = "SDK alone"


@dataclass(frozen=True)
class Service:
    """The service that all servers work on.

    Attributes:
        app: the app that all servers read.
        new_app: the settings of the apps that they create.
    """

    url: str
    app: Mapping[str, Any]
    new_app: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What a server needs to reach it."""
        return SANDBOX_ENVIRONMENT | {"SERVICE_URL": self.url}


@dataclass(frozen=True)
class Peer:
    """A server: its command without the transport, and its names of two tools."""

    name: str
    command: tuple[str, ...]
    get_name: str = "get_app"
    create_name: str = "create_app"

    def serving(
        self,
        transport: str,
        service: Service,  # noqa: ARG002 - in the environment of a peer
        port: int,
    ) -> list[str]:
        """The command that serves over this transport, and over HTTP at this port."""
        return [*self.command, transport, str(port)]

    def get(self, service: Service) -> Request:
        """The call that reads the app."""
        app = service.app
        return call_tool(self.get_name, {"client_id": app["client_id"]}, app["client_name"])

    def create(self, service: Service) -> Request:
        """The call that creates an app."""
        app = dict(service.new_app)
        return call_tool(self.create_name, app, app["client_name"])


@dataclass(frozen=True)
class ThisServer(Peer):
    """This project's server. It always has an audit log, which is in its folder here."""

    name: str = THIS
    command: tuple[str, ...] = (sys.executable, *SERVER)
    folder: Path = Path()

    def serving(self, transport: str, service: Service, port: int) -> list[str]:
        """The command, in the words of this server."""
        data = ["--secret-store", "none", "--data-dir", str(self.folder / "data")]
        wire = ["--transport", transport, "--port", str(port)]
        return [*self.command, "serve", "--base-url", service.url, *data, *wire]


def available(folder: Path, description: Path) -> Iterator[Peer | CannotCompare]:
    """This server first, and then each peer, or why it cannot run here."""
    yield ThisServer(folder=folder)
    makers: list[Callable[[], Peer]] = [
        lambda: _from_openapi(description),
        _low_level,
        _sdk_alone,
        _typescript,
    ]
    for make in makers:
        try:
            yield make()
        except CannotCompare as reason:
            yield reason


def _from_openapi(description: Path) -> Peer:
    names = generated_names(json.loads(description.read_text("utf-8")))
    command = (sys.executable, str(FOLDER / "generated_server.py"), str(description))
    return Peer(FROM_OPENAPI, command, names["get_app"], names["create_app"])


def _low_level() -> Peer:
    return Peer(LOW_LEVEL, (sys.executable, str(FOLDER / "low_level_server.py")))


def _sdk_alone() -> Peer:
    return Peer(SDK_ALONE, (sys.executable, str(FOLDER / "sdk_alone_server.py")))


def _typescript() -> Peer:
    try:
        node = node_for(FOLDER)
    except NodeMissing as missing:
        raise CannotCompare(f"The TypeScript server cannot run: {missing}.") from None
    return Peer(TYPESCRIPT, (node, str(FOLDER / "typescript_server.mjs")))
