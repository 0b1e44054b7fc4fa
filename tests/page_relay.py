"""Serves a host of the tests to a browser, and passes what it says on to a server.

A browser may not ask the server itself: the server refuses requests of web pages.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from support import serving

HTML = """<!doctype html>
<meta charset="utf-8">
<title>A host</title>
<style>
iframe { width: 68rem; border: 1px solid; }
iframe.fullscreen { position: fixed; inset: 0; width: 100vw; height: 100vh !important; border: 0; }
dialog p { white-space: pre-line; }
</style>
<dialog>
<form method="dialog"><p></p><button value="yes">Yes</button><button value="no">No</button></form>
</dialog>
<script type="module" src="host.js"></script>
"""
NOT_PASSED_ON = {"host", "origin", "referer", "connection", "content-length", "accept-encoding"}


@contextmanager
def relayed(server: str, script: str) -> Iterator[str]:
    """The URL of a host with this script, which reaches the server under `mcp`."""

    async def pass_on(request: Request) -> Response:
        http = httpx2.AsyncClient(trust_env=False, timeout=60)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in NOT_PASSED_ON and not name.startswith("sec-")
        }
        body = await request.body()
        asked = http.build_request(request.method, server, headers=headers, content=body)
        response = await http.send(asked, stream=True)

        async def stream() -> AsyncIterator[bytes]:
            async for chunk in response.aiter_bytes():
                yield chunk

        kept = {"content-type", "mcp-session-id"}
        return StreamingResponse(
            stream(),
            response.status_code,
            {name: value for name, value in response.headers.items() if name in kept},
            background=BackgroundTask(http.aclose),
        )

    async def host(_request: Request) -> Response:
        return HTMLResponse(HTML)

    async def host_script(_request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    app = Starlette(
        routes=[
            Route("/", host),
            Route("/host.js", host_script),
            Route("/mcp", pass_on, methods=["GET", "POST", "DELETE"]),
        ]
    )
    with serving(app) as url:
        yield f"{url}/"
