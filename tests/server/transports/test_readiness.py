"""/readyz says whether more requests should come."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from support import CREATE, HELLO, listening, on_service, running

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.transports.readiness import Readiness
from connected_apps_tools.errors import NotSent
from connected_apps_tools.storage.errors import StoreError


async def works() -> None:
    """Work."""


def fails(error: Exception) -> Callable[[], object]:
    async def fail() -> None:
        raise error

    return fail


async def test_what_works_is_ready_until_a_shutdown_begins() -> None:
    readiness = Readiness({"service": works})
    assert await readiness.problem() is None
    readiness.end()
    assert await readiness.problem() == "draining"


@pytest.mark.parametrize("error", [NotSent("secret cause"), StoreError("secret cause")])
async def test_a_failed_check_shows_its_code_and_logs_the_cause(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    readiness = Readiness({"audit_log": works, "service": fails(error)})  # type: ignore[dict-item]
    assert await readiness.problem() == "service"
    assert "secret cause" in caplog.text


async def test_many_probes_make_one_check() -> None:
    checks = []

    async def check() -> None:
        checks.append(1)

    readiness = Readiness({"service": check})
    for _ in range(50):
        await readiness.problem()
    assert len(checks) == 1


def test_a_server_on_a_service_that_answers_is_ready() -> None:
    with listening("--sandbox", "--transport", "http") as urls:
        ready = httpx2.get(urls["http"].replace("/mcp", "/readyz"))
    assert (ready.status_code, ready.text) == (200, "ok")


def test_a_probe_needs_no_token() -> None:
    with listening("--sandbox", "--transport", "http", "--auth", "sandbox") as urls:
        assert httpx2.get(urls["http"].replace("/mcp", "/readyz")).status_code == 200


def test_an_audit_log_that_cannot_be_written_is_named_without_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with listening(
        *("--sandbox", "--transport", "http", "--data-dir", str(folder), "--secret-store", "none")
    ) as urls:
        audit = folder / "audit"
        audit.rename(folder / "moved")
        audit.write_text("")
        refused = httpx2.get(urls["http"].replace("/mcp", "/readyz"))
        assert (refused.status_code, refused.text) == (503, "audit_log")
        assert httpx2.get(urls["http"].replace("/mcp", "/healthz")).status_code == 200


def test_a_shutdown_ends_the_readiness_then_the_calls_then_the_process(tmp_path: Path) -> None:
    called, go_on = threading.Event(), threading.Event()
    sandbox = create_sandbox()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/clients"):  # the create
            called.set()
            await anyio.to_thread.run_sync(go_on.wait)
        await sandbox(scope, receive, send)

    arguments = ("--transport", "http", "--port", "0")
    with on_service(waiting, tmp_path, *arguments) as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        outcomes: list[httpx2.Response] = []
        headers = {"accept": "application/json, text/event-stream"}
        opened = httpx2.post(url, json=HELLO[0], headers=headers)
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        httpx2.post(url, json=HELLO[1], headers=headers)

        def create() -> None:
            outcomes.append(httpx2.post(url, json=CREATE, headers=headers, timeout=30))

        thread = threading.Thread(target=create)
        thread.start()
        assert called.wait(timeout=20)
        ready = url.replace("/mcp", "/readyz")
        assert httpx2.get(ready).text == "ok"
        os.kill(process.pid, signal.SIGTERM)
        while (probe := httpx2.get(ready)).status_code == 200:
            pass
        assert probe.text == "draining"
        assert process.poll() is None
        go_on.set()
        thread.join(timeout=20)
        assert '"client_secret"' in outcomes[0].text
        assert process.wait(timeout=20) == 0


def test_a_server_that_drains_still_takes_requests_until_the_second_signal() -> None:
    arguments = ("--sandbox", "--transport", "http", "--port", "0", "--drain-seconds", "600")
    with running(*arguments) as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        process.terminate()
        while httpx2.get(url.replace("/mcp", "/readyz")).text != "draining":
            pass
        headers = {"accept": "application/json, text/event-stream"}
        assert httpx2.post(url, json=HELLO[0], headers=headers).status_code == 200
        assert process.poll() is None
