"""Two replicas behind the nginx that docs/how-to/replicas.md configures."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from balancer import confirmed, modern_call, nginx, say_yes, sent_to
from mcp import Client
from mcp.client.sse import sse_client
from ports import free_port
from support import ERAS, answer, running

NAMES = ("a", "b")


@dataclass
class Replicas:
    """Two replicas, by name, behind one address."""

    url: str
    processes: dict[str, subprocess.Popen[str]]
    ports: dict[str, int]
    log: Path

    def served(self) -> Counter[str]:
        """How many requests each replica has answered."""
        names = {str(port): name for name, port in self.ports.items()}
        answered = (line.rpartition(":")[2] for line in self.log.read_text().split("\n") if line)
        return Counter(names[port] for port in answered)

    def of_session(self, session_id: str) -> str:
        """The replica in which a session lives."""
        return session_id.partition("-")[0]


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    keys = tmp_path / "state-keys"
    keys.touch(0o600)
    keys.write_text("k" * 40)
    port, ports = free_port(), {name: free_port() for name in NAMES}
    with ExitStack() as stack:
        processes = {}
        for name in NAMES:
            process = stack.enter_context(
                running(
                    *("--sandbox", "--sandbox-db", str(tmp_path / "apps.db")),
                    *("--data-dir", str(tmp_path / "data"), "--secret-store", "file"),
                    *("--transport", "http,sse", "--port", str(ports[name])),
                    *("--replica-name", name, "--public-url", f"http://127.0.0.1:{port}"),
                    *("--state-key-file", str(keys), "--confirm", "always"),
                )
            )
            assert process.stderr
            assert "Serving" in process.stderr.readline()
            processes[name] = process
        stack.enter_context(nginx(tmp_path, port, ports))
        yield Replicas(f"http://127.0.0.1:{port}", processes, ports, tmp_path / "replicas")


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_of_each_era_works_behind_nginx(replicas: Replicas, era: str) -> None:
    async with Client(f"{replicas.url}/mcp", mode=era, elicitation_callback=say_yes) as client:
        for _ in range(3):
            created = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
            app = {"client_id": created["app"]["client_id"]}
            answer(await client.call_tool("get_app", app))
            answer(await client.call_tool("delete_app", app))
    assert len(replicas.served()) == (2 if era == "auto" else 1)


async def test_the_sse_transport_works_behind_nginx(replicas: Replicas) -> None:
    sessions = sse_client(f"{replicas.url}/sse")
    async with Client(sessions, mode="legacy", elicitation_callback=say_yes) as client:
        for _ in range(5):
            answer(await client.call_tool("search_apps", {}))
    assert len(replicas.served()) == 1


def test_a_question_of_one_replica_is_answered_at_the_other_and_only_once(
    replicas: Replicas,
) -> None:
    host = replicas.url.removeprefix("http://")
    first, second = (f"http://127.0.0.1:{replicas.ports[name]}" for name in NAMES)
    create = modern_call("create_app", arguments={"client_type": "first_party"})
    created = sent_to(first, create, host)["structuredContent"]
    delete = modern_call("delete_app", arguments={"client_id": created["app"]["client_id"]})
    answered = confirmed(delete, sent_to(first, delete, host))
    assert sent_to(second, answered, host)["structuredContent"]["deleted"]
    again = sent_to(first, answered, host)
    assert again["isError"]


def test_each_session_stays_in_the_replica_that_its_id_names(replicas: Replicas) -> None:
    sessions = [open_session(replicas.url) for _ in range(4)]
    assert {replicas.of_session(each) for each in sessions} == set(NAMES)
    for session in sessions:
        for _ in range(5):
            assert ping(replicas.url, session).status_code == 200


def test_the_session_of_a_replica_that_is_gone_is_unknown_to_the_other(
    replicas: Replicas,
) -> None:
    sessions = [open_session(replicas.url) for _ in range(2)]
    (gone,) = [each for each in sessions if replicas.of_session(each) == "a"]
    replicas.processes["a"].kill()
    replicas.processes["a"].wait()
    assert ping(replicas.url, gone).status_code == 404
    assert replicas.of_session(open_session(replicas.url)) == "b"


def test_a_replica_that_shuts_down_leaves_no_request_without_an_answer(
    replicas: Replicas,
) -> None:
    host = replicas.url.removeprefix("http://")
    search = modern_call("search_apps")
    replicas.processes["a"].terminate()
    while replicas.processes["a"].poll() is None:
        assert "apps" in sent_to(replicas.url, search, host)["structuredContent"]
    assert "apps" in sent_to(replicas.url, search, host)["structuredContent"]
    assert replicas.processes["a"].returncode == 0


HEADERS = {"accept": "application/json, text/event-stream"}


def open_session(url: str) -> str:
    """The id of a new session of the handshake era."""
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    opened = httpx2.post(f"{url}/mcp", json=hello, headers=HEADERS)
    session: str = opened.headers["mcp-session-id"]
    return session


def ping(url: str, session: str) -> httpx2.Response:
    message = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    return httpx2.post(f"{url}/mcp", json=message, headers={**HEADERS, "mcp-session-id": session})
