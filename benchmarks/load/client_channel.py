"""The client of the API as a channel: it is measured by itself, without a server around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from pydantic import SecretStr

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.service import Credentials
from connected_apps_tools.errors import ConnectedAppsError
from load.channels import Channel, Send
from load.messages import Request
from peers import Service


class ClientChannel(Channel):
    """A client in this process. Each of its calls reads the app."""

    @classmethod
    @asynccontextmanager
    async def on(cls, service: Service) -> AsyncIterator[Self]:
        """A channel to a service."""
        secret = SecretStr(SANDBOX_CREDENTIALS.secret)
        credentials = Credentials(SANDBOX_CREDENTIALS.project_id, secret)
        async with ConnectedAppsClient(credentials, base_url=service.url) as client:
            yield cls(client, service.app["client_id"])

    def __init__(self, client: ConnectedAppsClient, client_id: str) -> None:
        super().__init__("2026")
        self._client = client
        self._client_id = client_id
        self._tasks: set[asyncio.Task[None]] = set()

    def sender(self, request: Request) -> Send:  # noqa: ARG002 - it only reads the app
        """Read the app."""

        def send(request_id: int) -> None:
            task = asyncio.create_task(self._get(request_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return send

    async def _get(self, request_id: int) -> None:
        try:
            app = (await self._client.get(self._client_id)).connected_app
            self._received(request_id, (app.client_name or "").encode())
        except ConnectedAppsError as error:
            self._received(request_id, str(error).encode())
