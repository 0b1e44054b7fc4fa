"""What tests of replicas share: the nginx that docs/how-to/replicas.md configures, and calls."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp.types import ElicitResult
from support import MODERN, cannot_run

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "replicas.md"

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


def answers(port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def configuration(folder: Path, port: int, ports: Mapping[str, int]) -> str:
    """The configuration of the page, with addresses of this machine and without TLS.

    What the page says of its second replica holds for each further one.
    """
    (text,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    text = re.sub(r"ssl_certificate\w* .*\n", "", text)
    first, *others = (f"127.0.0.1:{each}" for each in ports.values())
    (second,) = re.findall(r"    upstream replica_b \{.*?\n    \}\n", text, re.DOTALL)
    upstreams = (
        second.replace("replica_b", f"replica_{name}").replace("10.0.0.5:8001", address)
        for name, address in zip(list(ports)[1:], others, strict=True)
    )
    routes = (f"        ~^{name}- replica_{name};\n" for name in list(ports)[1:])
    for written, here in {
        second: "".join(upstreams),
        "        ~^b-    replica_b;\n": "".join(routes),
        "        server 10.0.0.5:8001;\n": "".join(f"        server {each};\n" for each in others),
        "10.0.0.5:8000": first,
        "10.0.0.5:8001": others[0],
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "server_name mcp.corp.example;": "server_name 127.0.0.1;",
        "http {": f"http {{\n    log_format replica '$upstream_addr';\n"
        f"    access_log {folder}/replicas replica;",
    }.items():
        assert written in text
        text = text.replace(written, here)
    paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"    {path}_temp_path {folder}/{path};\n" for path in paths)
    return text.replace("http {\n", f"http {{\n{temporary}", 1)


@contextmanager
def nginx(folder: Path, port: int, ports: Mapping[str, int]) -> Iterator[None]:
    """Balance between replicas, by name, until the context ends."""
    if not Path(NGINX).exists():
        cannot_run("needs nginx")
    file = folder / "nginx.conf"
    file.write_text(configuration(folder, port, ports))
    command = [NGINX, "-p", str(folder), "-e", str(folder / "errors"), "-c", str(file)]
    foreground = f"daemon off; pid {folder}/pid; master_process off;"
    with subprocess.Popen([*command, "-g", foreground]) as process:
        try:
            while not answers(port):
                assert process.poll() is None, (folder / "errors").read_text()
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


async def say_yes(context: Any, params: Any) -> ElicitResult:  # noqa: ARG001 - the SDK names them
    """A person who confirms everything."""
    return ElicitResult(action="accept", content={"confirm": True})


def modern_call(name: str, **params: Any) -> dict[str, Any]:
    """A call of a tool, in the current era, of a client that can ask a person."""
    form: dict[str, Any] = {"elicitation": {"form": {}}}
    elicits = {"io.modelcontextprotocol/clientCapabilities": form}
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": {}, "_meta": MODERN | elicits} | params,
    }


def headers_of(call: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a call in the current era."""
    return {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN["io.modelcontextprotocol/protocolVersion"],
        "mcp-method": call["method"],
        "mcp-name": call["params"]["name"],
    }


def confirmed(call: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The same call, with the answer of a person to its question."""
    answer = {
        "requestState": asked["requestState"],
        "inputResponses": {"confirm": {"action": "accept", "content": {"confirm": True}}},
    }
    return {**call, "params": {**call["params"], **answer}}


def sent_to(url: str, call: Mapping[str, Any], host: str) -> dict[str, Any]:
    """The result of a call at a replica, as a balancer sends it."""
    response = httpx2.post(f"{url}/mcp", json=call, headers=headers_of(call) | {"host": host})
    result: dict[str, Any] = response.json()["result"]
    return result
