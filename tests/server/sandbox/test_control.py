"""The sandbox as a test double: reset, faults, latency, health, its description, its fixture."""

import json
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import httpx2
import pytest
import stytch
from stytch.core.response_base import StytchError
from support import SERVER

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.testing import StytchSandbox, running_sandbox

CLIENTS = "/v1/connected_apps/clients"
NEW = {"client_type": "first_party"}


@pytest.fixture(scope="module")
def _running() -> Iterator[StytchSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: StytchSandbox) -> StytchSandbox:
    _running.reset()
    return _running


def total(sandbox: StytchSandbox) -> int:
    found: int = sandbox.ask("POST", f"{CLIENTS}/search", {})["results_metadata"]["total"]
    return found


def refused(sandbox: StytchSandbox, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        sandbox.ask(method, path, body)
    with caught.value as answer:
        response: dict[str, Any] = json.load(answer)
    return response


def test_a_reset_deletes_apps_users_grants_and_faults(sandbox: StytchSandbox) -> None:
    sandbox.seed(example=True)
    sandbox.fail({"status": 500, "operation": "get"})
    assert total(sandbox)
    sandbox.reset()
    assert total(sandbox) == 0
    created = sandbox.ask("POST", CLIENTS, NEW)["connected_app"]["client_id"]
    assert sandbox.ask("GET", f"{CLIENTS}/{created}", {})["connected_app"]["client_id"] == created


def test_a_fault_applies_the_given_number_of_times(sandbox: StytchSandbox) -> None:
    sandbox.fail({"operation": "create", "status": 429, "retry_after": 7, "times": 2})
    for _ in range(2):
        response = refused(sandbox, "POST", CLIENTS, NEW)
        assert (response["status_code"], response["error_type"]) == (429, "too_many_requests")
    sandbox.ask("POST", CLIENTS, NEW)
    assert total(sandbox) == 1


def test_a_fault_has_the_given_error_type(sandbox: StytchSandbox) -> None:
    sandbox.fail({"status": 400, "error_type": "too_many_connected_apps"})
    assert refused(sandbox, "POST", CLIENTS, NEW)["error_type"] == "too_many_connected_apps"


def test_a_fault_can_send_retry_after(sandbox: StytchSandbox) -> None:
    sandbox.fail({"status": 429, "retry_after": 7})
    with pytest.raises(urllib.error.HTTPError) as caught:
        sandbox.ask("POST", CLIENTS, NEW)
    with caught.value as answer:
        assert answer.headers["retry-after"] == "7"


def test_a_cut_response_leaves_the_call_performed(sandbox: StytchSandbox) -> None:
    sandbox.fail({"operation": "create", "cut": True, "times": 1})
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(
            sandbox.url + CLIENTS,
            json=NEW,
            auth=(sandbox.project_id, sandbox.secret),
            trust_env=False,
        )
    assert total(sandbox) == 1


def test_a_malformed_response_is_not_json(sandbox: StytchSandbox) -> None:
    sandbox.fail({"malformed": True, "times": 1})
    with pytest.raises(json.JSONDecodeError):
        sandbox.ask("POST", CLIENTS, NEW)


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"status": 500, "sometimes": True}, "faults.0.sometimes"),
    "an unknown operation": ({"status": 500, "operation": "explode"}, "faults.0.operation"),
    "no fault": ({"times": 1}, "give one of status, malformed and cut"),
    "two faults": ({"status": 500, "cut": True}, "give one of status, malformed and cut"),
    "a success": ({"status": 200}, "faults.0.status"),
    "a long latency": ({"latency": 61}, "faults.0.latency"),
    "no times": ({"status": 500, "times": 0}, "faults.0.times"),
    "a wait without a status": ({"latency": 1, "retry_after": 1}, "go with a status"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_an_invalid_fault_is_refused_with_the_reason(case: str, sandbox: StytchSandbox) -> None:
    fault, why = FAULTY[case]
    response = refused(sandbox, "PUT", "/sandbox/faults", {"faults": [fault]})
    assert response["status_code"] == 400
    assert why in response["error_message"]
    sandbox.ask("POST", CLIENTS, NEW)


def test_control_needs_the_credentials(sandbox: StytchSandbox) -> None:
    stranger = StytchSandbox(sandbox.url, sandbox.project_id, "secret-test-wrong")
    assert refused(stranger, "POST", "/sandbox/reset", {})["status_code"] == 401
    assert refused(stranger, "PUT", "/sandbox/faults", {"faults": []})["status_code"] == 401


def test_control_works_while_everything_fails(sandbox: StytchSandbox) -> None:
    sandbox.fail({"status": 500})
    sandbox.ask("DELETE", "/sandbox/faults", {})
    assert total(sandbox) == 0


def test_the_health_check_responds(sandbox: StytchSandbox) -> None:
    with urlopen(f"{sandbox.url}/healthz") as response:  # noqa: S310 - our own URL
        assert response.read() == b"ok"


def test_the_description_has_the_url_of_the_sandbox(sandbox: StytchSandbox) -> None:
    with urlopen(f"{sandbox.url}/openapi.json") as response:  # noqa: S310 - our own URL
        described = json.load(response)
    assert described["servers"] == [{"url": sandbox.url}]
    assert {"/sandbox/reset", "/sandbox/faults"} <= described["paths"].keys()


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
def test_the_official_sdk_meets_a_fault_and_then_none(sandbox: StytchSandbox) -> None:
    client = stytch.Client(
        project_id=sandbox.project_id, secret=sandbox.secret, environment=f"{sandbox.url}/"
    )
    sandbox.fail({"operation": "create", "status": 503, "times": 1})
    with pytest.raises(StytchError) as caught:
        client.connected_app.clients.create(client_type="first_party")
    assert caught.value.details.error_type == "internal_server_error"
    assert client.connected_app.clients.create(client_type="first_party").status_code == 200


async def test_a_latency_delays_every_call_but_not_control(connect: Any) -> None:
    http = await connect(create_sandbox(latency=60.0))
    with anyio.fail_after(30):
        reset = await http.post(http.base_url.copy_with(path="/sandbox/reset"), json={})
        assert reset.status_code == 200
    with pytest.raises(TimeoutError), anyio.fail_after(0.2):
        await http.post(http.base_url.copy_with(path=CLIENTS), json=NEW)


OTHER_PROJECT = """
import stytch

pytest_plugins = ["connected_apps_mcp.sandbox.testing"]


def client(sandbox):
    return stytch.Client(
        project_id=sandbox.project_id, secret=sandbox.secret, environment=f"{sandbox.url}/"
    ).connected_app.clients


def test_one(stytch_sandbox):
    client(stytch_sandbox).create(client_type="first_party", client_name="Mine")
    stytch_sandbox.fail({"status": 500})


def test_another_begins_empty(stytch_sandbox):
    assert client(stytch_sandbox).search().connected_apps == []
"""


def test_the_fixture_serves_the_tests_of_another_project(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(OTHER_PROJECT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_theirs.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout


def test_the_env_file_has_url_and_credentials_until_the_end(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.env"
    command = [*SERVER, "sandbox", "serve", "--port", "0", "--env-file", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = [process.stdout.readline() for _ in range(3)][-1].split()[-1]
        given = dict(line.split("=", 1) for line in file.read_text().splitlines()[1:])
        mode = file.stat().st_mode & 0o777
        with urlopen(f"{url}/healthz") as response:  # noqa: S310 - our own URL
            response.read()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert given["CONNECTED_APPS_MCP_BASE_URL"] == url
    assert given.keys() >= {"STYTCH_PROJECT_ID", "STYTCH_SECRET"}
    assert mode == 0o600
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_program_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MINE=1\n")
    command = [*SERVER, "sandbox", "serve", "--port", "0", "--env-file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "exists, and another program wrote it" in done.stderr
    assert file.read_text() == "MINE=1\n"
