"""A fast fake of the service: a process that answers each request with prepared bytes.

They are the answers of the sandbox, recorded at the start. Standard output gets one line of JSON
with the URL, the app that exists, and the settings of the app that is created. `GET /counts`
returns the number of requests since the last `GET /counts`.
"""

import asyncio
import json
from typing import Any, cast

import anyio
import click
import httpx2

from connected_apps_mcp.commands.common import HAS_UVLOOP
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox

APPS = "/v1/connected_apps/clients"
APP = {
    "client_type": "third_party",
    "client_name": "Weather for teams",
    "client_description": "Shows the weather of all offices of a team.",
    "redirect_urls": ["https://weather.example/callback", "https://weather.example/oauth/return"],
    "logo_url": "https://weather.example/logo.png",
}
NEW_APP = {"client_type": "third_party_public", "client_name": "New app"}
CHANGES = {"client_description": "Shows the weather.", "access_token_expiry_minutes": 120}

Answers = dict[bytes, bytes]
"""The bytes of a response, by method and path."""


async def record() -> tuple[Answers, dict[str, Any]]:
    """The responses of the sandbox to each operation on one app, and the app."""
    answers: Answers = {}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_sandbox()),
        base_url="http://sandbox",
        auth=(SANDBOX_CREDENTIALS.project_id, SANDBOX_CREDENTIALS.secret),
    ) as service:

        async def ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
            response = (await service.request(method, path, json=body)).raise_for_status()
            answers[f"{method} {path}".encode()] = _http(200, response.content)
            app: dict[str, Any] = response.json().get("connected_app", {})
            return app

        app = await ask("POST", APPS, APP)
        path = f"{APPS}/{app['client_id']}"
        await ask("GET", path)
        await ask("POST", f"{APPS}/search", {})
        await ask("PUT", path, CHANGES)
        await ask("POST", f"{path}/secrets/rotate/start", {})
        await ask("POST", f"{path}/secrets/rotate", {})
        await ask("POST", f"{path}/secrets/rotate/start", {})
        await ask("POST", f"{path}/secrets/rotate/cancel", {})
        await ask("POST", APPS, NEW_APP)
        await ask("DELETE", path)
    return answers, app


def _http(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


NOT_FOUND = _http(404, b'{"status_code":404,"error_type":"not_found","error_message":"Unknown."}')


class Service(asyncio.Protocol):
    """One connection. It serves one request after the other, as all clients here send them."""

    requests = 0

    def __init__(self, answers: Answers, delay: float) -> None:
        self._answers = answers
        self._delay = delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            size = end + 4 + _content_length(head)
            if len(self._received) < size:
                return
            self._received = self._received[size:]
            self._answer(head[: head.index(b" HTTP/")])

    def _answer(self, request: bytes) -> None:
        if request == b"GET /counts":
            counted, Service.requests = Service.requests, 0
            self._transport.write(_http(200, str(counted).encode()))
            return
        Service.requests += 1
        answer = self._answers.get(request, NOT_FOUND)
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


async def serve(delay: float) -> None:
    """Record the answers, listen on a free port, and serve until the process ends."""
    answers, app = await record()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Service(answers, delay), "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    click.echo(json.dumps({"url": f"http://{host}:{port}", "app": app, "new_app": NEW_APP}))
    await server.serve_forever()


@click.command(help=__doc__)
@click.option("--delay", default=0.0, show_default=True, help="Seconds before each answer.")
def main(delay: float) -> None:
    """Serve."""
    anyio.run(serve, delay, backend_options={"use_uvloop": HAS_UVLOOP})


if __name__ == "__main__":
    main()
