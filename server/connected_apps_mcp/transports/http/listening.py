"""Listens on an address until a signal comes, and lets calls in flight finish."""

import asyncio
import logging
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from functools import partial

import anyio
import uvicorn
from starlette.types import ASGIApp

from connected_apps_mcp.limits import HEADER_SECONDS
from connected_apps_mcp.settings.settings import SettingsError
from connected_apps_mcp.transports.readiness import Readiness
from connected_apps_mcp.transports.shutdown import ShutdownSignals

from .in_flight import CallsInFlight
from .protocol import BoundedProtocol


def bind(host: str, port: int, flags: str = "--host, --port") -> socket.socket:
    """A listening socket, on an address that `flags` name.

    Raises:
        SettingsError: the address is in use or not on this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform == "win32":  # otherwise another process could take over the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise SettingsError(f"{flags}: cannot listen there ({error.strerror}).") from None
    return listener


def authority_of(listener: socket.socket) -> str:
    """The host and port of a listening socket, as in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _DrainingServer(uvicorn.Server):
    """Shuts down once no call is in flight; uvicorn alone would cut off their event streams.

    `ShutdownSignals` handles signals: uvicorn would handle and raise them a second time.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        calls: CallsInFlight,
        *,
        drain_seconds: float = 0,
        shutdown_seconds: float = 0,
    ) -> None:
        super().__init__(config)
        self._calls = calls
        self._drain_seconds = drain_seconds
        self._shutdown_seconds = shutdown_seconds
        self._drained_at: float | None = None
        self._idle_ticks = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with a bound on the time of a TLS handshake, which uvicorn does not set."""
        await super().startup(sockets=[])
        protocol = partial(
            BoundedProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        tls = self.config.ssl
        for listener in sockets or ():
            server = await asyncio.get_running_loop().create_server(
                protocol,
                sock=listener,
                backlog=self.config.backlog,
                ssl=tls,
                ssl_handshake_timeout=HEADER_SECONDS if tls else None,
            )
            self.servers.append(server)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return super().capture_signals() if sys.platform == "win32" else nullcontext()

    def shut_down(self) -> None:
        """Shut down after `drain_seconds`, and `shutdown_seconds` more for calls in flight."""
        # uvicorn logs an error for each stream that is still open.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._drained_at = time.monotonic() + self._drain_seconds

    def shut_down_now(self) -> None:
        """Shut down, whatever is in flight."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if self._drained_at is not None and now >= self._drained_at:
            # One more idle tick, to send the last response.
            self._idle_ticks = 0 if self._calls.count else self._idle_ticks + 1
            late = now > self._drained_at + self._shutdown_seconds
            self.should_exit |= self._idle_ticks > 1 or late
        return await super().on_tick(counter)


def _raise_file_limit() -> None:
    """Allow as many open files as the system does: each connection is one."""
    if sys.platform != "win32":  # there is no such limit there
        import resource

        with suppress(ValueError, OSError):
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def listen(  # noqa: PLR0913 - each is a separate part
    app: ASGIApp,
    listener: socket.socket,
    signals: ShutdownSignals,
    *,
    calls: CallsInFlight | None = None,
    readiness: Readiness | None = None,
    drain_seconds: float = 0,
    shutdown_seconds: float = 0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve until a signal comes.

    It ends the readiness. `drain_seconds` later, calls in flight have `shutdown_seconds` to finish.
    """
    _raise_file_limit()
    server = _DrainingServer(
        _config(app, tls),
        calls or CallsInFlight(),
        drain_seconds=drain_seconds,
        shutdown_seconds=shutdown_seconds,
    )

    def shut_down() -> None:
        if readiness:
            readiness.end()
        server.shut_down()

    signals.react(shut_down, server.shut_down_now)
    await server.serve(sockets=[listener])


@asynccontextmanager
async def listening(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application meanwhile, beside what this process is for."""
    server = _DrainingServer(_config(app), CallsInFlight())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        try:
            yield
        finally:
            server.should_exit = True


def _config(app: ASGIApp, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=BoundedProtocol,
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_context_factory=(lambda *_: tls) if tls else None,
    )
